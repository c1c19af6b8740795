/*
 * keeper.h - load changed certificates, keys and other TLS files, rotate session ticket keys, and
 * warn before anything expires.
 *
 * Used by the main thread only. Existing connections keep their context. If a changed file cannot
 * be loaded, the old contexts stay in use, and the log names the file.
 */
#ifndef CONTROL_TLS_KEEPER_H
#define CONTROL_TLS_KEEPER_H

#include <ev.h>
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "calendar.h"
#include "proxy/snapshot.h"
#include "proxy/worker/workers.h"

struct tls_keeper;

/*
 * Generated ticket keys are replaced every 12 hours; tickets of the previous two keys stay valid.
 */
#define TLS_KEEPER_ROTATE_S     (12.0 * 3600)
#define TLS_KEEPER_OLD_KEYS     2
#define TLS_KEEPER_SETTLE_S     0.5  /* files change in groups: wait until the changes stop */
#define TLS_KEEPER_SETTLE_MAX_S 2.0  /* longest wait after the first change */
#define TLS_KEEPER_COMPARE_S    10.0 /* interval to compare files and check the calendar */
#define TLS_KEEPER_RETRY        6u   /* comparisons before a failed load is retried */

/*
 * Load all ticket keys and certificates once, to find errors. Returns null on failure, with one
 * line per error on `out`.
 *
 *   before   its generated ticket keys stay in use; null = generate new ones
 */
MUST_USE struct tls_keeper *tls_keeper_new(struct snapshot *snapshot,
                                           const struct tls_keeper *before, struct log *log,
                                           FILE *out);

/* Return the ticket keys of each binding, for worker_plan_new(). Owned by the keeper. */
struct tls_ticket_keys *const *tls_keeper_keys(const struct tls_keeper *keeper);

/* Watch the files and expiry times from now on; pass changes to the workers (borrowed). */
void tls_keeper_start(struct tls_keeper *keeper, struct ev_loop *loop,
                      struct worker *const *workers, unsigned n_workers);

/* Set a function to call after files were reloaded, for other users of these files. */
void tls_keeper_on_reload(struct tls_keeper *keeper, void (*reloaded)(void *arg), void *arg);

/* Call `each` for everything in use that expires, see calendar.h. */
void tls_keeper_walk(const struct tls_keeper *keeper, tls_calendar_each *each, void *arg);

/* Count the files that differ from those in use, because they could not be loaded. */
size_t tls_keeper_unserved(const struct tls_keeper *keeper);

/* Log the expiry events that are due, as at startup. */
void tls_keeper_log(const struct tls_keeper *keeper);

/* Null is allowed. */
void tls_keeper_free(struct tls_keeper *keeper);

#endif
