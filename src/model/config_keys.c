/*
 * config_keys.c - every key of the configuration file as a row of a table.
 *
 * Rows only, one table a struct of model/config.h, innermost first; those of listeners and of
 * TLS stand beside this file, what is done with them in config_table.c. The ranges of the timeouts
 * are wide on purpose: they keep out seconds written for milliseconds, not opinions.
 */
#include "model/config_rows.h"

/* The range of most timeouts. */
#define SHORT_MS RANGE(100, 600000)

static const struct config_word auto_words[] = {{"auto", 0}};
static const struct config_word route_words[] = {{"client_id", ROUTE_CLIENT_ID},
                                                 {"username", ROUTE_USERNAME},
                                                 {"source_ip", ROUTE_SOURCE_IP},
                                                 {"tls_cn", ROUTE_TLS_CN},
                                                 {"sni", ROUTE_SNI}};
static const struct config_word empty_id_words[] = {
    {"spread", EMPTY_ID_SPREAD}, {"source_ip", EMPTY_ID_SOURCE_IP}, {"refuse", EMPTY_ID_REFUSE}};
static const struct config_word proxy_words[] = {
    {"v2", PROXY_PROTOCOL_V2}, {"v1", PROXY_PROTOCOL_V1}, {"none", PROXY_PROTOCOL_NONE}};
static const struct config_word tlv_words[] = {{"alpn", PROXY_TLV_ALPN},
                                               {"authority", PROXY_TLV_AUTHORITY},
                                               {"ssl", PROXY_TLV_SSL},
                                               {"unique_id", PROXY_TLV_UNIQUE_ID},
                                               {"crc32c", PROXY_TLV_CRC32C}};
static const struct config_word level_words[] = {
#define X(suffix, word, loud) {word, LOG_##suffix},
    LOG_LEVELS(X)
#undef X
};
static const struct config_word format_words[] = {{"json", LOG_JSON}, {"text", LOG_TEXT}};

_Static_assert(ARRAY_LEN(route_words) == ROUTE_SOURCE_COUNT, "every route source has a word");
_Static_assert(ARRAY_LEN(format_words) == LOG_FORMAT_COUNT, "every log format has a word");

static const struct config_key node_keys[] = {
    {.key = "name",
     .kind = KEY_TEXT,
     .required = true,
     .unique = true,
     RANGE(1, 128),
     FIELD(struct node_conf, name),
     .help =
         "What logs and metrics call it. The hash goes by it: renaming a node moves its devices."},
    {.key = "address",
     .kind = KEY_NODE_ADDRESS,
     .required = true,
     .unique_advised = true,
     FIELD(struct node_conf, address),
     .help =
         "Its MQTT port: `\"192.168.0.2:1883\"`, `\"[2001:db8::2]:1883\"`, numeric; or its Unix "
         "socket."},
    {.key = "weight",
     .kind = KEY_INTEGER,
     FIELD(struct node_conf, weight),
     RANGE(0, 65535),
     .default_value = 1,
     .help = "Its share of the devices against the other nodes' weights; 0 gets no new session."},
    {.key = "state",
     .kind = KEY_COMING_REFUSED,
     .help = "Whether the node is up, drained or down, by decree."},
    {.key = "backup",
     .kind = KEY_COMING_REFUSED,
     .off_allowed = true,
     .help = "The node is used only when no other is left."},
};
static const struct config_table node_table = TABLE(struct node_conf, node_keys);

static const struct config_key route_rule_keys[] = {
    {.key = "from",
     .kind = KEY_WORD,
     .required = true,
     FIELD(struct route_rule, from),
     WORDS(route_words),
     .default_value = ROUTE_SOURCE_COUNT, /* not read */
     .help = "What to take: as if the word stood there without an object."},
    {.key = "prefix_until",
     .kind = KEY_TEXT,
     RANGE(1, 128),
     FIELD(struct route_rule, prefix_until),
     .default_text = "none",
     .help = "Take only what stands before the first occurrence of this: with `\"/\"`, all of "
             "`tenant-a/...` share a node. Without an occurrence it is the whole."},
};
static const struct config_table route_rule_table = TABLE(struct route_rule, route_rule_keys);

