/*
 * attempts.h - the nodes that were tried for a session and the outcome of each attempt; `tried` in
 * the log.
 */
#ifndef PROXY_SESSION_ATTEMPTS_H
#define PROXY_SESSION_ATTEMPTS_H

#include "session.h"

/* Outcomes of an attempt: enum suffix, string in `tried`. */
#define ATTEMPT_OUTCOMES(X)                                                                        \
    X(OK, "ok")                   /* the node accepted the CONNECT */                              \
    X(REFUSED, "refused")         /* the node rejected the CONNECT */                              \
    X(ANSWERED, "answered")       /* the answer was not a valid CONNACK */                         \
    X(UNREACHABLE, "unreachable") /* the TCP connection or the TLS handshake failed */             \
    X(CLOSED, "closed")           /* the node closed the connection without an answer */           \
    X(SILENT, "silent")           /* the node sent nothing before the time limit */

enum attempt_outcome {
#define X(suffix, word) ATTEMPT_##suffix,
    ATTEMPT_OUTCOMES(X)
#undef X
        ATTEMPT_OUTCOME_COUNT
};

const char *attempt_outcome_name(enum attempt_outcome outcome);

/* Record that the current attempt has failed. If out of memory, the log omits the attempt. */
void attempts_note(struct session *s, enum attempt_outcome outcome);

/* Return the outcome of an attempt that failed for this reason. */
enum attempt_outcome attempts_outcome_of(enum close_reason reason);

/* Room for PLACEMENT_TRIES_MAX node names with outcomes, and a second attempt at the home. */
#define ATTEMPTS_TEXT_MAX 640u

/*
 * Format the finished attempts, such as "emqx2:refused,emqx1:ok". Returns null if there are none.
 */
const char *attempts_text(const struct session *s, char text[ATTEMPTS_TEXT_MAX]);

#endif
