/*
 * fuzz_ws_upgrade.c - check invariants of the WebSocket upgrade parser and its responses.
 *
 * The input is what a client sends (captures can be seeds). The listener's path is "/mqtt" and the
 * client address header is X-Forwarded-For. Buffers have exactly the size of their content.
 *
 *   - splitting the input does not change the result, and the parser returns MORE for each prefix
 *     of a valid request
 *   - the results BAD and DONE are final
 *   - an accepted head ends with its first empty line, and a simple parser that splits lines finds
 *     the same key, a subprotocol and one Host
 *   - the forwarded list is printable and bounded, and equals the end of the list that the simple
 *     parser finds
 *   - every response is valid HTTP, with the headers that its status requires and a body of the
 *     declared length
 *   - a WebSocket stream opens if, and only if, the parser accepts, however the bytes are split; it
 *     sends that response and reports the same facts
 */
#include <strings.h>

#include "law.h"
#include "net/stream_memory.h"
#include "net/ws/stream.h"

#define INPUT_MAX (2 * WS_UPGRADE_HEAD_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct stream_ws_conf stream_conf = {
    .upgrade = {.path = {(const uint8_t *)"/mqtt", 5},
                .client_address_header = {(const uint8_t *)"X-Forwarded-For", 15}}};

static enum parse_result feed(struct ws_upgrade *u, const uint8_t *data, size_t n)
{
    uint8_t *exact = exact_copy(data, n);
    enum parse_result r = ws_upgrade_read(u, exact, n);

    free(exact);
    LAW((r == PARSE_MORE) == (u->status == 0));
    LAW((r == PARSE_DONE) == (u->status == 101));
    LAW((r == PARSE_BAD) == (u->fault != NULL));
    LAW(r != PARSE_MORE || n < WS_UPGRADE_HEAD_MAX);
    return r;
}

static struct ws_upgrade read_whole(const uint8_t *data, size_t n)
{
    struct ws_upgrade u;

    ws_upgrade_init(&u, &stream_conf.upgrade);
    (void)feed(&u, data, n);
    return u;
}

static void same_answer(const struct ws_upgrade *a, const struct ws_upgrade *b)
{
    LAW(a->status == b->status);
    LAW(a->fault == b->fault || strcmp(a->fault, b->fault) == 0);
    LAW(a->subprotocol == b->subprotocol);
    LAW(a->head_n == b->head_n);
    if (a->status != 101)
        return;
    LAW(strcmp(a->key, b->key) == 0);
    LAW((ws_upgrade_forwarded(a).p == NULL) == (ws_upgrade_forwarded(b).p == NULL));
    LAW(span_equal(ws_upgrade_forwarded(a), ws_upgrade_forwarded(b)));
}

static void split_equals_whole(const struct ws_upgrade *whole, const uint8_t *data, size_t size,
                               struct dice *dice)
{
    size_t step_max = dice_roll(dice, 4) == 0 && size < 2048 ? 1 : size / 4 + 1;
    enum parse_result r = PARSE_MORE;
    struct ws_upgrade u;

    ws_upgrade_init(&u, &stream_conf.upgrade);
    for (size_t n = 0; r == PARSE_MORE && n < size;) {
        n = size_min(size, n + 1 + dice_roll(dice, step_max));
        r = feed(&u, data, n);
    }
    if (size == 0)
        (void)feed(&u, data, 0);
    same_answer(&u, whole);
}

static void decided_stays_decided(const struct ws_upgrade *whole, const uint8_t *data, size_t size,
                                  struct dice *dice)
{
    size_t extra = 1 + dice_roll(dice, 64);
    uint8_t *longer = exact_new(size + extra);

    if (size > 0)
        memcpy(longer, data, size);
    for (size_t i = 0; i < extra; i++)
        longer[size + i] = (uint8_t)dice_roll(dice, 256);
    struct ws_upgrade again = *whole, afresh = read_whole(longer, size + extra);
    (void)feed(&again, longer, size + extra);
    same_answer(&again, whole);
    same_answer(&afresh, whole);
    free(longer);
}

/* Take the next line from `left`, without its CR LF. */
static struct span next_line(struct span *left)
{
    const uint8_t *end = memmem(left->p, left->n, "\r\n", 2);

