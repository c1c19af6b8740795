/* session_kinds.h - successful sessions of each kind, for the tests that break them. */
#ifndef UNIT_PROXY_SESSION_SESSION_KINDS_H
#define UNIT_PROXY_SESSION_SESSION_KINDS_H

#include <string.h>

#include "session_rig.h"

/* One listener of each kind, in the order of enum kind. */
static const char config_json[] =
    "{\"listeners\":["
    "{\"name\":\"plain\",\"address\":\"127.0.0.1:0\",\"cluster\":\"one\"},"
    "{\"name\":\"replay\",\"address\":\"127.0.0.1:0\",\"cluster\":\"one\"},"
    "{\"name\":\"websocket\",\"address\":\"127.0.0.1:0\",\"cluster\":\"one\","
    "\"websocket\":{\"path\":\"/mqtt\"}},"
    "{\"name\":\"balanced\",\"address\":\"127.0.0.1:0\",\"cluster\":\"one\","
    "\"accept_proxy_protocol\":true,\"trusted_proxies\":[\"127.0.0.0/8\"]},"
    "{\"name\":\"large\",\"address\":\"127.0.0.1:0\",\"cluster\":\"one\"}],"
    "\"clusters\":[{\"name\":\"one\",\"route_by\":[\"username\",\"client_id\"],"
    "\"proxy_protocol\":\"v2\",\"nodes\":["
    "{\"name\":\"n1\",\"address\":\"192.0.2.1:1883\"},"
    "{\"name\":\"n2\",\"address\":\"192.0.2.2:1883\"},"
    "{\"name\":\"n3\",\"address\":\"192.0.2.3:1883\"}]}],"
    "\"limits\":{\"relay_buffer_bytes\":1024,\"flapping\":false}}";

enum kind { KIND_PLAIN, KIND_REPLAY, KIND_WEBSOCKET, KIND_PROXY, KIND_LARGE, KIND_COUNT };

static const char *const kind_words[] = {"plain", "replay", "websocket", "PROXY in",
                                         "large CONNECT"};

/* MQTT 3.1.1, clean session, keep alive 60, client id "dev1", user name "u"; then PINGREQ. */
#define CONNECT_DEV1                                                                               \
    "\x10\x13\x00\x04MQTT\x04\x82\x00\x3c\x00\x04"                                                 \
    "dev1\x00\x01u"
#define PINGREQ    "\xc0\x00"
#define DISCONNECT "\xe0\x00"

/* CONNACK, accepted; PINGRESP; and a PUBLISH of 40 bytes, too much for a slow client. */
#define CONNACK_GOOD "\x20\x02\x00\x00"
#define PINGRESP     "\xd0\x00"
#define PUBLISH                                                                                    \
    "\x30\x28\x00\x05topic"                                                                        \
    "000000000011111111112222222222333"

#define UPGRADE                                                                                    \
    "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                 \
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n"

/* Frames masked with 0, so that the payload is readable here. A ping before, a close after. */
#define MASK "\x00\x00\x00\x00"
#define FRAMES                                                                                     \
    "\x89\x82" MASK "hi"                                                                           \
    "\x82\x95" MASK CONNECT_DEV1 "\x82\x82" MASK PINGREQ "\x82\x82" MASK DISCONNECT                \
    "\x88\x82" MASK "\x03\xe8"

#define PROXY_HEADER "PROXY TCP4 198.51.100.7 192.0.2.9 4711 1883\r\n"

/* The same with a client identifier of 3,000 bytes: 3,017 to follow. */
#define TEN(x)        x x x x x x x x x x
#define LARGE_ID      TEN(TEN(TEN("abc")))
#define CONNECT_LARGE "\x10\xc7\x17\x00\x04MQTT\x04\x82\x00\x3c\x0b\xb8" LARGE_ID "\x00\x01u"

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
#define SAYS       CONNECT_DEV1 PINGREQ DISCONNECT
#define SAYS_LARGE CONNECT_LARGE TEN(TEN(PINGREQ)) DISCONNECT

static const struct span client_says[KIND_COUNT] = {
    [KIND_PLAIN] = BYTES(SAYS),
    [KIND_REPLAY] = BYTES(SAYS),
    [KIND_WEBSOCKET] = BYTES(UPGRADE FRAMES),
    [KIND_PROXY] = BYTES(PROXY_HEADER SAYS),
    [KIND_LARGE] = BYTES(SAYS_LARGE),
};

/* What reaches the node after our PROXY header; and what the node sends. */
static const struct span node_hears[KIND_COUNT] = {
    [KIND_PLAIN] = BYTES(SAYS), [KIND_REPLAY] = BYTES(SAYS),      [KIND_WEBSOCKET] = BYTES(SAYS),
    [KIND_PROXY] = BYTES(SAYS), [KIND_LARGE] = BYTES(SAYS_LARGE),
};
static const struct span node_says = BYTES(CONNACK_GOOD PINGRESP PUBLISH);

#define NODES_MAX 3

/* The two ends of a session, to be broken before it is run. */
struct play {
    enum kind kind;
    struct rig_peer client, nodes[NODES_MAX];
};

/*
 * A successful session: the client sends all but its last byte and takes little at a time; it ends
 * when the node has answered. If it is replayed, the first node closes without an answer.
 */
static inline struct play play_good(enum kind kind)
{
    struct play play = {.kind = kind};
    play.client.how.input = client_says[kind];
    play.client.how.write_max = 5;
    play.client.how.room = 16;
    play.client.first = client_says[kind].n - 1;
    play.client.ends = true;
    for (size_t i = 0; i < NODES_MAX; i++) {
        play.nodes[i].how.input = node_says;
        play.nodes[i].how.write_max = 30;
        play.nodes[i].how.room = 40;
        play.nodes[i].how.open_waits = 1;
        play.nodes[i].first = kind == KIND_LARGE ? 0 : SIZE_MAX;
        play.nodes[i].ends = false;
    }
    if (kind == KIND_REPLAY) {
        play.nodes[0].how.input = (struct span){0};
        play.nodes[0].ends = true;
    }
    return play;
}

#define DEADLINES_MAX 32

/* Run it to its end: everything arrives, then the deadlines pass. False: it never ends. */
static inline bool play_on(struct rig *rig, struct play *play)
{
    rig_tidy(rig);
    rig_begin(rig, play->kind, &play->client, play->nodes, NODES_MAX);
    (void)rig_settle(rig);
    rig_arrive(&play->client, SIZE_MAX);
    (void)rig_settle(rig);
    for (size_t i = 0; i < NODES_MAX; i++) {
        play->nodes[i].ends = true;
        rig_arrive(&play->nodes[i], SIZE_MAX);
    }
    (void)rig_settle(rig);
    for (unsigned i = 0; i < DEADLINES_MAX && rig_deadline(rig); i++)
        continue;
    return !rig_lives(rig);
}

static inline void play_fini(struct play *play)
{
    rig_peer_fini(&play->client);
    for (size_t i = 0; i < NODES_MAX; i++)
        rig_peer_fini(&play->nodes[i]);
}

/* Set-up and tear-down of a test whose state is a rig with config_json. */
static inline int rig_set_up(void **state)
{
    *state = rig_new(config_json);
    return *state ? 0 : -1;
}

static inline int rig_tear_down(void **state)
{
    rig_free(*state);
    return 0;
}

#endif
