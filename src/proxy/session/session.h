/*
 * session.h - one device connection, from accept to close.
 *
 * A stage is a function that works on the session, moves it on with session_goto() or
 * session_close(), and returns what to do next. It reads only fields that earlier stages have set.
 */
#ifndef PROXY_SESSION_SESSION_H
#define PROXY_SESSION_SESSION_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "flow.h"
#include "model/close_reason.h"
#include "net/address.h"
#include "net/stream.h"
#include "net/tls/context.h"
#include "proxy/admission/admission.h"
#include "proxy/node_live.h"
#include "proxy/session_state.h"
#include "wire/mqtt/connect.h"

struct off_home;
struct listener;
struct listener_tag;
struct proxy_in;
struct cluster_view;
struct worker_core;

/* What a stage returns. */
enum step {
    STEP_MOVED, /* the state changed: run its stage */
    STEP_WAIT,  /* wait for a socket (masks in the flows) or the deadline */
    STEP_YIELD, /* there is more to do, after other sessions */
    STEP_QUEUE  /* queue for a step of the TLS handshake */
};

/* Maximum bytes of a client identifier or user name that are stored for the log. */
#define SESSION_NAME_MAX 128u

/* A first read of this size holds nearly every CONNECT. */
#define SESSION_FIRST_READ_BYTES 2048u

/* Copies of a peer's names. A name with more than SESSION_NAME_MAX bytes is a truncated one. */
struct session_names {
    bool knows_username : 1; /* the user name is a route key, so it is stored */
    bool has_username : 1;   /* the user name is stored, and the CONNECT has one */
    uint8_t client_id_n, username_n;
    uint8_t text[]; /* the client identifier, then the user name */
};

/*
 * State that a session needs only until it is relayed, grouped by the stages that set it. It is
 * freed then, because most sessions of a fleet are idle for months.
 */
struct arrival {
    /* accept */
    struct listener *listener; /* a reference */

    /* admission: at accept, or when a trusted proxy has sent the source address */
    bool source_checked;   /* admission has checked the source */
    uint8_t reject_reason; /* enum close_reason; CLOSE_REASON_COUNT = not rejected */
    bool handshake_begun;  /* `client` is a TLS stream */

    /* connect */
    struct mqtt_connect connect;
    struct buffer first; /* the CONNECT and all bytes received after it */
    uint32_t held_bytes; /* part of the worker's held_bytes: bytes of `first` and `answer` */

    /* route */
    struct admission_key key; /* valid if has_key */
    bool has_key;             /* limits.flapping is on, and the client has an identifier */
    bool is_flapping; /* already counted in flapping_detected_total, with its penalty logged */
    struct cluster_view *cluster_view; /* a reference */
    struct placement placement;
    uint8_t off_home_cause; /* enum off_home_cause, if off home while the home is up */

    /* dial */
    uint32_t first_sent;      /* bytes of `first` sent to the node */
    uint8_t unanswered;       /* a bit per unanswered try, for candidates_prove() */
    bool replayed;            /* the CONNECT has already been sent to another node */
    bool tried_home_twice;    /* the home was busy and gets the CONNECT once more */
    bool waits_for_busy_home; /* the wait before that second try is not over yet */
    bool has_header;          /* `first` starts with the PROXY header */

    /* connack */
    struct buffer answer; /* the node's first packet, until it is complete */

    /* closing */
    uint8_t refusal[MQTT_CONNACK_REFUSAL_MAX];
    uint8_t refusal_n, refusal_sent;
};

/*
 * Fields are grouped by the stage that sets them, in the order of the stages. A relayed session may
 * live for months. It references the live records of its nodes and listener, but not the
 * configuration that it was accepted under.
 */
struct session {
    struct worker_core *w;
    struct list link;        /* in the worker's sessions */
    struct list runnable;    /* in the worker's runnable list, or in a handshake queue */
    struct list stuck;       /* in the worker's stuck list while relayed data waits */
    uint32_t node_active_ds; /* relay: time of the last byte from the node, in 0.1 s */
    uint32_t closing_ms, spent_ms[SESSION_RELAY]; /* in CLOSING; in each state before RELAY */
    uint64_t entered_us;                          /* when the session entered the state */
    struct ev_io client_io, node_io;              /* only session_watch() sets the masks */
    struct ev_timer deadline;
    struct arrival *arrival; /* owned; null once relayed */

