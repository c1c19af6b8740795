/*
 * memory.c - how much a worker holds of data that waits, and who goes when it is too much.
 *
 * What waits is relay blocks whose receiver does not take them, and CONNECTs with what came
 * behind them. Each worker has its share of limits.relay_memory_bytes, so that they need not ask
 * each other, and each of the two has half of it, so that strangers cannot crowd out those who
 * relay, nor those who do not read the strangers. When the blocks' half is full the session goes
 * whose receiver has taken nothing for the longest time: one that does not read, not one that
 * has a lot to read. The first 2 KiB of a CONNECT are not counted: the limits of connections
 * bound them, and large CONNECTs cannot crowd out small ones.
 */
#include "memory.h"

#include "session.h"

#include "wire/proxy/protocol.h"
#include "worker_core.h"

/* Of each CONNECT: a first read, with room for a PROXY header in front. */
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
    s->w->held_bytes -= s->arrival->held;
    s->arrival->held = counted;
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
