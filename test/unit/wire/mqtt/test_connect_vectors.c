/*
 * test_connect_vectors.c - the CONNECT reader and the CONNACK composer against the vectors made
 * from the standards: whole, cut at each interesting place, byte by byte, strict and lenient, with
 * every input ending at a guard page.
 *
 * If a vector leaves the result open, `decision` below contains our choice. If our CONNACK is
 * allowed but not the preferred one, `deviation` gives the reason.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "hex.h"
#include "unit.h"
#include "vectors.h"
#include "wire/mqtt/connack.h"
#include "wire/mqtt/connect.h"

struct vector {
    json_t *json;
    const char *name, *expect, *class, *reason;
    uint8_t *bytes;
    size_t n;
};

/* The outcome of reading one input in one way. */
struct outcome {
    enum parse_result result;
    size_t decided_at; /* bytes available when the result was known */
    struct mqtt_connect c;
};

static struct guard_page guard;
static const char *current; /* the vector being checked; null between tests */

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static struct outcome begin(bool lenient)
{
    struct outcome o = {.result = PARSE_MORE};

    mqtt_connect_init(&o.c, lenient, MQTT_CONNECT_MAX_BYTES_LIMIT);
    return o;
}

/* Pass the first n bytes; their address changes, because they always end at the guard page. */
static void feed(struct outcome *o, const struct vector *v, size_t n)
{
    if (o->result != PARSE_MORE)
        return;
    const uint8_t *p = guard_page_put(&guard, v->bytes, n);
    o->result = mqtt_connect_read(&o->c, p, n);
    o->decided_at = n;
    if (o->c.packet_n != 0)
        assert_in_range(o->c.packet_n, 14, MQTT_CONNECT_MAX_BYTES_LIMIT);
}

static struct outcome read_whole(const struct vector *v, bool lenient)
{
    struct outcome o = begin(lenient);

    feed(&o, v, v->n);
    return o;
}

static struct outcome read_split(const struct vector *v, bool lenient, size_t at)
{
    struct outcome o = begin(lenient);

    feed(&o, v, at);
    feed(&o, v, v->n);
    return o;
}

static struct outcome read_bytewise(const struct vector *v, bool lenient)
{
    struct outcome o = begin(lenient);

    for (size_t n = 0; n <= v->n; n++)
        feed(&o, v, n);
    return o;
}

/* Compare all results of the reader; its internal state may differ. */
static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->result, b->result);
    assert_int_equal(a->c.fault, b->c.fault);
    assert_int_equal(a->c.version, b->c.version);
    assert_int_equal(a->c.bridge, b->c.bridge);
    assert_int_equal(a->c.clean_start, b->c.clean_start);
    assert_int_equal(a->c.has_will, b->c.has_will);
    assert_int_equal(a->c.has_username, b->c.has_username);
    assert_int_equal(a->c.keep_alive_s, b->c.keep_alive_s);
    assert_int_equal(a->c.session_expiry_s, b->c.session_expiry_s);
    assert_int_equal(a->c.max_packet_size, b->c.max_packet_size);
    assert_int_equal(a->c.level, b->c.level);
    assert_int_equal(a->c.level_seen, b->c.level_seen);
    assert_int_equal(a->c.client_id_at, b->c.client_id_at);
    assert_int_equal(a->c.client_id_n, b->c.client_id_n);
    assert_int_equal(a->c.username_at, b->c.username_at);
    assert_int_equal(a->c.username_n, b->c.username_n);
    assert_int_equal(a->c.packet_n, b->c.packet_n);
}

static struct outcome read_every_way(const struct vector *v, bool lenient)
{
    struct outcome whole = read_whole(v, lenient);
    json_t *at;
    size_t i;

    json_array_foreach(json_object_get(v->json, "split_at"), i, at)
    {
        struct outcome o = read_split(v, lenient, (size_t)json_integer_value(at));
        assert_same(&whole, &o);
    }
    if (json_is_true(json_object_get(v->json, "bytewise"))) {
        struct outcome o = read_bytewise(v, lenient);
        assert_same(&whole, &o);
    }
    return whole;
}

