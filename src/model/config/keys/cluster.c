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
     .help = "Source of the key, as in a `route_by` without an object."},
    {.key = "prefix_until",
     .kind = KEY_STRING,
     RANGE(1, 128),
     FIELD(struct route_rule, prefix_until),
     .default_text = "none",
     .help = "Text before whose first occurrence the key ends, so that with `\"/\"` all of "
             "`tenant-a/...` share a node; without an occurrence the key is the whole value."},
};
static const struct config_table route_rule_table = TABLE(struct route_rule, route_rule_keys);

static const struct config_key homecoming_keys[] = {
    {.key = "after_ms",
     .kind = KEY_INTEGER,
     FIELD(struct homecoming_conf, after_ms),
     RANGE(0, 86400000),
     .default_value = 60000,
     .help = "Time that the home node must be up before its sessions are closed elsewhere, in "
             "milliseconds."},
    {.key = "rate_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct homecoming_conf, rate_per_s),
     RATE,
     .default_value = 50,
     .help = "Sessions closed per second so that they reconnect to their home node."},
    {.key = "after_scale_out",
     .kind = KEY_BOOL,
     FIELD(struct homecoming_conf, after_scale_out),
     .help = "Include sessions whose home changed because nodes were added, removed or given "
             "another weight; if `false`, only `POST /api/v1/homecoming` includes them."},
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
     .help = "Discovery of the nodes by DNS, repeated to keep them up to date."},
    {.key = "node_defaults",
     .kind = KEY_OBJECT,
     FIELD(struct cluster_conf, node_defaults),
     .table = &config_node_defaults_table,
     .help = "Settings for every node that has none of its own."},
    {.key = "route_by",
     .kind = KEY_SHORTHAND_LIST,
     FIELD(struct cluster_conf, route_by),
     COUNT(struct cluster_conf, n_route_by),
     RANGE(1, 16),
     .table = &route_rule_table,
     .default_value = ROUTE_CLIENT_ID,
     .help = "Source of the key that decides a device's home node; of a list, the first source "
             "that the device has."},
    {.key = "empty_client_id",
     .kind = KEY_ENUM,
     FIELD(struct cluster_conf, empty_client_id),
     CHOICES(empty_id_choices),
     .default_value = EMPTY_ID_SPREAD,
     .help = "Routing of a device that has no key by `route_by`: to the node with the fewest "
             "sessions, by its source address, or refused."},
    {.key = "proxy_protocol",
     .kind = KEY_ENUM,
     FIELD(struct cluster_conf, proxy_protocol),
     CHOICES(proxy_choices),
     .default_value = PROXY_PROTOCOL_V2,
     .help = "Version of the PROXY protocol header that carries the device's address to the nodes; "
             "must match the setting of their listener."},
    {.key = "proxy_protocol_tlvs",
     .kind = KEY_ENUM_SET,
     FIELD(struct cluster_conf, proxy_protocol_tlvs),
     CHOICES(tlv_choices),
     .default_value = PROXY_TLV_ALPN | PROXY_TLV_AUTHORITY | PROXY_TLV_SSL,
     .default_text = "`[\"alpn\", \"authority\", \"ssl\"]`",
     .help = "Additional contents of a version 2 header: the protocol and server name of the TLS "
             "handshake, its version, cipher and device certificate, the session's id in the "
             "router's log, or a checksum."},
    {.key = "tls",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct cluster_conf, tls),
     .table = &config_upstream_tls_table,
     .default_text = "plain TCP",
     .help = "TLS settings towards the nodes, with which TLS starts after the PROXY header."},
    {.key = "source_addresses",
     .kind = KEY_STRING_LIST,
     .element = KEY_STRING,
     .of_host = true,
     RANGE(1, 256),
     .shape = &config_ip_shape,
     FIELD(struct cluster_conf, source_addresses),
     COUNT(struct cluster_conf, n_source_addresses),
     .default_text = "the kernel's choice",
     .help = "Local addresses to dial the nodes from, in turn, each of which allows about 28,000 "
             "sessions per node (see `net.ipv4.ip_local_port_range`)."},
    {.key = "replay",
     .kind = KEY_BOOL,
     FIELD(struct cluster_conf, replay),
     .default_value = true,
     .help =
         "Send the CONNECT to the next node if a node closes, stays silent or reports that it is "
         "unavailable before it has accepted the device; if `false`, the device is refused."},
    {.key = "bounded_load",
     .kind = KEY_FACTOR,
     FIELD(struct cluster_conf, bounded_load_permille),
     RANGE(1000, 100000),
     .default_text = "off",
     .help = "Maximum load of a node as a multiple of its share of the sessions, such as `1.25` "
             "for a quarter more, beyond which devices go to their next node."},
    {.key = "health_check",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct cluster_conf, health_check),
     .table = &config_health_table,
     .default_text = "none",
     .help = "Active checks of the nodes; without them only failing sessions (`passive`) reveal "
             "that a node is down."},
    {.key = "passive",
     .kind = KEY_FALSE_OR_OBJECT,
     FIELD(struct cluster_conf, passive.off),
     .table = &config_passive_table,
     .default_text = "on",
     .help = "Ejection of a node for a while after failures of real sessions, which are failed "
             "dials, and nodes that close or stay silent before their CONNACK; `false` disables "
             "it, and the only node of a cluster is never ejected."},
    {.key = "on_node_down",
     .kind = KEY_ENUM,
     FIELD(struct cluster_conf, on_node_down),
     CHOICES(node_down_choices),
     .default_value = ON_NODE_DOWN_CLOSE,
     .help = "Handling of the existing sessions of a node that is down: closed at "
             "`close_rate_per_s` while another node is up, or kept until they end."},
    {.key = "close_rate_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, close_rate_per_s),
     RATE,
     .default_value = 500,
     .help = "Number of sessions of a node that is down that are closed per second, with jitter."},
    {.key = "drain_rate_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, drain_rate_per_s),
     RATE,
     .default_value = 100,
     .help = "Number of sessions of a draining node that are closed per second, with jitter, those "
             "with a clean session first."},
    {.key = "drain_deadline_ms",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, drain_deadline_ms),
     RANGE(0, 86400000),
     .default_value = 0,
     .help = "Time from the start of a drain after which all remaining sessions are closed, in "
             "milliseconds; 0 means no deadline."},
    {.key = "homecoming",
     .kind = KEY_OPTIONAL_OBJECT,
     .off_allowed = true,
     FIELD(struct cluster_conf, homecoming),
     .table = &homecoming_table,
     .default_text = "`false`",
     .help = "Closing of sessions that were placed on other nodes while their home node was "
             "unavailable, so that they reconnect to it; without it they return on their next "
             "connect."},
};
const struct config_table config_cluster_table = TABLE(struct cluster_conf, cluster_keys);
