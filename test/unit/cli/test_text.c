/*
 * test_text.c - tables: columns are aligned for any text.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "unit.h"

static const char *const titles[] = {"NAME", ">N", "WHY", NULL};

/* The output of a table with three columns; freed by the caller. */
static char *printed(const char *const *cells, size_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct table *table = table_new(titles);
    for (size_t i = 0; i < n; i++)
        table_text(table, cells[i]);
    assert_true(table_end(table, out, stderr));
    assert_int_equal(fclose(out), 0);
    return text;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    const char *const cells[] = {"node-one", "5", NULL, "b", "1234", "because"};
    char *text = printed(cells, ARRAY_LEN(cells));
    assert_string_equal(text, "NAME         N  WHY\n"
                              "node-one     5  -\n"
                              "b         1234  because\n");
    free(text);
}

/* UAX #11: U+65E5 and U+672C are wide; U+0301 combines with the letter before it. */
static void wide_and_combining_characters_have_their_terminal_width(void **state)
{
    (void)state;
    const char *const cells[] = {"\u65e5\u672c", "1", "x", "e\u0301", "2", "y",
                                 "\u00fcber",    "3", "z"};
    char *text = printed(cells, ARRAY_LEN(cells));
    assert_string_equal(text, "NAME  N  WHY\n"
                              "\u65e5\u672c  1  x\n"
                              "e\u0301     2  y\n"
                              "\u00fcber  3  z\n");
    free(text);
}

static void control_characters_are_escaped_and_columns_stay_aligned(void **state)
{
    (void)state;
    const char *const cells[] = {"a\nb", "1", "\x1b[2J", "\xff\"", "2", "\u202e\\"};
    char *text = printed(cells, ARRAY_LEN(cells));
    assert_string_equal(text, "NAME      N  WHY\n"
                              "a\\u000ab  1  \\u001b[2J\n"
                              "\\ufffd\\\"  2  \\u202e\\\\\n");
    free(text);
}

static void a_long_text_is_truncated_between_characters(void **state)
{
    (void)state;
    char name[400] = "";
    for (int i = 0; i < 100; i++)
        strcat(name, "\u20ac"); /* three bytes each */
    const char *const cells[] = {name, "1", ""};
    char *text = printed(cells, ARRAY_LEN(cells));
    const char *line = strchr(text, '\n') + 1;
    assert_int_equal(strspn(line, "\xe2\x82\xac"), 129);
    assert_string_equal(line + 129, "...  1  -\n");
    free(text);
}

static void values_are_shown_in_readable_units(void **state)
{
    (void)state;
    char value[FORMAT_MAX];
    assert_string_equal(format_bytes(0, value), "0 B");
    assert_string_equal(format_bytes(1023, value), "1023 B");
    assert_string_equal(format_bytes(1024, value), "1.0 KiB");
    assert_string_equal(format_bytes(1048575, value), "1.0 MiB");
    assert_string_equal(format_bytes(INT64_MAX, value), "8192.0 PiB");
    assert_string_equal(format_duration(59, value), "59 s");
    assert_string_equal(format_duration(3599, value), "59 min");
    assert_string_equal(format_duration(3660, value), "1 h 1 min");
    assert_string_equal(format_duration(90000, value), "1 d 1 h");
    assert_string_equal(format_permille(333, value), "33.3 %");
    assert_string_equal(format_permille(1000, value), "100.0 %");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(wide_and_combining_characters_have_their_terminal_width),
        cmocka_unit_test(control_characters_are_escaped_and_columns_stay_aligned),
        cmocka_unit_test(a_long_text_is_truncated_between_characters),
        cmocka_unit_test(values_are_shown_in_readable_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
