/*
 * config.h - the parsed and checked configuration: plain data, immutable.
 *
 * Fields that the file does not set have their defaults. The configuration owns its strings and
 * arrays; config_free() frees them. A bare value in a field's comment is the default.
 */
#ifndef MODEL_CONFIG_CONFIG_H
#define MODEL_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"

struct cidr;

enum route_source {
    ROUTE_CLIENT_ID,
    ROUTE_USERNAME,
    ROUTE_SOURCE_IP,
    ROUTE_TLS_CN, /* the common name of a verified device certificate */
    ROUTE_SNI,    /* the server name that the device sent */
    ROUTE_SOURCE_COUNT
};
enum empty_client_id { EMPTY_ID_SPREAD, EMPTY_ID_SOURCE_IP, EMPTY_ID_REFUSE };
enum proxy_protocol { PROXY_PROTOCOL_NONE, PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };

/* Bits of cluster_conf.proxy_protocol_tlvs: the optional fields of a version 2 header. */
enum proxy_tlv {
    PROXY_TLV_ALPN = 1u << 0,
    PROXY_TLV_AUTHORITY = 1u << 1,
    PROXY_TLV_SSL = 1u << 2, /* with its sub-TLVs */
    PROXY_TLV_UNIQUE_ID = 1u << 3,
    PROXY_TLV_CRC32C = 1u << 4,
};

enum client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST, CLIENT_AUTH_REQUIRE, CLIENT_AUTH_COUNT };
enum crl_check { CRL_CHECK_LEAF, CRL_CHECK_CHAIN, CRL_CHECK_COUNT };

/*
 * Relative file names have been resolved against the directory of the configuration file. Two
 * certificates can have the same names if their keys are of different types (ECDSA and RSA): each
 * device gets the one that it can verify.
 */
struct certificate_conf {
    char *certificate_file;            /* PEM: the certificate, then its chain */
    char *private_key_file;            /* PEM, may be encrypted */
    char *private_key_passphrase_file; /* one line; null = no passphrase */
    char *ocsp_response_file;          /* DER or PEM, stapled; null = none */
    uint32_t line;                     /* line in the configuration file, for messages */
};

/* Zero means the default in every field except certificates, min_version and detach. */
struct tls_conf {
    struct certificate_conf *certificates; /* at least one; the first is the default */
    size_t n_certificates;
    uint32_t line;        /* line in the configuration file, for messages */
    unsigned min_version; /* 0x0303 (TLS 1.2) or 0x0304 (TLS 1.3) */
    bool strict_sni;      /* refuse clients without a server name, or with an unknown one */

    enum client_auth client_auth; /* NONE */
    char *client_ca_file;         /* PEM bundle; required unless client_auth is NONE */
    char **client_crl_files;      /* PEM files, each with one or more CRLs; none = no CRL check */
    size_t n_client_crl_files;
    enum crl_check client_crl_check; /* LEAF: check only the device's own certificate */
    uint32_t client_verify_depth;    /* maximum intermediates in a device's chain; 0 = 8 */

    char *ciphers;      /* TLS 1.2, in OpenSSL's notation: "ECDHE+AESGCM"; null = default */
    char *ciphersuites; /* TLS 1.3: "TLS_AES_128_GCM_SHA256:..."; null = default */
    char *groups;       /* key exchange: "X25519:P-256"; null = default */
    char **alpn;        /* in order of preference; none = "mqtt", "x-amzn-mqtt-ca" */
    size_t n_alpn;      /* clients that offer none of these are served too */

    bool session_tickets_off;      /* session_tickets is false: all handshakes are full */
    char *session_ticket_key_file; /* session_tickets.key_file; null = generated keys */

    bool detach; /* default true: free OpenSSL's connection after the handshake */
};

