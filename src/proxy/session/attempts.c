/*
 * attempts.c - record the nodes that were tried for a session.
 *
 * Nearly every session is placed at the first attempt. Only failed attempts are stored; the last
 * attempt is known from s->node.
 */
#include "attempts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *attempt_outcome_name(enum attempt_outcome outcome)
{
    static const char *const words[] = {
#define X(suffix, word) word,
        ATTEMPT_OUTCOMES(X)
#undef X
    };
    assert(outcome < ATTEMPT_OUTCOME_COUNT);
    return words[outcome];
}

void attempts_note(struct session *s, enum attempt_outcome outcome)
{
    char *longer;
    if (asprintf(&longer, "%s%s:%s,", s->attempts ? s->attempts : "", s->node->name,
                 attempt_outcome_name(outcome)) < 0)
        return;
    free(s->attempts);
    s->attempts = longer;
}

enum attempt_outcome attempts_outcome_of(enum close_reason reason)
{
    return reason == CLOSE_CONNACK_TIMEOUT     ? ATTEMPT_SILENT
           : reason == CLOSE_NODE_CLOSED_EARLY ? ATTEMPT_CLOSED
                                               : ATTEMPT_REFUSED;
}

const char *attempts_text(const struct session *s, char text[ATTEMPTS_TEXT_MAX])
{
    const char *before = s->attempts ? s->attempts : "";
    const size_t n = strlen(before);
    if (s->down.bytes > 0 && s->node)
        (void)snprintf(text, ATTEMPTS_TEXT_MAX, "%s%s:%s", before, s->node->name,
                       attempt_outcome_name(!s->connack_seen       ? ATTEMPT_ANSWERED
                                            : s->connack.code == 0 ? ATTEMPT_OK
                                                                   : ATTEMPT_REFUSED));
    else if (n > 0) /* drop the last comma */
        (void)snprintf(text, ATTEMPTS_TEXT_MAX, "%.*s", (int)n - 1, before);
    else
        return NULL;
    return text;
}