    LAW(end != NULL);
    struct span line = span_of(left->p, (size_t)(end - left->p));
    *left = span_of(end + 2, left->n - line.n - 2);
    return line;
}

/* Return the value if the line is the field `name`; otherwise an absent span. */
static struct span value_of(struct span line, const char *name)
{
    size_t n = strlen(name);

    if (line.n <= n || line.p[n] != ':' || strncasecmp((const char *)line.p, name, n) != 0)
        return (struct span){0};
    struct span value = span_of(line.p + n + 1, line.n - n - 1);
    while (value.n > 0 && strchr(" \t", value.p[0]))
        value = span_of(value.p + 1, value.n - 1);
    while (value.n > 0 && strchr(" \t", value.p[value.n - 1]))
        value.n--;
    return value;
}

/* The values that the second parser finds in an accepted head. */
struct second {
    size_t n_hosts, n_keys, n_protocols, forwarded_n;
    bool has_forwarded;
    struct span key;
    uint8_t forwarded[INPUT_MAX];
};

static void note_line(struct second *s, struct span line)
{
    struct span key = value_of(line, "Sec-WebSocket-Key");
    struct span forwarded = value_of(line, "X-Forwarded-For");

    s->n_hosts += value_of(line, "Host").p != NULL;
    s->n_protocols += value_of(line, "Sec-WebSocket-Protocol").p != NULL;
    LAW(!value_of(line, "Transfer-Encoding").p);
    if (key.p) {
        s->n_keys++;
        s->key = key;
    }
    if (!forwarded.p)
        return;
    if (s->has_forwarded) {
        memcpy(s->forwarded + s->forwarded_n, ", ", 2);
        s->forwarded_n += 2;
    }
    if (forwarded.n > 0)
        memcpy(s->forwarded + s->forwarded_n, forwarded.p, forwarded.n);
    s->forwarded_n += forwarded.n;
    s->has_forwarded = true;
}

/* `kept` must be the end of `all`, in whole elements, or `all` if it fits. */
static void keeps_the_end(struct span kept, struct span all)
{
    LAW(kept.n <= WS_UPGRADE_FORWARDED_MAX);
    for (size_t i = 0; i < kept.n; i++)
        LAW(kept.p[i] == '\t' || (kept.p[i] >= ' ' && kept.p[i] != 0x7f));
    LAW(kept.n <= all.n && (kept.n == 0 || memcmp(kept.p, all.p + all.n - kept.n, kept.n) == 0));
    LAW(all.n > WS_UPGRADE_FORWARDED_MAX || kept.n == all.n);
    if (kept.n == all.n || kept.n == 0)
        return;
    const uint8_t *before = all.p + all.n - kept.n - 1;
    while (before > all.p && *before == ' ')
        before--;
    LAW(*before == ',');
}

static void second_reader_agrees(const struct ws_upgrade *u, const uint8_t *data)
{
    static struct second s; /* static because it is large; used by this call only */
    struct span left = span_of(data, u->head_n), line;

    s = (struct second){0};
    while ((line = next_line(&left)).n == 0)
        ; /* empty lines may precede the request line */
    LAW(line.n >= strlen("GET /mqtt HTTP/1.1") && memcmp(line.p, "GET ", 4) == 0);
    LAW(memmem(line.p, line.n, "/mqtt", 5) != NULL);
    while ((line = next_line(&left)).n > 0)
        note_line(&s, line);
    LAW(left.n == 0);
    LAW(s.n_hosts == 1 && s.n_keys == 1 && s.n_protocols >= 1);
    LAW(span_equal(s.key, span_of_str(u->key)) && s.key.n == WS_KEY_N);
    struct span kept = ws_upgrade_forwarded(u);
    LAW((kept.p != NULL) == s.has_forwarded);
    if (kept.p)
        keeps_the_end(kept, span_of(s.forwarded, s.forwarded_n));
}

