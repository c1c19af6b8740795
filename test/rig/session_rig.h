/*
 * session_rig.h - a real worker with real sessions, whose client and nodes are scripts in memory.
 *
 * One session at a time: its client and each node it dials are a struct rig_peer, in the order of
 * the dials. All of src/proxy runs unchanged; below it, by link-time wrapping (--wrap),
 *
 *   streams        stream_tcp_new() and socket_dial() use the peers' scripts, on descriptors that
 *                  are always ready, so that the loop calls whatever a session waits for
 *   clock          stands still until rig_deadline() moves it: no run depends on the machine
 *   memory         malloc and the like fail as rig_fail_allocation() sets; not in the rig
 *   system calls   socket, connect, accept4 and epoll_ctl fail as rig_fail_call() sets
 *
 * The wrappers have no argument of ours, so the current rig is a variable of session_rig.c: one rig
 * at a time, of one thread.
 */
#ifndef TEST_SESSION_RIG_H
#define TEST_SESSION_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/close_reason.h"
#include "net/stream_memory.h"

struct rig;

/* The script of one end, and its result. All zero: takes everything and sends nothing. */
struct rig_peer {
    struct stream_memory_script how; /* its input is everything that the peer will send */
    size_t first;                    /* bytes of it that are available at the start */
    bool ends;                       /* it ends its stream after the input */
    bool deaf;                       /* with how.room: takes nothing of what waits for it */
    int dial_error;                  /* of a node: errno of the dial; 0 = success */

    uint8_t *got; /* all bytes written to it; freed by rig_peer_fini() */
    size_t got_n;
    size_t read_n; /* bytes of its input that the router has read */
    bool told_end; /* the router has ended its stream */
    bool opened;   /* it has had a stream */
    bool closed;   /* and that is closed */
    bool failed;   /* an error of the script, or EOF, was reached */

    /* private to the rig */
    struct stream *stream; /* the memory below the router's; null = none now */
    size_t arrived;
    bool ended;
};

/*
 * A worker with this configuration, listening on ports that the kernel chooses. Null if memory is
 * short or the configuration is invalid: stderr has the reason.
 */
MUST_USE struct rig *rig_new(const char *config_json);
void rig_free(struct rig *rig); /* null is allowed; no session may be left */

/*
 * A client connects to a listener; the session runs until it waits.
 *
 *   client, nodes   borrowed until the session has ended; nodes are dialled in their order, and
 *                   dials after n_nodes are refused (ECONNREFUSED)
 */
void rig_begin(struct rig *rig, size_t listener, struct rig_peer *client, struct rig_peer *nodes,
               size_t n_nodes);

/* The same for a real client: a descriptor, which is taken. */
void rig_begin_on(struct rig *rig, size_t listener, int fd, struct rig_peer *nodes, size_t n_nodes);

/* Before rig_begin(): called at each dial. */
void rig_on_dial(struct rig *rig, void (*told)(void *arg), void *arg);

/* Run turns of the loop until nothing moves any more; returns their number. */
unsigned rig_settle(struct rig *rig);

/* Up to n more bytes of a peer's input arrive; after the last one its end, if it has one. */
void rig_arrive(struct rig_peer *peer, size_t n);

/* Whether all of it has arrived, and its end. */
bool rig_has_arrived(const struct rig_peer *peer);

/* Move the clock to the session's deadline, which fires. False if there is none. */
bool rig_deadline(struct rig *rig);

/* The same without moving the clock, as for a deadline set before the last traffic. */
bool rig_deadline_early(struct rig *rig);

/* Move the clock only. */
void rig_pass(struct rig *rig, uint64_t ms);

/* Other sessions take this many turns at each paced node (max_connects_per_s). */
void rig_take_turns(struct rig *rig, unsigned turns);

/* Mark the k-th node of every cluster as down; or close one of its sessions. */
void rig_node_down(struct rig *rig, size_t k);
void rig_node_evicts(struct rig *rig, size_t k);

/* Mark all nodes as up, with fresh records. */
void rig_nodes_up(struct rig *rig);

/* End the session, as at a shutdown. */
void rig_end(struct rig *rig);

/* Reset what earlier sessions left for later ones. */
void rig_tidy(struct rig *rig);

bool rig_lives(const struct rig *rig);

/* Why the newest session ended. */
enum close_reason rig_reason(const struct rig *rig);

/* What an ended session has leaked, as text; null = nothing. */
const char *rig_residue(const struct rig *rig);

/* Free what was written to a peer, which can then be used again. */
void rig_peer_fini(struct rig_peer *peer);

/* ---- faults ---- */

#define RIG_NEVER SIZE_MAX

/*
 * The allocation after `after` more fails; `on`: and all that follow. RIG_NEVER: none. Returns the
 * number of allocations since the last call.
 */
size_t rig_fail_allocation(size_t after, bool on);

/* RIG_EPOLL: epoll_ctl() that adds a descriptor, called by libev. */
enum rig_call { RIG_SOCKET, RIG_CONNECT, RIG_ACCEPT, RIG_EPOLL, RIG_CALL_COUNT };

/*
 * The next `times` of these calls fail with this errno. Returns the number of calls since the last
 * time.
 */
size_t rig_fail_call(enum rig_call call, unsigned times, int error);

/* Dial nodes with the real socket_dial() from now on, for its errors. */
void rig_dial_in_earnest(struct rig *rig, bool earnest);

/* ---- real listeners ---- */

/* Watch the listeners, as when its thread runs; the port of one. */
void rig_start_listening(struct rig *rig);
uint16_t rig_port(const struct rig *rig, size_t listener);

/* One turn of the loop, without waiting. */
void rig_turn(struct rig *rig);

/* End the pause of accepting. False if there is none. */
bool rig_pause_over(struct rig *rig);

/* The worker itself. */
struct worker *rig_worker(struct rig *rig);

/* Skip this many session ids. */
void rig_use_ids(struct rig *rig, uint32_t n);

size_t rig_sessions(const struct rig *rig);
uint64_t rig_accepted(const struct rig *rig);
uint64_t rig_pauses(const struct rig *rig);

#endif
