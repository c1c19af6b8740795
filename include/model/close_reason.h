/*
 * close_reason.h - why a session ended: one table for the log, the metrics and the response to the
 * device.
 */
#ifndef MODEL_CLOSE_REASON_H
#define MODEL_CLOSE_REASON_H

#include "wire/mqtt/connack.h"

enum closed_by { CLOSED_BY_CLIENT, CLOSED_BY_NODE, CLOSED_BY_ROUTER, CLOSED_BY_COUNT };

/*
 * The response to a device before the router closes the connection. It is sent only if the device
 * has sent a parsable CONNECT, and has received nothing from a node yet.
 */
enum farewell {
    FAREWELL_SILENT, /* nothing */
    FAREWELL_FAULT,  /* the CONNACK for the rule that the CONNECT broke */
    FAREWELL_REFUSAL /* the CONNACK for the row's refusal */
};

/*
 * Enum suffix, name in log and metrics, side that closed, farewell, refusal (for FAREWELL_REFUSAL),
 * WebSocket close code (RFC 6455 section 7.4.1; 1013 is "try again later"), help.
 */
#define CLOSE_REASONS(X)                                                                           \
    X(CLIENT_CLOSED, "client_closed", CLIENT, SILENT, SERVER_UNAVAILABLE, 1000,                    \
      "The device closed a relayed session.")                                                      \
    X(CLIENT_ERROR, "client_error", CLIENT, SILENT, SERVER_UNAVAILABLE, 1002,                      \
      "The device's connection failed, or the device violated a rule of WebSocket; detail has "    \
      "the cause.")                                                                                \
    X(CLIENT_CLOSED_EARLY, "client_closed_early", CLIENT, SILENT, SERVER_UNAVAILABLE, 1000,        \
      "The device closed the connection before its CONNECT was complete, or reset it before "      \
      "its first byte of MQTT.")                                                                   \
    X(NODE_CLOSED, "node_closed", NODE, SILENT, SERVER_UNAVAILABLE, 1000,                          \
      "The node closed a relayed session.")                                                        \
    X(NODE_ERROR, "node_error", NODE, SILENT, SERVER_UNAVAILABLE, 1011,                            \
      "The node's connection failed during relaying; detail has the cause.")                       \
    X(NODE_CLOSED_EARLY, "node_closed_early", NODE, REFUSAL, SERVER_UNAVAILABLE, 1013,             \
      "The node closed or reset the connection before its first packet.")                          \
    X(PROXY_UNTRUSTED, "proxy_untrusted", ROUTER, SILENT, NOT_AUTHORIZED, 1008,                    \
      "A peer outside trusted_proxies connected to a listener that expects a PROXY header.")       \
    X(PROXY_REFUSED, "proxy_refused", ROUTER, SILENT, MALFORMED, 1008,                             \
      "The PROXY header was invalid; detail names the rule, or the protocol that the client used " \
      "instead.")                                                                                  \
    X(PROXY_TIMEOUT, "proxy_timeout", ROUTER, SILENT, SERVER_UNAVAILABLE, 1008,                    \
      "The PROXY header was not complete within timeouts.proxy_header_ms.")                        \
    X(TLS_FAILED, "tls_failed", CLIENT, SILENT, SERVER_UNAVAILABLE, 1008,                          \
      "The TLS handshake failed; detail names the alert, or the protocol that the client used "    \
      "instead.")                                                                                  \
    X(TLS_TIMEOUT, "tls_timeout", ROUTER, SILENT, SERVER_UNAVAILABLE, 1008,                        \
      "The TLS handshake took longer than timeouts.tls_handshake_ms.")                             \
    X(WEBSOCKET_REFUSED, "websocket_refused", ROUTER, SILENT, MALFORMED, 1002,                     \
      "The WebSocket upgrade was refused; detail has the HTTP status and the reason.")             \
    X(HTTP_PROBE, "http_probe", ROUTER, SILENT, SERVER_UNAVAILABLE, 1002,                          \
      "A WebSocket listener received an HTTP request without an upgrade, from a health check or "  \
      "a browser.")                                                                                \
    X(WEBSOCKET_TIMEOUT, "websocket_timeout", ROUTER, SILENT, SERVER_UNAVAILABLE, 1008,            \
      "The WebSocket upgrade took longer than timeouts.websocket_upgrade_ms.")                     \
    X(CONNECT_REFUSED, "connect_refused", ROUTER, FAULT, MALFORMED, 1008,                          \
      "The first packet was not a valid CONNECT; detail names the rule, or the protocol that the " \
      "client used instead.")                                                                      \
    X(CONNECT_TIMEOUT, "connect_timeout", ROUTER, SILENT, SERVER_UNAVAILABLE, 1008,                \
      "The CONNECT was not complete within timeouts.connect_packet_ms.")                           \
    X(IDENTITY_REFUSED, "identity_refused", ROUTER, REFUSAL, NOT_AUTHORIZED, 1008,                 \
      "The client identifier or user name does not match the certificate; detail has the "         \
      "names in the certificate.")                                                                 \
    X(CLIENT_ID_REFUSED, "client_id_refused", ROUTER, REFUSAL, CLIENT_ID_INVALID, 1008,            \
      "The device has no route key, and the cluster's empty_client_id is \"refuse\".")             \
    X(NO_NODE, "no_node", ROUTER, REFUSAL, SERVER_UNAVAILABLE, 1013,                               \
      "No node could be reached; detail has the error of the last attempt.")                       \
    X(NODES_FULL, "nodes_full", ROUTER, REFUSAL, SERVER_BUSY, 1013,                                \
      "Every node that is up has reached a limit; detail names the limit.")                        \
    X(LOCAL_LIMIT, "local_limit", ROUTER, REFUSAL, SERVER_BUSY, 1013,                              \
      "The router ran out of file descriptors, local ports or memory.")                            \
    X(PLACEMENT_TIMEOUT, "placement_timeout", ROUTER, REFUSAL, SERVER_UNAVAILABLE, 1013,           \
      "No node was found within timeouts.placement_ms.")                                           \
    X(CONNACK_TIMEOUT, "connack_timeout", ROUTER, REFUSAL, SERVER_UNAVAILABLE, 1013,               \
      "The node sent nothing within timeouts.connack_ms.")                                         \
    X(IDLE_TIMEOUT, "idle_timeout", ROUTER, SILENT, SERVER_UNAVAILABLE, 1000,                      \
      "Neither side sent anything during the idle timeout.")                                       \
    X(NODE_DRAINED, "node_drained", ROUTER, SILENT, SERVER_UNAVAILABLE, 1012,                      \
      "The node is being drained.")                                                                \
    X(NODE_DOWN, "node_down", ROUTER, SILENT, SERVER_UNAVAILABLE, 1012,                            \
      "The node is down, and on_node_down is \"close\".")                                          \
    X(HOMECOMING, "homecoming", ROUTER, SILENT, SERVER_UNAVAILABLE, 1012,                          \
      "The session was not on its home node, which can now accept it.")                            \
    X(DISCONNECTED, "disconnected", ROUTER, REFUSAL, SERVER_UNAVAILABLE, 1008,                     \
      "An operator disconnected the session through the admin interface.")                         \
    X(MAX_CONNECTIONS, "max_connections", ROUTER, SILENT, SERVER_BUSY, 1013,                       \
      "limits.max_connections was reached.")                                                       \
    X(LISTENER_FULL, "listener_full", ROUTER, SILENT, SERVER_BUSY, 1013,                           \
      "The listener's max_connections was reached.")                                               \
    X(SOURCE_DENIED, "source_denied", ROUTER, REFUSAL, BANNED, 1008,                               \
      "The listener's allow or deny list excludes the source.")                                    \
    X(SOURCE_CONNECTIONS, "source_connections", ROUTER, REFUSAL, QUOTA_EXCEEDED, 1013,             \
      "The device's source reached limits.per_source.max_connections.")                            \
    X(SOURCE_RATE, "source_rate", ROUTER, REFUSAL, CONNECTION_RATE_EXCEEDED, 1013,                 \
      "The device's source exceeded limits.per_source.max_connects_per_s.")                        \
    X(FLAPPING, "flapping", ROUTER, REFUSAL, CONNECTION_RATE_EXCEEDED, 1013,                       \
      "The client identifier connected too often (limits.flapping).")                              \
    X(RELAY_MEMORY, "relay_memory", ROUTER, REFUSAL, SERVER_BUSY, 1013,                            \
      "limits.relay_memory_bytes was reached, and this session had not read for the longest "      \
      "time, or its CONNECT was large.")                                                           \
    X(OUT_OF_MEMORY, "out_of_memory", ROUTER, REFUSAL, SERVER_BUSY, 1013,                          \
      "A memory allocation failed.")                                                               \
    X(SHUTDOWN, "shutdown", ROUTER, REFUSAL, SERVER_UNAVAILABLE, 1001,                             \
      "The router is shutting down.")

enum close_reason {
#define X(suffix, word, by, farewell, refusal, ws_code, help) CLOSE_##suffix,
    CLOSE_REASONS(X)
#undef X
        CLOSE_REASON_COUNT
};

struct close_reason_row {
    const char *name;
    enum closed_by by;
    enum farewell farewell;
    enum mqtt_refusal refusal;
    unsigned ws_code; /* for devices that use WebSocket */
    const char *help;
};

/* Return the row of a reason, never null. */
const struct close_reason_row *close_reason_row(enum close_reason reason);

/* Return "client", "node" or "router". */
const char *closed_by_name(enum closed_by by);

#endif
