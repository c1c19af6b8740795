/*
 * fuzz_session.c - check invariants of a whole session between a simulated client and simulated
 * nodes.
 *
 * The target runs a real worker with real stages (test/rig). The input selects the listener, what
 * the client and the nodes send and how it is split, where streams transfer single bytes, block,
 * fail and end, when deadlines pass, when nodes go down, and when allocations fail.
 *
 *   - the router dials no node before it has read a whole CONNECT from the client; a second parse
 *     from the first byte confirms this
 *   - a node receives the PROXY header that its cluster requires, then everything that the client
 *     sent (with WebSocket: the payload), unchanged. The same applies to a node that is tried
 *     later; without `replay`, at most one node receives bytes
 *   - the client receives a prefix of what one node sent, or of a CONNACK with which the router
 *     refuses the client, and nothing else
 *   - without a fault, a session that is ended by its peers has relayed all bytes
 *   - a session ends exactly once, with a reason; gauges return to zero, and no block, byte,
 *     descriptor, reference or list entry is leaked
 *
 * The input is a struct of one-byte choices (struct script), then the client's bytes, then the
 * bytes of the nodes.
 */
#include <errno.h>
#include <limits.h>

#include "law.h"
#include "net/ws/stream.h"
#include "session_rig.h"
#include "wire/mqtt/connect.h"
#include "wire/proxy/read.h"

#define INPUT_MAX     (1u << 14)
#define NODES         3u
#define STEPS         8u
#define DEADLINES_MAX 200u
#define ALL           255u
#define CONNECT_MAX   4000u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config_json[] =
    "{\"listeners\":["
    "{\"name\":\"plain\",\"address\":\"127.0.0.1:0\",\"cluster\":\"v2\"},"
    "{\"name\":\"lenient\",\"address\":\"127.0.0.1:0\",\"cluster\":\"v1\","
    "\"connect_validation\":\"lenient\"},"
    "{\"name\":\"balanced\",\"address\":\"127.0.0.1:0\",\"cluster\":\"bare\","
    "\"accept_proxy_protocol\":true,\"trusted_proxies\":[\"127.0.0.0/8\"]},"
    "{\"name\":\"websocket\",\"address\":\"127.0.0.1:0\",\"cluster\":\"v2\","
    "\"websocket\":{\"path\":\"/mqtt\"},\"client_address_header\":\"X-Forwarded-For\","
    "\"trusted_proxies\":[\"127.0.0.0/8\"]},"
    "{\"name\":\"both\",\"address\":\"127.0.0.1:0\",\"cluster\":\"v1\","
    "\"websocket\":{\"path\":\"/mqtt\"},\"accept_proxy_protocol\":true,"
    "\"trusted_proxies\":[\"127.0.0.0/8\"]},"
    "{\"name\":\"paced\",\"address\":\"127.0.0.1:0\",\"cluster\":\"paced\"}],"
    "\"clusters\":["
    "{\"name\":\"v2\",\"proxy_protocol\":\"v2\",\"proxy_protocol_tlvs\":[\"alpn\",\"authority\","
    "\"ssl\",\"unique_id\",\"crc32c\"],\"nodes\":["
    "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},{\"name\":\"b\",\"address\":\"192.0.2.2:"
    "1883\"},"
    "{\"name\":\"c\",\"address\":\"192.0.2.3:1883\"}]},"
    "{\"name\":\"v1\",\"proxy_protocol\":\"v1\",\"replay\":false,"
    "\"route_by\":[\"username\",\"client_id\"],\"nodes\":["
    "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},{\"name\":\"b\",\"address\":\"192.0.2.2:"
    "1883\"},"
    "{\"name\":\"c\",\"address\":\"192.0.2.3:1883\"}]},"
    "{\"name\":\"bare\",\"source_addresses\":[\"127.0.0.2\",\"127.0.0.3\"],\"proxy_protocol\":"
    "\"none\","
    "\"empty_client_id\":\"refuse\",\"nodes\":["
    "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},{\"name\":\"b\",\"address\":\"192.0.2.2:"
    "1883\"},"
    "{\"name\":\"c\",\"address\":\"192.0.2.3:1883\"}]},"
    "{\"name\":\"paced\",\"proxy_protocol\":\"v1\",\"node_defaults\":{\"max_connects_per_s\":1,"
    "\"connect_queue_ms\":5000},\"nodes\":["
    "{\"name\":\"a\",\"address\":\"192.0.2.1:1883\"},{\"name\":\"b\",\"address\":\"192.0.2.2:"
    "1883\"},"
    "{\"name\":\"c\",\"address\":\"192.0.2.3:1883\"}]}],"
    "\"limits\":{\"relay_buffer_bytes\":1024,\"connect_max_bytes\":4000,"
    "\"relay_memory_bytes\":8600,\"flapping\":false},\"log\":{\"level\":\"info\"}}";

