/* test_dump.c - a dumped configuration contains all values of the file, and the defaults. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/config/dump.h"
#include "unit.h"

static struct config *parse(const char *text, const char *name)
{
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), name, &messages);
    for (size_t i = 0; !config && i < messages.n; i++)
        print_error("%s\n", messages.list[i].text);
    config_messages_fini(&messages);
    return config;
}

static char *dump_of_file(const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), SOURCE_DIR "/config/%s", name);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    char *text = json_dumps(root, 0);
    struct config *config = parse(text, "/etc/x/config.json");
    assert_non_null(config);
    char *dump = config_dump(config);
    assert_non_null(dump);
    config_free(config);
    json_decref(root);
    free(text);
    return dump;
}

/*
 * Check that every value of the file is in the dump. The dump has lists even for single values, and
 * absolute file names.
 */
static void expect_in(const json_t *file, const json_t *dump, const char *path)
{
    const char *key;
    json_t *value;
    if (json_is_object(file) && json_is_object(dump)) {
        json_object_foreach((json_t *)(uintptr_t)file, key, value)
        {
            json_t *found = json_object_get(dump, key);
            if (!found)
                fail_msg("%s.%s is not in the dump", path, key);
            expect_in(value, found, key);
        }
    } else if (json_is_array(dump) && !json_is_array(file)) {
        expect_in(file, json_array_get(dump, 0), path);
    } else if (json_is_array(dump)) {
        for (size_t i = 0; i < json_array_size(file); i++)
            expect_in(json_array_get(file, i), json_array_get(dump, i), path);
    } else if (json_is_string(file) && json_is_object(dump)) { /* a rule that is only a source */
        expect_in(file, json_object_get(dump, "from"), path);
    } else if (json_is_string(file)) {
        const char *said = json_string_value(dump), *wanted = json_string_value(file);
        const char *tail = strncmp(wanted, "unix:", 5) == 0 ? wanted + 5 : wanted;
        const bool ends = said && strlen(said) >= strlen(tail) &&
                          strcmp(said + strlen(said) - strlen(tail), tail) == 0;
        const bool network = said && strncmp(said, wanted, strlen(wanted)) == 0;
        if (!ends && !network)
            fail_msg("%s: %s became %s", path, wanted, said ? said : "nothing");
    } else {
        assert_true(json_is_number(file) ? json_number_value(file) == json_number_value(dump)
                                         : json_equal(file, dump));
    }
}

static void every_key_of_the_file_is_in_the_dump(void **state)
{
    (void)state;
    json_t *file = json_load_file(SOURCE_DIR "/config/every-key.json", 0, NULL);
    char *text = dump_of_file("every-key.json");
    json_t *dump = json_loads(text, 0, NULL);
    assert_non_null(dump);
    expect_in(file, dump, "");
    json_decref(dump);
    json_decref(file);
    free(text);
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    struct config *config =
        parse("{\"listeners\":[{\"name\":\"l\",\"address\":\":1883\",\"cluster\":\"c\"}],"
              "\"clusters\":[{\"name\":\"c\",\"nodes\":[{\"name\":\"n\",\"address\":"
              "\"192.0.2.1:1883\"}]}]}",
              "config.json");
    char *text = config_dump(config);
    json_t *dump = json_loads(text, 0, NULL);
    int dial_ms, weight;
    const char *level;
    assert_int_equal(json_unpack(dump, "{s:{s:i}, s:{s:s}, s:[{s:[{s:i}]}]}", "timeouts", "dial_ms",
                                 &dial_ms, "log", "level", &level, "clusters", "nodes", "weight",
                                 &weight),
                     0);
    assert_int_equal(dial_ms, 3000);
    assert_int_equal(weight, 1);
    assert_string_equal(level, "info");
    assert_null(json_object_get(dump, "workers"));
    json_decref(dump);
    free(text);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_the_file_is_in_the_dump),
        cmocka_unit_test(defaults_are_filled_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
