/*
 * cluster.c - the keys of clusters[].
 */
#include "model/config/shape.h"
#include "rows.h"

static const struct config_choice route_choices[] = {{"client_id", ROUTE_CLIENT_ID},
                                                     {"username", ROUTE_USERNAME},
                                                     {"source_ip", ROUTE_SOURCE_IP},
                                                     {"tls_cn", ROUTE_TLS_CN},
                                                     {"sni", ROUTE_SNI}};
static const struct config_choice empty_id_choices[] = {
    {"spread", EMPTY_ID_SPREAD}, {"source_ip", EMPTY_ID_SOURCE_IP}, {"refuse", EMPTY_ID_REFUSE}};
static const struct config_choice proxy_choices[] = {
    {"v2", PROXY_PROTOCOL_V2}, {"v1", PROXY_PROTOCOL_V1}, {"none", PROXY_PROTOCOL_NONE}};
static const struct config_choice tlv_choices[] = {{"alpn", PROXY_TLV_ALPN},
                                                   {"authority", PROXY_TLV_AUTHORITY},
                                                   {"ssl", PROXY_TLV_SSL},
                                                   {"unique_id", PROXY_TLV_UNIQUE_ID},
                                                   {"crc32c", PROXY_TLV_CRC32C}};
static const struct config_choice node_down_choices[] = {{"close", ON_NODE_DOWN_CLOSE},
                                                         {"keep", ON_NODE_DOWN_KEEP}};

_Static_assert(ARRAY_LEN(route_choices) == ROUTE_SOURCE_COUNT, "every route source has a name");
_Static_assert(ARRAY_LEN(node_down_choices) == ON_NODE_DOWN_COUNT, "every choice has a name");

static const struct config_key route_rule_keys[] = {
    {.key = "from",
     .kind = KEY_ENUM,
     .required = true,
     FIELD(struct route_rule, from),
     CHOICES(route_choices),
     .default_value = ROUTE_SOURCE_COUNT, /* not set */
     .help = "Source of the key: the client identifier, the user name, the source address, the "
             "common name in the device certificate, or the TLS server name."},
    {.key = "prefix_until",
     .kind = KEY_STRING,
     RANGE(1, 128),
     FIELD(struct route_rule, prefix_until),
     .default_text = "none",
     .help = "Separator that ends the key, so that with `\"/\"` all values that start with "
             "`tenant-a/` share a home node; a value without the separator is used as a whole."},
};
static const struct config_table route_rule_table = TABLE(struct route_rule, route_rule_keys);

static const struct config_key homecoming_keys[] = {
    {.key = "after_ms",
     .kind = KEY_INTEGER,
     FIELD(struct homecoming_conf, after_ms),
     RANGE(0, 86400000),
     .default_value = 60000,
     .help = "Time for which a home node must be up before its sessions on other nodes are closed, "
             "in milliseconds."},
    {.key = "rate_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct homecoming_conf, rate_per_s),
     RATE,
     .default_value = 50,
     .help =
         "Number of sessions closed per second so that their devices reconnect to the home node."},
    {.key = "after_scale_out",
     .kind = KEY_BOOL,
     FIELD(struct homecoming_conf, after_scale_out),
     .help = "Also close sessions whose home changed because nodes were added or removed or their "
             "weights changed; if `false`, only `POST /api/v1/homecoming` closes them."},
};
static const struct config_table homecoming_table = TABLE(struct homecoming_conf, homecoming_keys);

