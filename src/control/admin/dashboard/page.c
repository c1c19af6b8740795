/*
 * page.c - the dashboard's handlers: the page, the history for its plots, and recent events.
 */
#include <math.h>
#include <stddef.h>

#include "base/clock.h"
#include "control/admin/call.h"
#include "control/admin/context.h"
#include "dashboard.h"
#include "history.h"

void admin_page(struct admin_call *call)
{
    admin_reply_static(call, "text/html; charset=utf-8", dashboard_page());
}

/* Round to one decimal place: enough for a plot, and short. */
static json_t *number(double value)
{
    return json_real(round(value * 10) / 10);
}

static json_t *series(const struct history *history, size_t at)
{
    json_t *list = json_array();
    const struct history_sample *sample;
    for (unsigned i = 0; (sample = history_sample(history, i)); i++)
        json_array_append_new(list, number(*(const double *)((const char *)sample + at)));
    return list;
}

void admin_history(struct admin_call *call)
{
    const struct history *history = admin_call_context(call)->history;
    const uint64_t end_us = history_end_us(history);
    json_t *all = json_object();
#define X(name)                                                                                    \
    json_object_set_new(all, #name, series(history, offsetof(struct history_sample, name)));
    HISTORY_SERIES(X)
#undef X
    admin_reply_json(
        call, 200,
        json_pack("{s:i, s:o, s:o}", "every_s", (int)HISTORY_EVERY_S, "end",
                  end_us ? admin_time_ago((clock_monotonic_us() - end_us) / 1000) : json_null(),
                  "series", all));
}

static void add_event(void *arg, const char *json, size_t n)
{
    json_array_append_new(arg, json_loadb(json, n, JSON_ALLOW_NUL, NULL));
}

void admin_events(struct admin_call *call)
{
    json_t *list = json_array();
    if (log_recent(admin_call_context(call)->service->log, add_event, list)) {
        admin_reply_json(call, 200, json_pack("{s:o}", "events", list));
        return;
    }
    json_decref(list);
    admin_problem(call, 500, "out_of_memory", "out of memory");
}
