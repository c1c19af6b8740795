/*
 * fuzz_ws_stream.c - check invariants of the WebSocket stream, in both directions.
 *
 * The input is the frames that a client sends after a valid upgrade request. A hash of the input
 * decides how the inner stream splits data, the sizes of reads, and what is written between reads.
 * Payload is read into buffers of exact size, and the scripted stream asserts that blocked writes
 * are repeated unchanged.
 *
 *   - payload, result and close code agree with a second decoder in this file, however reads and
 *     writes are split
 *   - the stream writes only complete frames of the shortest form: binary frames with the written
 *     payload, in order; pongs with the payload of received pings, in order; and a final close
 *     frame with a valid code that matches the result
 *   - if nothing blocks, the stream answers the last ping
 *   - after the stream has ended, the rest of its input can still be read and discarded
 */
#include "law.h"
#include "net/stream_memory.h"
#include "net/ws/stream.h"

#define INPUT_MAX   (1u << 17)
#define PINGS_MAX   4096u
#define WRITTEN_MAX 40000u
#define ROUNDS_MAX  (1u << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char request[] =
    "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n";

static const struct stream_ws_conf conf = {.upgrade = {.path = {(const uint8_t *)"/mqtt", 5}}};

struct ping {
    uint8_t n, payload[125];
};

/* Result of the second decoder for the whole input. */
struct second {
    uint8_t *payload; /* owned */
    size_t payload_n;
    enum stream_result end;  /* ERR: a rule was violated; EOF: closed, or the end of the input */
    unsigned sent, received; /* close codes */
    size_t n_pings;
    struct ping pings[PINGS_MAX];
};

static unsigned bad_close(const uint8_t *p, size_t n)
{
    if (n == 0)
        return 0;
    unsigned code = n == 1 ? 0 : (unsigned)p[0] << 8 | p[1];
    bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                (code >= 3000 && code <= 4999);
    if (!good)
        return 1002;
    for (size_t i = 2; i < n;) { /* Validate UTF-8 by its bits, without a table. */
        unsigned lead = p[i], more = lead < 0x80   ? 0
                                     : lead < 0xc0 ? 9
                                     : lead < 0xe0 ? 1
                                     : lead < 0xf0 ? 2
                                     : lead < 0xf8 ? 3
                                                   : 9;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (more == 9 || i + more >= n)
            return 1002;
        uint32_t c = more == 0 ? lead : lead & (0x3fu >> more);
        for (unsigned k = 1; k <= more; k++) {
            if ((p[i + k] & 0xc0) != 0x80)
                return 1002;
            c = c << 6 | (p[i + k] & 0x3fu);
        }
        if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return 1002;
        i += 1 + more;
    }
    return 0;
}

static void second_fails(struct second *s, unsigned code)
{
    s->end = STREAM_ERR;
    s->sent = code;
}

/* Check a whole control frame, which is unmasked. Return true if reading ends with this frame. */
static bool second_control(struct second *s, unsigned opcode, const uint8_t *p, size_t n)
{
    if (opcode == 9) {
        LAW(s->n_pings < PINGS_MAX);
        s->pings[s->n_pings].n = (uint8_t)n;
        memcpy(s->pings[s->n_pings++].payload, p, n);
    }
    if (opcode != 8)
        return false;
    if (bad_close(p, n)) {
        second_fails(s, 1002);
        return true;
    }
    s->received = n == 0 ? 1005 : (unsigned)p[0] << 8 | p[1];
    s->sent = n == 0 ? 1000 : s->received;
    return true;
}

/* Check the rules that need only a frame's header and its first payload byte. */
static unsigned broken_rule(unsigned first, unsigned second, bool in_message)
{
    unsigned opcode = first & 15;

    if (first & 0x70 || !(second & 0x80) || (opcode > 2 && opcode < 8) || opcode > 10)
        return 1002;
    if (opcode == 1)
        return 1003;
    return (opcode == 0 && !in_message) || (opcode == 2 && in_message) ? 1002 : 0;
}

