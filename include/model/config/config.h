/*
 * config.h - the configuration, parsed and checked: plain data, immutable once made.
 *
 * Every field is filled: defaults stand where the file says nothing. Strings and arrays
 * are owned by the configuration and die with config_free().
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
    ROUTE_SNI,    /* the server name the device asked for */
    ROUTE_SOURCE_COUNT
};
enum empty_client_id { EMPTY_ID_SPREAD, EMPTY_ID_SOURCE_IP, EMPTY_ID_REFUSE };
enum proxy_protocol { PROXY_PROTOCOL_NONE, PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };

/* Bits of cluster_conf.proxy_protocol_tlvs: what a version 2 header may tell. */
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
 * File names here are ready to open: the directory of the configuration file is in front of
 * relative ones. Two entries with the same names and keys of different types (ECDSA and RSA)
 * stand side by side: each device gets the one it can verify.
 */
struct certificate_conf {
    char *certificate_file;            /* PEM: the leaf, then its chain */
    char *private_key_file;            /* PEM, may be encrypted */
    char *private_key_passphrase_file; /* one line; null = no passphrase */
    char *ocsp_response_file;          /* DER or PEM, stapled; null = none */
    uint32_t line;                     /* of the configuration file, for messages */
};

/* A zero field other than min_version asks for nothing: the default stands beside it. */
struct tls_conf {
    struct certificate_conf *certificates; /* the first is the default; at least one */
    size_t n_certificates;
    uint32_t line;        /* of the configuration file, for messages */
    unsigned min_version; /* 0x0303 (TLS 1.2) or 0x0304 (TLS 1.3) */
    bool strict_sni;      /* refuse a name that no certificate has, and a client without one */

    enum client_auth client_auth; /* NONE */
    char *client_ca_file;         /* PEM bundle; required unless client_auth is NONE */
    char **client_crl_files;      /* PEM, each with one CRL or more; none = no CRL check */
    size_t n_client_crl_files;
    enum crl_check client_crl_check; /* LEAF: the device's certificate alone has to be looked up */
    uint32_t client_verify_depth;    /* most intermediates in a device's chain; 0 = 8 */

    char *ciphers;      /* TLS 1.2, OpenSSL's words: "ECDHE+AESGCM"; null = ours */
    char *ciphersuites; /* TLS 1.3: "TLS_AES_128_GCM_SHA256:..."; null = ours */
    char *groups;       /* key exchange: "X25519:P-256"; null = ours */
    char **alpn;        /* in order of preference; none = "mqtt", "x-amzn-mqtt-ca" */
    size_t n_alpn;      /* a client that offers none of them is served all the same */

    bool session_tickets_off;      /* session_tickets is false: every handshake is a full one */
    char *session_ticket_key_file; /* session_tickets.key_file; null = keys are generated */
};

/* TLS towards the nodes of a cluster. */
struct upstream_tls_conf {
    uint32_t line; /* of the configuration file, for messages */
    char *ca_file; /* PEM bundle; null = the system's store */
    bool verify;   /* default true; false = any certificate will do */
    /* For SNI and verification; null = no SNI, and the certificate names the node's IP address. */
    char *server_name;
    char *certificate_file;            /* PEM: what we show; null = nothing */
    char *private_key_file;            /* PEM; together with certificate_file */
    char *private_key_passphrase_file; /* one line; null = no passphrase */
    unsigned min_version;              /* as above; 0 = TLS 1.2 */
    char **alpn;                       /* offered; none = no ALPN, which no MQTT broker asks for */
    size_t n_alpn;
};

/* What a device says of itself in CONNECT, and its certificate has to confirm. */
enum identity_claim { IDENTITY_CLIENT_ID, IDENTITY_USERNAME, IDENTITY_CLAIM_COUNT };

/* Where in the certificate: the kinds of names of enum tls_name_kind, in its order. */
enum identity_name {
    IDENTITY_CN,
    IDENTITY_SAN_DNS,
    IDENTITY_SAN_URI,
    IDENTITY_SAN_EMAIL,
    IDENTITY_NAME_COUNT
};

/*
 * The claim must equal one name of one of these kinds, or the device is refused. Every device
 * has shown a certificate then: to us (client_auth is REQUIRE) or to a trusted proxy, whose
 * PROXY header tells the common name and no other.
 */
struct identity_conf {
    enum identity_claim claim;                     /* CLIENT_ID */
    enum identity_name names[IDENTITY_NAME_COUNT]; /* each at most once; CN */
    size_t n_names;                                /* at least 1 */
};

