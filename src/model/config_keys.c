/*
 * config_keys.c - every key of the configuration file as a row of a table.
 *
 * Rows only, one table a struct of model/config.h, innermost first; those of listeners, of
 * clusters and of TLS stand beside this file, what is done with them in config_table.c.
 */
#include "model/config_rows.h"

static const struct config_word auto_words[] = {{"auto", 0}};
static const struct config_word level_words[] = {
#define X(suffix, word, loud) {word, LOG_##suffix},
    LOG_LEVELS(X)
#undef X
};
static const struct config_word format_words[] = {{"json", LOG_JSON}, {"text", LOG_TEXT}};

_Static_assert(ARRAY_LEN(format_words) == LOG_FORMAT_COUNT, "every log format has a word");

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
     .default_value = 25000,
     .help = "To find a node for a device: for all tries together, the wait for each CONNACK "
             "included."},
    {.key = "connack_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, connack_ms),
     SHORT_MS,
     .default_value = 15000,
     .help = "For the node's first packet; then the next node is tried, while `placement_ms` "
             "lasts."},
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
