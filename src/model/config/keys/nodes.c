/*
 * nodes.c - the keys of clusters[].nodes[], clusters[].discovery and clusters[].node_defaults.
 */
#include "model/config/shape.h"
#include "rows.h"

static const struct config_choice state_choices[] = {
    {"up", NODE_STATE_UP}, {"draining", NODE_STATE_DRAINING}, {"down", NODE_STATE_DOWN}};
static const struct config_choice discovery_choices[] = {{"dns", DISCOVERY_DNS}};
static const struct config_choice record_choices[] = {{"a", DNS_RECORD_A},
                                                      {"aaaa", DNS_RECORD_AAAA},
                                                      {"a+aaaa", DNS_RECORD_A_AAAA},
                                                      {"srv", DNS_RECORD_SRV}};
static const struct config_choice name_from_choices[] = {{"target", NODE_NAME_TARGET},
                                                         {"address", NODE_NAME_ADDRESS}};

_Static_assert(ARRAY_LEN(state_choices) == NODE_STATE_COUNT, "every state has a name");
_Static_assert(ARRAY_LEN(discovery_choices) == DISCOVERY_TYPE_COUNT, "every type has a name");
_Static_assert(ARRAY_LEN(record_choices) == DNS_RECORD_COUNT, "every record has a name");
_Static_assert(ARRAY_LEN(name_from_choices) == NODE_NAME_FROM_COUNT, "every source has a name");

/* Ranges of limits, in nodes[] and in node_defaults. */
#define NODE_CONNECTIONS    RANGE(0, 10000000)
#define NODE_CONNECTS_PER_S RANGE(0, 1000000)

static const struct config_key node_keys[] = {
    {.key = "name",
     .kind = KEY_STRING,
     .required = true,
     .unique = true,
     RANGE(1, 128),
     FIELD(struct node_conf, name),
     .help = "Name of the node in logs, in metrics and in the hash that places devices; renaming a "
             "node moves its devices."},
    {.key = "address",
     .kind = KEY_NODE_ADDRESS,
     .required = true,
     .unique_advised = true,
     FIELD(struct node_conf, address),
     .help = "Numeric address of the node's MQTT port, such as `\"192.168.0.2:1883\"` or "
             "`\"[2001:db8::2]:1883\"`, or its Unix socket."},
    {.key = "weight",
     .kind = KEY_INTEGER,
     FIELD(struct node_conf, weight),
     RANGE(0, 65535),
     .default_value = 1,
     .help = "Share of the devices relative to the weights of the other nodes; 0 means no new "
             "sessions."},
    {.key = "state",
     .kind = KEY_ENUM,
     FIELD(struct node_conf, state),
     CHOICES(state_choices),
     .default_value = NODE_STATE_UP,
     .help = "Administrative state: a `\"draining\"` node gets no new sessions, and its existing "
             "ones are closed at `drain_rate_per_s`; a `\"down\"` node gets no new sessions "
             "either, and `on_node_down` determines what happens to its existing ones."},
    {.key = "backup",
     .kind = KEY_BOOL,
     FIELD(struct node_conf, backup),
     .help = "Use the node only while no other node is up."},
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct node_conf, max_connections),
     NODE_CONNECTIONS,
     .default_value = NODE_AS_DEFAULT,
     .default_text = "as `node_defaults`",
     .help = "Maximum number of sessions of this router on the node, above which devices are sent "
             "to their next node; 0 means no limit."},
    {.key = "max_connects_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct node_conf, max_connects_per_s),
     NODE_CONNECTS_PER_S,
     .default_value = NODE_AS_DEFAULT,
     .default_text = "as `node_defaults`",
     .help = "Maximum number of new sessions per second from this router to the node; 0 means no "
             "limit."},
    {.key = "check_address",
     .kind = KEY_NODE_ADDRESS,
     FIELD(struct node_conf, check_address),
     .default_text = "as `address`",
     .help = "Address that health checks connect to instead of `address`; `health_check.port` is "
             "then ignored."},
};
const struct config_table config_node_table = TABLE(struct node_conf, node_keys);