static void second_opinion(struct second *s, const uint8_t *p, size_t n)
{
    bool in_message = false;

    s->payload = exact_new(n);
    s->payload_n = s->n_pings = 0;
    s->end = STREAM_EOF;
    s->received = 1006;
    s->sent = 1000;
    for (size_t at = 0; n - at >= 2;) {
        const unsigned first = p[at], second = p[at + 1], opcode = first & 15;
        const bool control = opcode & 8;
        size_t length_n = (second & 127) == 126 ? 2 : (second & 127) == 127 ? 8 : 0;
        uint64_t length = length_n ? 0 : second & 127;
        if (control && (!(first & 0x80) || (second & 127) > 125))
            return second_fails(s, 1002);
        if (n - at < 2 + length_n)
            return;
        for (size_t i = 0; i < length_n; i++)
            length = length << 8 | p[at + 2 + i];
        if ((length_n == 2 && length < 126) || (length_n == 8 && (length < 65536 || length >> 63)))
            return second_fails(s, 1002);
        at += 2 + length_n;
        size_t mask_n = second & 0x80 ? 4 : 0;
        if (n - at < mask_n + (length > 0))
            return;
        if (broken_rule(first, second, in_message))
            return second_fails(s, broken_rule(first, second, in_message));
        const uint8_t *mask = p + at;
        at += 4;
        size_t here = (size_t)(length < n - at ? length : n - at);
        uint8_t *out = s->payload + s->payload_n;
        for (size_t i = 0; i < here; i++)
            out[i] = p[at + i] ^ mask[i % 4];
        at += here;
        if (!control) {
            in_message = !(first & 0x80);
            s->payload_n += here;
        } else if (here == length && second_control(s, opcode, out, here)) {
            return;
        }
        if (here < length)
            return;
    }
}

/* The stream under test, between its two scripted sides. */
struct run {
    struct stream *st;
    const struct second *want;
    struct dice *dice;
    size_t piece_max;
    size_t read_n;             /* payload bytes read; they equal those of the second decoder */
    uint8_t *written;          /* owned; what the node wrote */
    size_t written_n, write_n; /* total size */
    bool plain;                /* no call blocks, and nothing is written between reads */
};

static bool is_want(enum stream_result r)
{
    return r == STREAM_WANT_READ || r == STREAM_WANT_WRITE;
}

static enum stream_result read_some(struct run *r)
{
    size_t n = 1 + dice_roll(r->dice, r->piece_max), got = 0;
    uint8_t *piece = exact_new(n);
    enum stream_result result = stream_read(r->st, piece, n, &got);

    if (result == STREAM_OK) {
        LAW(got >= 1 && got <= n && got <= r->want->payload_n - r->read_n);
        LAW(memcmp(piece, r->want->payload + r->read_n, got) == 0);
        r->read_n += got;
    }
    free(piece);
    return result;
}

static void write_some(struct run *r)
{
    size_t put = 0, left = r->write_n - r->written_n;

    if (left == 0)
        return;
    enum stream_result result = stream_write(r->st, r->written + r->written_n, left, &put);
    LAW(result == STREAM_OK || result == STREAM_WANT_WRITE);
    if (result == STREAM_OK) {
        LAW(put >= 1 && put <= left);
        r->written_n += put;
    }
}

static void to_the_end(struct run *r)
{
    enum stream_result result = STREAM_OK;
    size_t rounds = 0;

    while (result == STREAM_OK || is_want(result)) {
        LAW(++rounds < ROUNDS_MAX);
        if (!r->plain && dice_roll(r->dice, 3) == 0)
            write_some(r);
        result = read_some(r);
    }
    LAW(result == r->want->end);
    LAW(r->read_n == r->want->payload_n);
    while (r->written_n < r->write_n)
        write_some(r);
    while (is_want(result = stream_close_write(r->st)))
        LAW(++rounds < ROUNDS_MAX);
    LAW(result == STREAM_OK);
    do {
        size_t got;
        uint8_t byte;
        result = stream_read(r->st, &byte, 1, &got);
        LAW(++rounds < ROUNDS_MAX);
    } while (is_want(result));
    LAW(result == STREAM_EOF);
    LAW(stream_memory_unread(stream_ws_inner(r->st)) == 0);
}

/*
 * Take a server frame, which must be complete and in its shortest form, from the start of `left`.
 */
static unsigned next_frame(struct span *left, struct span *payload)
{
    LAW(left->n >= 2);
    unsigned first = left->p[0], header_n = left->p[1] == 126 ? 4 : 2;
    LAW(left->p[1] <= 126 && left->n >= header_n);
    size_t n = header_n == 4 ? (size_t)left->p[2] << 8 | left->p[3] : left->p[1];
    LAW((header_n == 2 || n >= 126) && n <= WS_FRAME_PAYLOAD_MAX && left->n >= header_n + n);
    *payload = span_of(left->p + header_n, n);
    *left = span_of(left->p + header_n + n, left->n - header_n - n);
    return first;
}

