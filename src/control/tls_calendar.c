/*
 * tls_calendar.c - when each certificate runs out, and a word in time.
 */
#include "tls_calendar.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

/* Days before the end at which a word is due. The last step is "too late". */
static const int steps_days[] = {30, 7, 1, 0};

struct entry {
    struct tls_calendar_entry facts; /* its texts are owned */
    size_t steps_said;
};

struct tls_calendar {
    struct entry *list;
    size_t n;
};

struct tls_calendar *tls_calendar_new(void)
{
    return calloc(1, sizeof(struct tls_calendar));
}

static void entry_fini(struct entry *e)
{
    free((char *)(uintptr_t)e->facts.name);
    free((char *)(uintptr_t)e->facts.file);
    free((char *)(uintptr_t)e->facts.listener);
    free((char *)(uintptr_t)e->facts.cluster);
}

static void clear(struct tls_calendar *calendar)
{
    for (size_t i = 0; i < calendar->n; i++)
        entry_fini(&calendar->list[i]);
    free(calendar->list);
    *calendar = (struct tls_calendar){0};
}

void tls_calendar_free(struct tls_calendar *calendar)
{
    if (!calendar)
        return;
    clear(calendar);
    free(calendar);
}

/* Whose certificates are being noted: one of the names is null. */
struct noting {
    struct tls_calendar *calendar;
    const char *listener, *cluster;
};

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Is it there, of whomever? Of the same owner: then it is of another of its addresses. */
static bool is_noted(const struct noting *noting, const char *file, time_t not_after, bool *again)
{
    *again = false;
    for (size_t i = 0; i < noting->calendar->n; i++) {
        const struct tls_calendar_entry *e = &noting->calendar->list[i].facts;
        if (e->not_after != not_after || strcmp(e->file, file) != 0)
            continue;
        *again = true;
        if (same(e->listener, noting->listener) && same(e->cluster, noting->cluster))
            return true;
    }
    return false;
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

/* Short of memory a certificate is not noted: a warning lost, nothing else. */
static void add(void *arg, const char *name, const char *file, time_t not_after)
{
    const struct noting *noting = arg;
    struct tls_calendar *calendar = noting->calendar;
    bool again;
    if (is_noted(noting, file, not_after, &again))
        return;
    struct entry *list = realloc(calendar->list, (calendar->n + 1) * sizeof(*list));
    if (!list)
        return;
    calendar->list = list;
    struct entry e = {.facts = {.name = copy(name),
                                .file = copy(file),
                                .listener = copy(noting->listener),
                                .cluster = copy(noting->cluster),
                                .not_after = not_after,
                                .again = again}};
    if (e.facts.name && e.facts.file && (e.facts.listener || e.facts.cluster))
        list[calendar->n++] = e;
    else
        entry_fini(&e);
}

void tls_calendar_fill(struct tls_calendar *calendar, const struct worker_tls *tls,
                       const struct snapshot *snapshot)
{
    clear(calendar);
    for (size_t i = 0; i < tls->n_doors; i++) {
        struct noting noting = {.calendar = calendar, .listener = snapshot->doors[i].conf->name};
        if (tls->doors[i])
            tls_context_expiry(tls->doors[i], add, &noting);
    }
    for (size_t i = 0; i < tls->n_clusters; i++) {
        struct noting noting = {.calendar = calendar, .cluster = snapshot->clusters[i].conf->name};
        if (tls->clusters[i])
            tls_client_context_expiry(tls->clusters[i], add, &noting);
    }
}

void tls_calendar_walk(const struct tls_calendar *calendar, tls_calendar_each *each, void *arg)
{
    for (size_t i = 0; i < calendar->n; i++)
        each(arg, &calendar->list[i].facts);
}

static void say(struct log *log, const struct tls_calendar_entry *e, time_t now)
{
    struct log_line line;
    char end[32];
    struct tm utc;
    time_t left_s = e->not_after > now ? e->not_after - now : 0;
    gmtime_r(&e->not_after, &utc);
    (void)strftime(end, sizeof(end), "%Y-%m-%dT%H:%M:%SZ", &utc);
    log_begin(&line, log, left_s < 7 * DAY_S ? LOG_ERROR : LOG_WARN, "certificate.expires");
    log_text(&line, "certificate", e->name);
    log_text(&line, "file", e->file);
    log_text(&line, "not_after", end);
    log_u64(&line, "days_left", (uint64_t)(left_s / DAY_S));
    log_emit(&line);
}

void tls_calendar_log(struct tls_calendar *calendar, struct log *log)
{
    time_t now = time(NULL);
    for (size_t i = 0; i < calendar->n; i++) {
        struct entry *e = &calendar->list[i];
        size_t due = 0;
        while (due < ARRAY_LEN(steps_days) &&
               e->facts.not_after - now <= (time_t)steps_days[due] * DAY_S)
            due++;
        if (due > e->steps_said && !e->facts.again)
            say(log, &e->facts, now);
        e->steps_said = due;
    }
}
