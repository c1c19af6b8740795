/*
 * fuzz_check_answer.c - check invariants of the evaluation of a health check's answer.
 *
 * The input is the answer of a node. It is evaluated as the answer to an mqtt check and to an http
 * check. The user name in the request and the expected codes are derived from the input, too.
 *
 *   - splitting the input does not change the verdict: the parser returns MORE until there is a
 *     verdict, and further bytes do not change it
 *   - CHECK_ANSWER_MAX bytes are always enough for a verdict
 *   - the verdict (good, no new sessions, bad) agrees with a second implementation of MQTT 3.1.1
 *     table 3.1, and with the configured codes
 *   - only a CONNACK with code 0 opens a session
 *   - the reason is always one line of text
 *   - our own parsers accept the request (a CONNECT or an HTTP head) and find the configured
 *     values; a tcp check sends only the PROXY header
 */
#include "control/health/check_dialogue.h"
#include "law.h"
#include "wire/http/head.h"
#include "wire/mqtt/connect.h"

#define INPUT_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum parse_result result;
    struct check_verdict verdict;
};

static struct outcome judge(const struct check_target *target, const uint8_t *data, size_t n)
{
    struct outcome o;
    uint8_t *exact = exact_copy(data, n);

    memset(&o.verdict, 0, sizeof(o.verdict));
    o.result = check_judge(target, span_of(exact, n), &o.verdict);
    free(exact);
    LAW(o.result != PARSE_MORE || n < CHECK_ANSWER_MAX);
    LAW((o.result == PARSE_MORE) == (o.verdict.why[0] == '\0'));
    LAW(memchr(o.verdict.why, '\0', CHECK_WHY_MAX) != NULL);
    for (const char *p = o.verdict.why; *p; p++)
        LAW(*p >= ' ' && *p < 0x7f);
    return o;
}

static bool same_answer(const struct outcome *a, const struct outcome *b)
{
    return a->result == b->result && a->verdict.result == b->verdict.result &&
           a->verdict.accepted == b->verdict.accepted &&
           strcmp(a->verdict.why, b->verdict.why) == 0;
}

static void split_equals_whole(const struct check_target *target, const struct outcome *whole,
                               const uint8_t *data, size_t size)
{
    bool decided = false;

    for (size_t n = 0; n < size; n++) {
        struct outcome o = judge(target, data, n);
        LAW(!decided || o.result != PARSE_MORE);
        decided = o.result != PARSE_MORE;
        LAW(!decided || same_answer(&o, whole));
    }
}

/*
 * Return the offset of the two bytes after the fixed header, or 0 (MQTT 3.1.1 section 3.2). The
 * length can use more bytes than necessary: 3.1.1 allows this, and this function does not validate
 * it.
 */
static size_t connack_body(const uint8_t *data, size_t size)
{
    size_t at = 1, length = 0;

    for (unsigned shift = 0; at < size && at <= 4; shift += 7) {
        length |= (size_t)(data[at] & 0x7f) << shift;
        if (data[at++] < 0x80)
            return data[0] == 0x20 && length == 2 && size - at >= 2 && data[at] <= 1 ? at : 0;
    }
    return 0;
}

static void mqtt_answer_is_as_the_table_says(const struct outcome *o, const uint8_t *data,
                                             size_t size)
{
    const size_t body = connack_body(data, size);

    LAW((o->result == PARSE_DONE) == (body > 0));
    LAW(o->result != PARSE_BAD || o->verdict.result == CHECK_BAD);
    if (body == 0)
        return;
    const uint8_t code = data[body + 1];
    LAW(o->verdict.accepted == (code == 0));
    if (code == 3) /* server unavailable */
        LAW(o->verdict.result == CHECK_NO_NEW);
    else
        LAW(o->verdict.result == (code <= 5 ? CHECK_GOOD : CHECK_BAD));
}

static bool has_code(const uint32_t *list, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == code)
            return true;
    return false;
}

static void http_answer_is_as_configured(const struct outcome *o, const uint8_t *data,
                                         const struct health_check_conf *conf)
{
    unsigned code;
    char digits[4] = {0};

    LAW(!o->verdict.accepted);
    if (o->result != PARSE_DONE) {
        LAW(o->result != PARSE_BAD || o->verdict.result == CHECK_BAD);
        return;
    }
    memcpy(digits, data + 9, 3);
    LAW(memcmp(data, "HTTP/1.", 7) == 0 && sscanf(digits, "%3u", &code) == 1);
    if (has_code(conf->expect, conf->n_expect, code))
        LAW(o->verdict.result == CHECK_GOOD);
    else if (has_code(conf->no_new, conf->n_no_new, code))
        LAW(o->verdict.result == CHECK_NO_NEW);
    else
        LAW(o->verdict.result == CHECK_BAD);
}

