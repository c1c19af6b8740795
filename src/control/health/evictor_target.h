/*
 * evictor_target.h - the job of one node: sessions to close, rate, and credit. Private to the
 * evictor.
 */
#ifndef CONTROL_HEALTH_EVICTOR_TARGET_H
#define CONTROL_HEALTH_EVICTOR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "proxy/node_live.h"
#include "proxy/snapshot.h"

#define EVICTOR_TICK_MAX_S 0.06 /* longest tick; elapsed time beyond it is ignored */

/* What the evictor does with a node's sessions. */
enum job { JOB_NONE, JOB_DRAIN, JOB_DOWN, JOB_HOME };

/* A node and its job. */
struct target {
    const struct cluster *cluster; /* in the evictor's snapshot */
    const struct node *node;       /* in that cluster */
    struct node_live *live;        /* a reference */
    enum job job;
    enum node_status status; /* at the last tick */
    uint64_t up_at_us;       /* when it became up, or when a session last failed; 0 = not up */
    uint64_t failures;       /* at the last tick */
    uint64_t begun_us;       /* start of the job */
    uint32_t begun_with;     /* sessions to close when the job started */
    double due;              /* fraction of a session, left from earlier ticks */
    bool ended;              /* the job has no session left, and its end was logged */
    bool held;               /* the job waits until a node accepts its sessions */
    uint32_t drain_rate_per_s, drain_deadline_ms; /* set by an operator; 0 = as configured */
    uint32_t home_rate_per_s;                     /* rate of an operator's homecoming; 0 = none */
    bool home_recounts;   /* home_left is not final, because workers are still counting */
    uint32_t home_left;   /* sessions that an operator's homecoming may still close */
    uint32_t home_credit; /* credit that the last tick handed out for homecoming */
};

/* Number of sessions on the node. */
uint32_t target_sessions(const struct target *target);

/* Number of sessions that the homecoming still has to close. */
uint32_t target_off_home(const struct target *target);

/* Number of sessions that the job still has to close. */
uint32_t target_sessions_left(const struct target *target);

/*
 * Whether the job has closed all its sessions. Sessions that wait for the CONNACK of a draining
 * node are still relayed to it.
 */
bool target_is_empty(const struct target *target);

/* Return the rate of the job: set by an operator, or as configured. */
uint32_t target_rate_per_s(const struct target *target);

/* Whether the job is a drain whose deadline has passed. */
bool target_is_past_deadline(const struct target *target, uint64_t now_us);

/* Whether the node accepts new sessions. */
bool target_accepts_sessions(const struct target *target);

/* Whether a homecoming may start. During slow start, the node would not get its sessions yet. */
bool target_may_bring_home(const struct target *target, uint64_t now_us);

/* Whether a job can start or resume without a status change. */
bool target_needs_polling(const struct target *target);

/* Read the node's status and failures. A changed status ends the rates that an operator has set. */
void target_note_status(struct target *target, uint64_t now_us);

/* Withdraw all unused credit. */
void target_withdraw_credit(struct target *target);

/* Count the sessions closed with the last credit, and withdraw unused credit. */
void target_note_closings(struct target *target);

/* Hand out the credit for `passed_s` seconds. Returns true if there are sessions to close. */
MUST_USE bool target_give_credit(struct target *target, double passed_s, uint64_t now_us);

#endif
