/*
 * tls_calendar.h - when each certificate runs out, and a word in time.
 */
#ifndef CONTROL_TLS_CALENDAR_H
#define CONTROL_TLS_CALENDAR_H

#include <stdbool.h>
#include <time.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/worker_tls.h"

struct tls_calendar;

MUST_USE struct tls_calendar *tls_calendar_new(void);
void tls_calendar_free(struct tls_calendar *calendar);

/* Forget what was there, and note every certificate in `tls`, which is the snapshot's. */
void tls_calendar_fill(struct tls_calendar *calendar, const struct worker_tls *tls,
                       const struct snapshot *snapshot);

/* Each certificate that was noted, once for each listener and cluster that has it. */
struct tls_calendar_entry {
    const char *name, *file;        /* borrowed, as the next two */
    const char *listener, *cluster; /* whose it is: one of them is null */
    time_t not_after;
    bool again; /* the same as one before it, of somebody else */
};
typedef void tls_calendar_each(void *arg, const struct tls_calendar_entry *entry);
void tls_calendar_walk(const struct tls_calendar *calendar, tls_calendar_each *each, void *arg);

/*
 * Log an event `certificate.expires` for each certificate that has come closer than 30, 7 or
 * 1 days to its end since it was noted, or is past it. Once for each of these steps.
 */
void tls_calendar_log(struct tls_calendar *calendar, struct log *log);

#endif
