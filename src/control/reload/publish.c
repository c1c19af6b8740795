/*
 * publish.c - make all workers serve by a snapshot, or none.
 *
 * Two phases: everything that can fail is done while nothing changes; then pointers move.
 */
#include "publish.h"

#include <stdio.h>
#include <stdlib.h>

#include "listening.h"

bool publication_prepare(struct publication *out, const struct workers *workers,
                         struct snapshot *snapshot, struct worker_socket *sockets,
                         struct tls_ticket_keys *const *keys, char error[WORKER_TLS_ERROR_MAX])
{
    const size_t each = snapshot->n_bindings;
    *out = (struct publication){.workers = workers,
                                .plans = calloc(workers->n, sizeof(struct worker_plan *))};
    (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
    for (unsigned i = 0; i < workers->n; i++) {
        struct worker_socket *mine = sockets ? sockets + i * each : NULL;
        if (out->plans)
            out->plans[i] = worker_plan_new(workers->list[i], snapshot, mine, keys, error);
        else if (mine)
            listening_close(mine, each);
        if (out->plans && out->plans[i])
            continue;
        if (sockets)
            listening_close(sockets + (i + 1) * each, (workers->n - i - 1) * each);
        publication_drop(out);
        return false;
    }
    return true;
}

void publication_commit(struct publication *publication)
{
    for (unsigned i = 0; i < publication->workers->n; i++)
        worker_give_plan(publication->workers->list[i], publication->plans[i]);
    free(publication->plans);
    publication->plans = NULL;
}

void publication_drop(struct publication *publication)
{
    for (unsigned i = 0; publication->plans && i < publication->workers->n; i++)
        worker_plan_free(publication->plans[i]);
    free(publication->plans);
    publication->plans = NULL;
}