static const struct config_key cluster_keys[] = {
    {.key = "name",
     .kind = KEY_TEXT,
     .required = true,
     .unique = true,
     RANGE(1, 128),
     FIELD(struct cluster_conf, name),
     .help = "What listeners, logs and metrics call it."},
    {.key = "nodes",
     .kind = KEY_LIST,
     .required = true,
     RANGE(1, 1024),
     FIELD(struct cluster_conf, nodes),
     COUNT(struct cluster_conf, n_nodes),
     .table = &node_table,
     .help = "The brokers. Their order does not matter."},
    {.key = "route_by",
     .kind = KEY_SHORT_LIST,
     FIELD(struct cluster_conf, route_by),
     COUNT(struct cluster_conf, n_route_by),
     RANGE(1, 16),
     .table = &route_rule_table,
     .default_value = ROUTE_CLIENT_ID,
     .help = "What decides a device's home. In a list, the first that the device has."},
    {.key = "empty_client_id",
     .kind = KEY_WORD,
     FIELD(struct cluster_conf, empty_client_id),
     WORDS(empty_id_words),
     .default_value = EMPTY_ID_SPREAD,
     .help =
         "A device that has nothing of `route_by`: to the node with the fewest sessions, by its "
         "address, or refused."},
    {.key = "proxy_protocol",
     .kind = KEY_WORD,
     FIELD(struct cluster_conf, proxy_protocol),
     WORDS(proxy_words),
     .default_value = PROXY_PROTOCOL_V2,
     .help = "How the nodes are told the device's address. Must match their listener's setting."},
    {.key = "proxy_protocol_tlvs",
     .kind = KEY_WORD_SET,
     FIELD(struct cluster_conf, proxy_protocol_tlvs),
     WORDS(tlv_words),
     .default_value = PROXY_TLV_ALPN | PROXY_TLV_AUTHORITY | PROXY_TLV_SSL,
     .default_text = "`[\"alpn\", \"authority\", \"ssl\"]`",
     .help = "What a version 2 header tells besides: the protocol and the server name of the TLS "
             "handshake, its version, cipher and device certificate, the session's id in our log, "
             "a checksum."},
    {.key = "tls",
     .kind = KEY_OPTIONAL,
     FIELD(struct cluster_conf, tls),
     .table = &config_upstream_tls_table,
     .default_text = "plain TCP",
     .help = "The nodes speak TLS, behind the PROXY header."},
    {.key = "health_check",
     .kind = KEY_COMING,
     .help = "How nodes are probed. Until then a node that cannot be reached is found out by each "
             "dial."},
    {.key = "passive",
     .kind = KEY_COMING,
     .help = "When failures of real sessions take a node out."},
    {.key = "discovery", .kind = KEY_COMING_REFUSED, .help = "Nodes from DNS."},
};
const struct config_table config_cluster_table = TABLE(struct cluster_conf, cluster_keys);

