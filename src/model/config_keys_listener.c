/*
 * config_keys_listener.c - the keys of listeners[]: the doors that devices come in by.
 */
#include "model/config_rows.h"
#include "model/config_shape.h"

static const struct config_word validation_words[] = {{"strict", false}, {"lenient", true}};
static const struct config_word claim_words[] = {{"client_id", IDENTITY_CLIENT_ID},
                                                 {"username", IDENTITY_USERNAME}};
static const struct config_word name_words[] = {{"cn", IDENTITY_CN},
                                                {"san_dns", IDENTITY_SAN_DNS},
                                                {"san_uri", IDENTITY_SAN_URI},
                                                {"san_email", IDENTITY_SAN_EMAIL}};

_Static_assert(ARRAY_LEN(claim_words) == IDENTITY_CLAIM_COUNT, "every claim has a word");
_Static_assert(ARRAY_LEN(name_words) == IDENTITY_NAME_COUNT, "every name has a word");

static const struct config_key websocket_keys[] = {
    {.key = "path",
     .kind = KEY_TEXT,
     .shape = &config_path_shape,
     FIELD(struct websocket_conf, path),
     .default_string = "/mqtt",
     .help = "Where the upgrade is; other paths are answered with 404. A query behind it is "
             "ignored."},
};
static const struct config_table websocket_table = TABLE(struct websocket_conf, websocket_keys);

static const struct config_key identity_keys[] = {
    {.key = "claim",
     .kind = KEY_WORD,
     FIELD(struct identity_conf, claim),
     WORDS(claim_words),
     .default_value = IDENTITY_CLIENT_ID,
     .help = "What of the CONNECT the certificate has to confirm."},
    {.key = "names",
     .kind = KEY_WORD_LIST,
     FIELD(struct identity_conf, names),
     COUNT(struct identity_conf, n_names),
     RANGE(1, IDENTITY_NAME_COUNT),
     WORDS(name_words),
     .default_value = IDENTITY_CN,
     .help = "Where in the certificate: its common name, or alternative names of a kind. It must "
             "equal one of them, byte for byte."},
};
static const struct config_table identity_table = TABLE(struct identity_conf, identity_keys);

