/*
 * memory.c - how much a worker holds of data that waits, and who goes when it is too much.
 *
 * What waits is relay blocks whose receiver does not take them, and CONNECTs with what came
 * behind them. Each worker has its share of limits.relay_memory_bytes, so that they need not
 * ask each other. At the limit the relayed session goes whose receiver has taken nothing for the
 * longest time: one that does not read, not one that has a lot to read. CONNECTs have half of the
 * share at most, so that strangers cannot crowd out those who relay. Before its CONNECT is whole a
 * device may hold the first 2 KiB of it in any case, so that large CONNECTs cannot crowd out small
 * ones.
 */
#include "memory.h"

#include "session.h"
#include "worker.h"

static uint64_t held(const struct worker *w)
{
    return w->held_bytes + (uint64_t)w->relay_pool.n_held * w->relay_pool.size;
}

static bool has_room(const struct worker *w, size_t n)
{
    return w->held_max == 0 || held(w) + n <= w->held_max;
}

bool memory_allows(const struct session *s, size_t n)
{
    const struct worker *w = s->w;
    return has_room(w, n) && (w->held_max == 0 || w->held_bytes + n <= w->held_max / 2);
}

void memory_note_held(struct session *s)
{
    uint32_t now = (uint32_t)(s->first.size + s->answer.size);
    s->w->held_bytes += now;
    s->w->held_bytes -= s->held;
    s->held = now;
    counter_set(&s->w->counters.waiting_bytes, held(s->w));
}

/* Null when all that wait are this session. */
static struct session *longest_stuck(const struct session *but)
{
    for (struct list *l = but->w->stuck.next; l != &but->w->stuck; l = l->next) {
        struct session *s = CONTAINER_OF(l, struct session, stuck);
        if (s != but)
            return s;
    }
    return NULL;
}

void memory_make_room(struct session *s)
{
    struct session *victim;
    while (!has_room(s->w, 2 * s->w->relay_pool.size) && (victim = longest_stuck(s)))
        session_end(victim, CLOSE_RELAY_MEMORY);
}

void memory_note_waiting(struct session *s, bool moved)
{
    bool waits = s->up.waiting || s->down.waiting;
    if (!waits || moved)
        list_remove(&s->stuck);
    if (waits && list_empty(&s->stuck))
        list_append(&s->w->stuck, &s->stuck);
    counter_set(&s->w->counters.buffers_held, s->w->relay_pool.n_held);
    counter_set(&s->w->counters.waiting_bytes, held(s->w));
}