/* TLS towards the nodes of a cluster. */
struct upstream_tls_conf {
    uint32_t line; /* line in the configuration file, for messages */
    char *ca_file; /* PEM bundle; null = the system's store */
    bool verify;   /* default true; false = accept any certificate */
    /* For SNI and verification. Null = no SNI; certificates must contain the node's IP address. */
    char *server_name;
    char *certificate_file;            /* PEM: sent to the nodes; null = none */
    char *private_key_file;            /* PEM; together with certificate_file */
    char *private_key_passphrase_file; /* one line; null = no passphrase */
    unsigned min_version;              /* as in tls_conf; 0 = TLS 1.2 */
    char **alpn;                       /* none = no ALPN; no MQTT broker requires it */
    size_t n_alpn;
    bool detach; /* as in tls_conf */
};

/* The field of the CONNECT that must match the device's certificate. */
enum identity_claim { IDENTITY_CLIENT_ID, IDENTITY_USERNAME, IDENTITY_CLAIM_COUNT };

/* Kinds of names in a certificate, in the order of enum tls_name_kind. */
enum identity_name {
    IDENTITY_CN,
    IDENTITY_SAN_DNS,
    IDENTITY_SAN_URI,
    IDENTITY_SAN_EMAIL,
    IDENTITY_NAME_COUNT
};

/*
 * The device is refused unless the claim equals a name of one of these kinds. This requires a
 * certificate from every device, sent to the router (client_auth is REQUIRE) or to a trusted proxy.
 * A PROXY header contains only the certificate's common name.
 */
struct identity_conf {
    enum identity_claim claim;                     /* CLIENT_ID */
    enum identity_name names[IDENTITY_NAME_COUNT]; /* no duplicates; CN */
    size_t n_names;                                /* at least 1 */
};

struct websocket_conf {
    char *path; /* path of the upgrade request, without its query; "/mqtt" */
};

/*
 * Addresses are valid strings: "0.0.0.0:1883", "[::]:1883", or "unix:/run/mqtt.sock". Relative
 * paths have been resolved. Paths have at most CONFIG_UNIX_PATH_MAX bytes.
 */
#define CONFIG_UNIX_PREFIX   "unix:"
#define CONFIG_UNIX_PATH_MAX 107u /* sun_path without its terminator */

/* Permissions of a Unix socket's file. A client needs write permission to connect. */
struct socket_conf {
    char *mode;  /* octal, "0660"; null = from the umask */
    char *owner; /* name or number; null = the router's user */
    char *group;
};

/* Zero means the default in every optional field except backlog. */
struct listener_conf {
    char *name;
    char **addresses;
    size_t n_addresses;   /* at least 1 */
    bool dual_stack;      /* accept IPv4 on "[::]" too; other IPv6 addresses accept only IPv6 */
    size_t cluster;       /* index into clusters */
    struct tls_conf *tls; /* null = no TLS */
    bool lenient;         /* connect_validation is "lenient" */

    struct socket_conf socket;
    uint32_t backlog;      /* for listen(); default 4096 */
    bool tcp_defer_accept; /* accept when the first bytes have arrived */
    uint32_t fast_open;    /* queue length of TCP Fast Open; 0 = off */

    /*
     * Require a PROXY header on every connection. Only trusted proxies, and clients of a Unix
     * socket, may send one.
     */
    bool accept_proxy_protocol;
    struct cidr *trusted_proxies; /* base/cidr.h */
    size_t n_trusted_proxies;     /* not 0 if a PROXY header or an address header is used, unless
                                     all addresses are Unix sockets */

    struct websocket_conf *websocket; /* null = none */
    char *client_address_header;      /* in the upgrade request, "X-Forwarded-For"; null = none */

    struct identity_conf *identity; /* null = no check */

    /*
     * Networks that devices may, or may not, connect from; deny is checked first. The address of a
     * device can come from a trusted proxy.
     */
    struct cidr *allow; /* none = all */
    size_t n_allow;
    struct cidr *deny;
    size_t n_deny;
    uint32_t max_connections; /* over all its addresses and workers; 0 = no limit */
};

