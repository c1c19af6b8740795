/*
 * listener.c - the keys of listeners[], except tls.
 */
#include "model/config/shape.h"
#include "rows.h"

static const struct config_choice validation_choices[] = {{"strict", false}, {"lenient", true}};
static const struct config_choice claim_choices[] = {{"client_id", IDENTITY_CLIENT_ID},
                                                     {"username", IDENTITY_USERNAME}};
static const struct config_choice name_choices[] = {{"cn", IDENTITY_CN},
                                                    {"san_dns", IDENTITY_SAN_DNS},
                                                    {"san_uri", IDENTITY_SAN_URI},
                                                    {"san_email", IDENTITY_SAN_EMAIL}};

_Static_assert(ARRAY_LEN(claim_choices) == IDENTITY_CLAIM_COUNT, "every claim has a name");
_Static_assert(ARRAY_LEN(name_choices) == IDENTITY_NAME_COUNT, "every name has a name");

static const struct config_key websocket_keys[] = {
    {.key = "path",
     .kind = KEY_STRING,
     .shape = &config_path_shape,
     FIELD(struct websocket_conf, path),
     .default_string = "/mqtt",
     .help = "URL path of the WebSocket upgrade, without the query; requests for other paths get "
             "status 404."},
};
static const struct config_table websocket_table = TABLE(struct websocket_conf, websocket_keys);

static const struct config_key identity_keys[] = {
    {.key = "claim",
     .kind = KEY_ENUM,
     FIELD(struct identity_conf, claim),
     CHOICES(claim_choices),
     .default_value = IDENTITY_CLIENT_ID,
     .help = "Field of the CONNECT that must match the device certificate."},
    {.key = "names",
     .kind = KEY_ENUM_LIST,
     FIELD(struct identity_conf, names),
     COUNT(struct identity_conf, n_names),
     RANGE(1, IDENTITY_NAME_COUNT),
     CHOICES(name_choices),
     .default_value = IDENTITY_CN,
     .help = "Types of names in the device certificate, one of which must equal the claim byte for "
             "byte: the common name, or a subject alternative name of type DNS, URI or email."},
};
static const struct config_table identity_table = TABLE(struct identity_conf, identity_keys);

