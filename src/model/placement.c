/*
 * placement.c - select the nodes to try for a session, in order.
 *
 * Usually all nodes are open and free. Then one pass over the nodes is enough, and the availability
 * of three of them is checked. Otherwise there is one more pass per rank:
 *
 *   open?  -->  primaries, or else backups  -->  free, then reluctant  -->  candidates
 *
 * If there are fewer than three candidates, free backups and then paused nodes are added.
 *
 * Nothing is copied or allocated.
 */
#include "model/placement.h"

#include <assert.h>

const char *placement_kind_name(enum placement_kind kind)
{
    static const char *const words[] = {
#define X(suffix, word) [PLACEMENT_##suffix] = word,
        PLACEMENT_KINDS(X)
#undef X
    };
    _Static_assert(ARRAY_LEN(words) == PLACEMENT_KIND_COUNT, "every kind has a word");
    assert(kind < PLACEMENT_KIND_COUNT);
    return words[kind];
}

/* The nodes that a pass accepts. */
enum rank {
    RANK_ANY,      /* open or not */
    RANK_OPEN,     /* open, with any availability */
    RANK_FREE,     /* open and free */
    RANK_RELUCTANT /* open, but warming up or busy */
};

struct search {
    const struct placement_view *view;
    struct span key;
    const bool *open; /* view->open, or view->paused for the last resort */
    bool backups;     /* search only backups; false: only primaries */
    enum rank rank;
    const struct placement *taken; /* candidates so far, which are not accepted again */
};

static enum placement_availability bar_of(const struct placement_view *view, uint32_t index,
                                          struct span key)
{
    return view->availability ? view->availability(view->arg, index, key) : PLACEMENT_FREE;
}

static bool is_taken(const struct placement *placement, size_t index)
{
    for (size_t i = 0; i < placement->n; i++)
        if (placement->candidates[i] == index)
            return true;
    return false;
}

/* Check everything except the weight. */
static bool search_accepts(void *arg, uint32_t index)
{
    const struct search *search = arg;
    const struct placement_view *view = search->view;
    if ((view->backup && view->backup[index]) != search->backups || is_taken(search->taken, index))
        return false;
    if (search->rank == RANK_ANY)
        return true;
    if (!search->open[index])
        return false;
    if (search->rank == RANK_OPEN)
        return true;
    enum placement_availability bar = bar_of(view, index, search->key);
    return search->rank == RANK_FREE ? bar == PLACEMENT_FREE
                                     : bar == PLACEMENT_WARMING || bar == PLACEMENT_BUSY;
}

/* Append the best nodes of a rank by hash to the candidates. */
static void add_by_key(struct search *search, enum rank rank, struct placement *out)
{
    const struct placement_view *view = search->view;
    struct rendezvous_candidates field = {
        .nodes = view->nodes, .n = view->n, .is_eligible = search_accepts, .arg = search};
    search->rank = rank;
    out->n += (uint8_t)rendezvous_pick_from(&field, search->key, PLACEMENT_TRIES_MAX - out->n,
                                            out->candidates + out->n);
}

static bool all_open(const struct placement_view *view, const struct placement *placement)
{
    for (size_t i = 0; i < placement->n; i++)
        if (!view->open[placement->candidates[i]])
            return false;
    return placement->n > 0;
}

static bool all_free(const struct placement_view *view, const struct placement *placement,
                     struct span key)
{
    for (size_t i = 0; i < placement->n; i++)
        if (bar_of(view, placement->candidates[i], key) != PLACEMENT_FREE)
            return false;
    return true;
}

/*
 * Return whether backups are added after the primaries: only if every open primary is a candidate.
 * A primary that is not a candidate is full, and counts as up.
 */
static bool wants_backups(const struct placement_view *view, const struct placement *placement)
{
    if (!view->backup || placement->n == 0 || placement->n == PLACEMENT_TRIES_MAX)
        return false;
    size_t primaries = 0;
    for (size_t i = 0; i < view->n; i++)
        primaries += view->open[i] && !view->backup[i] && view->nodes[i].weight > 0;
    return primaries == placement->n;
}

/*
 * Return whether paused nodes are added after the open nodes: only if every open node is a
 * candidate.
 */
static bool wants_paused(const struct placement_view *view, const struct placement *placement)
{
    if (!view->paused || placement->full || placement->n == PLACEMENT_TRIES_MAX)
        return false;
    size_t open = 0;
    for (size_t i = 0; i < view->n; i++)
        open += view->open[i] && view->nodes[i].weight > 0;
    return open == placement->n;
}

static void add_paused_by_key(struct search *search, struct placement *out)
{
    const uint8_t open = out->n;
    search->open = search->view->paused;
    for (int backups = 0; backups < 2; backups++) {
        search->backups = backups;
        add_by_key(search, RANK_FREE, out);
        add_by_key(search, RANK_RELUCTANT, out);
    }
    out->n_paused = out->n - open;
}

