/*
 * health.c - compute one node's status from its administrative state, its active checks and the
 * failures of real sessions. Does not run checks or count sessions. Only the owner of the struct
 * may call these functions.
 *
 *    admin state -------------------------> off, draining
 *    checks --fall, rise--> verdict ------> down, paused
 *    failures --window--> ejected for -----> ejected
 */
#include "model/health.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"

#define DOUBLINGS_MAX 5u /* 32 times eject_ms */

_Static_assert(CHECK_GOOD < CHECK_NO_NEW && CHECK_NO_NEW < CHECK_TIMEOUT &&
                   CHECK_TIMEOUT < CHECK_BAD,
               "results are in order, from the best to the worst");

const char *node_status_name(enum node_status status)
{
    static const char *const words[] = {
#define X(suffix, word) [NODE_##suffix] = word,
        NODE_STATUSES(X)
#undef X
    };
    _Static_assert(ARRAY_LEN(words) == NODE_STATUS_COUNT, "every status has a word");
    assert(status < NODE_STATUS_COUNT);
    return words[status];
}

const char *check_result_name(enum check_result result)
{
    static const char *const words[] = {
#define X(suffix, word) [CHECK_##suffix] = word,
        CHECK_RESULTS(X)
#undef X
    };
    assert(result < HEALTH_CHECK_RESULTS);
    return words[result];
}

/* A node with this verdict is down. */
static bool is_down(enum check_result verdict)
{
    return verdict >= CHECK_TIMEOUT;
}

static void count_result(struct health *h, enum check_result result)
{
    for (unsigned i = 0; i < HEALTH_CHECK_RESULTS; i++) {
        h->as_bad[i] = result >= i ? h->as_bad[i] + (h->as_bad[i] < UINT32_MAX) : 0;
        h->as_good[i] = result <= i ? h->as_good[i] + (h->as_good[i] < UINT32_MAX) : 0;
    }
}

/* Return the verdict after the latest results. Only one loop can find a new one, because the last
 * result is either worse or better than the current verdict. */
static enum check_result verdict_due(const struct health *h, const struct health_check_conf *conf)
{
    for (unsigned worse = CHECK_BAD; worse > h->verdict; worse--)
        if (h->as_bad[worse] > 0 && h->as_bad[worse] >= conf->fall)
            return (enum check_result)worse;
    for (unsigned better = CHECK_GOOD; better < h->verdict; better++)
        if (h->as_good[better] > 0 && h->as_good[better] >= conf->rise)
            return (enum check_result)better;
    return h->verdict;
}

static void window_clear(struct health *h)
{
    memset(h->failures, 0, sizeof(h->failures));
}

/* The node was down and is up again: ignore failures from before. */
static void end_ejection(struct health *h)
{
    h->ejected_until_ms = h->ejected_at_ms;
    window_clear(h);
}

/* The checks are good: limit an ejection to its time before doubling. */
static void vouch(struct health *h)
{
    if (h->ejected_until_ms > h->ejected_at_ms + h->eject_ms)
        h->ejected_until_ms = h->ejected_at_ms + h->eject_ms;
}

bool health_check_done(struct health *h, const struct health_check_conf *conf,
                       enum check_result result)
{
    enum check_result before = h->verdict;
    assert(result <= CHECK_BAD);
    count_result(h, result);
    h->latest = result;
    h->verdict = h->checked ? verdict_due(h, conf) : result;
    if (h->checked && is_down(before) && !is_down(h->verdict))
        end_ejection(h);
    else if (h->verdict == CHECK_GOOD && result == CHECK_GOOD)
        vouch(h);
    h->checked = true;
    return h->verdict != before;
}

bool health_is_changing(const struct health *h)
{
    return h->latest != h->verdict && !(is_down(h->latest) && is_down(h->verdict));
}

void health_presume_good(struct health *h)
{
    h->checked = true;
}

void health_forget_checks(struct health *h)
{
    h->checked = false;
    h->verdict = h->latest = CHECK_GOOD;
    memset(h->as_bad, 0, sizeof(h->as_bad));
    memset(h->as_good, 0, sizeof(h->as_good));
}

/*
 * Move to the current slot, and clear the slots that were skipped. The slot number can decrease
 * (the clock went back, or a reload set a longer window). The ages of the failures are then
 * unknown, and all of them are cleared.
 */