static const struct config_key listener_keys[] = {
    {.key = "name",
     .kind = KEY_STRING,
     .required = true,
     .unique = true,
     RANGE(1, 128),
     FIELD(struct listener_conf, name),
     .help = "Name of the listener in logs and metrics."},
    {.key = "address",
     .kind = KEY_STRING_LIST,
     .element = KEY_LISTEN_ADDRESS,
     .required = true,
     RANGE(1, 16),
     FIELD(struct listener_conf, addresses),
     COUNT(struct listener_conf, n_addresses),
     .help = "Address to listen on, such as `\"0.0.0.0:1883\"`, `\"[::]:1883\"` or "
             "`\"unix:/run/mqtt.sock\"`; `\"*:1883\"` means any IPv4 address, and port 0 any free "
             "port."},
    {.key = "dual_stack",
     .kind = KEY_BOOL,
     FIELD(struct listener_conf, dual_stack),
     .help = "Also accept IPv4 connections on `\"[::]:PORT\"`."},
    {.key = "cluster",
     .kind = KEY_CLUSTER,
     .required = true,
     RANGE(1, 128),
     FIELD(struct listener_conf, cluster),
     .help = "Name of the cluster that devices are routed to."},
    {.key = "tls",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct listener_conf, tls),
     .table = &config_tls_table,
     .default_text = "no TLS",
     .help = "TLS settings for devices; without this key, the listener accepts plain connections."},
    {.key = "websocket",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct listener_conf, websocket),
     .table = &websocket_table,
     .default_text = "no WebSocket",
     .help = "WebSocket settings; with this key, devices use MQTT over WebSocket, or over wss if "
             "`tls` is set."},
    {.key = "identity",
     .kind = KEY_OPTIONAL_OBJECT,
     FIELD(struct listener_conf, identity),
     .table = &identity_table,
     .default_text = "not checked",
     .help = "Settings for the identity check, in which a name in the device certificate must "
             "match the CONNECT; requires `tls.client_auth` `\"require\"`, or "
             "`accept_proxy_protocol` from a proxy that terminates TLS."},
    {.key = "connect_validation",
     .kind = KEY_ENUM,
     FIELD(struct listener_conf, lenient),
     CHOICES(validation_choices),
     .default_value = false,
     .help = "Validation of the CONNECT; `\"lenient\"` checks only the framing and leaves the "
             "contents to the node."},
    {.key = "accept_proxy_protocol",
     .kind = KEY_BOOL,
     FIELD(struct listener_conf, accept_proxy_protocol),
     .help = "Require a PROXY protocol header, version 1 or 2, on every connection; requires "
             "`trusted_proxies`, except on Unix sockets."},
    {.key = "trusted_proxies",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 256),
     FIELD(struct listener_conf, trusted_proxies),
     COUNT(struct listener_conf, n_trusted_proxies),
     .default_text = "none",
     .help = "Networks of proxies that are trusted to send the device's address, such as "
             "`\"10.0.0.0/8\"` or `\"2001:db8::/32\"`."},
    {.key = "client_address_header",
     .kind = KEY_STRING,
     .shape = &config_header_shape,
     FIELD(struct listener_conf, client_address_header),
     .default_text = "none",
     .help = "HTTP header of the WebSocket upgrade in which `trusted_proxies` send the device's "
             "address, such as `\"X-Forwarded-For\"`; ignored from any other peer."},
    {.key = "allow",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 1024),
     FIELD(struct listener_conf, allow),
     COUNT(struct listener_conf, n_allow),
     .default_text = "all",
     .help =
         "Networks that devices may connect from, such as `\"10.0.0.0/8\"` or `\"2001:db8::/32\"`; "
         "behind `trusted_proxies`, the address that they send is checked."},
    {.key = "deny",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 1024),
     FIELD(struct listener_conf, deny),
     COUNT(struct listener_conf, n_deny),
     .default_text = "none",
     .help = "Networks that devices may not connect from, even if `allow` contains them."},
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct listener_conf, max_connections),
     RANGE(0, 10000000),
     .default_value = 0,
     .help = "Maximum number of simultaneous connections to this listener; 0 means no limit."},
    {.key = "socket_mode",
     .kind = KEY_STRING,
     .shape = &config_mode_shape,
     .of_host = true,
     FIELD(struct listener_conf, socket.mode),
     .default_text = "from the umask",
     .help = "Permissions of the Unix socket file, in octal, such as `\"0660\"`; clients need "
             "write permission."},
    {.key = "socket_owner",
     .kind = KEY_STRING,
     RANGE(1, 64),
     .of_host = true,
     FIELD(struct listener_conf, socket.owner),
     .default_text = "the router's user",
     .help = "Owner of the Unix socket file, as a user name or number; requires a start as root."},
    {.key = "socket_group",
     .kind = KEY_STRING,
     RANGE(1, 64),
     .of_host = true,
     FIELD(struct listener_conf, socket.group),
     .default_text = "the router's group",
     .help = "Group of the Unix socket file, as a group name or number; requires a start as root, "
             "or a group that the router's user is a member of."},
    {.key = "backlog",
     .kind = KEY_INTEGER,
     FIELD(struct listener_conf, backlog),
     RANGE(1, 65535),
     .default_value = 4096,
     .help = "Maximum number of connections that wait to be accepted; also limited by "
             "`net.core.somaxconn`."},
    {.key = "tcp_defer_accept",
     .kind = KEY_BOOL,
     FIELD(struct listener_conf, tcp_defer_accept),
     .help = "Let the kernel hold back a new connection until its first bytes have arrived."},
    {.key = "fast_open",
     .kind = KEY_INTEGER,
     FIELD(struct listener_conf, fast_open),
     RANGE(0, 65535),
     .default_value = 0,
     .help = "Maximum number of pending TCP Fast Open connections; 0 disables TCP Fast Open."},
};
const struct config_table config_listener_table = TABLE(struct listener_conf, listener_keys);
