/*
 * attempts.h - the nodes that were tried for a session, and how each try ended: the log's `tried`.
 */
#ifndef PROXY_SESSION_ATTEMPTS_H
#define PROXY_SESSION_ATTEMPTS_H

#include "session.h"

/* How a try at a node ended: enum suffix, word in the log's `tried`. */
#define ATTEMPT_OUTCOMES(X)                                                                        \
    X(OK, "ok")                   /* it accepted the CONNECT */                                    \
    X(REFUSED, "refused")         /* by its CONNACK */                                             \
    X(ANSWERED, "answered")       /* with something that is no CONNACK we can read */              \
    X(UNREACHABLE, "unreachable") /* no connection, or no TLS */                                   \
    X(CLOSED, "closed")           /* it took the connection, and closed or reset without a word */ \
    X(SILENT, "silent")           /* ... and said nothing in time */

enum attempt_outcome {
#define X(suffix, word) ATTEMPT_##suffix,
    ATTEMPT_OUTCOMES(X)
#undef X
        ATTEMPT_OUTCOME_COUNT
};

const char *attempt_outcome_name(enum attempt_outcome outcome);

/* The present try has failed. Short of memory the log will not say so. */
void attempts_note(struct session *s, enum attempt_outcome outcome);

/* How a try failed that ends with this reason. */
enum attempt_outcome attempts_outcome_of(enum close_reason reason);

/* Names of PLACEMENT_TRIES_MAX nodes with their outcomes, and home twice. */
#define ATTEMPTS_TEXT_MAX 640u

/*
 * "emqx2:refused,emqx1:ok": every try and how it ended; of one that is not over, what came before.
 * Null when there is nothing to say.
 */
const char *attempts_text(const struct session *s, char text[ATTEMPTS_TEXT_MAX]);

#endif
