/*
 * memory.c - limit the waiting data of a worker, and choose the session to close when it is too
 * much.
 *
 * Two kinds of data wait: relay blocks that a receiver has not accepted yet, and CONNECTs with the
 * bytes received after them. Each worker has its share of limits.relay_memory_bytes, so workers
 * need not coordinate. Each kind gets half of the share, so that new clients and relayed sessions
 * cannot exhaust each other's memory. When the half for blocks is full, the session whose receiver
 * has accepted nothing for the longest time is closed: a receiver that has stopped reading, not one
 * that is only slow. The first 2 KiB of a CONNECT are not counted: the connection limits bound
 * them, and large CONNECTs cannot displace small ones.
 */
#include "memory.h"

#include "session.h"

#include "wire/proxy/protocol.h"
#include "worker_core.h"

/* Bytes per CONNECT that are not counted: a first read, with room for a PROXY header in front. */
#define MEMORY_FREE_BYTES (SESSION_FIRST_READ_BYTES + PROXY_V2_MAX)

static uint64_t blocks(const struct worker_core *w)
{
    return (uint64_t)w->relay_pool.n_held * w->relay_pool.size;
}

static bool has_room(const struct worker_core *w, uint64_t taken, size_t n)
{
    return w->held_max == 0 || taken + n <= w->held_max / 2;
}

static void show(struct worker_core *w)
{
    counter_set(&w->counters.buffers_held, w->relay_pool.n_held);
    counter_set(&w->counters.waiting_bytes, w->held_bytes + blocks(w));
}

bool memory_allows(const struct session *s, size_t n)
{
    return has_room(s->w, s->w->held_bytes, n);
}

void memory_note_held(struct session *s)
{
    const size_t now = s->arrival->first.size + s->arrival->answer.size;
    const uint32_t counted = now > MEMORY_FREE_BYTES ? (uint32_t)(now - MEMORY_FREE_BYTES) : 0;
    s->w->held_bytes += counted;
    s->w->held_bytes -= s->arrival->held_bytes;
    s->arrival->held_bytes = counted;
    show(s->w);
}

struct session *memory_victim(const struct session *s)
{
    if (has_room(s->w, blocks(s->w), 2 * s->w->relay_pool.size))
        return NULL;
    for (struct list *l = s->w->stuck.next; l != &s->w->stuck; l = l->next) {
        struct session *stuck = CONTAINER_OF(l, struct session, stuck);
        if (stuck != s)
            return stuck;
    }
    return NULL;
}

void memory_note_waiting(struct session *s, bool moved)
{
    bool waits = s->up.waiting || s->down.waiting;
    if (!waits || moved)
        list_remove(&s->stuck);
    if (waits && list_empty(&s->stuck))
        list_append(&s->w->stuck, &s->stuck);
    show(s->w);
}
