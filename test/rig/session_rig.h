/*
 * session_rig.h - a real worker with real sessions, whose client and nodes are scripts in memory.
 *
 * One session at a time: its client and each node it dials are a struct rig_peer, in the order
 * they are dialled. All of src/proxy runs as it is; below it, by link-time wrapping (--wrap),
 *
 *   streams        stream_tcp_new() and socket_dial() come to the peers' scripts, on descriptors
 *                  that are always ready, so that the loop calls whatever a session waits for
 *   clock          stands still until rig_deadline() moves it: no run depends on the machine
 *   memory         malloc and its like fail where rig_fail_allocation() says; not in the rig
 *   system calls   socket, connect, accept4 and epoll_ctl fail where rig_fail_call() says
 *
 * The wraps know no argument of ours, so the rig in use is a variable of session_rig.c: one rig
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

/* How one end behaves, and what became of it. All zero: takes everything and says nothing. */
struct rig_peer {
    struct stream_memory_script how; /* its input is all that the peer will ever say */
    size_t first;                    /* bytes of it that are there at once */
    bool ends;                       /* it ends its side when all of it has arrived */
    bool deaf;                       /* with how.room: takes nothing of what waits for it */
    int dial_error;                  /* of a node: errno of the dial; 0 = it goes well */

    uint8_t *got; /* all that was written to it; freed by rig_peer_fini() */
    size_t got_n;
    size_t read_n; /* of its input the router has read so many bytes */
    bool told_end; /* the router has ended its side */
    bool opened;   /* it has had a stream */
    bool closed;   /* and that is closed */
    bool failed;   /* a fault of the script, or EOF, was met */

    /* the rig's own */
    struct stream *stream; /* the memory below the router's; null = none now */
    size_t arrived;
    bool ended;
};

/*
 * A worker that serves by this configuration, its doors listening on ports of the kernel's
 * choice. Null when memory is short or the configuration is wrong: then stderr says why.
 */
MUST_USE struct rig *rig_new(const char *config_json);
void rig_free(struct rig *rig); /* null is allowed; no session may live */

/*
 * A client comes to a door; the session runs until it waits.
 *
 *   client, nodes   borrowed until the session has ended; node k is who is dialled k-th, and
 *                   dials behind n_nodes are refused (ECONNREFUSED)
 */
void rig_begin(struct rig *rig, size_t listener, struct rig_peer *client, struct rig_peer *nodes,
               size_t n_nodes);

/* The same for a client that is real: a descriptor, which is taken. */
void rig_begin_on(struct rig *rig, size_t listener, int fd, struct rig_peer *nodes, size_t n_nodes);

/* Before rig_begin(): told of each dial, with the bytes its client was read of so far. */
void rig_on_dial(struct rig *rig, void (*told)(void *arg), void *arg);

/* Turns of the loop until nothing moves any more; how many that took. */
unsigned rig_settle(struct rig *rig);

/* Up to n more bytes of a peer's input arrive; behind the last one its end, if it has one. */
void rig_arrive(struct rig_peer *peer, size_t n);

/* Has all of it arrived, and its end? */
bool rig_has_arrived(const struct rig_peer *peer);

/* The clock moves on to the session's deadline, and that fires. False when there is none. */
bool rig_deadline(struct rig *rig);

/* The same without the clock moving, as one set before the last traffic. */
bool rig_deadline_early(struct rig *rig);

/* The clock moves on, and nothing is done about it. */
void rig_pass(struct rig *rig, uint64_t ms);

/* So many turns at each paced node (max_connects_per_s) are taken by others. */
void rig_take_turns(struct rig *rig, unsigned turns);

/* The k-th node of every cluster is found down; or one of its sessions is to be closed. */
void rig_node_down(struct rig *rig, size_t k);
void rig_node_evicts(struct rig *rig, size_t k);

/* All nodes are up again, and their records as new. */
void rig_nodes_up(struct rig *rig);

/* The session is told to end, as at a shutdown. */
void rig_end(struct rig *rig);

/* Forget what sessions before have left for later ones: each is as the first. */
void rig_tidy(struct rig *rig);

bool rig_lives(const struct rig *rig);

/* Why the newest session ended. */
enum close_reason rig_reason(const struct rig *rig);

/* What a session that has ended left behind, in words; null = nothing. */
const char *rig_residue(const struct rig *rig);

/* Free what was written to a peer. It may be used for another session. */
void rig_peer_fini(struct rig_peer *peer);

/* ---- faults ---- */

#define RIG_NEVER SIZE_MAX

/*
 * The allocation behind `after` more fails; `on`: and all that follow. RIG_NEVER: none. Returns
 * how many were asked for since the last call.
 */
size_t rig_fail_allocation(size_t after, bool on);

/* RIG_EPOLL: epoll_ctl() that adds a descriptor, libev's own call. */
enum rig_call { RIG_SOCKET, RIG_CONNECT, RIG_ACCEPT, RIG_EPOLL, RIG_CALL_COUNT };

/* The next `times` of these calls fail with this errno. Returns calls since the last time. */
size_t rig_fail_call(enum rig_call call, unsigned times, int error);

/* Nodes are dialled by the real socket_dial() from now on, for its faults. */
void rig_dial_in_earnest(struct rig *rig, bool earnest);

/* ---- doors in earnest ---- */

/* The worker watches its doors, as it does when its thread runs; the port of one. */
void rig_start_listening(struct rig *rig);
uint16_t rig_port(const struct rig *rig, size_t listener);

/* One turn of the loop, without waiting. */
void rig_turn(struct rig *rig);

/* The pause of accepting is over. False when there is none. */
bool rig_pause_over(struct rig *rig);

/* The worker itself, for what is asked of workers. */
struct worker *rig_worker(struct rig *rig);

/* So many ids of sessions were for others. */
void rig_use_ids(struct rig *rig, uint32_t n);

size_t rig_sessions(const struct rig *rig);
uint64_t rig_accepted(const struct rig *rig);
uint64_t rig_pauses(const struct rig *rig);

#endif