static const struct config_key listener_keys[] = {
    {.key = "name",
     .kind = KEY_TEXT,
     .required = true,
     .unique = true,
     RANGE(1, 128),
     FIELD(struct listener_conf, name),
     .help = "What logs and metrics call it."},
    {.key = "address",
     .kind = KEY_TEXT_LIST,
     .element = KEY_LISTEN_ADDRESS,
     .required = true,
     RANGE(1, 16),
     FIELD(struct listener_conf, addresses),
     COUNT(struct listener_conf, n_addresses),
     .help = "Where it listens: `\"0.0.0.0:1883\"`, `\"[::]:1883\"`, `\"unix:/run/mqtt.sock\"`; "
             "`\"*:1883\"` is any IPv4 address, port 0 a free port."},
    {.key = "dual_stack",
     .kind = KEY_FLAG,
     FIELD(struct listener_conf, dual_stack),
     .help = "`\"[::]:PORT\"` takes IPv4 connections, too."},
    {.key = "cluster",
     .kind = KEY_CLUSTER,
     .required = true,
     RANGE(1, 128),
     FIELD(struct listener_conf, cluster),
     .help = "The name of the cluster its devices go to."},
    {.key = "tls",
     .kind = KEY_OPTIONAL,
     FIELD(struct listener_conf, tls),
     .table = &config_tls_table,
     .default_text = "no TLS",
     .help = "Devices speak TLS, and it ends here."},
    {.key = "websocket",
     .kind = KEY_OPTIONAL,
     FIELD(struct listener_conf, websocket),
     .table = &websocket_table,
     .default_text = "no WebSocket",
     .help = "Devices speak MQTT over WebSocket; with `tls`, over wss."},
    {.key = "identity",
     .kind = KEY_OPTIONAL,
     FIELD(struct listener_conf, identity),
     .table = &identity_table,
     .default_text = "not checked",
     .help = "A device is only who its certificate says. Needs `tls.client_auth` `\"require\"`, or "
             "`accept_proxy_protocol` from a proxy that ends TLS."},
    {.key = "connect_validation",
     .kind = KEY_WORD,
     FIELD(struct listener_conf, lenient),
     WORDS(validation_words),
     .default_value = false,
     .help = "`\"lenient\"` leaves the contents of CONNECT to the node; its framing is always "
             "checked."},
    {.key = "accept_proxy_protocol",
     .kind = KEY_FLAG,
     FIELD(struct listener_conf, accept_proxy_protocol),
     .help = "Every connection begins with a PROXY protocol header, version 1 or 2. Needs "
             "`trusted_proxies`, except on Unix sockets."},
    {.key = "trusted_proxies",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 256),
     FIELD(struct listener_conf, trusted_proxies),
     COUNT(struct listener_conf, n_trusted_proxies),
     .default_text = "none",
     .help = "Whose word about a device's address counts: `\"10.0.0.0/8\"`, `\"2001:db8::/32\"`."},
    {.key = "client_address_header",
     .kind = KEY_TEXT,
     .shape = &config_header_shape,
     FIELD(struct listener_conf, client_address_header),
     .default_text = "none",
     .help = "With `websocket`: the header in which `trusted_proxies` tell the device's address, "
             "`\"X-Forwarded-For\"`. From anyone else it is ignored."},
    {.key = "allow",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 1024),
     FIELD(struct listener_conf, allow),
     COUNT(struct listener_conf, n_allow),
     .default_text = "everyone",
     .help = "Only devices from there are let in: `\"10.0.0.0/8\"`, `\"2001:db8::/32\"`. It is the "
             "device's own address that counts, where `trusted_proxies` tell it."},
    {.key = "deny",
     .kind = KEY_NETWORK_LIST,
     RANGE(1, 1024),
     FIELD(struct listener_conf, deny),
     COUNT(struct listener_conf, n_deny),
     .default_text = "nobody",
     .help = "Devices from there are not, whatever `allow` says."},
    {.key = "max_connections",
     .kind = KEY_INTEGER,
     FIELD(struct listener_conf, max_connections),
     RANGE(0, 10000000),
     .default_value = 0,
     .help = "Devices at a time that came in here; 0: any number."},
    {.key = "socket_mode",
     .kind = KEY_TEXT,
     .shape = &config_mode_shape,
     .of_host = true,
     FIELD(struct listener_conf, socket.mode),
     .default_text = "by the umask",
     .help =
         "Access rights of the file of a Unix socket, octal, `\"0660\"`; a client needs the right "
         "to write."},
    {.key = "socket_owner",
     .kind = KEY_TEXT,
     RANGE(1, 64),
     .of_host = true,
     FIELD(struct listener_conf, socket.owner),
     .default_text = "the user it runs as",
     .help =
         "User, by name or number, that owns the file of a Unix socket. Needs a start as root."},
    {.key = "socket_group",
     .kind = KEY_TEXT,
     RANGE(1, 64),
     .of_host = true,
     FIELD(struct listener_conf, socket.group),
     .default_text = "the group it runs as",
     .help = "Group, by name or number, of the file of a Unix socket. Needs a start as root, or a "
             "group that the router is in."},
    {.key = "backlog",
     .kind = KEY_INTEGER,
     FIELD(struct listener_conf, backlog),
     RANGE(1, 65535),
     .default_value = 4096,
     .help = "How many connections may wait to be accepted; `net.core.somaxconn` limits it."},
    {.key = "tcp_defer_accept",
     .kind = KEY_FLAG,
     FIELD(struct listener_conf, tcp_defer_accept),
     .help = "Let the kernel hold a connection back until its first bytes are there."},
    {.key = "fast_open",
     .kind = KEY_INTEGER,
     FIELD(struct listener_conf, fast_open),
     RANGE(0, 65535),
     .default_value = 0,
     .help = "TCP Fast Open: how many such connections may wait; 0: off."},
};
const struct config_table config_listener_table = TABLE(struct listener_conf, listener_keys);
