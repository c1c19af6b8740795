/*
 * limits.c - the keys of limits: how much devices may take, all together and each.
 */
#include "rows.h"

static const struct config_key per_source_keys[] = {
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, max_connections),
     RANGE(0, 10000000),
     .default_value = 0,
     .help = "At a time; 0: any number."},
    {.key = "max_connects_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, max_connects_per_s),
     RANGE(0, 1000000),
     .default_value = 0,
     .help = "New connections; 0: any number."},
    {.key = "burst",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, burst),
     RANGE(1, 1000000),
     .default_value = 20,
     .help = "So many of them may come at once, after a quiet time."},
    {.key = "exempt",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 256),
     FIELD(struct per_source_conf, exempt),
     COUNT(struct per_source_conf, n_exempt),
     .default_text = "none",
     .help = "Not limited: gateways that many devices stand behind."},
    {.key = "table_size",
     .kind = KEY_INTEGER,
     FIELD(struct per_source_conf, table_size),
     RANGE(1024, 16777216),
     .default_value = 65536,
     .help = "Sources remembered at a time, about 50 bytes each. When all of them are connected, "
             "further ones are not limited."},
};
static const struct config_table per_source_table = TABLE(struct per_source_conf, per_source_keys);

static const struct config_key flapping_keys[] = {
    {.key = "max_connects",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.max_connects),
     RANGE(2, 100000),
     .default_value = 20,
     .help = "Number of CONNECTs of one client identifier that are allowed within `window_ms`; any "
             "more are flapping."},
    {.key = "window_ms",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.window_ms),
     RANGE(100, 3600000),
     .default_value = 10000,
     .help = "Time window of `max_connects`, in milliseconds."},
    {.key = "penalty_ms",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.penalty_ms),
     RANGE(100, 3600000),
     .default_value = 2000,
     .help = "Length of the first penalty, in milliseconds; it doubles each time the flapping "
             "continues. Each penalty is logged once; with `refuse`, CONNECTs are refused until it "
             "ends."},
    {.key = "penalty_max_ms",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.penalty_max_ms),
     RANGE(100, 86400000),
     .default_value = 60000,
     .help = "Maximum length of a penalty, in milliseconds; after this time without flapping, the "
             "next penalty is `penalty_ms` again."},
    {.key = "refuse",
     .kind = KEY_BOOL,
     FIELD(struct limits_conf, flapping.refuse),
     .default_value = false,
     .help = "Refuse the CONNECTs of a client identifier during its penalty; `false`: only log and "
             "count them."},
    {.key = "table_size",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, flapping.table_size),
     RANGE(1024, 16777216),
     .default_value = 65536,
     .help =
         "Number of table entries for the client identifiers that connected last, about 70 bytes "
         "each; each source of an identifier and each change of address takes one more entry."},
};
static const struct config_table flapping_table = TABLE(struct limits_conf, flapping_keys);

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
    {.key = "relay_memory_bytes",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, relay_memory_bytes),
     RANGE(0, UINT32_MAX),
     .default_value = 268435456,
     .help =
         "Of data that waits, 0: any amount. Half of it is for relay buffers: when they have "
         "it, the session that has not read for longest is closed. Half is for large CONNECTs."},
    {.key = "handshakes_per_turn",
     .kind = KEY_INTEGER,
     FIELD(struct limits_conf, handshakes_per_turn),
     RANGE(1, 100000),
     .default_value = 8,
     .help = "TLS handshake steps that a worker takes before it looks at its other sessions. While "
             "more wait for their turn it accepts nobody new on TLS listeners."},
    {.key = "per_source",
     .kind = KEY_OBJECT,
     FIELD(struct limits_conf, per_source),
     .table = &per_source_table,
     .help = "Of one IPv4 address, or one IPv6 /64: the device's own, where `trusted_proxies` tell "
             "it."},
    {.key = "flapping",
     .kind = KEY_FALSE_OR_OBJECT,
     FIELD(struct limits_conf, flapping.off),
     .table = &flapping_table,
     .default_text = "on",
     .help = "Detection of client identifiers that reconnect too often; `false` disables it."},
};
const struct config_table config_limits_table = TABLE(struct limits_conf, limits_keys);
