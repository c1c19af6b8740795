/*
 * Tests of the WebSocket stream with vectors derived from the standards. Each vector is read in its
 * own chunks, whole, byte by byte, and split at every point.
 *
 * The MQTT content of the payload is checked by the session, not by the stream. If a vector is
 * rejected for its MQTT content, only the payload of its frames is compared.
 */
#include <assert.h>
#include <jansson.h>

#include "hex.h"
#include "vectors.h"
#include "ws_testing.h"

#define CHUNKS_MAX  64u
#define PLACEHOLDER "@PATH@"
#define PATH        "/mqtt"
#define BYTEWISE    SIZE_MAX
#define IN_CHUNKS   (SIZE_MAX - 1)

struct vector {
    json_t *json;
    const char *name;
    bool refused, ends;
    unsigned status;
    json_t *close_code; /* null = not in the vector */
    struct bytes input, want;
    size_t chunk_end[CHUNKS_MAX], n_chunks;
};

struct outcome {
    enum stream_result opened; /* last result of open */
    enum stream_result result; /* last result of read */
    struct bytes payload;
    struct ws_facts facts;
};

static const char *current; /* the vector being checked; null between tests */

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void add_chunk(struct vector *v, const char *hex)
{
    size_t n = strlen(hex) / 2;
    uint8_t *chunk = malloc(n + 1);
    assert_non_null(chunk);
    assert_int_equal(hex_decode(hex, chunk, n), n);
    uint8_t *at = v->n_chunks == 0 ? memmem(chunk, n, PLACEHOLDER, strlen(PLACEHOLDER)) : NULL;
    if (at) {
        bytes_add(&v->input, chunk, (size_t)(at - chunk));
        bytes_add(&v->input, PATH, strlen(PATH));
        at += strlen(PLACEHOLDER);
        bytes_add(&v->input, at, n - (size_t)(at - chunk));
    } else {
        bytes_add(&v->input, chunk, n);
    }
    assert_true(v->n_chunks < CHUNKS_MAX);
    v->chunk_end[v->n_chunks++] = v->input.n;
    free(chunk);
}

static struct vector vector_of(json_t *json)
{
    struct vector v = {.json = json,
                       .name = text_of(json, "name"),
                       .refused = strcmp(text_of(json, "expect"), "reject") == 0,
                       .close_code = json_object_get(json, "close_code"),
                       .status =
                           (unsigned)json_integer_value(json_object_get(json, "http_status"))};
    const char *after = text_of(json, "after"), *mqtt = text_of(json, "mqtt_hex");
    json_t *chunk;
    size_t i;
    json_array_foreach(json_object_get(json, "chunks"), i, chunk)
        add_chunk(&v, json_string_value(chunk));
    v.ends = after && strcmp(after, "eof") == 0;
    v.want.p = malloc(strlen(mqtt) / 2 + 1);
    assert_non_null(v.want.p);
    v.want.n = hex_decode(mqtt, v.want.p, strlen(mqtt) / 2);
    return v;
}

/* Open the stream and read until there is no more input. */
static void advance(struct stream *st, struct outcome *o)
{
    if (is_want(o->opened))
        o->opened = open_fully(st);
    if (o->opened == STREAM_OK && is_want(o->result))
        o->result = read_fully(st, 4096, &o->payload);
}

/* The end of the next segment after `at`. */
static size_t segment_end(const struct vector *v, size_t at, size_t cut)
{
    size_t i = 0;
    if (cut == BYTEWISE)
        return at + 1;
    if (cut != IN_CHUNKS)
        return at < cut ? cut : v->input.n;
    while (v->chunk_end[i] <= at)
        i++;
    return v->chunk_end[i];
}

/* Check that the output after the end of the stream is valid and contains this close code. */
static void check_output(const struct vector *v, struct stream *st, const struct outcome *o)
{
    struct span left = output_of(st);
    const char *subprotocol = text_of(v->json, "subprotocol");
    char want[32];
    snprintf(want, sizeof(want), "HTTP/1.1 %u ", v->status);
    assert_true(left.n > strlen(want) && memcmp(left.p, want, strlen(want)) == 0);
    if (v->status != 101)
        return;
    assert_string_equal(o->facts.subprotocol, subprotocol);
    const uint8_t *end = memmem(left.p, left.n, "\r\n\r\n", 4);
    assert_non_null(end);
    left = span_of(end + 4, left.n - (size_t)(end + 4 - left.p));
    struct sent_frame frame = {0};
    while (next_sent(&left, &frame))
        assert_true(left.n == 0 ? frame.first == (FIN | CLOSE) : frame.first == (FIN | PONG));
    assert_int_equal(frame.payload.n, 2);
    unsigned code = (unsigned)frame.payload.p[0] << 8 | frame.payload.p[1];
    assert_int_equal(code, json_is_integer(v->close_code) ? json_integer_value(v->close_code)
                                                          : WS_CLOSE_NORMAL);
    assert_int_equal(o->facts.close_code_sent, code);
}