struct websocket_conf {
    char *path; /* "/mqtt": of the upgrade request, without its query */
};

/*
 * An address is text, checked: "0.0.0.0:1883", "[::]:1883", or "unix:/run/mqtt.sock" with the
 * path ready to open, at most CONFIG_UNIX_PATH_MAX bytes behind the "unix:".
 */
#define CONFIG_UNIX_PREFIX   "unix:"
#define CONFIG_UNIX_PATH_MAX 107u /* sun_path without its terminator */

/* Permissions of the files of Unix sockets. A client needs write permission to connect. */
struct socket_conf {
    char *mode;  /* octal, "0660"; null = by umask */
    char *owner; /* name or number; null = the router's user */
    char *group;
};

/* A zero field asks for what the router did before the field was there, backlog excepted. */
struct listener_conf {
    char *name;
    char **addresses;
    size_t n_addresses;   /* at least 1 */
    bool dual_stack;      /* its "[::]" addresses take IPv4 too; all others are IPv6 alone */
    size_t cluster;       /* index into clusters */
    struct tls_conf *tls; /* null = no TLS */
    bool lenient;         /* connect_validation is "lenient" */

    struct socket_conf socket;
    uint32_t backlog;      /* of listen(); default 4096 */
    bool tcp_defer_accept; /* accept when the first bytes are there */
    uint32_t fast_open;    /* queue length of TCP Fast Open; 0 = off */

    /*
     * Every connection begins with a PROXY header; it is taken from trusted proxies alone, and
     * from whoever may open the socket when that is a Unix socket.
     */
    bool accept_proxy_protocol;
    struct cidr *trusted_proxies; /* base/cidr.h */
    size_t n_trusted_proxies;     /* 0 only with neither a PROXY header nor an address header,
                                     or when all addresses are Unix sockets */

    struct websocket_conf *websocket; /* null = none */
    char *client_address_header;      /* of the upgrade request, "X-Forwarded-For"; null = none */

    struct identity_conf *identity; /* null = the claim is nobody's concern */

    /* Of the device's own address, which a trusted proxy may tell. deny goes before allow. */
    struct cidr *allow; /* none = everyone */
    size_t n_allow;
    struct cidr *deny;
    size_t n_deny;
    uint32_t max_connections; /* over all its addresses and workers; 0 = any number */
};

/* What a node is to do, by decree of the configuration or of an operator. */
enum node_state {
    NODE_STATE_UP,
    NODE_STATE_DRAINING, /* no new sessions, the present ones are closed paced */
    NODE_STATE_DOWN,     /* no new sessions; the present ones as on_node_down says */
    NODE_STATE_COUNT
};

/* max_connections or max_connects_per_s of a node that says nothing: as node_defaults. */
#define NODE_AS_DEFAULT UINT32_MAX

/* One broker, configured or discovered. */
struct node_conf {
    char *name;
    char *address;               /* numeric "192.168.0.2:1883", or "unix:/run/emqx.sock" */
    uint32_t weight;             /* 0..65535, default 1; 0 = gets no new session */
    enum node_state state;       /* UP */
    bool backup;                 /* used only while no other node is up */
    uint32_t max_connections;    /* sessions this router may have there; 0 = any number */
    uint32_t max_connects_per_s; /* new sessions a second from this router; 0 = any number */
    char *check_address;         /* as address; null = the checks go to address */
};

/* What holds for every node of a cluster that does not say otherwise. */
struct node_defaults_conf {
    uint32_t max_connections;    /* 0 */
    uint32_t max_connects_per_s; /* 0 */
    uint32_t connect_queue_ms;   /* 1000: the longest a session waits for its turn at a node */
    uint32_t slow_start_ms;      /* 0: over how long a returning node gets its share back */
};

enum check_type { CHECK_TYPE_TCP, CHECK_TYPE_MQTT, CHECK_TYPE_HTTP, CHECK_TYPE_COUNT };

