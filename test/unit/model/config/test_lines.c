/*
 * test_lines.c - the line map is in step with jansson's values, and safe on any text.
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

static void a_member_stands_where_its_key_stands(void **state)
{
    (void)state;
    const uint32_t line[] = {2, 3, 4, 6};
    expect_lines("\n{\n\"a\"\n:{\"b\":1\n}\n,\"c\"\n:\n2}", line, ARRAY_LEN(line));
}

static void an_element_stands_where_its_value_begins(void **state)
{
    (void)state;
    const uint32_t line[] = {1, 2, 3, 4, 4, 6, 7};
    expect_lines("[\n1,\n\"x\",\n[true\n],\n{\n\"a\":null}]", line, ARRAY_LEN(line));
}

static void quotes_brackets_and_line_ends_in_text_do_not_count(void **state)
{
    (void)state;
    const uint32_t line[] = {1, 1, 2};
    expect_lines("{\"a\\\"]}{[,:\\n\\\\\":\"}\\\"\\\\\",\r\n\"b\":-1.5e3}", line, ARRAY_LEN(line));
}

/* Walk both together: each value of jansson has its entry, and containers their contents. */
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

static void every_value_of_a_real_file_has_its_entry(void **state)
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

static void depth_needs_no_stack(void **state)
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

/* Any bytes at all, each text in an allocation of its own size. */
static void any_text_leaves_a_map_that_can_be_walked(void **state)
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
        cmocka_unit_test(a_member_stands_where_its_key_stands),
        cmocka_unit_test(an_element_stands_where_its_value_begins),
        cmocka_unit_test(quotes_brackets_and_line_ends_in_text_do_not_count),
        cmocka_unit_test(every_value_of_a_real_file_has_its_entry),
        cmocka_unit_test(depth_needs_no_stack),
        cmocka_unit_test(any_text_leaves_a_map_that_can_be_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