static void assert_span_is(const struct vector *v, const char *text_key, const char *hex_key,
                           struct span got)
{
    const json_t *text = json_object_get(v->json, text_key);
    const char *hex = text_of(v->json, hex_key);
    char *got_hex = malloc(2 * got.n + 1);

    assert_non_null(got_hex);
    hex_encode(got.p, got.n, got_hex);
    if (strcmp(v->expect, "reject") == 0 && hex == NULL) {
        /* the vector leaves it open */
    } else if (json_object_get(v->json, hex_key) != NULL) {
        assert_int_equal(got.p != NULL, hex != NULL);
        assert_string_equal(got_hex, hex ? hex : "");
    } else {
        assert_int_equal(got.p != NULL, json_is_string(text));
        assert_true(span_equal(got, span_of(json_string_value(text), json_string_length(text))));
    }
    free(got_hex);
}

/* The accepted packet names the same client, user and end as the vector does. */
static void assert_says(const struct vector *v, const struct outcome *o)
{
    json_t *version = json_object_get(v->json, "version");
    json_t *connect_len = json_object_get(v->json, "connect_len");
    const uint8_t *p = v->bytes;

    assert_int_equal(o->c.version, json_integer_value(version));
    assert_int_equal(o->c.bridge, json_is_true(json_object_get(v->json, "bridge")));
    assert_int_equal(o->c.packet_n, connect_len ? (size_t)json_integer_value(connect_len) : v->n);
    assert_span_is(v, "client_id", "client_id_hex", mqtt_connect_client_id(&o->c, p));
    assert_span_is(v, "username", "username_hex", mqtt_connect_username(&o->c, p));
}

/*
 * The reason why the CONNACK is not the preferred one of those allowed; null if it must be. The
 * reader rejects on the first byte that proves a fault. If that byte precedes the protocol level,
 * the client's version is unknown.
 */
static const char *deviation(const struct vector *v)
{
    if (strstr(v->reason, "fixed header flags"))
        return "decided on the protocol name's length";
    if (strcmp(v->name, "v5-cut-10") == 0 || strcmp(v->name, "v5-no-payload") == 0)
        return "a remaining length below 12 holds no CONNECT of any version";
    return NULL;
}

static void assert_connack_is_right(const struct vector *v, const struct outcome *o)
{
    uint8_t connack[MQTT_CONNACK_REFUSAL_MAX];
    char hex[2 * MQTT_CONNACK_REFUSAL_MAX + 1];
    size_t n = mqtt_connack_for_fault(&o->c, connack), i;
    const char *preferred = text_of(v->json, "connack_hex_on_reject");
    bool allowed = false;
    json_t *ok;

    hex_encode(connack, n, hex);
    json_array_foreach(json_object_get(v->json, "connack_ok"), i, ok) allowed |=
        json_is_null(ok) ? n == 0 : strcmp(json_string_value(ok), hex) == 0;
    assert_true(allowed);
    if (deviation(v) == NULL)
        assert_string_equal(hex, preferred ? preferred : "");
    else
        assert_int_equal(n, 0);
}

/* Our decision on a vector that the standard leaves open: null = accepted, else the reason. */
static const char *decision(const struct vector *v)
{
    static const char *const refused[] = {
        "is not UTF-8",                /* 3.1 section 2.5 requires UTF-8 */
        "after the last field",        /* two readers may disagree on where it ends */
        "property length not minimal", /* [MQTT-1.5.5-1] */
        "Payload Format Indicator",    /* 5.0: 3.1.3.2.3 */
    };

    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (strstr(v->reason, refused[i]))
            return refused[i];
    /* Only 5.0 requires the minimal form of the remaining length. */
    if (strstr(v->reason, "remaining length not minimal") && starts_with(v->name, "v5-"))
        return "MQTT-1.5.5-1";
    return NULL;
}