enum header { HEADER_NONE, HEADER_V1, HEADER_V2 };

/* The listeners of the configuration. */
static const struct listener_facts {
    enum header header;
    bool proxy_in, websocket, lenient, replay;
} listeners[] = {
    {HEADER_V2, false, false, false, true},  {HEADER_V1, false, false, true, false},
    {HEADER_NONE, true, false, false, true}, {HEADER_V2, false, true, false, true},
    {HEADER_V1, true, true, false, false},   {HEADER_V1, false, false, false, true},
};

/* The first bytes of an input. */
struct script {
    uint8_t listener;
    uint8_t given; /* bits of enum given */
    uint8_t client_read_max, client_write_max, client_waits, client_room;
    uint8_t node_read_max, node_write_max, node_waits, node_room;
    uint8_t fault, fault_at[2]; /* enum fault, and the number of bytes before it; low byte first */
    uint8_t dials;              /* result of the dial to each of the first nodes, two bits each */
    uint8_t client_first, node_first; /* bytes available from the start */
    uint8_t step[STEPS];              /* enum step, and an argument in the upper five bits */
    uint8_t split[NODES - 1];         /* share of the nodes' bytes; the last node gets the rest */
    uint8_t client_n[2];              /* number of client bytes; low byte first */
};

/* Options of a script, so that the fuzzer does not have to discover valid packets. */
enum given {
    GIVEN_FRONT = 1,   /* a PROXY header and an upgrade request precede the client's bytes */
    GIVEN_CONNECT = 2, /* a CONNECT precedes them */
    GIVEN_FRAMES = 4,  /* the bytes are sent in frames */
    GIVEN_CONNACK = 8, /* a CONNACK precedes the bytes of each node */
    CLIENT_ENDS = 16,
    NODE_ENDS = 32,
    CLIENT_DEAF = 64,
    NODE_DEAF = 128
};

enum fault {
    FAULT_NONE,
    FAULT_CLIENT_READ,
    FAULT_CLIENT_WRITE,
    FAULT_NODE_READ,
    FAULT_NODE_WRITE,
    FAULT_MEMORY_ONCE,
    FAULT_MEMORY,
    FAULT_COUNT
};

enum what_happens {
    CLIENT_SPEAKS,
    NODE_SPEAKS,
    TURN,
    DEADLINE,
    NODE_DOWN,
    NODE_EVICTS,
    NODES_UP,
    SHUTDOWN,
};

static const char front_header[] = "PROXY TCP4 198.51.100.7 192.0.2.9 4711 1883\r\n";
static const char front_upgrade[] =
    "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "X-Forwarded-For: 203.0.113.5\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
static const char front_connect[] = "\x10\x13\0\4MQTT\4\x82\0\x3c\0\4dev1\0\1u";
static const char front_connack[] = "\x20\2\0\0";

static const uint8_t v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

struct bytes {
    uint8_t *p; /* owned */
    size_t n;
};

