/*
 * test_keys.c - the table of configuration keys: each help text is one sentence.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/config/table.h"
#include "unit.h"

#define HELP_MIN 15u

static void check_help(const char *path, const char *help)
{
    const size_t n = strlen(help);
    if (n < HELP_MIN || help[n - 1] != '.')
        fail_msg("%s: a help text is a sentence with a period: %s", path, help);
    if (!isupper((unsigned char)help[0]) && help[0] != '`')
        fail_msg("%s: a help text starts with a capital letter or a quoted string: %s", path, help);
    if (strstr(help, ". "))
        fail_msg("%s: a help text is one sentence: %s", path, help);
    if (strchr(help, '|'))
        fail_msg("%s: a \"|\" would end the cell of the reference: %s", path, help);
    static const char *const references[] = {"above", "as before", "of them that", "the same as"};
    for (size_t i = 0; i < ARRAY_LEN(references); i++)
        if (strstr(help, references[i]) && !strstr(help, "above which"))
            fail_msg("%s: a help text must not need another row: %s", path, help);
}

static void check_table(const char *above, const struct config_table *table)
{
    for (size_t i = 0; i < table->n_keys; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s.%s", above, table->keys[i].key);
        assert_non_null(table->keys[i].help);
        check_help(path, table->keys[i].help);
        if (table->keys[i].table)
            check_table(path, table->keys[i].table);
    }
}

static void each_help_text_is_one_sentence(void **state)
{
    (void)state;
    check_table("", &config_top_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_help_text_is_one_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
