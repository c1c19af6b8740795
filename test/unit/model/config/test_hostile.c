/*
 * test_hostile.c - for any file, the loader reports errors with their place and rule.
 *
 * Replaces each value of a shipped file with each wrong value, changes bytes at random (from a
 * fixed seed), and parses JSON that is deeply nested, very long or repetitive.
 */
#include <stdbool.h>

#include <jansson.h>

#include "testing.h"
#include "unit.h"

/* Values that are wrong for any key. The test finds their line by MARK. */
#define MARK "987654321987"
static const char *const wrong_value[] = {
    "-" MARK,
    "0." MARK,
    "\"" MARK "\\u0001\"",
    "\"" MARK "\\u0000\"",
    "{\"" MARK "\":1}",
    "[[\"" MARK "\"]]",
    "1e300",
    "null",
    "true",
    "[]",
    "{}",
    "[{}]",
    "\"\"",
    "9223372036854775807",
    "-1",
};

static unsigned line_of(const char *text, const char *mark)
{
    unsigned line = 1;
    const char *found = strstr(text, mark);
    assert_non_null(found);
    for (const char *p = text; p < found; p++)
        line += *p == '\n';
    return line;
}

/* True for the few keys for which a wrong value is valid. */
static bool is_allowed(const char *path, const char *wrong)
{
    static const char *const row[][2] = {
        {"timeouts", "{}"},
        {"limits", "{}"},
        {"log", "{}"},
        {"admin", "{}"},
        {"listeners[1].identity", "{}"},
        {"listeners[1].tls.session_tickets", "{}"},
        {"listeners[2].websocket", "{}"},
        {"clusters[0].tls", "{}"},
        {"clusters[0].proxy_protocol_tlvs", "[]"},
        {"listeners[0].tcp_defer_accept", "true"},
        {"listeners[1].dual_stack", "true"},
        {"listeners[1].tls.strict_sni", "true"},
        {"listeners[2].accept_proxy_protocol", "true"},
        {"listeners[1].tls.detach", "true"},
        {"clusters[0].tls.detach", "true"},
        {"clusters[0].tls.verify", "true"},
        {"clusters[0].nodes[2].backup", "true"},
        {"clusters[0].node_defaults", "{}"},
        {"clusters[0].passive", "{}"},
        {"clusters[0].homecoming", "{}"},
        {"clusters[0].homecoming.after_scale_out", "true"},
        {"clusters[0].replay", "true"},
        {"limits.per_source", "{}"},
        {"limits.flapping", "{}"},
        {"limits.flapping.refuse", "true"},
        {"sandbox", "true"},
        {"clusters[0].health_check.no_new", "[]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        if (strcmp(path, row[i][0]) == 0 && strcmp(wrong, row[i][1]) == 0)
            return true;
    }
    return false;
}

/* Expect an error for this path, on the marked line if the value contains MARK. */
static void expect_error_at(const json_t *root, const char *path, const char *wrong)
{
    char wanted[256];
    bool found = false;
    struct config_messages messages;
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    struct config *config = parse_exactly(text, strlen(text), &messages);
    bool allowed = is_allowed(path, wrong);
    bool marked = strstr(wrong, MARK) && wrong[0] != '[' && wrong[0] != '{';
    snprintf(wanted, sizeof wanted, ": %s%s", path, marked ? ": " : "");
    for (size_t i = 0; i < messages.n; i++)
        found |= strstr(messages.list[i].text, wanted) &&
                 (!marked || messages.list[i].line == line_of(text, MARK));
    if (found == allowed || (config == NULL) == allowed)
        fail_msg("%s = %s: %s", path, wrong, messages.n ? messages.list[0].text : "no message");
    config_messages_fini(&messages);
    config_free(config);
    free(text);
}

static void replace_inside(json_t *root, json_t *value, const char *path);

/*
 * With a sanitizer, run every fourth case: 15 wrong values are not a multiple of 4, so each of them
 * is still used with keys of all kinds.
 */
static bool is_left_out(void)
{
    static unsigned turn;
    return SANITIZED && turn++ % 4 != 0;
}

/* Replace a value with each wrong one, restore it, and continue with the values inside it. */
static void replace_member(json_t *root, json_t *object, const char *key, const char *path)
{
    json_t *right = json_incref(json_object_get(object, key));
    for (size_t i = 0; i < ARRAY_LEN(wrong_value); i++) {
        if (is_left_out())
            continue;
        json_t *wrong = json_loads(wrong_value[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        json_object_set_new(object, key, wrong);
        expect_error_at(root, path, wrong_value[i]);
    }
    json_object_set(object, key, right);
    replace_inside(root, right, path);
    json_decref(right);
}

static void replace_element(json_t *root, json_t *array, size_t index, const char *path)
{
    json_t *right = json_incref(json_array_get(array, index));
    for (size_t i = 0; i < ARRAY_LEN(wrong_value); i++) {
        if (is_left_out())
            continue;
        json_t *wrong = json_loads(wrong_value[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        json_array_set_new(array, index, wrong);
        expect_error_at(root, path, wrong_value[i]);
    }
    json_array_set(array, index, right);
    replace_inside(root, right, path);
    json_decref(right);
}

static void replace_inside(json_t *root, json_t *value, const char *path)
{
    char inner[512];
    const char *key;
    json_t *member;
    void *next;
    json_object_foreach_safe(value, next, key, member)
    {
        snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", key);
        replace_member(root, value, key, inner);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        snprintf(inner, sizeof inner, "%s[%zu]", path, i);
        replace_element(root, value, i, inner);
    }
}

static void a_wrong_value_anywhere_is_an_error_at_its_path_and_line(void **state)
{
    (void)state;
    json_t *root = json_load_file(SOURCE_DIR "/config/every-key.json", 0, NULL);
    assert_non_null(root);
    replace_inside(root, root, "");
    json_decref(root);
}

/* Check the invariants that hold for every text. */
static void keep_the_laws(const char *text, size_t n)
{
    struct config_messages messages;
    uint32_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    struct config *config = parse_exactly(text, n, &messages);
    size_t errors = 0;
    for (size_t i = 0; i < messages.n; i++) {
        const struct config_message *message = &messages.list[i];
        errors += !message->warning;
        assert_true(strncmp(message->text, "config.json:", 12) == 0);
        assert_true(message->line <= lines);
        assert_true(i == 0 || messages.list[i - 1].line <= message->line);
        for (const char *p = message->text; *p; p++)
            assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
    }
    if (messages.n < 1000) /* further errors are only counted */
        assert_int_equal(errors, messages.errors);
    assert_int_equal(config == NULL, messages.errors > 0);
    config_messages_fini(&messages);
    config_free(config);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void random_changes_keep_the_invariants(void **state)
{
    (void)state;
    static const char byte[] = "{}[],:\"\\\n\r0-1.eEtrufalsn \x01\x7f\xc2\x9b\xff\0";
    uint64_t seed = 1;
    size_t n;
    char *text = read_whole(SOURCE_DIR "/config/every-key.json", &n);
    char *changed = malloc(n);
    for (unsigned round = 0; round < (SANITIZED ? 2000u : 20000u); round++) {
        size_t n_changed = round % 3 ? n : next_random(&seed) % (n + 1);
        memcpy(changed, text, n_changed);
        for (uint32_t i = next_random(&seed) % 4; n_changed && i > 0; i--)
            changed[next_random(&seed) % n_changed] = byte[next_random(&seed) % sizeof byte];
        keep_the_laws(changed, n_changed);
    }
    free(changed);
    free(text);
}

static void repeat_and_keep_the_laws(const char *head, const char *middle, size_t times,
                                     const char *tail)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    fputs(head, out);
    for (size_t i = 0; i < times; i++)
        fprintf(out, middle, (unsigned)i);
    fputs(tail, out);
    fclose(out);
    keep_the_laws(text, n);
    free(text);
}

static void deep_long_and_wide_texts_keep_the_invariants(void **state)
{
    (void)state;
    repeat_and_keep_the_laws("", "[", 100000, "");
    repeat_and_keep_the_laws("", "{\"a\":", 100000, "");
    repeat_and_keep_the_laws("{\"x\":", "[", 2000, "");
    repeat_and_keep_the_laws("{\"listeners\":", "[", 2000, "1");
    repeat_and_keep_the_laws("{", "\"k%u\":[],\n", 20000, "\"end\":1}");
    repeat_and_keep_the_laws("{\"listeners\":[", "%u,", 20000, "1]}");
    repeat_and_keep_the_laws("{\"listeners\":[", "{\"name\":\"n\",\"address\":\":%u\"},\n", 255,
                             "{}]}");
    repeat_and_keep_the_laws("{\"workers\":\"", "%u", 100000, "\"}");
    repeat_and_keep_the_laws("{\"", "%u", 100000, "\":1}");
    repeat_and_keep_the_laws("{\"workers\":1", "%u", 100000, "}");
    repeat_and_keep_the_laws("{\"workers\":1e", "%u", 1000, "}");
    keep_the_laws("", 0);
    keep_the_laws("\0", 1);
    keep_the_laws("{\"a\0b\":1}", 9);
}

static void excess_errors_are_counted_but_not_listed(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    fputc('{', out);
    for (unsigned i = 0; i < 3000; i++)
        fprintf(out, "\"unknown%u\":1,\n", i);
    fputs("\"workers\":0}", out);
    fclose(out);
    struct config_messages messages;
    assert_null(parse_exactly(text, n, &messages));
    assert_int_equal(messages.errors, 3003);
    assert_int_equal(messages.n, 1001);
    assert_string_equal(messages.list[1000].text, "config.json: more messages are not listed");
    config_messages_fini(&messages);
    free(text);
}

static void a_file_that_is_too_large_is_rejected(void **state)
{
    (void)state;
    struct config_messages messages;
    assert_null(config_parse("", (size_t)CONFIG_FILE_MAX + 1, "config.json", &messages));
    assert_int_equal(messages.n, 1);
    assert_string_equal(messages.list[0].text,
                        "config.json: must be at most 16777216 bytes long, got 16777217");
    config_messages_fini(&messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_value_anywhere_is_an_error_at_its_path_and_line),
        cmocka_unit_test(random_changes_keep_the_invariants),
        cmocka_unit_test(deep_long_and_wide_texts_keep_the_invariants),
        cmocka_unit_test(excess_errors_are_counted_but_not_listed),
        cmocka_unit_test(a_file_that_is_too_large_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
