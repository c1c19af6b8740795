/*
 * calendar.c - warn before certificates, revocation lists and OCSP responses expire.
 */
#include "calendar.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

#define STEPS_MAX 4

/*
 * Days before the expiry at which an event is logged; 0 = expired. Revocation lists and OCSP
 * responses are renewed every few days, so with 30 days, an event would be logged at each renewal.
 */
static const struct row {
    const char *word, *event, *subject_key, *end_key;
    size_t n_steps;
    int steps_days[STEPS_MAX];
    int error_days; /* logged as an error from this many days on */
} rows[] = {
    [TLS_VALIDITY_CERTIFICATE] =
        {"certificate", "certificate.expires", "certificate", "not_after", 4, {30, 7, 1, 0}, 7},
    [TLS_VALIDITY_AUTHORITY] =
        {"authority", "certificate.expires", "certificate", "not_after", 4, {30, 7, 1, 0}, 7},
    [TLS_VALIDITY_CRL] = {"crl", "crl.expires", "issuer", "next_update", 3, {7, 1, 0}, 1},
    [TLS_VALIDITY_OCSP] =
        {"ocsp_response", "ocsp_response.expires", "certificate", "next_update", 3, {7, 1, 0}, 1},
};
_Static_assert(ARRAY_LEN(rows) == TLS_VALIDITY_KIND_COUNT, "a row for each kind");

struct entry {
    struct tls_calendar_entry facts; /* its strings are owned */
    size_t steps_logged;
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

/* Context of add(). One of the names is null. */
struct noting {
    struct tls_calendar *calendar;
    const struct tls_calendar *before;
    const char *listener, *cluster;
};

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_about(const struct tls_calendar_entry *e, const struct tls_validity *validity)
{
    return e->kind == validity->kind && e->not_after == validity->until &&
           strcmp(e->file, validity->file) == 0 && strcmp(e->name, validity->name) == 0;
}

/*
 * Whether this user already has the entry, from another of its addresses. *again is set if any user
 * has it.
 */
static bool is_noted(const struct noting *noting, const struct tls_validity *validity, bool *again)
{
    *again = false;
    for (size_t i = 0; i < noting->calendar->n; i++) {
        const struct tls_calendar_entry *e = &noting->calendar->list[i].facts;
        if (!is_about(e, validity))
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

/* Number of steps that have been logged for any user. */
static size_t steps_logged(const struct tls_calendar *before, const struct tls_validity *validity)
{
    size_t most = 0;
    for (size_t i = 0; i < before->n; i++)
        if (is_about(&before->list[i].facts, validity))
            most = size_max(most, before->list[i].steps_logged);
    return most;
}

/* Add an entry. If out of memory, it is skipped, and only its events are lost. */
static void add(void *arg, const struct tls_validity *validity)
{
    const struct noting *noting = arg;
    struct tls_calendar *calendar = noting->calendar;
    bool again;
    if (is_noted(noting, validity, &again))
        return;
    struct entry *list = realloc(calendar->list, (calendar->n + 1) * sizeof(*list));
    if (!list)
        return;
    calendar->list = list;
    struct entry e = {.facts = {.kind = validity->kind,
                                .name = copy(validity->name),
                                .file = copy(validity->file),
                                .listener = copy(noting->listener),
                                .cluster = copy(noting->cluster),
                                .not_after = validity->until,
                                .again = again},
                      .steps_logged = steps_logged(noting->before, validity)};
    if (e.facts.name && e.facts.file && (e.facts.listener || e.facts.cluster))
        list[calendar->n++] = e;
    else
        entry_fini(&e);
}

void tls_calendar_fill(struct tls_calendar *calendar, const struct worker_tls *tls,
                       const struct snapshot *snapshot)
{
    struct tls_calendar before = *calendar;
    struct noting noting = {.calendar = calendar, .before = &before};
    *calendar = (struct tls_calendar){0};
    for (size_t i = 0; i < tls->n_listeners; i++) {
        noting.listener = snapshot->bindings[i].conf->name;
        if (tls->listeners[i])
            tls_context_validity(tls->listeners[i], add, &noting);
    }
    noting.listener = NULL;
    for (size_t i = 0; i < tls->n_clusters; i++) {
        noting.cluster = snapshot->clusters[i].conf->name;
        if (tls->clusters[i])
            tls_client_context_validity(tls->clusters[i], add, &noting);
    }
    clear(&before);
}

void tls_calendar_walk(const struct tls_calendar *calendar, tls_calendar_each *each, void *arg)
{
    for (size_t i = 0; i < calendar->n; i++)
        each(arg, &calendar->list[i].facts);
}

const char *tls_validity_name(enum tls_validity_kind kind)
{
    return rows[kind].word;
}

static void log_entry(struct log *log, const struct tls_calendar_entry *e, time_t now)
{
    const struct row *row = &rows[e->kind];
    struct log_line line;
    char end[32];
    struct tm utc;
    time_t left_s = e->not_after > now ? e->not_after - now : 0;
    gmtime_r(&e->not_after, &utc);
    (void)strftime(end, sizeof(end), "%Y-%m-%dT%H:%M:%SZ", &utc);
    log_begin(&line, log, left_s < row->error_days * DAY_S ? LOG_ERROR : LOG_WARN, row->event);
    log_text(&line, row->subject_key, e->name);
    log_text(&line, "file", e->file);
    log_text(&line, row->end_key, end);
    log_u64(&line, "days_left", (uint64_t)(left_s / DAY_S));
    log_bool(&line, "expired", left_s == 0);
    log_emit(&line);
}

static size_t steps_due(const struct tls_calendar_entry *e, time_t now)
{
    const struct row *row = &rows[e->kind];
    size_t due = 0;
    while (due < row->n_steps && e->not_after - now <= (time_t)row->steps_days[due] * DAY_S)
        due++;
    return due;
}

void tls_calendar_log(struct tls_calendar *calendar, struct log *log)
{
    time_t now = time(NULL);
    for (size_t i = 0; i < calendar->n; i++) {
        struct entry *e = &calendar->list[i];
        size_t due = steps_due(&e->facts, now);
        if (due > e->steps_logged && !e->facts.again)
            log_entry(log, &e->facts, now);
        e->steps_logged = due;
    }
}
