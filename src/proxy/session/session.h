/*
 * session.h - one device connection, from accept to close.
 *
 * A stage is a function that works on the session, moves it on with session_goto() or
 * session_close(), and returns what to do next. It reads only what earlier stages wrote.
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
    STEP_WAIT,  /* for a socket (masks of the flows) or the deadline */
    STEP_YIELD, /* there is more to do now; run other sessions first */
    STEP_QUEUE  /* wait for a turn for a step of the TLS handshake */
};

/* Bytes of a client id or user name kept for the log. */
#define SESSION_NAME_MAX 128u

/* A first read of this size holds nearly every CONNECT. */
#define SESSION_FIRST_READ_BYTES 2048u

/* Copies of a peer's names, cut to SESSION_NAME_MAX + 1 so that the log can mark the cut. */
struct session_names {
    bool knows_username : 1; /* set only if it is a route key */
    bool has_username : 1;   /* it is known, and the CONNECT has one */
    uint8_t client_id_n, username_n;
    uint8_t text[]; /* the client identifier, then the user name */
};

/*
 * What a session needs until it is relayed, by the stages that set it. Freed then: most sessions of
 * a fleet are idle for months.
 */
struct arrival {
    /* accept */
    struct listener *listener; /* a reference */

    /* admission: at accept, or when a trusted proxy has named the source */
    bool source_checked; /* admission has checked the source */
    uint8_t
        reject_reason; /* enum close_reason: why it is rejected; CLOSE_REASON_COUNT = it is not */
    bool handshake_begun; /* `client` is a TLS stream */

    /* connect */
    struct mqtt_connect connect;
    struct buffer first; /* CONNECT and everything received after it so far */
    uint32_t held_bytes; /* bytes of `first` and `answer` counted in the worker's held_bytes */

    /* route */
    struct admission_key key; /* when has_key */
    bool has_key;             /* limits.flapping is on, and it has a client identifier */
    bool is_flapping;         /* counted in flapping_detected_total; its penalty is logged */
    struct cluster_view *cluster_view; /* a reference */
    struct placement placement;
    uint8_t off_home_cause; /* enum off_home_cause, if the session is not placed at its home
                               although that is up */

    /* dial */
    uint32_t first_sent;      /* bytes of `first` that the node has taken */
    uint8_t unanswered;       /* bit per try: charged to its node by candidates_prove() */
    bool replayed;            /* the CONNECT was sent to a node before */
    bool tried_home_twice;    /* home was busy once, and gets the CONNECT again */
    bool waits_for_busy_home; /* ... after a short wait, which is not over yet */
    bool has_header;          /* `first` starts with the PROXY header */

    /* connack */
    struct buffer answer; /* the node's first packet, while it is incomplete */

    /* closing */
    uint8_t refusal[MQTT_CONNACK_REFUSAL_MAX];
    uint8_t refusal_n, refusal_sent;
};

/*
 * Grouped by the stage that sets them, in the order of the stages. A relayed session may live for
 * months: it holds references to the records of its nodes, and to nothing of the configuration that
 * it was accepted under.
 */
struct session {
    struct worker_core *w;
    struct list link;        /* in the worker's sessions */
    struct list runnable;    /* in the worker's runnable list, while yielding */
    struct list stuck;       /* in the worker's stuck list, while relayed data waits */
    uint32_t node_active_ds; /* relay: when the node's last byte was received, in 0.1 s */
    uint32_t closing_ms, spent_ms[SESSION_RELAY]; /* in CLOSING, and in each state before RELAY */
    uint64_t relay_ms;                            /* can be months */
    uint64_t entered_us;                          /* when it entered the state */
    struct ev_io client_io, node_io;              /* masks: session_watch() only */
    struct ev_timer deadline;
    struct arrival *arrival; /* owned; null once it is relayed */

    /* small fields of all stages, together so that they leave no holes */
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
    bool half_closed : 1;         /* relay: one side has ended, the other not yet */
    bool client_left_first : 1;   /* relay: the client's end came before the node's */
    bool failed : 1;              /* connack, relay: `reason` and `detail` name the first fault */
    bool probe : 1;               /* closing: a health check or a port scan, not a device */
    bool write_closed : 1;        /* closing: the write side towards the client is closed */

    /* accept */
    struct listener_tag *tag; /* a reference */
    uint64_t id;
    struct address source;
    admission_place place; /* among its source's connections */
    struct stream *client; /* owned; the top of the client's stream layers */

    /* proxy in */
    struct proxy_in *proxy_in; /* owned; null if the listener expects no PROXY header */

    /* tls */
    struct stream *tls; /* borrowed: the TLS layer of `client` after its handshake; null = none */

    /* connect */
    struct session_names *names; /* owned; null = none are known */

    /* dial */
    struct node_live
        *node; /* a reference: the node being tried or used; kept for the log afterwards */
    struct list seat_link;      /* in a list of the node's seat while it counts there */
    struct off_home *off_home;  /* owned; null = it is at home, or has no home */
    struct stream *node_stream; /* owned */
    char *attempts; /* owned; "NODE:OUTCOME," of each try that failed; null = none did */

    /* connack */
    struct mqtt_connack connack; /* when connack_seen */
    bool connack_seen;           /* the node's first bytes were a complete CONNACK */

    /* relay */
    struct flow up, down; /* client to node, node to client */
    uint64_t active_us;   /* monotonic: when a byte was last moved */

    /* farewell */
    char *detail; /* owned; null = none */
};

/* The only function that writes the state. Asserts that the transition is allowed. */
void session_goto(struct session *s, enum session_state state);

/*
 * Close a session for a reason: sends the client what it is owed first, in FAREWELL. Returns
 * STEP_MOVED. `detail` is for the log and is copied; null = none.
 */
enum step session_close(struct session *s, enum close_reason reason, const char *detail);

/*
 * A stream of the session is dead, but what its peer sent before is still delivered. The session
 * ends with this reason later, and the client's close frame carries its code. Only the first fault
 * counts.
 */
void session_note_fault(struct session *s, enum close_reason reason, const char *detail);

/*
 * The client has closed or reset the connection before its CONNECT. It was a probe if it sent no
 * byte (`heard`), or if it is a proxy that names no device. Returns STEP_MOVED.
 */
enum step session_left_early(struct session *s, bool heard, const char *detail);

/* Move the deadline of the current state to `ms` from now, the loop's turn. */
void session_set_deadline(struct session *s, double ms);

/* Milliseconds spent in a state that the session has left. */
uint64_t session_spent_ms(const struct session *s, enum session_state state);

/* Milliseconds of placement (ROUTE to CONNACK) used so far. */
uint64_t session_placing_ms(const struct session *s);

/* limit_ms, or what is left of timeouts.placement_ms if that is less; at least 1. */
double session_try_limit_ms(const struct session *s, uint32_t limit_ms);

/* Attach a descriptor to watch as the node's. */
void session_watch_node(struct session *s, int fd);

/*
 * Watch what the flows wait for, and the deadline. Every stage sets its masks there: before the
 * relay `up` stands for reading the client and writing the node, `down` for the other direction.
 *
 *   exact   also stop watching for reads that nothing waits for, see set_mask()
 */
void session_watch(struct session *s, bool exact);

/* Close the stream to the node; the session no longer counts there. Safe to repeat. */
void session_drop_node(struct session *s);

/* The session is relayed from now on, or never will be: free its arrival. */
void session_free_arrival(struct session *s);

#endif