static void output_is_lawful(const struct run *r)
{
    struct span left = stream_memory_output(stream_ws_inner(r->st)), payload, last = {0};
    size_t bytes_n = 0, ping = 0;
    bool closed = false;

    const uint8_t *end = memmem(left.p, left.n, "\r\n\r\n", 4);
    LAW(end != NULL && memcmp(left.p, "HTTP/1.1 101 ", 13) == 0);
    left = span_of(end + 4, left.n - (size_t)(end + 4 - left.p));
    while (left.n > 0) {
        LAW(!closed);
        unsigned first = next_frame(&left, &payload);
        if (first == 0x82) {
            LAW(payload.n <= r->written_n - bytes_n);
            LAW(memcmp(payload.p, r->written + bytes_n, payload.n) == 0);
            bytes_n += payload.n;
        } else if (first == 0x8a) {
            const struct ping *pings = r->want->pings;
            while (ping < r->want->n_pings &&
                   !span_equal(payload, span_of(pings[ping].payload, pings[ping].n)))
                ping++;
            LAW(ping++ < r->want->n_pings);
            last = payload;
        } else {
            LAW(first == 0x88 && payload.n == 2);
            LAW(((unsigned)payload.p[0] << 8 | payload.p[1]) == r->want->sent);
            closed = true;
        }
    }
    LAW(closed);
    /* after a close frame of the client or of the stream, no data is delivered */
    LAW(bytes_n == r->write_n || r->want->end == STREAM_ERR || r->want->received != 1006);
    if (r->plain && r->want->received == 1006 && r->want->end == STREAM_EOF &&
        r->want->n_pings > 0) {
        const struct ping *newest = &r->want->pings[r->want->n_pings - 1];
        LAW(last.p && span_equal(last, span_of(newest->payload, newest->n)));
    }
}

static void check(const struct second *want, struct span input, struct dice *dice, bool plain)
{
    struct stream_memory_script script = {.input = input, .eof = true};
    uint8_t *written = exact_new(WRITTEN_MAX);
    struct run r = {.want = want,
                    .dice = dice,
                    .piece_max = plain ? INPUT_MAX : 1 + dice_roll(dice, 300),
                    .written = written,
                    .write_n = plain ? 0 : dice_roll(dice, dice_roll(dice, 4) ? 400 : WRITTEN_MAX),
                    .plain = plain};
    struct ws_facts facts;

    for (size_t i = 0; i < r.write_n; i++)
        written[i] = (uint8_t)(i * 7 + i / 256);
    if (!plain) {
        script.read_max = dice_roll(dice, 2) ? 0 : 1 + dice_roll(dice, 40);
        script.write_max = dice_roll(dice, 2) ? 0 : 1 + dice_roll(dice, 60);
        script.wait_every = (unsigned)(dice_roll(dice, 2) ? 0 : 2 + dice_roll(dice, 5));
    }
    struct stream *inner = stream_memory_new(&script);
    LAW(inner != NULL);
    r.st = stream_ws_accept(inner, &conf);
    LAW(r.st != NULL);
    enum stream_result result;
    while (is_want(result = stream_open(r.st)))
        ;
    LAW(result == STREAM_OK);
    to_the_end(&r);
    output_is_lawful(&r);
    stream_ws_facts(r.st, &facts);
    LAW(facts.close_code_sent == want->sent);
    LAW(want->end == STREAM_ERR || facts.close_code_received == want->received);
    stream_free(r.st);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct second want; /* static because it is large; used by this call only */
    struct dice dice = dice_from(data, size);
    const size_t request_n = sizeof(request) - 1;

    if (size > INPUT_MAX || size / 6 >= PINGS_MAX)
        return 0;
    uint8_t *input = exact_new(request_n + size);
    memcpy(input, request, request_n);
    if (size > 0)
        memcpy(input + request_n, data, size);
    second_opinion(&want, data, size);
    check(&want, span_of(input, request_n + size), &dice, true);
    check(&want, span_of(input, request_n + size), &dice, false);
    free(want.payload);
    free(input);
    return 0;
}