/* Send the input in segments: `cut` is a position, BYTEWISE or IN_CHUNKS. */
static struct outcome run(const struct vector *v, size_t cut)
{
    struct outcome o = {.opened = STREAM_WANT_READ, .result = STREAM_WANT_READ};
    struct stream *st = ws_over((struct stream_memory_script){0});
    struct stream *inner = stream_ws_inner(st);
    for (size_t at = 0, end; at < v->input.n; at = end) {
        end = segment_end(v, at, cut);
        if (!is_want(o.opened) && !is_want(o.result))
            break;
        stream_memory_feed(inner, span_of(v->input.p + at, end - at), v->ends && end == v->input.n);
        advance(st, &o);
    }
    assert_int_equal(close_fully(st), STREAM_OK);
    stream_ws_facts(st, &o.facts);
    assert_int_equal(o.facts.status, v->status);
    check_output(v, st, &o);
    stream_free(st);
    return o;
}

static void check_outcome(const struct vector *v, const struct outcome *o)
{
    const bool refused_by_frame = v->refused && json_is_integer(v->close_code);
    const bool refused_by_mqtt = v->refused && !refused_by_frame;
    if (v->status != 101) {
        assert_int_equal(o->opened, STREAM_ERR);
        return;
    }
    assert_int_equal(o->opened, STREAM_OK);
    if (!refused_by_mqtt)
        assert_bytes(bytes_span(&o->payload), v->want.p, v->want.n);
    if (refused_by_frame)
        assert_int_equal(o->result, STREAM_ERR);
    else if (v->ends || json_is_integer(v->close_code))
        assert_int_equal(o->result, STREAM_EOF);
    else
        assert_int_equal(o->result, STREAM_WANT_READ);
}

static void check_way(const struct vector *v, size_t cut)
{
    struct outcome o = run(v, cut);
    check_outcome(v, &o);
    bytes_free(&o.payload);
}

static void for_each_vector(void **state, void (*check)(const struct vector *v))
{
    json_t *json;
    size_t i;
    json_array_foreach((json_t *)*state, i, json)
    {
        struct vector v = vector_of(json);
        current = v.name;
        check(&v);
        bytes_free(&v.input);
        bytes_free(&v.want);
    }
    current = NULL;
}

static void check_chunks(const struct vector *v)
{
    check_way(v, IN_CHUNKS);
    check_way(v, v->input.n);
}

static void check_bytewise(const struct vector *v)
{
    check_way(v, BYTEWISE);
}

static void check_every_cut(const struct vector *v)
{
    for (size_t cut = 1; cut < v->input.n; cut++)
        check_way(v, cut);
}

static void result_is_as_the_standard_requires(void **state)
{
    for_each_vector(state, check_chunks);
}

static void result_is_the_same_byte_by_byte(void **state)
{
    for_each_vector(state, check_bytewise);
}

static void result_is_the_same_for_every_split(void **state)
{
    for_each_vector(state, check_every_cut);
}

/* A failed assertion ends the test immediately: print the name of the vector. */
static int name_the_vector(void **state)
{
    (void)state;
    if (current)
        print_error("vector: %s\n", current);
    current = NULL;
    return 0;
}

int main(void)
{
    json_t *list = vectors_load("websocket.jsonl");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(result_is_as_the_standard_requires, NULL,
                                                 name_the_vector, list),
        cmocka_unit_test_prestate_setup_teardown(result_is_the_same_byte_by_byte, NULL,
                                                 name_the_vector, list),
        cmocka_unit_test_prestate_setup_teardown(result_is_the_same_for_every_split, NULL,
                                                 name_the_vector, list),
    };
    int failed = cmocka_run_group_tests_name("stream_ws_vectors", tests, NULL, NULL);
    printf("%zu vectors\n", json_array_size(list));
    json_decref(list);
    return failed;
}
