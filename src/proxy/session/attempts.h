/*
 * attempts.h - the nodes that were tried for a session, and how each attempt ended: `tried` in the
 * log.
 */
#ifndef PROXY_SESSION_ATTEMPTS_H
#define PROXY_SESSION_ATTEMPTS_H

#include "session.h"

/* How an attempt ended: enum suffix, string in `tried`. */
#define ATTEMPT_OUTCOMES(X)                                                                        \
    X(OK, "ok")                   /* it accepted the CONNECT */                                    \
    X(REFUSED, "refused")         /* by its CONNACK */                                             \
    X(ANSWERED, "answered")       /* with something that is not a readable CONNACK */              \
    X(UNREACHABLE, "unreachable") /* no connection, or no TLS */                                   \
    X(CLOSED,                                                                                      \
      "closed") /* it accepted the connection, then closed or reset it without an answer */        \
    X(SILENT, "silent") /* ... and sent nothing in time */

enum attempt_outcome {
#define X(suffix, word) ATTEMPT_##suffix,
    ATTEMPT_OUTCOMES(X)
#undef X
        ATTEMPT_OUTCOME_COUNT
};

const char *attempt_outcome_name(enum attempt_outcome outcome);

/* The current attempt has failed. If memory is short, the log omits it. */
void attempts_note(struct session *s, enum attempt_outcome outcome);

/* The outcome of an attempt that failed for this reason. */
enum attempt_outcome attempts_outcome_of(enum close_reason reason);

/* Names of PLACEMENT_TRIES_MAX nodes with their outcomes, and home twice. */
#define ATTEMPTS_TEXT_MAX 640u

/* "emqx2:refused,emqx1:ok": the attempts that ended, in order. Null if there are none. */
const char *attempts_text(const struct session *s, char text[ATTEMPTS_TEXT_MAX]);

#endif
