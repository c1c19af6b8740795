/*
 * calendar.h - when certificates, revocation lists and OCSP responses expire, logged ahead.
 */
#ifndef CONTROL_TLS_CALENDAR_H
#define CONTROL_TLS_CALENDAR_H

#include <stdbool.h>
#include <time.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/worker/tls.h"

struct tls_calendar;

MUST_USE struct tls_calendar *tls_calendar_new(void);
void tls_calendar_free(struct tls_calendar *calendar);

/*
 * Replace all entries by those of `tls`, which belongs to the snapshot. Events of entries that stay
 * are not logged again.
 */
void tls_calendar_fill(struct tls_calendar *calendar, const struct worker_tls *tls,
                       const struct snapshot *snapshot);

/* One entry for each listener and cluster that uses it. */
struct tls_calendar_entry {
    enum tls_validity_kind kind;
    const char *name, *file;        /* borrowed, as the next two; see struct tls_validity */
    const char *listener, *cluster; /* the user: one of them is null */
    time_t not_after;
    bool again; /* an earlier entry is about the same, used by another listener or cluster */
};
typedef void tls_calendar_each(void *arg, const struct tls_calendar_entry *entry);
void tls_calendar_walk(const struct tls_calendar *calendar, tls_calendar_each *each, void *arg);

/* "certificate", "authority", "crl", "ocsp_response". */
const char *tls_validity_name(enum tls_validity_kind kind);

/*
 * Log an event for each entry that is closer to its end than 30, 7 or 1 days, or past it:
 * `certificate.expires`, and from 7 days on `crl.expires` and `ocsp_response.expires`. Once for
 * each of these steps.
 */
void tls_calendar_log(struct tls_calendar *calendar, struct log *log);

#endif