/* Select the candidates again if some of them are not free: free nodes first, no full nodes. */
static void sort_out_by_key(struct search *search, struct placement *out)
{
    uint32_t best = out->candidates[0];
    out->n = 0;
    add_by_key(search, RANK_FREE, out);
    add_by_key(search, RANK_RELUCTANT, out);
    out->full = out->n == 0;
    out->overflow = out->n > 0 && out->candidates[0] != best;
}

void placement_by_key(const struct placement_view *view, struct span key, struct placement *out)
{
    struct search search = {.view = view, .key = key, .open = view->open, .taken = out};
    *out = (struct placement){.n = 0};
    add_by_key(&search, RANK_ANY, out);
    out->has_home = out->n > 0;
    out->home = out->candidates[0];
    if (!all_open(view, out)) {
        out->n = 0;
        add_by_key(&search, RANK_OPEN, out);
        search.backups = out->n == 0;
        if (search.backups)
            add_by_key(&search, RANK_OPEN, out);
    }
    if (!all_free(view, out, key))
        sort_out_by_key(&search, out);
    if (wants_backups(view, out)) {
        search.backups = true;
        add_by_key(&search, RANK_FREE, out);
    }
    if (wants_paused(view, out))
        add_paused_by_key(&search, out);
}

/* Input of add_by_load(), for a session without a key. */
struct loads {
    const uint32_t *sessions;
    uint32_t turn; /* each choice takes its remainder, and leaves the quotient to the next choice */
};

/* Compare the loads per weight. Returns less than 0 if a's is lower, and 0 if both are equal. */
static int compare_load(const struct search *search, const struct loads *loads, size_t a, size_t b)
{
    const struct rendezvous_node *nodes = search->view->nodes;
    uint64_t load_a = (uint64_t)loads->sessions[a] * nodes[b].weight;
    uint64_t load_b = (uint64_t)loads->sessions[b] * nodes[a].weight;
    return (load_a > load_b) - (load_a < load_b);
}

/* Find the first node with the least load. Returns how many have this load, or 0 if there is no
 * node. */
static size_t count_equals(struct search *search, const struct loads *loads, uint32_t *first)
{
    size_t equals = 0;
    for (size_t i = 0; i < search->view->n; i++) {
        int order = equals > 0 ? compare_load(search, loads, i, *first) : -1;
        if (order > 0 || search->view->nodes[i].weight == 0 || !search_accepts(search, (uint32_t)i))
            continue;
        if (order < 0) {
            *first = (uint32_t)i;
            equals = 0;
        }
        equals++;
    }
    return equals;
}

/*
 * Append the least loaded nodes of a rank to the candidates. Of equally loaded nodes, the turn-th
 * one is taken. Rotating the start of the search instead would be unfair: a node after one that is
 * not acceptable would get the turns of both.
 */
static void add_by_load(struct search *search, enum rank rank, struct loads *loads,
                        struct placement *out)
{
    search->rank = rank;
    while (out->n < PLACEMENT_TRIES_MAX) {
        uint32_t chosen;
        size_t equals = count_equals(search, loads, &chosen);
        if (equals == 0)
            return;
        size_t nth = loads->turn % equals;
        loads->turn /= (uint32_t)equals;
        /* If a counted node is no longer acceptable, keep the one before it. */
        for (size_t i = chosen; nth > 0 && ++i < search->view->n;)
            if (search->view->nodes[i].weight > 0 && compare_load(search, loads, i, chosen) == 0 &&
                search_accepts(search, (uint32_t)i)) {
                chosen = (uint32_t)i;
                nth--;
            }
        out->candidates[out->n++] = chosen;
    }
}

static void add_open_by_load(struct search *search, struct loads *loads, struct placement *out)
{
    uint32_t best;
    size_t open = count_equals(search, loads, &best);
    if (open == 0) {
        search->backups = true;
        open = count_equals(search, loads, &best);
    }
    if (open == 0)
        return;
    add_by_load(search, RANK_FREE, loads, out);
    add_by_load(search, RANK_RELUCTANT, loads, out);
    out->full = out->n == 0;
    out->overflow = out->n > 0 && compare_load(search, loads, best, out->candidates[0]) < 0;
    if (wants_backups(search->view, out)) {
        search->backups = true;
        add_by_load(search, RANK_FREE, loads, out);
    }
}

static void add_paused_by_load(struct search *search, struct loads *loads, struct placement *out)
{
    const uint8_t open = out->n;
    search->open = search->view->paused;
    for (int backups = 0; backups < 2; backups++) {
        search->backups = backups;
        add_by_load(search, RANK_FREE, loads, out);
        add_by_load(search, RANK_RELUCTANT, loads, out);
    }
    out->n_paused = out->n - open;
}

void placement_by_load(const struct placement_view *view, const uint32_t *sessions, uint32_t turn,
                       struct placement *out)
{
    struct search search = {.view = view, .open = view->open, .rank = RANK_OPEN, .taken = out};
    struct loads loads = {.sessions = sessions, .turn = turn};
    *out = (struct placement){.n = 0};
    add_open_by_load(&search, &loads, out);
    if (wants_paused(view, out))
        add_paused_by_load(&search, &loads, out);
}