static void window_advance(struct health *h, uint64_t slot)
{
    if (slot < h->slot || slot - h->slot >= HEALTH_WINDOW_SLOTS)
        window_clear(h);
    else
        for (uint64_t i = h->slot + 1; i <= slot; i++)
            h->failures[i % HEALTH_WINDOW_SLOTS] = 0;
    h->slot = slot;
}

/* Add n failures. Returns the number of failures in the window. */
static uint64_t window_add(struct health *h, uint32_t n, uint32_t window_ms, uint64_t now_ms)
{
    uint64_t slot_ms = window_ms / HEALTH_WINDOW_SLOTS;
    window_advance(h, now_ms / (slot_ms > 0 ? slot_ms : 1));
    uint32_t *present = &h->failures[h->slot % HEALTH_WINDOW_SLOTS];
    *present = n < UINT32_MAX - *present ? *present + n : UINT32_MAX;
    uint64_t sum = 0;
    for (size_t i = 0; i < HEALTH_WINDOW_SLOTS; i++)
        sum += h->failures[i];
    return sum;
}

/* An ejection also ends if the clock goes back to before its start. */
static bool is_ejected(const struct health *h, uint64_t now_ms)
{
    return now_ms >= h->ejected_at_ms && now_ms < h->ejected_until_ms;
}

static void eject(struct health *h, const struct passive_conf *conf, uint64_t now_ms)
{
    uint64_t lasted_ms = h->ejected_until_ms - h->ejected_at_ms;
    if (now_ms >= h->ejected_until_ms + lasted_ms + conf->window_ms)
        h->ejections = 0;
    h->ejected_at_ms = now_ms;
    h->eject_ms = conf->eject_ms;
    h->ejected_until_ms = now_ms + ((uint64_t)conf->eject_ms << h->ejections);
    if (h->ejections < DOUBLINGS_MAX)
        h->ejections++;
    window_clear(h);
}

static void forget_failures(struct health *h)
{
    window_clear(h);
    h->ejected_at_ms = h->ejected_until_ms = 0;
    h->ejections = 0;
}

void health_renew(struct health *h)
{
    h->checked = false;
    h->latest = h->verdict;
    memset(h->as_bad, 0, sizeof(h->as_bad));
    memset(h->as_good, 0, sizeof(h->as_good));
    forget_failures(h);
}

bool health_sessions_failed(struct health *h, const struct passive_conf *conf, uint32_t n,
                            uint64_t now_ms, bool may_eject)
{
    if (conf->off)
        forget_failures(h);
    if (conf->off || is_ejected(h, now_ms))
        return false;
    uint64_t sum = window_add(h, n, conf->window_ms, now_ms);
    if (sum == 0 || sum < conf->failures || !may_eject)
        return false;
    eject(h, conf, now_ms);
    return true;
}

bool health_may_eject(const struct passive_conf *conf, size_t n_nodes, size_t n_ejected)
{
    if (conf->off || conf->max_ejected_percent == 0 || n_ejected + 1 >= n_nodes)
        return false;
    return n_ejected == 0 ||
           (uint64_t)(n_ejected + 1) * 100 <= (uint64_t)n_nodes * conf->max_ejected_percent;
}

enum node_status health_status(const struct health *h, uint64_t now_ms)
{
    if (h->admin_state == NODE_STATE_DOWN)
        return NODE_OFF;
    if (h->admin_state == NODE_STATE_DRAINING)
        return NODE_DRAINING;
    if (is_down(h->verdict) && !(h->panic && h->verdict == CHECK_TIMEOUT))
        return NODE_DOWN;
    if (is_ejected(h, now_ms))
        return NODE_EJECTED;
    return h->verdict == CHECK_NO_NEW ? NODE_PAUSED : NODE_UP;
}

bool health_is_suspected(const struct health *h)
{
    return h->admin_state == NODE_STATE_UP && h->verdict == CHECK_TIMEOUT;
}

static bool has_enough_up(uint32_t percent, const struct health_tally *tally, int role)
{
    return tally->n[role] > 0 &&
           (uint64_t)tally->up[role] * 100 >= (uint64_t)tally->n[role] * percent;
}

bool health_panics(uint32_t percent, const struct health_tally *tally)
{
    return percent > 0 && !has_enough_up(percent, tally, 0) && !has_enough_up(percent, tally, 1);
}
