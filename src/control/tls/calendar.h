/*
 * calendar.h - warn before certificates, revocation lists and OCSP responses expire.
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
 * Replace all entries by those of `tls`, which was loaded for the snapshot. Events of entries that
 * stay are not logged again.
 */
void tls_calendar_fill(struct tls_calendar *calendar, const struct worker_tls *tls,
                       const struct snapshot *snapshot);

/* A certificate, list or response. Each listener and cluster that uses it has its own entry. */
struct tls_calendar_entry {
    enum tls_validity_kind kind;
    const char *name, *file;        /* borrowed, like the next two; see struct tls_validity */
    const char *listener, *cluster; /* its user; one of these is null */
    time_t not_after;
    bool again; /* another listener or cluster has an earlier entry for the same object */
};
typedef void tls_calendar_each(void *arg, const struct tls_calendar_entry *entry);
void tls_calendar_walk(const struct tls_calendar *calendar, tls_calendar_each *each, void *arg);

/* Return "certificate", "authority", "crl" or "ocsp_response". */
const char *tls_validity_name(enum tls_validity_kind kind);

/*
 * Log an event for each entry that expires within 30, 7 or 1 days, or has expired:
 * `certificate.expires`, and from 7 days on `crl.expires` and `ocsp_response.expires`. Each of
 * these steps is logged once.
 */
void tls_calendar_log(struct tls_calendar *calendar, struct log *log);

#endif