static void answer_is_a_response(const struct ws_upgrade *u)
{
    static const char accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    uint8_t *out = exact_new(WS_UPGRADE_RESPONSE_MAX);
    size_t n = ws_upgrade_respond(u, accept, out), length = 0;
    char status[16];

    snprintf(status, sizeof(status), "HTTP/1.1 %u ", u->status);
    LAW(n <= WS_UPGRADE_RESPONSE_MAX);
    struct span left = span_of(out, n), line = next_line(&left);
    LAW(line.n > strlen(status) && memcmp(line.p, status, strlen(status)) == 0);
    bool allows = false, versions = false, upgrades = false, accepts = false, closes = false;
    while ((line = next_line(&left)).n > 0) {
        struct span value = value_of(line, "Content-Length");
        for (size_t i = 0; i < value.n; i++)
            length = 10 * length + (size_t)(value.p[i] - '0');
        allows |= value_of(line, "Allow").p != NULL;
        versions |= value_of(line, "Sec-WebSocket-Version").p != NULL;
        upgrades |= value_of(line, "Upgrade").p != NULL;
        accepts |= value_of(line, "Sec-WebSocket-Accept").p != NULL;
        value = value_of(line, "Connection");
        closes |= value.p && memmem(value.p, value.n, "close", 5);
    }
    LAW(left.n == length || (u->is_head && left.n == 0));
    LAW(allows == (u->status == 405) && versions == (u->status == 426));
    LAW(upgrades == (u->status == 426 || u->status == 101));
    LAW(accepts == (u->status == 101) && closes == (u->status != 101));
    free(out);
}

/* The error text must contain the fault if the request was rejected. */
static void the_stream_has_failed(struct stream *st, const struct ws_upgrade *u)
{
    const char *words = stream_error(st);

    LAW(words != NULL && (u->status == 0 || strstr(words, u->fault) != NULL));
}

/* The client sends the input, and nothing more. */
static void the_stream_does_as_the_reader_says(const struct ws_upgrade *u, const uint8_t *data,
                                               size_t size, struct dice *dice)
{
    const struct stream_memory_script script = {
        .input = span_of(data, size),
        .eof = true,
        .read_max = dice_roll(dice, 2) ? 0 : 1 + dice_roll(dice, 400),
        .write_max = dice_roll(dice, 2) ? 0 : 1 + dice_roll(dice, 60),
        .wait_every = (unsigned)(dice_roll(dice, 2) ? 0 : 2 + dice_roll(dice, 5))};
    struct stream *inner = stream_memory_new(&script);
    struct stream *st = inner ? stream_ws_accept(inner, &stream_conf) : NULL;
    enum stream_result result;
    struct ws_facts facts;

    LAW(st != NULL);
    while ((result = stream_open(st)) == STREAM_WANT_READ || result == STREAM_WANT_WRITE)
        ;
    LAW(result == (u->status == 101 ? STREAM_OK : STREAM_ERR));
    stream_ws_facts(st, &facts);
    LAW(facts.status == u->status);
    const struct span sent = stream_memory_output(inner);
    LAW((sent.n == 0) == (u->status == 0));
    char status[16];
    int n = snprintf(status, sizeof(status), "HTTP/1.1 %u ", u->status);
    LAW(u->status == 0 || (sent.n > (size_t)n && memcmp(sent.p, status, (size_t)n) == 0));
    if (result == STREAM_OK) {
        LAW(facts.subprotocol != NULL && strcmp(facts.subprotocol, u->subprotocol) == 0);
        LAW((facts.forwarded.p == NULL) == (ws_upgrade_forwarded(u).p == NULL));
        LAW(span_equal(facts.forwarded, ws_upgrade_forwarded(u)));
    } else {
        the_stream_has_failed(st, u);
    }
    stream_free(st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);

    if (size > INPUT_MAX)
        return 0;
    struct ws_upgrade whole = read_whole(data, size);
    split_equals_whole(&whole, data, size, &dice);
    the_stream_does_as_the_reader_says(&whole, data, size, &dice);
    if (whole.status == 0)
        return 0;
    decided_stays_decided(&whole, data, size, &dice);
    answer_is_a_response(&whole);
    if (whole.status == 101) {
        LAW(whole.head_n <= size && whole.head_n <= WS_UPGRADE_HEAD_MAX);
        struct ws_upgrade beginning = read_whole(data, dice_roll(&dice, whole.head_n));
        LAW(beginning.status == 0);
        second_reader_agrees(&whole, data);
    }
    return 0;
}