struct game {
    const struct listener_facts *listener;
    struct script script;
    struct rig_peer client, nodes[NODES];
    struct bytes client_says, nodes_say[NODES];
    bool disturbed; /* a fault, a deadline or a command interrupted the session */
};

static void append(struct bytes *b, const void *p, size_t n)
{
    b->p = realloc(b->p, b->n + n + 1);
    LAW(b->p != NULL);
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* ---- the client's bytes, parsed again ---- */

static struct bytes unframed(struct span in)
{
    static const struct stream_ws_conf conf = {.upgrade = {.path = {(const uint8_t *)"/mqtt", 5}}};
    const struct stream_memory_script script = {.input = in, .eof = true};
    struct stream *st = stream_ws_accept(stream_memory_new(&script), &conf);
    struct bytes out = {0};
    enum stream_result r;
    uint8_t piece[256];
    size_t got;

    LAW(st != NULL);
    append(&out, NULL, 0);
    do
        r = stream_open(st);
    while (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE);
    while (r == STREAM_OK || r == STREAM_WANT_WRITE || r == STREAM_WANT_READ) {
        r = stream_read(st, piece, sizeof(piece), &got);
        if (r == STREAM_OK)
            append(&out, piece, got);
    }
    stream_free(st);
    return out;
}

/* Extract the MQTT bytes that a client sent, after the PROXY header and from WebSocket frames. */
static struct bytes said(const struct game *g, struct span in)
{
    struct bytes out = {0};

    append(&out, NULL, 0);
    if (g->listener->proxy_in) {
        struct proxy_header header;
        size_t header_n = 0;
        if (proxy_read(in, &header, &header_n) != PARSE_DONE)
            return out;
        in = span_of(in.p + header_n, in.n - header_n);
    }
    if (g->listener->websocket) {
        free(out.p);
        return unframed(in);
    }
    append(&out, in.p, in.n);
    return out;
}

static void connect_is_whole(void *arg)
{
    const struct game *g = arg;
    struct bytes so_far = said(g, span_of(g->client_says.p, g->client.read_n));
    struct mqtt_connect connect;

    mqtt_connect_init(&connect, g->listener->lenient, CONNECT_MAX);
    LAW(mqtt_connect_read(&connect, so_far.p, so_far.n) == PARSE_DONE);
    free(so_far.p);
}

/* ---- output ---- */

/* Return the size of our PROXY header at p, or n if it is incomplete. */
static size_t header_n(enum header header, const uint8_t *p, size_t n)
{
    if (header == HEADER_NONE || n == 0)
        return 0;
    if (header == HEADER_V1) {
        LAW(memcmp(p, "PROXY TCP", n < 9 ? n : 9) == 0);
        const uint8_t *end = memmem(p, n, "\r\n", 2);
        LAW(n < 107 || end != NULL);
        return end ? (size_t)(end - p) + 2 : n;
    }
    LAW(memcmp(p, v2_signature, n < 12 ? n : 12) == 0);
    LAW(n < 13 || p[12] == 0x21);
    return n < 16 ? n : size_min(n, 16 + ((size_t)p[14] << 8 | p[15]));
}

static void nodes_are_told_what_came(const struct game *g, struct span all)
{
    const struct rig_peer *first = NULL;
    size_t told = 0;

    for (size_t i = 0; i < NODES; i++) {
        const struct rig_peer *node = &g->nodes[i];
        size_t at = header_n(g->listener->header, node->got, node->got_n);
        LAW(node->got_n - at <= all.n);
        LAW(node->got_n == at || memcmp(node->got + at, all.p, node->got_n - at) == 0);
        if (node->got_n == 0)
            continue;
        told++;
        if (first) /* the header is sent to each node, and is the same */
            LAW(memcmp(first->got, node->got,
                       size_min(header_n(g->listener->header, first->got, first->got_n), at)) == 0);
        else
            first = node;
    }
    LAW(told <= 1 || g->listener->replay);
}

/* Return the payload of the frames that the router has written. */
static struct bytes sent_in_frames(struct span out)
{
    struct bytes payload = {0};
    const uint8_t *end = memmem(out.p, out.n, "\r\n\r\n", 4);

    append(&payload, NULL, 0);
    LAW(memcmp(out.p, "HTTP/1.1 ", size_min(out.n, 9)) == 0);
    if (!end || memcmp(out.p, "HTTP/1.1 101 ", 13) != 0)
        return payload;
    for (size_t at = (size_t)(end - out.p) + 4; at < out.n;) {
        size_t left = out.n - at, head = left > 1 && out.p[at + 1] == 126 ? 4 : 2;
        LAW(out.p[at] == 0x82 || out.p[at] == 0x8a || out.p[at] == 0x88);
        if (left < head)
            break;
        size_t n = head == 4 ? (size_t)out.p[at + 2] << 8 | out.p[at + 3] : out.p[at + 1];
        if (out.p[at] == 0x82)
            append(&payload, out.p + at + head, size_min(n, left - head));
        if (out.p[at] == 0x88)
            LAW(left <= head + n); /* nothing follows it */
        at += size_min(head + n, left);
    }
    return payload;
}

/* Whether the bytes are a prefix of a CONNACK with a code that refuses the client. */
static bool is_refusal(struct span p)
{
    if (p.n > 5 || (p.n > 0 && p.p[0] != 0x20) || (p.n > 1 && p.p[1] != 2 && p.p[1] != 3))
        return false;
    if (p.n > 1 && p.n > (size_t)p.p[1] + 2)
        return false;
    return (p.n < 3 || p.p[2] == 0) && (p.n < 4 || p.p[3] != 0) && (p.n < 5 || p.p[4] == 0);
}

static void client_is_told_what_came(const struct game *g, struct span all)
{
    const struct rig_peer *client = &g->client;
    struct bytes payload = {0};
    bool told = false, whole = false;

    if (g->listener->websocket && client->got_n > 0)
        payload = sent_in_frames(span_of(client->got, client->got_n));
    else
        append(&payload, client->got, client->got_n);
    for (size_t i = 0; i < NODES; i++) {
        const struct span node = g->nodes[i].how.input;
        bool beginning = payload.n <= g->nodes[i].read_n &&
                         (payload.n == 0 || memcmp(payload.p, node.p, payload.n) == 0);
        told |= beginning;
        whole |=
            beginning && payload.n == node.n &&
            g->nodes[i].got_n - header_n(g->listener->header, g->nodes[i].got, g->nodes[i].got_n) ==
                all.n;
    }
    LAW(told || is_refusal(span_of(payload.p, payload.n)));
    /* the peers ended a relayed session, so all bytes must have arrived in both directions */
    if (told && payload.n > 0 && !g->disturbed)
        LAW(whole || is_refusal(span_of(payload.p, payload.n)));
    free(payload.p);
}

/* ---- the simulation ---- */

/* Write masked frames of growing size, with pings in between. */
static void append_framed(struct bytes *out, const uint8_t *p, size_t n)
{
    static const uint8_t ping[] = {0x89, 0x81, 1, 2, 3, 4, 'p' ^ 1};
    size_t size = 1;

    for (size_t at = 0; at < n; size = size < 120 ? size * 2 + 1 : 125) {
        size_t here = size_min(size, n - at);
        const uint8_t head[] = {0x82, (uint8_t)(0x80 | here), 9, (uint8_t)size, 7, 6};
        append(out, head, sizeof(head));
        for (size_t i = 0; i < here; i++) {
            uint8_t masked = (uint8_t)(p[at + i] ^ head[2 + i % 4]);
            append(out, &masked, 1);
        }
        at += here;
        append(out, ping, sizeof(ping));
    }
}

static void compose_client(struct game *g, struct span rest)
{
    struct bytes mqtt = {0};
    struct bytes *out = &g->client_says;

    append(out, NULL, 0);
    append(&mqtt, front_connect, g->script.given & GIVEN_CONNECT ? sizeof(front_connect) - 1 : 0);
    append(&mqtt, rest.p, rest.n);
    if (g->script.given & GIVEN_FRONT && g->listener->proxy_in)
        append(out, front_header, sizeof(front_header) - 1);
    if (g->script.given & GIVEN_FRONT && g->listener->websocket)
        append(out, front_upgrade, sizeof(front_upgrade) - 1);
    if (g->script.given & GIVEN_FRAMES && g->listener->websocket)
        append_framed(out, mqtt.p, mqtt.n);
    else
        append(out, mqtt.p, mqtt.n);
    free(mqtt.p);
}

static void compose_nodes(struct game *g, struct span rest)
{
    for (size_t i = 0; i < NODES; i++) {
        size_t n = i + 1 < NODES ? size_min(g->script.split[i], rest.n) : rest.n;
        append(&g->nodes_say[i], front_connack,
               g->script.given & GIVEN_CONNACK ? sizeof(front_connack) - 1 : 0);
        append(&g->nodes_say[i], rest.p, n);
        rest = span_of(rest.p + n, rest.n - n);
    }
}

static size_t u16(const uint8_t p[2])
{
    return (size_t)p[1] << 8 | p[0];
}

static void set_faults(struct game *g)
{
    const size_t at = u16(g->script.fault_at);
    struct stream_memory_script *client = &g->client.how, *node = &g->nodes[at % NODES].how;

    switch ((enum fault)(g->script.fault % FAULT_COUNT)) {
    case FAULT_CLIENT_READ:
        client->read_fails = true;
        client->read_fails_at = at;
        break;
    case FAULT_CLIENT_WRITE:
        client->write_fails = true;
        client->write_fails_at = at;
        break;
    case FAULT_NODE_READ:
        node->read_fails = true;
        node->read_fails_at = at / NODES;
        break;
    case FAULT_NODE_WRITE:
        node->write_fails = true;
        node->write_fails_at = at / NODES;
        break;
    case FAULT_MEMORY_ONCE:
    case FAULT_MEMORY:
        (void)rig_fail_allocation(at % 32, g->script.fault % FAULT_COUNT == FAULT_MEMORY);
        break;
    default:
        return;
    }
    g->disturbed = true;
}

static void compose(struct game *g, struct span rest)
{
    const struct script *script = &g->script;
    size_t client_n = size_min(u16(script->client_n), rest.n);

    compose_client(g, span_of(rest.p, client_n));
    compose_nodes(g, span_of(rest.p + client_n, rest.n - client_n));
    g->client.how = (struct stream_memory_script){
        .input = {g->client_says.p, g->client_says.n},
        .read_max = script->client_read_max,
        .write_max = script->client_write_max,
        .wait_every = script->client_waits,
        .room = script->client_room,
    };
    g->client.first = script->client_first == ALL ? SIZE_MAX : script->client_first;
    g->client.ends = script->given & CLIENT_ENDS;
    g->client.deaf = script->given & CLIENT_DEAF;
    for (size_t i = 0; i < NODES; i++) {
        struct rig_peer *node = &g->nodes[i];
        unsigned dial = script->dials >> (2 * i) & 3u;
        node->how = (struct stream_memory_script){
            .input = {g->nodes_say[i].p, g->nodes_say[i].n},
            .read_max = script->node_read_max,
            .write_max = script->node_write_max,
            .wait_every = script->node_waits,
            .room = script->node_room,
            .open_waits = script->dials >> 6 == 3 ? UINT_MAX : script->dials >> 6,
            .open_fails = dial == 3,
        };
        node->first = script->node_first == ALL ? SIZE_MAX : script->node_first;
        node->ends = script->given & NODE_ENDS;
        node->deaf = script->given & NODE_DEAF;
        node->dial_error = dial == 1 ? ECONNREFUSED : dial == 2 ? EMFILE : 0;
    }
    g->disturbed = script->client_waits == 1 || script->node_waits == 1;
}

static void take_step(struct game *g, struct rig *rig, uint8_t step)
{
    const size_t n = step >> 3;

    switch ((enum what_happens)(step & 7)) {
    case CLIENT_SPEAKS:
        rig_arrive(&g->client, n + 1);
        break;
    case NODE_SPEAKS:
        rig_arrive(&g->nodes[n % NODES], n / NODES + 1);
        break;
    case TURN:
        rig_turn(rig);
        return;
    case DEADLINE:
        g->disturbed = true;
        (void)(n % 2 ? rig_deadline_early(rig) : rig_deadline(rig));
        break;
    case NODE_DOWN:
        rig_node_down(rig, n % NODES);
        break;
    case NODE_EVICTS:
        g->disturbed = true;
        rig_node_evicts(rig, n % NODES);
        break;
    case NODES_UP:
        rig_nodes_up(rig);
        break;
    case SHUTDOWN:
        g->disturbed = true;
        rig_end(rig);
        break;
    }
    (void)rig_settle(rig);
}

static void play(struct game *g, struct rig *rig)
{
    rig_tidy(rig);
    rig_take_turns(rig, (g->script.dials >> 6) * 2u); /* one second each; six exceed the limit */
    rig_on_dial(rig, connect_is_whole, g);
    set_faults(g);
    rig_begin(rig, (size_t)(g->listener - listeners), &g->client, g->nodes, NODES);
    for (size_t i = 0; i < STEPS; i++)
        take_step(g, rig, g->script.step[i]);
    (void)rig_settle(rig);
    rig_arrive(&g->client, SIZE_MAX);
    for (size_t i = 0; i < NODES; i++)
        rig_arrive(&g->nodes[i], SIZE_MAX);
    (void)rig_settle(rig);
    g->disturbed |= rig_lives(rig); /* only deadlines can end the session now */
    for (unsigned i = 0; rig_lives(rig); i++)
        LAW(i < DEADLINES_MAX && rig_deadline(rig));
    (void)rig_fail_allocation(RIG_NEVER, false);
}

static void nothing_is_left(const struct game *g, struct rig *rig)
{
    const char *residue = rig_residue(rig);

    if (residue)
        (void)fprintf(stderr, "left behind: %s\n", residue);
    LAW(residue == NULL);
    LAW(rig_reason(rig) != CLOSE_REASON_COUNT);
    LAW(!g->client.stream);
    for (size_t i = 0; i < NODES; i++)
        LAW(!g->nodes[i].stream);
}

static void check(struct game *g, struct rig *rig)
{
    struct bytes all = said(g, span_of(g->client_says.p, g->client_says.n));
    enum close_reason reason = rig_reason(rig);

    nothing_is_left(g, rig);
    g->disturbed |= reason != CLOSE_CLIENT_CLOSED && reason != CLOSE_NODE_CLOSED;
    nodes_are_told_what_came(g, span_of(all.p, all.n));
    client_is_told_what_came(g, span_of(all.p, all.n));
    free(all.p);
}

static struct rig *the_rig; /* used for all inputs, as a real worker serves many sessions */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    the_rig = rig_new(config_json);
    LAW(the_rig != NULL);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct game g = {0};

    if (size < sizeof(g.script) || size > INPUT_MAX)
        return 0;
    memcpy(&g.script, data, sizeof(g.script));
    g.listener = &listeners[g.script.listener % ARRAY_LEN(listeners)];
    compose(&g, span_of(data + sizeof(g.script), size - sizeof(g.script)));
    play(&g, the_rig);
    check(&g, the_rig);
    rig_tidy(the_rig);
    rig_peer_fini(&g.client);
    free(g.client_says.p);
    for (size_t i = 0; i < NODES; i++) {
        rig_peer_fini(&g.nodes[i]);
        free(g.nodes_say[i].p);
    }
    return 0;
}