struct health_check_conf {
    enum check_type type;
    uint32_t interval_ms;      /* 5000 */
    uint32_t fast_interval_ms; /* 1000, or interval_ms if less: while a node is changing */
    uint32_t timeout_ms;       /* 3000, or interval_ms if less: of one check, from its dial on */
    uint32_t fall, rise;       /* 2, 2: results in a row until the verdict changes */
    uint32_t panic_percent;    /* 50: panic threshold, share of the nodes; 0 = off */
    char *username;            /* mqtt: null = none */
    char *password_file;       /* mqtt: one line; null = none */
    char *method, *path;       /* http: "GET", "/status" */
    uint32_t port;             /* http: 18083, at the node's host; check_address goes before it */
    uint32_t *expect;          /* http: good codes; [200] */
    size_t n_expect;
    uint32_t *no_new; /* http: "no new sessions, keep what is there"; [503]; may be none */
    size_t n_no_new;
};

/* When failures of real sessions take a node out for a while. */
struct passive_conf {
    bool off;
    uint32_t failures, window_ms; /* 5 within 10000 */
    uint32_t eject_ms;            /* 10000; doubled for each ejection that soon follows */
    uint32_t max_ejected_percent; /* 50: of the cluster's nodes, at the same time */
};

enum on_node_down { ON_NODE_DOWN_CLOSE, ON_NODE_DOWN_KEEP, ON_NODE_DOWN_COUNT };

struct homecoming_conf {
    uint32_t after_ms;    /* 60000: how long the home node must have been up */
    uint32_t rate_per_s;  /* 50 */
    bool after_scale_out; /* false: sessions whose home is another node now stay */
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
    char *name;             /* "_mqtt._tcp.emqx.default.svc.cluster.local", maybe with a last dot */
    uint32_t port;          /* of the nodes, 1883; not for SRV, which tells it */
    enum dns_record record; /* A */
    uint32_t refresh_ms; /* 30000: longest time between two questions; a shorter TTL goes first */
    enum node_name_from node_name; /* TARGET for SRV, else ADDRESS; the default fits the record */
    char *resolver;                /* "10.96.0.10:53", always with a port; null = as resolv.conf */
};

/* One way to a key. */
struct route_rule {
    enum route_source from;
    /*
     * The key is what stands before the first occurrence of this, or the whole value when it
     * does not occur; null = always the whole value.
     */
    char *prefix_until;
};

struct cluster_conf {
    char *name;
    struct route_rule *route_by; /* the first that yields a key wins */
    size_t n_route_by;           /* at least 1 */
    enum empty_client_id empty_client_id;
    enum proxy_protocol proxy_protocol;
    unsigned proxy_protocol_tlvs;  /* of enum proxy_tlv; default ALPN, AUTHORITY and SSL */
    struct upstream_tls_conf *tls; /* towards the nodes, behind the PROXY header; null = plain */
    struct node_conf *nodes;
    size_t n_nodes;                   /* at least 1, or 0 with discovery */
    struct discovery_conf *discovery; /* null = the nodes are those above */
    struct node_defaults_conf node_defaults;

    struct health_check_conf *health_check; /* null = none */
    struct passive_conf passive;
    enum on_node_down on_node_down;     /* CLOSE: sessions of a node that is down, paced */
    uint32_t close_rate_per_s;          /* 500: on_node_down */
    uint32_t drain_rate_per_s;          /* 100 */
    uint32_t drain_deadline_ms;         /* 0 = none: then what is left is closed at once */
    struct homecoming_conf *homecoming; /* null = off */

    bool replay;                    /* true: try the next node when one fails before its CONNACK */
    uint32_t bounded_load_permille; /* bounded_load x 1000, 1000 and above; 0 = off */
    char **source_addresses; /* "10.0.0.5", numeric, for dialling; none = the kernel's choice */
    size_t n_source_addresses;
};

struct timeouts_conf {
    uint32_t proxy_header_ms; /* from accept; default 3000 */
    uint32_t tls_handshake_ms;
    uint32_t websocket_upgrade_ms; /* default 10000 */
    uint32_t connect_packet_ms;
    uint32_t dial_ms;
    uint32_t placement_ms;
    uint32_t connack_ms;
    uint32_t half_closed_ms; /* once one side has ended: the longest silence of the other */
    uint32_t farewell_ms;    /* how long a refusal may take to be read by the peer */
    uint32_t shutdown_ms;
    uint32_t idle_ms; /* fixed idle time of a relayed session; 0 = "auto", from the keep alive */
};

/* Of one source of connections: an IPv4 address, or the /64 an IPv6 address is in. */
struct per_source_conf {
    uint32_t max_connections;    /* at a time; 0 = any number */
    uint32_t max_connects_per_s; /* new ones; 0 = any number */
    uint32_t burst;              /* of them at once, after a quiet time; 20 */
    struct cidr *exempt;         /* not limited: gateways that many devices stand behind */
    size_t n_exempt;
    uint32_t table_size; /* sources remembered at a time; 65536 */
};

