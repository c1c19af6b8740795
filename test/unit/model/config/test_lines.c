/*
 * test_lines.c - the line map matches the values that jansson parses, and is safe for any text.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "model/config/lines.h"
#include "testing.h"
#include "unit.h"

static void expect_lines(const char *text, const uint32_t *line, size_t n)
{
    struct config_lines lines;
    assert_true(config_lines_init(&lines, text, strlen(text)));
    assert_int_equal(lines.n, n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(config_lines_line(&lines, i), line[i]);
    assert_int_equal(config_lines_line(&lines, (uint32_t)n), 0);
    config_lines_fini(&lines);
}

static void a_member_has_the_line_of_its_key(void **state)
{
    (void)state;
    const uint32_t line[] = {2, 3, 4, 6};
    expect_lines("\n{\n\"a\"\n:{\"b\":1\n}\n,\"c\"\n:\n2}", line, ARRAY_LEN(line));
}

static void an_element_has_the_line_where_its_value_begins(void **state)
{
    (void)state;
    const uint32_t line[] = {1, 2, 3, 4, 4, 6, 7};
    expect_lines("[\n1,\n\"x\",\n[true\n],\n{\n\"a\":null}]", line, ARRAY_LEN(line));
}

static void quotes_brackets_and_escapes_in_strings_are_ignored(void **state)
{
    (void)state;
    const uint32_t line[] = {1, 1, 2};
    expect_lines("{\"a\\\"]}{[,:\\n\\\\\":\"}\\\"\\\\\",\r\n\"b\":-1.5e3}", line, ARRAY_LEN(line));
}

/* Walk both together: each value has an entry, followed by the entries of its contents. */
static uint32_t walk(const struct config_lines *lines, json_t *value, uint32_t entry)
{
    const char *key;
    json_t *inner;
    uint32_t at = config_lines_first(entry);
    assert_true(entry < lines->n);
    assert_int_equal(json_is_object(value), lines->list[entry].object);
    json_object_foreach(value, key, inner) at = walk(lines, inner, at);
    for (size_t i = 0; i < json_array_size(value); i++)
        at = walk(lines, json_array_get(value, i), at);
    assert_int_equal(at, config_lines_next(lines, entry));
    return at;
}

static void every_value_of_a_real_file_has_an_entry(void **state)
{
    (void)state;
    size_t n;
    char *text = read_whole(SOURCE_DIR "/config/every-key.json", &n);
    json_t *root = json_loadb(text, n, 0, NULL);
    struct config_lines lines;
    assert_true(config_lines_init(&lines, text, n));
    assert_int_equal(walk(&lines, root, 0), lines.n);
    config_lines_fini(&lines);
    json_decref(root);
    free(text);
}

static void deep_nesting_needs_no_stack(void **state)
{
    (void)state;
    size_t n = 1 << 22;
    char *text = malloc(n);
    struct config_lines lines;
    memset(text, '[', n);
    assert_true(config_lines_init(&lines, text, n));
    assert_int_equal(lines.n, n);
    config_lines_fini(&lines);
    memset(text, ']', n);
    assert_true(config_lines_init(&lines, text, n));
    assert_int_equal(lines.n, 0);
    config_lines_fini(&lines);
    free(text);
}

/* Random bytes, each text in an allocation of its exact size. */
static void any_text_gives_a_valid_line_map(void **state)
{
    (void)state;
    static const char byte[] = "{{[[]]}}\"\"\\,,::\n\r 1at\0\xff";
    uint32_t seed = 1;
    for (unsigned round = 0; round < 50000; round++) {
        size_t n = round % 24;
        char *text = malloc(n ? n : 1);
        struct config_lines lines;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = byte[(seed >> 16) % sizeof byte];
        }
        assert_true(config_lines_init(&lines, text, n));
        assert_true(lines.n <= n);
        for (uint32_t i = 0; i < lines.n; i++) {
            assert_true(config_lines_next(&lines, i) > i);
            assert_true(config_lines_next(&lines, i) <= lines.n);
            assert_in_range(config_lines_line(&lines, i), 1, n + 1);
        }
        config_lines_fini(&lines);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_has_the_line_of_its_key),
        cmocka_unit_test(an_element_has_the_line_where_its_value_begins),
        cmocka_unit_test(quotes_brackets_and_escapes_in_strings_are_ignored),
        cmocka_unit_test(every_value_of_a_real_file_has_an_entry),
        cmocka_unit_test(deep_nesting_needs_no_stack),
        cmocka_unit_test(any_text_gives_a_valid_line_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