static void check_strict(const struct vector *v)
{
    struct outcome o = read_every_way(v, false);
    bool either = strcmp(v->expect, "either") == 0;

    if (strcmp(v->expect, "accept") == 0 || (either && decision(v) == NULL)) {
        assert_int_equal(o.result, PARSE_DONE);
        assert_says(v, &o);
    } else if (v->class && strcmp(v->class, "incomplete") == 0 &&
               o.c.fault != MQTT_FAULT_TOO_LARGE) {
        assert_int_equal(o.result, PARSE_MORE);
    } else {
        assert_int_equal(o.result, PARSE_BAD);
        assert_connack_is_right(v, &o);
    }
}

static void check_lenient(const struct vector *v)
{
    struct outcome o = read_every_way(v, true);
    bool semantic = v->class && strcmp(v->class, "semantic") == 0;

    if (strcmp(v->expect, "accept") == 0 || semantic) {
        assert_int_equal(o.result, PARSE_DONE);
        assert_says(v, &o);
    } else if (v->class && strcmp(v->class, "framing") == 0) {
        assert_int_equal(o.result, PARSE_BAD);
    } else if (strcmp(v->expect, "either") == 0 && o.result == PARSE_DONE) {
        assert_says(v, &o);
    }
}

/* PARSE_BAD is returned on the same byte and for the same rule for every split. */
static void check_earliest_byte(const struct vector *v)
{
    struct outcome bytewise;

    if (!json_is_true(json_object_get(v->json, "bytewise")))
        return;
    bytewise = read_bytewise(v, false);
    if (bytewise.result != PARSE_BAD)
        return;
    struct outcome before = begin(false);
    if (bytewise.decided_at > 0)
        feed(&before, v, bytewise.decided_at - 1);
    assert_int_equal(before.result, PARSE_MORE);
    feed(&before, v, bytewise.decided_at);
    assert_same(&before, &bytewise);
}

static void for_each_vector(void **state, void (*check)(const struct vector *v))
{
    json_t *list = *state, *json;
    size_t i;

    json_array_foreach(list, i, json)
    {
        const char *hex = text_of(json, "hex");
        struct vector v = {.json = json,
                           .name = text_of(json, "name"),
                           .expect = text_of(json, "expect"),
                           .class = text_of(json, "class"),
                           .reason = text_of(json, "reason"),
                           .bytes = malloc(strlen(hex) / 2 + 1)};
        assert_non_null(v.bytes);
        v.n = hex_decode(hex, v.bytes, strlen(hex) / 2);
        current = v.name;
        check(&v);
        free(v.bytes);
    }
    current = NULL;
}

/* A failed assertion ends the test immediately: print the name of the vector. */
static int name_the_vector(void **state)
{
    (void)state;
    if (current != NULL)
        print_error("vector: %s\n", current);
    current = NULL;
    return 0;
}

static void strict_result_is_as_the_standard_requires(void **state)
{
    for_each_vector(state, check_strict);
}

static void lenient_mode_accepts_semantic_faults(void **state)
{
    for_each_vector(state, check_lenient);
}

static void rejection_is_on_the_earliest_byte(void **state)
{
    for_each_vector(state, check_earliest_byte);
}

int main(void)
{
    json_t *list = vectors_load("connect.jsonl");

    guard = guard_page_new(MQTT_CONNECT_MAX_BYTES_LIMIT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(strict_result_is_as_the_standard_requires, NULL,
                                                 name_the_vector, list),
        cmocka_unit_test_prestate_setup_teardown(lenient_mode_accepts_semantic_faults, NULL,
                                                 name_the_vector, list),
        cmocka_unit_test_prestate_setup_teardown(rejection_is_on_the_earliest_byte, NULL,
                                                 name_the_vector, list),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%zu vectors\n", json_array_size(list));
    json_decref(list);
    guard_page_free(&guard);
    return failed;
}
