/*
 * off_home.c - track which relayed sessions are not at their home, and why.
 */
#include "off_home.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "model/route_key.h"
#include "proxy/cluster_view.h"
#include "session.h"
#include "worker_core.h"

#define FORGIVEN_A_TURN 256u

/* ---- the lists of a node ---- */

static void enter(struct off_home *off_home, unsigned worker, enum off_home_cause cause)
{
    off_home->cause = cause;
    list_append(&off_home->home->seats[worker].off_home[cause], &off_home->link);
    atomic_fetch_add_explicit(&off_home->home->off_home[cause], 1, memory_order_relaxed);
}

static void leave(struct off_home *off_home)
{
    list_remove(&off_home->link);
    atomic_fetch_sub_explicit(&off_home->home->off_home[off_home->cause], 1, memory_order_relaxed);
}

static uint32_t up_since(const struct node_live *live)
{
    return (uint32_t)NODE_LIVE_READ(live->up_since_us);
}

static void set(struct session *s, struct node_live *home, enum off_home_cause cause)
{
    off_home_clear(s);
    s->off_home = malloc(sizeof(*s->off_home));
    if (!s->off_home)
        return; /* out of memory: the session is not counted */
    node_live_ref(home);
    *s->off_home = (struct off_home){.home = home, .session = s, .home_up_since = up_since(home)};
    enter(s->off_home, s->w->index, cause);
}

void off_home_clear(struct session *s)
{
    if (!s->off_home)
        return;
    leave(s->off_home);
    node_live_unref(s->off_home->home);
    free(s->off_home);
    s->off_home = NULL;
}

bool off_home_forgive(struct node_live *home, unsigned worker)
{
    struct list *refused = &home->seats[worker].off_home[OFF_HOME_REFUSED];
    if (node_live_status(home) != NODE_UP)
        return false;
    for (unsigned i = 0; i < FORGIVEN_A_TURN; i++) {
        struct off_home *first = CONTAINER_OF(refused->next, struct off_home, link);
        if (list_empty(refused) || first->home_up_since == up_since(home))
            return false; /* the list is in order of arrival, so the rest is newer */
        leave(first);
        enter(first, worker, OFF_HOME_DOWN);
    }
    return true;
}

/* ---- when a session is relayed ---- */

void off_home_note(struct session *s)
{
    const struct arrival *a = s->arrival;
    const struct cluster *cluster = a->cluster_view->cluster;
    if (!a->placement.has_home || a->placement.candidates[s->tries - 1] == a->placement.home)
        return;
    struct node_live *home = cluster->nodes[a->placement.home].live;
    set(s, home, node_live_status(home) == NODE_UP ? a->off_home_cause : OFF_HOME_DOWN);
}

/* ---- when the nodes have changed ---- */

enum key_state { KEY_KNOWN, KEY_NONE, KEY_UNKNOWN };

static bool is_cut(struct span key, struct span name)
{
    return key.p == name.p && key.n > SESSION_NAME_MAX;
}

/*
 * Get the route key by the cluster's current rules. text, tls: memory that the key may point into.
 */
static enum key_state key_of(struct session *s, const struct cluster_conf *conf,
                             char text[ADDRESS_TEXT_MAX], struct tls_facts *tls, struct span *key)
{
    const struct address source = address_unmap(&s->source);
    struct route_facts facts = {.client_id = session_client_id(s), .username = session_username(s)};
    if (!s->names || (route_key_asks(conf, ROUTE_USERNAME) && !s->names->knows_username))
        return KEY_UNKNOWN;
    if (route_key_asks(conf, ROUTE_SOURCE_IP) && source.sa.sa_family != AF_UNIX)
        facts.source_ip = span_of_str(address_format_host(&source, text));
    if (route_key_asks(conf, ROUTE_TLS_CN) || route_key_asks(conf, ROUTE_SNI)) {
        struct proxy_facts device;
        device_facts(s, tls, &device);
        facts.tls_cn = device.verified ? device.tls_cn : (struct span){0};
        facts.sni = device.authority;
    }
    if (!route_key_pick(conf, &facts, key))
        return KEY_NONE;
    return is_cut(*key, facts.client_id) || is_cut(*key, facts.username) ? KEY_UNKNOWN : KEY_KNOWN;
}

static bool is_member(const struct cluster *cluster, const struct node_live *live)
{
    for (size_t i = 0; i < cluster->n; i++)
        if (cluster->nodes[i].live == live)
            return true;
    return false;
}

void off_home_recount(struct session *s, const struct cluster_view *cluster_view)
{
    const struct cluster *cluster = cluster_view->cluster;
    const struct placement_homes homes = {cluster->homes, cluster->backup, cluster->n};
    char text[ADDRESS_TEXT_MAX];
    struct tls_facts tls;
    struct span key = {0};
    uint32_t index;
    const enum key_state state = key_of(s, cluster->conf, text, &tls, &key);
    if (state == KEY_UNKNOWN) {
        if (s->off_home && !is_member(cluster, s->off_home->home))
            off_home_clear(s);
        return;
    }
    if (state == KEY_NONE || !placement_home_index(&homes, key, &index) ||
        cluster->nodes[index].live == s->node)
        off_home_clear(s);
    else if (!s->off_home || s->off_home->home != cluster->nodes[index].live)
        set(s, cluster->nodes[index].live, OFF_HOME_MOVED);
}
