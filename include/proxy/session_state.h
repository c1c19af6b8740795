/*
 * session_state.h - the states of a session.
 *
 *  accept -> PROXY_IN? -> TLS? -> WEBSOCKET? -> CONNECT -> ROUTE -> DIAL -> CONNACK -> RELAY
 *                                                                  ^|        |           |
 *                             the next candidate, bounded ---------++        v           v
 *  any state that may still send data to the client --------------------> CLOSING -> CLOSED
 */
#ifndef PROXY_SESSION_STATE_H
#define PROXY_SESSION_STATE_H

/* In the order in which a session passes them: enum suffix, name in the log and in metrics. */
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
