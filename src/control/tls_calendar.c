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
    char *name, *file; /* owned */
    time_t not_after;
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

static void clear(struct tls_calendar *calendar)
{
    for (size_t i = 0; i < calendar->n; i++) {
        free(calendar->list[i].name);
        free(calendar->list[i].file);
    }
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

static bool is_noted(const struct tls_calendar *calendar, const char *file, time_t not_after)
{
    for (size_t i = 0; i < calendar->n; i++)
        if (calendar->list[i].not_after == not_after && strcmp(calendar->list[i].file, file) == 0)
            return true;
    return false;
}

/* Short of memory a certificate is not noted: a warning lost, nothing else. */
static void add(void *arg, const char *name, const char *file, time_t not_after)
{
    struct tls_calendar *calendar = arg;
    if (is_noted(calendar, file, not_after))
        return; /* several doors share a file */
    struct entry *list = realloc(calendar->list, (calendar->n + 1) * sizeof(*list));
    if (!list)
        return;
    calendar->list = list;
    struct entry e = {.name = strdup(name), .file = strdup(file), .not_after = not_after};
    if (e.name && e.file) {
        list[calendar->n++] = e;
        return;
    }
    free(e.name);
    free(e.file);
}

void tls_calendar_fill(struct tls_calendar *calendar, const struct worker_tls *tls)
{
    clear(calendar);
    for (size_t i = 0; i < tls->n_doors; i++)
        if (tls->doors[i])
            tls_context_expiry(tls->doors[i], add, calendar);
    for (size_t i = 0; i < tls->n_clusters; i++)
        if (tls->clusters[i])
            tls_client_context_expiry(tls->clusters[i], add, calendar);
}

void tls_calendar_walk(const struct tls_calendar *calendar, tls_calendar_each *each, void *arg)
{
    for (size_t i = 0; i < calendar->n; i++) {
        const struct tls_calendar_entry entry = {calendar->list[i].name, calendar->list[i].file,
                                                 calendar->list[i].not_after};
        each(arg, &entry);
    }
}

static void say(struct log *log, const struct entry *e, time_t now)
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
        while (due < ARRAY_LEN(steps_days) && e->not_after - now <= (time_t)steps_days[due] * DAY_S)
            due++;
        if (due > e->steps_said)
            say(log, e, now);
        e->steps_said = due;
    }
}