/* Administrative state of a node, set by the configuration or an operator. */
enum node_state {
    NODE_STATE_UP,
    NODE_STATE_DRAINING, /* no new sessions; existing ones are closed at a limited rate */
    NODE_STATE_DOWN,     /* no new sessions; existing ones are handled by on_node_down */
    NODE_STATE_COUNT
};

/* max_connections or max_connects_per_s of a node without its own value: use node_defaults. */
#define NODE_AS_DEFAULT UINT32_MAX

/* One broker, configured or discovered. */
struct node_conf {
    char *name;
    char *address;               /* numeric "192.168.0.2:1883", or "unix:/run/emqx.sock" */
    uint32_t weight;             /* 0..65535, default 1; 0 = no new sessions */
    enum node_state state;       /* UP */
    bool backup;                 /* used only while no other node is up */
    uint32_t max_connections;    /* sessions of this router on the node; 0 = no limit */
    uint32_t max_connects_per_s; /* new sessions per second from this router; 0 = no limit */
    char *check_address;         /* address for health checks; null = `address` */
};

/* Defaults for the nodes of a cluster. */
struct node_defaults_conf {
    uint32_t max_connections;    /* 0 */
    uint32_t max_connects_per_s; /* 0 */
    uint32_t connect_queue_ms;   /* 1000: maximum wait of a session for its turn at a node */
    uint32_t slow_start_ms;      /* 0: time until a returning node has its full share */
};

enum check_type { CHECK_TYPE_TCP, CHECK_TYPE_MQTT, CHECK_TYPE_HTTP, CHECK_TYPE_COUNT };

struct health_check_conf {
    enum check_type type;
    uint32_t interval_ms;      /* 5000 */
    uint32_t fast_interval_ms; /* 1000, or interval_ms if less: while results contradict verdict */
    uint32_t timeout_ms;       /* 3000, or interval_ms if less: per check, from the dial on */
    uint32_t fall, rise;       /* 2, 2: consecutive results that change the verdict */
    uint32_t panic_percent;    /* 50: panic threshold, in percent of the nodes; 0 = off */
    char *username;            /* mqtt: null = none */
    char *password_file;       /* mqtt: one line; null = none */
    char *method, *path;       /* http: "GET", "/status" */
    uint32_t port;             /* http: 18083, on the node's host; unused with check_address */
    uint32_t *expect;          /* http: good codes; [200] */
    size_t n_expect;
    uint32_t *no_new; /* http: codes for "accepts no new sessions"; [503]; can be empty */
    size_t n_no_new;
};

/* Ejection of a node for a while after failures of real sessions. */
struct passive_conf {
    bool off;
    uint32_t failures, window_ms; /* 5 within 10000 */
    uint32_t eject_ms;            /* 10000; doubled for each ejection that follows soon */
    uint32_t max_ejected_percent; /* 50: maximum share of nodes ejected at the same time */
};

enum on_node_down { ON_NODE_DOWN_CLOSE, ON_NODE_DOWN_KEEP, ON_NODE_DOWN_COUNT };

struct homecoming_conf {
    uint32_t after_ms;    /* 60000: time that the home node must have been up */
    uint32_t rate_per_s;  /* 50 */
    bool after_scale_out; /* include sessions whose home has changed; false */
};

enum dns_record {
    DNS_RECORD_A,
    DNS_RECORD_AAAA,
    DNS_RECORD_A_AAAA,
    DNS_RECORD_SRV,
    DNS_RECORD_COUNT
};
enum discovery_type { DISCOVERY_DNS, DISCOVERY_TYPE_COUNT };
enum node_name_from { NODE_NAME_TARGET, NODE_NAME_ADDRESS, NODE_NAME_FROM_COUNT };

struct discovery_conf {
    enum discovery_type type; /* DNS */
    char *name;               /* "_mqtt._tcp.emqx.default.svc.cluster.local", or with a final dot */
    uint32_t port;            /* port of the nodes, 1883; unused with SRV, which contains ports */
    enum dns_record record;   /* A */
    uint32_t refresh_ms;      /* 30000: maximum time between two queries; a TTL can shorten it */
    enum node_name_from node_name; /* default: TARGET for SRV, else ADDRESS */
    char *resolver;                /* "10.96.0.10:53", always with a port; null = resolv.conf */
};