static const struct config_key cluster_keys[] = {
    {.key = "name",
     .kind = KEY_STRING,
     .required = true,
     .unique = true,
     RANGE(1, 128),
     FIELD(struct cluster_conf, name),
     .help = "Name of the cluster in listeners, logs and metrics."},
    {.key = "nodes",
     .kind = KEY_LIST,
     RANGE(1, 1024),
     FIELD(struct cluster_conf, nodes),
     COUNT(struct cluster_conf, n_nodes),
     .table = &config_node_table,
     .default_text = "required without `discovery`",
     .help = "Broker nodes of the cluster, in any order."},
    {.key = "discovery",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct cluster_conf, discovery),
     .table = &config_discovery_table,
     .default_text = "none",
     .help = "Settings for the discovery of the nodes by DNS, which is repeated to keep the nodes "
             "up to date."},
    {.key = "node_defaults",
     .kind = KEY_OBJECT,
     FIELD(struct cluster_conf, node_defaults),
     .table = &config_node_defaults_table,
     .help = "Settings for all nodes that do not have their own value."},
    {.key = "route_by",
     .kind = KEY_SHORTHAND_LIST,
     FIELD(struct cluster_conf, route_by),
     COUNT(struct cluster_conf, n_route_by),
     RANGE(1, 16),
     .table = &route_rule_table,
     .default_value = ROUTE_CLIENT_ID,
     .help = "Source of the key that determines the home node of a device; in a list, the first "
             "source for which the device has a value is used."},
    {.key = "empty_client_id",
     .kind = KEY_ENUM,
     FIELD(struct cluster_conf, empty_client_id),
     CHOICES(empty_id_choices),
     .default_value = EMPTY_ID_SPREAD,
     .help = "Handling of devices for which `route_by` yields no key: `\"spread\"` sends them to "
             "the node with the fewest sessions, `\"source_ip\"` uses their source address as the "
             "key, and `\"refuse\"` refuses them."},
    {.key = "proxy_protocol",
     .kind = KEY_ENUM,
     FIELD(struct cluster_conf, proxy_protocol),
     CHOICES(proxy_choices),
     .default_value = PROXY_PROTOCOL_V2,
     .help = "Version of the PROXY protocol header that is sent to the nodes and contains the "
             "device's address; must match the configuration of the nodes."},
    {.key = "proxy_protocol_tlvs",
     .kind = KEY_ENUM_SET,
     FIELD(struct cluster_conf, proxy_protocol_tlvs),
     CHOICES(tlv_choices),
     .default_value = PROXY_TLV_ALPN | PROXY_TLV_AUTHORITY | PROXY_TLV_SSL,
     .default_text = "`[\"alpn\", \"authority\", \"ssl\"]`",
     .help =
         "Optional contents of a version 2 header: the ALPN protocol (`\"alpn\"`), the TLS server "
         "name (`\"authority\"`), the TLS version, cipher and device certificate (`\"ssl\"`), the "
         "session's id in the router's log (`\"unique_id\"`), and a checksum (`\"crc32c\"`)."},
    {.key = "tls",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct cluster_conf, tls),
     .table = &config_upstream_tls_table,
     .default_text = "plain TCP",
     .help = "TLS settings for connections to the nodes, where TLS starts after the PROXY protocol "
             "header; without this key, connections to the nodes use plain TCP."},
    {.key = "source_addresses",
     .kind = KEY_STRING_LIST,
     .element = KEY_STRING,
     .of_host = true,
     RANGE(1, 256),
     .shape = &config_ip_shape,
     FIELD(struct cluster_conf, source_addresses),
     COUNT(struct cluster_conf, n_source_addresses),
     .default_text = "the kernel's choice",
     .help = "Local addresses for connections to the nodes, used in turn; each of them allows "
             "about 28,000 sessions per node (see `net.ipv4.ip_local_port_range`)."},
    {.key = "replay",
     .kind = KEY_BOOL,
     FIELD(struct cluster_conf, replay),
     .default_value = true,
     .help = "Send the CONNECT to the next node if a node closes the connection, does not respond "
             "or reports that it is unavailable before it accepts the device; if `false`, the "
             "device is refused."},
    {.key = "bounded_load",
     .kind = KEY_FACTOR,
     FIELD(struct cluster_conf, bounded_load_permille),
     RANGE(1000, 100000),
     .default_text = "off",
     .help = "Maximum load of a node as a multiple of its share of the sessions, such as `1.25` "
             "for a quarter more; devices of a node that exceeds it are sent to their next node."},
    {.key = "health_check",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct cluster_conf, health_check),
     .table = &config_health_table,
     .default_text = "none",
     .help = "Settings for active health checks of the nodes; without this key, the router "
             "recognizes that a node is down only from failed sessions (`passive`)."},
    {.key = "passive",
     .kind = KEY_FALSE_OR_OBJECT,
     FIELD(struct cluster_conf, passive.off),
     .table = &config_passive_table,
     .default_text = "on",
     .help =
         "Settings for passive health checks, which eject a node for a while after too many failed "
         "sessions, because the node cannot be reached, or closes or does not respond before its "
         "CONNACK; `false` disables them, and the only node of a cluster is never ejected."},
    {.key = "on_node_down",
     .kind = KEY_ENUM,
     FIELD(struct cluster_conf, on_node_down),
     CHOICES(node_down_choices),
     .default_value = ON_NODE_DOWN_CLOSE,
     .help =
         "Handling of the existing sessions of a node that is down: `\"close\"` closes them at "
         "`close_rate_per_s` while another node is up, and `\"keep\"` keeps them until they end."},
    {.key = "close_rate_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, close_rate_per_s),
     RATE,
     .default_value = 500,
     .help = "Number of sessions closed per second on a node that is down, with jitter."},
    {.key = "drain_rate_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, drain_rate_per_s),
     RATE,
     .default_value = 100,
     .help = "Number of sessions closed per second on a draining node, with jitter; clean sessions "
             "are closed first."},
    {.key = "drain_deadline_ms",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, drain_deadline_ms),
     RANGE(0, 86400000),
     .default_value = 0,
     .help = "Time limit for a drain, in milliseconds, after which all remaining sessions are "
             "closed; 0 means no limit."},
    {.key = "homecoming",
     .kind = KEY_OPTIONAL_OBJECT,
     .off_allowed = true,
     FIELD(struct cluster_conf, homecoming),
     .table = &homecoming_table,
     .default_text = "`false`",
     .help = "Settings for homecoming, which closes sessions that were placed on other nodes while "
             "their home node was unavailable, so that their devices reconnect to it; if `false`, "
             "devices return when they next connect."},
};
const struct config_table config_cluster_table = TABLE(struct cluster_conf, cluster_keys);
