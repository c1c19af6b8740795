/*
 * limits.c - the keys of limits.
 */
#include "rows.h"

static const struct config_key per_source_keys[] = {
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, max_connections),
     RANGE(0, 10000000),
     .default_value = 0,
     .help = "Maximum number of simultaneous connections from one source; 0 means no limit."},
    {.key = "max_connects_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, max_connects_per_s),
     RANGE(0, 1000000),
     .default_value = 0,
     .help = "Maximum number of new connections per second from one source; 0 means no limit."},
    {.key = "burst",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, burst),
     RANGE(1, 1000000),
     .default_value = 20,
     .help = "Maximum number of new connections in one burst from a source, after a quiet period."},
    {.key = "exempt",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 256),
     FIELD(struct per_source_conf, exempt),
     COUNT(struct per_source_conf, n_exempt),
     .default_text = "none",
     .help =
         "Networks that these limits do not apply to, such as gateways that many devices share."},
    {.key = "table_size",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, table_size),
     RANGE(1024, 16777216),
     .default_value = 65536,
     .help = "Maximum number of sources that are tracked, at about 50 bytes each; while all of "
             "them are connected, other sources are not limited."},
};
static const struct config_table per_source_table = TABLE(struct per_source_conf, per_source_keys);

static const struct config_key flapping_keys[] = {
    {.key = "max_connects",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.max_connects),
     RANGE(2, 100000),
     .default_value = 20,
     .help = "Number of CONNECTs with the same client identifier that are allowed within "
             "`window_ms`; any more count as flapping."},
    {.key = "window_ms",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.window_ms),
     RANGE(100, 3600000),
     .default_value = 10000,
     .help = "Time window in which `max_connects` CONNECTs are allowed, in milliseconds."},
    {.key = "penalty_ms",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.penalty_ms),
     RANGE(100, 3600000),
     .default_value = 2000,
     .help = "Duration of the first penalty, in milliseconds, which doubles each time the flapping "
             "continues; each penalty is logged once, and with `refuse`, CONNECTs are refused "
             "until it ends."},
    {.key = "penalty_max_ms",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.penalty_max_ms),
     RANGE(100, 86400000),
     .default_value = 60000,
     .help = "Maximum duration of a penalty, in milliseconds; after this time without flapping, "
             "the next penalty is `penalty_ms` again."},
    {.key = "refuse",
     .kind = KEY_BOOL,
     FIELD(struct limits_conf, flapping.refuse),
     .default_value = false,
     .help = "Refuse the CONNECTs of a client identifier during its penalty; if `false`, only log "
             "and count them."},
    {.key = "table_size",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.table_size),
     RANGE(1024, 16777216),
     .default_value = 65536,
     .help = "Number of table entries for the client identifiers that connected last, at about 70 "
             "bytes each; each source of an identifier and each change of address uses one more "
             "entry."},
};
static const struct config_table flapping_table = TABLE(struct limits_conf, flapping_keys);

static const struct config_key limits_keys[] = {
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, max_connections),
     RANGE(0, 10000000),
     .default_value = 0,
     .help = "Maximum number of device connections on all listeners together; 0 means as many as "
             "the limit on open files allows."},
    {.key = "connect_max_bytes",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, connect_max_bytes),
     RANGE(128, 1048576),
     .default_value = 65536,
     .help = "Maximum size of a CONNECT, in bytes; a larger one is refused as soon as its length "
             "is known."},
    {.key = "relay_buffer_bytes",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, relay_buffer_bytes),
     RANGE(1024, 1048576),
     .default_value = 16384,
     .help = "Size of the relay buffer per session and direction, in bytes; the buffer is "
             "allocated only while data is waiting."},
    {.key = "relay_memory_bytes",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, relay_memory_bytes),
     RANGE(0, UINT32_MAX),
     .default_value = 268435456,
     .help = "Maximum memory for waiting data, in bytes: one half is for relay buffers, and when "
             "it is used up, the session that has not read for the longest time is closed; the "
             "other half is for large CONNECTs; 0 means no limit."},
    {.key = "handshakes_per_turn",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, handshakes_per_turn),
     RANGE(1, 100000),
     .default_value = 8,
     .help = "Number of TLS handshake steps that a worker executes before it serves its other "
             "sessions; while more steps are waiting, it accepts no connections on TLS listeners."},
    {.key = "per_source",
     .kind = KEY_OBJECT,
     FIELD(struct limits_conf, per_source),
     .table = &per_source_table,
     .help = "Limits per source, which is the device's IPv4 address or IPv6 /64 network; behind "
             "`trusted_proxies`, the address that they send is used."},
    {.key = "flapping",
     .kind = KEY_FALSE_OR_OBJECT,
     FIELD(struct limits_conf, flapping.off),
     .table = &flapping_table,
     .default_text = "on",
     .help = "Detection of client identifiers that reconnect too often; `false` disables it."},
};
const struct config_table config_limits_table = TABLE(struct limits_conf, limits_keys);