/* If the cluster uses PROXY headers, one precedes the request. */
static void the_question_can_be_read(const struct check_target *target)
{
    struct buffer out = {0};
    struct address local = {.in = {.sin_family = AF_INET}};
    uint8_t header[PROXY_V2_MAX];
    struct mqtt_connect got;

    LAW(check_ask(target, &local, &out));
    size_t header_n = check_proxy_header(target, &local, header);
    const struct span sent = span_of(buffer_bytes(&out), buffer_len(&out));
    LAW(sent.n > header_n && memcmp(sent.p, header, header_n) == 0);
    const uint8_t *connect = sent.p + header_n;
    mqtt_connect_init(&got, true, MQTT_CONNECT_MAX_BYTES_LIMIT);
    LAW(mqtt_connect_read(&got, connect, sent.n - header_n) == PARSE_DONE);
    LAW(got.packet_n == sent.n - header_n && got.version == 4 && got.clean_start && !got.has_will);
    LAW(span_equal(mqtt_connect_client_id(&got, connect), span_of_str(target->client_id)));
    LAW(span_equal(mqtt_connect_username(&got, connect), span_of_str(target->username)));
    buffer_release(&out);
}

static void check_mqtt(const uint8_t *data, size_t size, struct dice *dice)
{
    struct health_check_conf health = {.type = CHECK_TYPE_MQTT, .timeout_ms = 3000};
    struct cluster_conf cluster = {.health_check = &health,
                                   .proxy_protocol = (enum proxy_protocol)dice_roll(dice, 3)};
    struct endpoint endpoint = {.address = {.in = {.sin_family = AF_INET}}};
    char *name = (char *)exact_new(size + 1);

    memcpy(name, data, size);
    name[size] = '\0';
    const struct check_target target = {.conf = &cluster,
                                        .endpoint = &endpoint,
                                        .client_id = "check-1",
                                        .username = dice_roll(dice, 2) ? name : NULL,
                                        .password = dice_roll(dice, 2) ? name : NULL};
    struct outcome o = judge(&target, data, size);
    mqtt_answer_is_as_the_table_says(&o, data, size);
    split_equals_whole(&target, &o, data, size);
    the_question_can_be_read(&target);
    free(name);
}

/* The head has one request line, and one of its fields is Host. */
static void the_request_can_be_read(const struct check_target *target)
{
    const struct health_check_conf *conf = target->conf->health_check;
    const struct address local = {.in = {.sin_family = AF_INET}};
    struct buffer out = {0};
    struct http_head head;
    struct http_item item;
    bool has_host = false;

    LAW(check_ask(target, &local, &out));
    http_head_init(&head, 8192);
    LAW(http_head_next(&head, buffer_bytes(&out), buffer_len(&out), &item) == PARSE_DONE);
    LAW(span_equal(item.name, span_of_str(conf->method)) && item.minor == 1);
    LAW(span_equal(item.value, span_of_str(conf->path)));
    do {
        LAW(http_head_next(&head, buffer_bytes(&out), buffer_len(&out), &item) == PARSE_DONE);
        has_host = has_host || (item.kind == HTTP_FIELD &&
                                http_same_word(item.name, span_of_str("host")) && item.value.n > 0);
    } while (item.kind != HTTP_END);
    LAW(has_host && head.head_n == buffer_len(&out));
    buffer_release(&out);
}

static void a_tcp_check_sends_the_proxy_header_at_most(struct dice *dice)
{
    struct health_check_conf health = {.type = CHECK_TYPE_TCP};
    struct cluster_conf cluster = {.health_check = &health,
                                   .proxy_protocol = (enum proxy_protocol)dice_roll(dice, 3)};
    struct endpoint endpoint = {.address = {.in = {.sin_family = AF_INET}}};
    const struct check_target target = {.conf = &cluster, .endpoint = &endpoint};
    const struct address local = {.in = {.sin_family = AF_INET}};
    uint8_t header[PROXY_V2_MAX];
    const size_t header_n = check_proxy_header(&target, &local, header);
    struct buffer out = {0};

    LAW(check_ask(&target, &local, &out) && buffer_len(&out) == header_n);
    LAW(header_n == 0 || memcmp(buffer_bytes(&out), header, header_n) == 0);
    buffer_release(&out);
}

static void check_http(const uint8_t *data, size_t size, struct dice *dice)
{
    uint32_t expect[2] = {200, (uint32_t)(100 + dice_roll(dice, 900))};
    uint32_t no_new[2] = {503, (uint32_t)(100 + dice_roll(dice, 900))};
    static const char *const texts[] = {"192.0.2.1:18083", "[2001:db8::1]:18083", "unix:/run/n"};
    struct health_check_conf health = {.type = CHECK_TYPE_HTTP,
                                       .method = (char *)"GET",
                                       .path = (char *)"/status",
                                       .expect = expect,
                                       .n_expect = 1 + dice_roll(dice, 2),
                                       .no_new = no_new,
                                       .n_no_new = dice_roll(dice, 3)};
    struct cluster_conf cluster = {.health_check = &health};
    struct endpoint endpoint;
    LAW(endpoint_parse(texts[dice_roll(dice, 3)], false, &endpoint));
    const struct check_target target = {.conf = &cluster, .endpoint = &endpoint};
    struct outcome o = judge(&target, data, size);

    the_request_can_be_read(&target);
    http_answer_is_as_configured(&o, data, &health);
    split_equals_whole(&target, &o, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);

    if (size == 0 || size > INPUT_MAX)
        return 0;
    check_mqtt(data, size, &dice);
    check_http(data, size, &dice);
    a_tcp_check_sends_the_proxy_header_at_most(&dice);
    return 0;
}