/* Detection of client identifiers that connect again and again. */
struct flapping_conf {
    bool off;
    bool refuse;                      /* CONNECTs during a penalty; false: only log and count */
    uint32_t max_connects, window_ms; /* of one client identifier: 20 within 10000 */
    uint32_t penalty_ms;              /* 2000: length of the first penalty; doubled each time */
    uint32_t penalty_max_ms;          /* 60000: the longest; after as long without flapping the
                                         next penalty is penalty_ms again */
    uint32_t table_size;              /* entries for client identifiers; 65536 */
};

struct limits_conf {
    uint32_t max_connections; /* of the whole process; 0 = as many as the open files allow */
    uint32_t connect_max_bytes;
    uint32_t relay_buffer_bytes;  /* per direction, held only while data waits */
    uint32_t relay_memory_bytes;  /* of all such data together; 0 = any amount */
    uint32_t handshakes_per_turn; /* TLS handshake steps of a worker in one turn of its loop */
    struct per_source_conf per_source;
    struct flapping_conf flapping;
};

struct log_conf {
    enum log_level level;
    enum log_format format;
    uint32_t max_lines_per_s; /* 0 = any number */
    enum log_target target;
    char *file;                  /* of LOG_TARGET_FILE; null = none */
    uint32_t syslog_facility;    /* its number in RFC 5424 section 6.2.1: 3 is daemon */
    uint32_t sample_above_per_s; /* ends of sessions a second, all of which have a line; 0 = off */
    uint32_t sample_one_in;      /* beyond that, of those that ended well */
};

/* The admin interface: metrics, what is going on, and steering, over HTTP. */
struct admin_conf {
    char *address;             /* "127.0.0.1:9090", or "unix:PATH" */
    struct socket_conf socket; /* its mode is "0660" by default */
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
    char *user;   /* to run as, once doors and keys are open; null = whoever started it */
    char *group;  /* null = that user's own */
    bool sandbox; /* true: only the system calls a running router needs */
    char *schema; /* for editors: not looked at; null = none */
    struct config_where *where; /* for config_line() */
    size_t n_where;
};

/*
 * What is wrong with a file, or merely worth a warning. One message a fault, complete:
 * "config.json:14: listeners[0].tls.min_version: want \"1.2\" or \"1.3\", got \"1.1\"".
 */
struct config_message {
    bool warning;
    uint32_t line; /* in the file, from 1; 0 = the message is about no line */
    char *text;
};

struct config_messages {
    struct config_message *list; /* by line */
    size_t n;
    size_t errors; /* how many of them are no warnings */
};

/* A larger file is refused; whoever reads it can stop there. */
#define CONFIG_FILE_MAX (16u << 20)

/*
 * Parse and check a whole configuration.
 *
 *   text, n    the file's bytes
 *   file_name  named in messages; relative paths inside the file start at its directory
 *   messages   emptied, then filled with everything that is wrong or worth a warning;
 *              the caller calls config_messages_fini() in any case
 *
 * Null when there was an error; the messages say them all. Reads no other file: whether a
 * certificate can be loaded is found out by who loads it. When memory is so short that
 * not even that can be said, messages->n is 0 and messages->errors is not.
 */
MUST_USE struct config *config_parse(const char *text, size_t n, const char *file_name,
                                     struct config_messages *messages);
void config_free(struct config *config);

/*
 * The line of the value at a path such as "listeners[0].address[1]": a file, a listen or source
 * address, a user or a group. If a list of one element is written without brackets, its line is
 * returned. 0 = the value is not in the file, or is of another kind.
 */
uint32_t config_line(const struct config *config, const char *path);

void config_messages_fini(struct config_messages *messages);

/*
 * Find a cluster by name; a null name finds the first one. On success, *index is its place in
 * config->clusters; otherwise it is left untouched.
 */
MUST_USE bool config_find_cluster(const struct config *config, const char *name, size_t *index);

/*
 * Print the reference of all keys as a Markdown table: key, value, default, meaning. It is
 * made from the rows that the parser works by; config/reference.md holds a copy.
 */
void config_reference(FILE *out);

/* Print a JSON Schema (draft 2020-12) of the file, from the same rows. False: it could not. */
MUST_USE bool config_schema(FILE *out);

#endif