/* One source of the key. */
struct route_rule {
    enum route_source from;
    /*
     * The key ends before the first occurrence of this text, if the value contains it; null = the
     * key is always the whole value.
     */
    char *prefix_until;
};

struct cluster_conf {
    char *name;
    struct route_rule *route_by; /* the first rule that yields a key is used */
    size_t n_route_by;           /* at least 1 */
    enum empty_client_id empty_client_id;
    enum proxy_protocol proxy_protocol;
    unsigned proxy_protocol_tlvs;  /* bits of enum proxy_tlv; default ALPN, AUTHORITY and SSL */
    struct upstream_tls_conf *tls; /* towards the nodes, after the PROXY header; null = plain */
    struct node_conf *nodes;
    size_t n_nodes;                   /* at least 1, or 0 with discovery */
    struct discovery_conf *discovery; /* null = use `nodes` */
    struct node_defaults_conf node_defaults;

    struct health_check_conf *health_check; /* null = none */
    struct passive_conf passive;
    enum on_node_down on_node_down;     /* CLOSE */
    uint32_t close_rate_per_s;          /* 500: rate for on_node_down CLOSE */
    uint32_t drain_rate_per_s;          /* 100 */
    uint32_t drain_deadline_ms;         /* time until all remaining sessions are closed; 0 = none */
    struct homecoming_conf *homecoming; /* null = off */

    bool replay;                    /* true: if a node fails before its CONNACK, try the next one */
    uint32_t bounded_load_permille; /* bounded_load x 1000, at least 1000; 0 = off */
    char **source_addresses; /* "10.0.0.5", numeric, to dial from; none = the kernel's choice */
    size_t n_source_addresses;
};

/* Time limits of the stages of a connection. */
struct timeouts_conf {
    uint32_t proxy_header_ms; /* from accept; default 3000 */
    uint32_t tls_handshake_ms;
    uint32_t websocket_upgrade_ms; /* default 10000 */
    uint32_t connect_packet_ms;
    uint32_t dial_ms;
    uint32_t placement_ms;
    uint32_t connack_ms;
    uint32_t half_closed_ms; /* for the next byte from one side after the other has closed */
    uint32_t farewell_ms;    /* for a refused device to read the refusal and to close */
    uint32_t shutdown_ms;
    uint32_t idle_ms; /* idle timeout of a relayed session; 0 = "auto", from the keep alive */
};

/* Limits per source of connections: an IPv4 address or an IPv6 /64 network. */
struct per_source_conf {
    uint32_t max_connections;    /* at the same time; 0 = no limit */
    uint32_t max_connects_per_s; /* new connections per second; 0 = no limit */
    uint32_t burst;              /* new connections allowed in a burst; 20 */
    struct cidr *exempt;         /* not limited: gateways that many devices share */
    size_t n_exempt;
    uint32_t table_size; /* maximum number of tracked sources; 65536 */
};

/* Detection of client identifiers that reconnect too often. */
struct flapping_conf {
    bool off;
    bool refuse;                      /* refuse CONNECTs during a penalty; false: log and count */
    uint32_t max_connects, window_ms; /* per client identifier: 20 within 10000 */
    uint32_t penalty_ms;              /* 2000: first penalty; doubled while flapping continues */
    uint32_t penalty_max_ms;          /* 60000: maximum; after this time without flapping, the
                                         next penalty is penalty_ms again */
    uint32_t table_size;              /* entries for client identifiers; 65536 */
};

struct limits_conf {
    uint32_t max_connections; /* of the process; 0 = as many as the limit on open files allows */
    uint32_t connect_max_bytes;
    uint32_t relay_buffer_bytes;  /* per direction, allocated only while data waits */
    uint32_t relay_memory_bytes;  /* limit on all waiting data; 0 = no limit */
    uint32_t handshakes_per_turn; /* TLS handshake steps of a worker per loop iteration */
    struct per_source_conf per_source;
    struct flapping_conf flapping;
};

