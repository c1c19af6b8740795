/*
 * session_state.h - the corridor of a connection, as data.
 *
 *   accept -> PROXY_IN? -> TLS? -> WEBSOCKET? -> CONNECT -> ROUTE -> DIAL -> CONNACK -> RELAY
 *                                                                   ^|        |           |
 *                              the next candidate, bounded ---------++        v           v
 *   any state that may owe its peer a word -------------------------------> FAREWELL -> CLOSED
 */
#ifndef PROXY_SESSION_STATE_H
#define PROXY_SESSION_STATE_H

/* In corridor order: enum suffix, word in log and gauges. */
#define SESSION_STATES(X)                                                                          \
    X(ACCEPT, "accept")                                                                            \
    X(PROXY_IN, "proxy_in")                                                                        \
    X(TLS, "tls")                                                                                  \
    X(WEBSOCKET, "websocket")                                                                      \
    X(CONNECT, "connect")                                                                          \
    X(ROUTE, "route")                                                                              \
    X(DIAL, "dial")                                                                                \
    X(CONNACK, "connack")                                                                          \
    X(RELAY, "relay")                                                                              \
    X(CLOSING, "farewell")                                                                         \
    X(CLOSED, "closed")

enum session_state {
#define X(suffix, word) SESSION_##suffix,
    SESSION_STATES(X)
#undef X
        SESSION_STATE_COUNT
};

const char *session_state_name(enum session_state state);

#endif
