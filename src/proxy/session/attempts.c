/*
 * attempts.c - the nodes that were tried for a session.
 *
 * Nearly every session is placed at the first try, which is told by its node; only what failed is
 * noted on the way.
 */
#include "attempts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *try_outcome_name(enum try_outcome outcome)
{
    static const char *const words[] = {
#define X(suffix, word) word,
        TRY_OUTCOMES(X)
#undef X
    };
    assert(outcome < TRY_OUTCOME_COUNT);
    return words[outcome];
}

void tried_note(struct session *s, enum try_outcome outcome)
{
    char *longer;
    if (asprintf(&longer, "%s%s:%s,", s->tried ? s->tried : "", s->node->name,
                 try_outcome_name(outcome)) < 0)
        return;
    free(s->tried);
    s->tried = longer;
}

enum try_outcome tried_outcome(enum close_reason reason)
{
    return reason == CLOSE_CONNACK_TIMEOUT     ? TRY_SILENT
           : reason == CLOSE_NODE_CLOSED_EARLY ? TRY_CLOSED
                                               : TRY_REFUSED;
}

const char *tried_text(const struct session *s, char text[TRIED_MAX])
{
    const char *before = s->tried ? s->tried : "";
    const size_t n = strlen(before);
    if (s->down.bytes > 0 && s->node)
        (void)snprintf(text, TRIED_MAX, "%s%s:%s", before, s->node->name,
                       try_outcome_name(!s->connack_seen       ? TRY_ANSWERED
                                        : s->connack.code == 0 ? TRY_OK
                                                               : TRY_REFUSED));
    else if (n > 0) /* without the last comma */
        (void)snprintf(text, TRIED_MAX, "%.*s", (int)n - 1, before);
    else
        return NULL;
    return text;
}