struct log_conf {
    enum log_level level;
    enum log_format format;
    uint32_t max_lines_per_s; /* 0 = no limit */
    enum log_target target;
    char *file;                  /* for LOG_TARGET_FILE; null = none */
    uint32_t syslog_facility;    /* number in RFC 5424 section 6.2.1: 3 is daemon */
    uint32_t sample_above_per_s; /* session ends per second up to which all are logged; 0 = off */
    uint32_t sample_one_in;      /* above that, one of this many normal ends is logged */
};

/* The admin interface: metrics, status and control over HTTP. */
struct admin_conf {
    char *address;             /* "127.0.0.1:9090", or "unix:PATH" */
    struct socket_conf socket; /* default mode "0660" */
    char *token_file;          /* the bearer token, one line; null = no token is required */
};

/* The line of a value that only the host can validate, such as a user name. */
struct config_where {
    char *path; /* owned: "clusters[0].health_check.password_file" */
    uint32_t line;
};

struct config {
    uint32_t workers; /* 0 = one per core */
    struct listener_conf *listeners;
    size_t n_listeners; /* at least 1 */
    struct cluster_conf *clusters;
    size_t n_clusters; /* at least 1 */
    struct timeouts_conf timeouts;
    struct limits_conf limits;
    struct log_conf log;
    struct admin_conf *admin; /* null = none */
    char *user;   /* to run as, once sockets and key files are open; null = the starting user */
    char *group;  /* null = the user's group */
    bool sandbox; /* true: allow only the system calls that a running router needs */
    char *schema; /* for editors, ignored by the router; null = none */
    struct config_where *where; /* for config_line() */
    size_t n_where;
};

/*
 * An error or a warning about a file, as a complete message:
 * "config.json:14: listeners[0].tls.min_version: must be \"1.2\" or \"1.3\", got \"1.1\"".
 */
struct config_message {
    bool warning;
    uint32_t line; /* in the file, from 1; 0 = not about a line */
    char *text;
};

struct config_messages {
    struct config_message *list; /* sorted by line */
    size_t n;
    size_t errors; /* number of messages that are errors */
};

/* Maximum size of a configuration file; larger files are rejected. */
#define CONFIG_FILE_MAX (16u << 20)

/*
 * Parse and check a whole configuration.
 *
 *   text, n    contents of the file
 *   file_name  for messages; relative paths in the file are resolved against its directory
 *   messages   emptied, then filled with all errors and warnings; the caller calls
 *              config_messages_fini() in any case
 *
 * Returns null if there are errors. Reads no other file, and so does not check whether a
 * certificate can be loaded. If there is no memory even for a message, messages->n is 0 and
 * messages->errors is not 0.
 */
MUST_USE struct config *config_parse(const char *text, size_t n, const char *file_name,
                                     struct config_messages *messages);
void config_free(struct config *config);

/*
 * Return the line of the value at a path such as "listeners[0].address[1]": a file, a listen or
 * source address, a user or a group. In the file, a list of one element can be without brackets.
 * Returns 0 if the file does not contain the value, and for other kinds of values.
 */
uint32_t config_line(const struct config *config, const char *path);

void config_messages_fini(struct config_messages *messages);

/*
 * Find a cluster by name, or the first one if the name is null. *index is its index in
 * config->clusters, and is untouched if there is no such cluster.
 */
MUST_USE bool config_find_cluster(const struct config *config, const char *name, size_t *index);

/*
 * Print the reference of all keys as a Markdown table: key, value, default, meaning. It is
 * generated from the parser's table rows; config/reference.md contains a copy.
 */
void config_reference(FILE *out);

/*
 * Print a JSON Schema (draft 2020-12) of the file, generated from the same rows. Returns false if
 * memory runs out or a write fails.
 */
MUST_USE bool config_schema(FILE *out);

#endif
