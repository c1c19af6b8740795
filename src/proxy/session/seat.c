/*
 * seat.c - count a session at its node: as waiting until it is relayed, then as clean or kept.
 */
#include "seat.h"

#include <assert.h>

#include "off_home.h"
#include "proxy/cluster_view.h"
#include "session.h"
#include "worker_core.h"

void seat_take(struct session *s, struct node_live *live)
{
    assert(!s->counted);
    node_live_ref(live);
    node_live_unref(s->node);
    s->node = live;
    s->counted = true;
    atomic_fetch_add_explicit(&live->sessions, 1, memory_order_relaxed);
    list_append(&live->seats[s->w->index].waiting, &s->seat_link);
}

void seat_leave(struct session *s)
{
    if (!s->counted)
        return;
    s->counted = false;
    list_remove(&s->seat_link);
    atomic_fetch_sub_explicit(&s->node->sessions, 1, memory_order_relaxed);
    if (s->state == SESSION_RELAY)
        atomic_fetch_sub_explicit(s->counted_clean ? &s->node->clean : &s->node->kept, 1,
                                  memory_order_relaxed);
    off_home_clear(s);
}

/* Return true if the broker will discard the session when its connection ends. */
static bool is_clean(const struct mqtt_connect *connect)
{
    return connect->version == 5 ? connect->session_expiry_s == 0 : connect->clean_start;
}

void seat_settle(struct session *s)
{
    struct node_seat *seat = &s->node->seats[s->w->index];
    assert(s->state == SESSION_RELAY && s->counted);
    node_live_note_answer(s->node);
    s->counted_clean = is_clean(&s->arrival->connect);
    list_remove(&s->seat_link);
    list_append(s->counted_clean ? &seat->clean : &seat->kept, &s->seat_link);
    atomic_fetch_add_explicit(s->counted_clean ? &s->node->clean : &s->node->kept, 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&s->node->placed[s->kind], 1, memory_order_relaxed);
    off_home_note(s);
    const struct cluster_view *now =
        cluster_view_find(s->w->cluster_views, s->w->n_cluster_views, s->node->cluster);
    if (now && now != s->arrival->cluster_view) /* the nodes have changed since the placement */
        off_home_recount(s, now);
}
