/*
 * test_memory.c - the loader reports lack of memory anywhere, without a leak.
 *
 * Includes the files of the loader with allocators that fail on demand. jansson uses them, too.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"
#include "unit.h"

static size_t allowed; /* allocations until one fails */
static bool recovers;  /* only one allocation fails, not all later ones */
static bool refused;   /* an allocation has failed */

static bool may_allocate(void)
{
    if (allowed > 0) {
        allowed--;
        return true;
    }
    refused = true;
    if (recovers)
        allowed = SIZE_MAX;
    return false;
}

static void *failing_malloc(size_t n)
{
    return may_allocate() ? malloc(n) : NULL;
}

static void *failing_calloc(size_t n, size_t size)
{
    return may_allocate() ? calloc(n, size) : NULL;
}

static void *failing_realloc(void *old, size_t n)
{
    return may_allocate() ? realloc(old, n) : NULL;
}

static void *failing_reallocarray(void *old, size_t n, size_t size)
{
    return may_allocate() ? reallocarray(old, n, size) : NULL;
}

static char *failing_strdup(const char *text)
{
    return may_allocate() ? strdup(text) : NULL;
}

/* After a single failure, jansson may report a syntax error. Then only the loader's calls fail. */
static void *jansson_malloc(size_t n)
{
    return recovers ? malloc(n) : failing_malloc(n);
}

#define malloc       failing_malloc
#define calloc       failing_calloc
#define realloc      failing_realloc
#define reallocarray failing_reallocarray
#undef strdup
#define strdup failing_strdup

#include "model/config/address.c"
#include "model/config/check/check.c"
#include "model/config/check/cluster.c"
#include "model/config/check/health.c"
#include "model/config/check/listener.c"
#include "model/config/check/nodes.c"
#include "model/config/check/rules.c"
#include "model/config/config.c"
#include "model/config/keys/cluster.c"
#include "model/config/keys/health.c"
#include "model/config/keys/listener.c"
#include "model/config/keys/nodes.c"
#include "model/config/keys/tls.c"
#include "model/config/keys/top.c"
#include "model/config/lines.c"
#include "model/config/load.c"
#include "model/config/message.c"
#include "model/config/place.c"
#include "model/config/read.c"
#include "model/config/read_list.c"
#include "model/config/read_scalar.c"
#include "model/config/read_text.c"
#include "model/config/shape.c"
#include "model/config/table.c"

#undef malloc
#undef calloc
#undef realloc
#undef reallocarray
#undef strdup

/* Parse with 0, 1, 2 ... allocations until none fails. Return how many were needed. */
static size_t sweep(const char *path, bool good)
{
    size_t n;
    char *text = read_whole(path, &n);
    for (size_t i = 0; i < 10000; i++) {
        struct config_messages messages;
        allowed = i;
        refused = false;
        struct config *config = config_parse(text, n, "config.json", &messages);
        assert_int_equal(config == NULL, messages.errors > 0);
        config_free(config);
        config_messages_fini(&messages);
        if (!refused) {
            assert_int_equal(config != NULL, good);
            free(text);
            return i;
        }
        assert_null(config);
    }
    fail();
    return 0;
}

static void out_of_memory_anywhere_is_an_error_without_a_leak(void **state)
{
    (void)state;
    assert_in_range(sweep(SOURCE_DIR "/config/every-key.json", true), 50, 9999);
    assert_in_range(sweep(SOURCE_DIR "/config/from-haproxy.json", true), 50, 9999);
    assert_in_range(sweep(SOURCE_DIR "/config/kubernetes.json", true), 50, 9999);
}

static void out_of_memory_while_reporting_errors_is_an_error_too(void **state)
{
    (void)state;
    static const char *const wrong[] = {"wrong_types_name_the_rule",
                                        "wrong_types_in_health_keys_name_the_rule"};
    char path[4096];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        snprintf(path, sizeof path, SOURCE_DIR "/test/unit/model/config/cases/%s.json", wrong[i]);
        assert_in_range(sweep(path, false), 50, 9999);
    }
}

/* One allocation fails, and later ones succeed, so the error can be reported. */
static void out_of_memory_is_reported_as_such(void **state)
{
    (void)state;
    size_t n;
    char *text = read_whole(SOURCE_DIR "/config/every-key.json", &n);
    size_t i = 0;
    recovers = true;
    for (struct config *config = NULL; !config; i++) {
        struct config_messages messages;
        allowed = i;
        config = config_parse(text, n, "config.json", &messages);
        if (!config) {
            assert_int_equal(messages.n, 1);
            assert_string_equal(messages.list[0].text, "config.json: out of memory");
        }
        config_free(config);
        config_messages_fini(&messages);
    }
    recovers = false;
    assert_in_range(i, 15, 9999);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_of_memory_anywhere_is_an_error_without_a_leak),
        cmocka_unit_test(out_of_memory_while_reporting_errors_is_an_error_too),
        cmocka_unit_test(out_of_memory_is_reported_as_such),
    };
    json_set_alloc_funcs(jansson_malloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