static const struct config_key timeouts_keys[] = {
    {.key = "proxy_header_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, proxy_header_ms),
     SHORT_MS,
     .default_value = 3000,
     .help = "From accept to the end of the PROXY protocol header."},
    {.key = "tls_handshake_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, tls_handshake_ms),
     SHORT_MS,
     .default_value = 15000,
     .help = "From there, or from accept, to the end of the TLS handshake."},
    {.key = "websocket_upgrade_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, websocket_upgrade_ms),
     SHORT_MS,
     .default_value = 10000,
     .help = "For the WebSocket upgrade request to arrive."},
    {.key = "connect_packet_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, connect_packet_ms),
     SHORT_MS,
     .default_value = 10000,
     .help = "For the whole CONNECT to arrive."},
    {.key = "dial_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, dial_ms),
     SHORT_MS,
     .default_value = 3000,
     .help = "For one node to accept the connection, before the next is tried."},
    {.key = "placement_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, placement_ms),
     SHORT_MS,
     .default_value = 10000,
     .help = "For all tries together."},
    {.key = "connack_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, connack_ms),
     SHORT_MS,
     .default_value = 15000,
     .help = "For the node's first packet."},
    {.key = "half_closed_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, half_closed_ms),
     SHORT_MS,
     .default_value = 30000,
     .help = "For the side that has not ended yet to send its next byte, once the other has."},
    {.key = "farewell_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, farewell_ms),
     SHORT_MS,
     .default_value = 2000,
     .help = "For a refused device to read why."},
    {.key = "shutdown_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, shutdown_ms),
     RANGE(0, 3600000),
     .default_value = 10000,
     .help = "After SIGTERM: over how long the sessions are closed."},
    {.key = "idle",
     .kind = KEY_WORD,
     FIELD(struct timeouts_conf, idle_ms),
     WORDS(auto_words),
     .help = "`\"auto\"`: 1.5 times the keep alive that device and node agreed on, plus 30 s; two "
             "hours at keep alive 0."},
    {.key = "idle_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, idle_ms),
     RANGE(1000, 86400000),
     .default_text = "none",
     .help = "Instead of `idle`: the same silence ends every session."},
};
static const struct config_table timeouts_table = TABLE(struct timeouts_conf, timeouts_keys);

static const struct config_key limits_keys[] = {
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, max_connections),
     RANGE(0, 10000000),
     .default_value = 0,
     .help = "Devices at a time, over all listeners; 0: as many as the open files allow."},
    {.key = "connect_max_bytes",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, connect_max_bytes),
     RANGE(128, 1048576),
     .default_value = 65536,
     .help = "The largest CONNECT; a larger one is refused from its length bytes."},
    {.key = "relay_buffer_bytes",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, relay_buffer_bytes),
     RANGE(1024, 1048576),
     .default_value = 16384,
     .help = "Per session and direction, held only while data waits."},
};
static const struct config_table limits_table = TABLE(struct limits_conf, limits_keys);

static const struct config_key log_keys[] = {
    {.key = "level",
     .kind = KEY_WORD,
     FIELD(struct log_conf, level),
     WORDS(level_words),
     .default_value = LOG_INFO,
     .help = "The least urgent event that is written. One line a session is `\"info\"`."},
    {.key = "format",
     .kind = KEY_WORD,
     FIELD(struct log_conf, format),
     WORDS(format_words),
     .default_value = LOG_JSON,
     .help = "One JSON object a line, or text for people."},
};
static const struct config_table log_table = TABLE(struct log_conf, log_keys);

static const struct config_key top_keys[] = {
    {.key = "workers",
     .kind = KEY_INTEGER,
     FIELD(struct config, workers),
     RANGE(1, 256),
     .default_value = 0,
     .default_text = "one per core",
     .help = "Threads that carry sessions."},
    {.key = "listeners",
     .kind = KEY_LIST,
     .required = true,
     RANGE(1, 256),
     FIELD(struct config, listeners),
     COUNT(struct config, n_listeners),
     .table = &config_listener_table,
     .help = "Where devices come in."},
    {.key = "clusters",
     .kind = KEY_LIST,
     .required = true,
     RANGE(1, 256),
     FIELD(struct config, clusters),
     COUNT(struct config, n_clusters),
     .table = &config_cluster_table,
     .help = "Where they go."},
    {.key = "timeouts",
     .kind = KEY_OBJECT,
     FIELD(struct config, timeouts),
     .table = &timeouts_table,
     .help = "How long each stage of a connection may last, in milliseconds."},
    {.key = "limits",
     .kind = KEY_OBJECT,
     FIELD(struct config, limits),
     .table = &limits_table,
     .help = "How much each may take."},
    {.key = "log",
     .kind = KEY_OBJECT,
     FIELD(struct config, log),
     .table = &log_table,
     .help = "What is written, and how."},
    {.key = "admin", .kind = KEY_COMING, .help = "Metrics and control over HTTP."},
};
const struct config_table config_top_table = TABLE(struct config, top_keys);