static const struct config_key node_defaults_keys[] = {
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct node_defaults_conf, max_connections),
     NODE_CONNECTIONS,
     .default_value = 0,
     .help = "Maximum number of sessions of this router on each node; 0 means no limit."},
    {.key = "max_connects_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct node_defaults_conf, max_connects_per_s),
     NODE_CONNECTS_PER_S,
     .default_value = 0,
     .help = "Maximum number of new sessions per second from this router to each node; 0 means no "
             "limit."},
    {.key = "connect_queue_ms",
     .kind = KEY_INTEGER,
     FIELD(struct node_defaults_conf, connect_queue_ms),
     RANGE(0, 60000),
     .default_value = 1000,
     .help =
         "Maximum time that a device waits because of `max_connects_per_s` before its next node is "
         "tried, in milliseconds; also limited by what is left of `timeouts.placement_ms`."},
    {.key = "slow_start_ms",
     .kind = KEY_INTEGER,
     FIELD(struct node_defaults_conf, slow_start_ms),
     RANGE(0, 3600000),
     .default_value = 0,
     .help = "Time in which a new or returning node reaches its full share of the devices, in "
             "milliseconds; 0 means immediately, and the key has no effect when the router itself "
             "starts."},
};
const struct config_table config_node_defaults_table =
    TABLE(struct node_defaults_conf, node_defaults_keys);

static const struct config_key discovery_keys[] = {
    {.key = "type",
     .kind = KEY_ENUM,
     FIELD(struct discovery_conf, type),
     CHOICES(discovery_choices),
     .default_value = DISCOVERY_DNS,
     .help = "Method of discovery."},
    {.key = "name",
     .kind = KEY_STRING,
     .required = true,
     .shape = &config_domain_shape,
     FIELD(struct discovery_conf, name),
     .help = "DNS name that is queried, such as `\"emqx-headless.default.svc.cluster.local\"`, or "
             "`\"_mqtt._tcp.emqx-headless.default.svc.cluster.local\"` for SRV."},
    {.key = "port",
     .kind = KEY_INTEGER,
     FIELD(struct discovery_conf, port),
     RANGE(1, 65535),
     .default_value = 1883,
     .help = "MQTT port of the nodes; not allowed with SRV records, which contain it."},
    {.key = "record",
     .kind = KEY_ENUM,
     FIELD(struct discovery_conf, record),
     CHOICES(record_choices),
     .default_value = DNS_RECORD_COUNT, /* not set; the default is set by check/nodes.c */
     .default_text = "`\"a\"`",
     .help = "Type of the DNS records; SRV records also contain ports and weights, and all their "
             "targets except those with the lowest priority value are backups."},
    {.key = "refresh_ms",
     .kind = KEY_INTEGER,
     FIELD(struct discovery_conf, refresh_ms),
     RANGE(1000, 86400000),
     .default_value = 30000,
     .help = "Maximum time between two queries, in milliseconds; the next query is earlier if the "
             "TTL of a response is shorter."},
    {.key = "node_name",
     .kind = KEY_ENUM,
     FIELD(struct discovery_conf, node_name),
     CHOICES(name_from_choices),
     .default_value = NODE_NAME_FROM_COUNT, /* not set; the default is set by check/nodes.c */
     .default_text = "`\"target\"` with SRV, else `\"address\"`",
     .help = "Source of the node names that the hash uses; with the target of an SRV record, a "
             "node that returns with another address keeps its devices."},
    {.key = "resolver",
     .kind = KEY_SERVER_ADDRESS,
     FIELD(struct discovery_conf, resolver),
     .default_value = 53,
     .default_text = "the system's",
     .help = "Numeric address of the DNS server, such as `\"10.96.0.10\"` or "
             "`\"[2001:db8::53]:5353\"`."},
};
const struct config_table config_discovery_table = TABLE(struct discovery_conf, discovery_keys);