    /* small fields of all stages, grouped to avoid padding */
    uint16_t keep_alive_s;        /* connect */
    uint8_t mqtt_version;         /* connect: 3, 4, 5; 0 = not known yet */
    uint8_t tries : 4;            /* dial: candidates used up, PLACEMENT_TRIES_MAX at most */
    bool deadline_moved : 1;      /* session_watch() has to restart the timer */
    bool counted : 1;             /* dial: among the node's sessions */
    bool counted_clean : 1;       /* relay: in the seat's clean list, not in kept */
    bool keepalive_set : 1;       /* relay: the node's socket has TCP keepalive */
    enum session_state state : 8; /* session_goto() only */
    enum placement_kind kind : 8; /* dial: of the node being tried or used */
    enum close_reason reason : 8; /* closing */
    bool half_closed : 1;         /* relay: one side has ended, the other has not */
    bool client_left_first : 1;   /* relay: the client ended before the node */
    bool failed : 1;       /* connack, relay: `reason` and `detail` describe the first failure */
    bool probe : 1;        /* closing: the client is a health check or a port scan */
    bool connack_seen : 1; /* connack: the node's first bytes were a complete CONNACK */
    bool write_closed : 1; /* closing: the write side of the client's socket is closed */

    /* accept */
    struct listener_tag *tag; /* a reference */
    uint64_t id;
    struct address source;
    admission_place place; /* where the source's connections are counted */
    struct stream *client; /* owned; the top layer of the client's stream */

    /* proxy in */
    struct proxy_in *proxy_in; /* owned; null if the listener expects no PROXY header */

    /* tls */
    struct stream *tls; /* borrowed: the TLS layer of `client`, after its handshake; null = none */

    /* connect */
    struct session_names *names; /* owned; null = none */

    /* dial */
    struct node_live *node;     /* a reference; the current node, later kept for the log */
    struct list seat_link;      /* in a list of the node's seat while counted there */
    struct off_home *off_home;  /* owned; null = at home, or without a home */
    struct stream *node_stream; /* owned */
    char *attempts;             /* owned; "NODE:OUTCOME," per failed try; null = none failed */

    /* connack */
    struct mqtt_connack connack; /* valid if connack_seen */
    uint8_t tls_holds[2];        /* relay: enum tls_hold, by enum tls_side; settle.c only */

    /* relay */
    struct flow up, down; /* client to node, node to client */
    union {
        uint64_t active_us; /* in RELAY: monotonic time of the last moved byte */
        uint64_t relay_ms;  /* after RELAY: how long it took; can be months */
    };

    /* farewell */
    char *detail; /* owned; null = none */
};

/* Change the state. No other function does this. Asserts that the transition is allowed. */
void session_goto(struct session *s, enum session_state state);

/*
 * Close a session. Data that is pending for the client is sent first, in state CLOSING. Returns
 * STEP_MOVED. `detail` is copied, for the log; null = none.
 */
enum step session_close(struct session *s, enum close_reason reason, const char *detail);

/*
 * Note that a stream of the session has failed, while data that its peer sent before is still
 * delivered. The session ends with this reason later, and the client's close frame carries its
 * code. Only the first failure is noted.
 */
void session_note_fault(struct session *s, enum close_reason reason, const char *detail);

/*
 * Close a session whose client has closed or reset the connection before its CONNECT. The client
 * was a probe if it sent no byte (`heard` is false), or if its PROXY header has no address. Returns
 * STEP_MOVED.
 */
enum step session_left_early(struct session *s, bool heard, const char *detail);

/* Move the deadline of the current state to `ms` after the current turn of the loop. */
void session_set_deadline(struct session *s, double ms);

/* Return the milliseconds that the session spent in an earlier state. */
uint64_t session_spent_ms(const struct session *s, enum session_state state);

/* Return the milliseconds of placement (ROUTE to CONNACK) so far. */
uint64_t session_placing_ms(const struct session *s);

/* Return the smaller of limit_ms and the remaining time of timeouts.placement_ms; at least 1. */
double session_try_limit_ms(const struct session *s, uint32_t limit_ms);

/* Set the descriptor of the node's watcher. */
void session_watch_node(struct session *s, int fd);

/*
 * Set the watchers' masks from the flows, and start the deadline timer. All stages store their
 * masks in the flows: even before the relay, `up` is for reading the client and writing to the
 * node, `down` for the other direction.
 *
 *   exact   also stop watching for reads that are not needed, see set_mask()
 */
void session_watch(struct session *s, bool exact);

/* Close the stream to the node, and stop counting the session there. Safe to call again. */
void session_drop_node(struct session *s);

/* Free the session's arrival, once the session is relayed or has ended. */
void session_free_arrival(struct session *s);

#endif
