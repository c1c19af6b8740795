/*
 * keeper.c - load changed certificates, keys and other TLS files, and rotate ticket keys.
 *
 *    inotify ---------+
 *                     +--> settle --> has a file changed? --> load once (finds faults, reads
 *    every 10 s ------+               the calendar) --> load for each worker --> hand over
 *
 * inotify is fast; the comparison also finds changes that inotify does not report. A failed load is
 * retried, because the cause may not be in the files (out of memory, out of descriptors).
 */
#include "keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "calendar.h"
#include "files.h"
#include "proxy/worker/tls.h"
#include "watch.h"

struct tls_keeper {
    struct snapshot *snapshot; /* a reference */
    struct log *log;           /* borrowed */
    struct tls_library *library;
    struct tls_ticket_keys *generated; /* for bindings without a key file */
    struct tls_ticket_keys **keys;     /* per binding; null = no tickets, or no TLS */
    struct tls_calendar *calendar;
    struct tls_files *files;

    double first_rotation_s; /* time until the first new key; a reload does not delay it */
    struct ev_loop *loop;    /* null until started */
    struct worker *const *workers;
    unsigned n_workers;
    void (*reloaded)(void *arg); /* null = none */
    void *arg;
    struct tls_watch *watch;          /* null = inotify is not available */
    int watch_error;                  /* errno that was logged last; 0 = none */
    bool failed;                      /* the noted files could not be loaded */
    unsigned comparisons;             /* comparisons since the failure */
    char error[WORKER_TLS_ERROR_MAX]; /* reason of the failure */
    struct ev_io changed;
    struct ev_timer settle, settle_end, compare, rotate;
};

static bool wants_tickets(const struct listener_conf *conf)
{
    return conf->tls && !conf->tls->session_tickets_off;
}

static void unref_keys(struct tls_ticket_keys **keys, size_t n)
{
    for (size_t i = 0; keys && i < n; i++)
        tls_ticket_keys_unref(keys[i]);
    free(keys);
}

/* Get the keys of each binding, reading the key files again. Returns null on failure. */
static struct tls_ticket_keys **load_keys(const struct tls_keeper *keeper,
                                          char error[WORKER_TLS_ERROR_MAX])
{
    const struct snapshot *snapshot = keeper->snapshot;
    struct tls_ticket_keys **keys = calloc(snapshot->n_bindings, sizeof(struct tls_ticket_keys *));
    if (!keys) {
        (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < snapshot->n_bindings; i++) {
        const struct listener_conf *conf = snapshot->bindings[i].conf;
        char why[TLS_ERROR_MAX];
        if (!wants_tickets(conf))
            continue;
        if (!conf->tls->session_ticket_key_file) {
            keys[i] = tls_ticket_keys_ref(keeper->generated);
            continue;
        }
        keys[i] = tls_ticket_keys_load(conf->tls->session_ticket_key_file, why);
        if (!keys[i]) {
            (void)snprintf(error, WORKER_TLS_ERROR_MAX, "listener %.128s: %s", conf->name, why);
            unref_keys(keys, snapshot->n_bindings);
            return NULL;
        }
    }
    return keys;
}

/* Load the files for the keeper itself, to find errors and read expiry times. */
static bool load_own(struct tls_keeper *keeper, struct tls_ticket_keys *const *keys,
                     char error[WORKER_TLS_ERROR_MAX])
{
    struct worker_tls *tls = worker_tls_load(keeper->library, keeper->snapshot, keys, error);
    if (!tls)
        return false;
    tls_calendar_fill(keeper->calendar, tls, keeper->snapshot);
    worker_tls_free(tls);
    return true;
}

struct tls_keeper *tls_keeper_new(struct snapshot *snapshot, const struct tls_keeper *before,
                                  struct log *log, FILE *out)
{
    char error[WORKER_TLS_ERROR_MAX] = "out of memory";
    struct tls_keeper *keeper = calloc(1, sizeof(*keeper));
    if (!keeper)
        goto fail;
    keeper->snapshot = snapshot_ref(snapshot);
    keeper->log = log;
    keeper->library = tls_library_new();
    keeper->calendar = tls_calendar_new();
    keeper->files = tls_files_new(snapshot);
    keeper->first_rotation_s = TLS_KEEPER_ROTATE_S;
    if (before && before->loop && ev_is_active(&before->rotate))
        keeper->first_rotation_s =
            ev_timer_remaining(before->loop, (struct ev_timer *)&before->rotate);
    if (!keeper->library || !keeper->calendar || !keeper->files)
        goto fail;
    keeper->generated =
        before ? tls_ticket_keys_ref(before->generated) : tls_ticket_keys_generate(NULL, 0);
    keeper->keys = keeper->generated ? load_keys(keeper, error) : NULL;
    if (keeper->keys && load_own(keeper, keeper->keys, error))
        return keeper;
fail:
    (void)fprintf(out, "error: %s\n", error);
    tls_keeper_free(keeper);
    return NULL;
}

struct tls_ticket_keys *const *tls_keeper_keys(const struct tls_keeper *keeper)
{
    return keeper->keys;
}

/*
 * Load the files for every worker, then send them to the workers. If out of memory, a worker may
 * keep the old files.
 */
static bool load_workers(struct tls_keeper *keeper, struct tls_ticket_keys *const *keys,
                         char error[WORKER_TLS_ERROR_MAX])
{
    struct worker_tls **loaded_tls = calloc(keeper->n_workers, sizeof(struct worker_tls *));
    bool loaded = loaded_tls;
    for (unsigned i = 0; loaded && i < keeper->n_workers; i++) {
        loaded_tls[i] =
            worker_tls_load(worker_tls_library(keeper->workers[i]), keeper->snapshot, keys, error);
        loaded = loaded_tls[i];
    }
    bool given = loaded;
    for (unsigned i = 0; loaded_tls && i < keeper->n_workers; i++) {
        if (!loaded)
            worker_tls_free(loaded_tls[i]);
        else if (!worker_send_tls(keeper->workers[i], loaded_tls[i]))
            given = false;
    }
    free(loaded_tls);
    if (loaded && !given)
        (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
    return given;
}

static void format_time(char out[32], time_t time)
{
    struct tm utc;
    gmtime_r(&time, &utc);
    (void)strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* Log a file that differs from the one in use. Each state of a file is logged once. */
static void log_unserved(void *arg, const struct tls_files_unserved *file)
{
    struct tls_keeper *keeper = arg;
    struct log_line line;
    char modified[32], served[32];
    if (file->is_reported)
        return;
    format_time(modified, file->modified);
    format_time(served, file->served_modified);
    log_begin(&line, keeper->log, LOG_WARN, "tls.file_not_served");
    log_text(&line, "file", file->path);
    log_text(&line, "modified", file->exists ? modified : "missing");
    log_text(&line, "served_modified", file->served_modified ? served : "missing");
    log_text(&line, "error", keeper->error);
    log_emit(&line);
}

static void report_unserved(struct tls_keeper *keeper)
{
    (void)tls_files_walk_unserved(keeper->files, log_unserved, keeper);
    tls_files_note_reported(keeper->files);
}

/* Log a failure, unless a retry fails with the same error. */
static void note_failure(struct tls_keeper *keeper, const char *error, bool is_retry)
{
    bool is_known = keeper->failed && strcmp(error, keeper->error) == 0;
    keeper->failed = true;
    keeper->comparisons = 0;
    (void)snprintf(keeper->error, sizeof(keeper->error), "%s", error);
    if (!is_retry || !is_known)
        log_event(keeper->log, LOG_ERROR, "tls.reload_failed", "error", error);
    report_unserved(keeper);
}

static void load_all(struct tls_keeper *keeper, bool is_retry)
{
    char error[WORKER_TLS_ERROR_MAX] = "out of memory";
    tls_files_note(keeper->files);
    struct tls_ticket_keys **keys = load_keys(keeper, error);
    if (!keys || !load_own(keeper, keys, error) || !load_workers(keeper, keys, error)) {
        note_failure(keeper, error, is_retry);
        unref_keys(keys, keeper->snapshot->n_bindings);
        return;
    }
    keeper->failed = false;
    tls_files_note_served(keeper->files);
    unref_keys(keeper->keys, keeper->snapshot->n_bindings);
    keeper->keys = keys;
    log_event(keeper->log, LOG_NOTICE, "tls.reloaded", NULL, NULL);
    tls_calendar_log(keeper->calendar, keeper->log);
    if (keeper->reloaded)
        keeper->reloaded(keeper->arg);
}

void tls_keeper_on_reload(struct tls_keeper *keeper, void (*reloaded)(void *arg), void *arg)
{
    keeper->reloaded = reloaded;
    keeper->arg = arg;
}

/* ---- events ---- */

static void log_not_watching(struct tls_keeper *keeper, int error, const char *directory)
{
    struct log_line line;
    if (error && error != keeper->watch_error) {
        log_begin(&line, keeper->log, LOG_NOTICE, "tls.not_watching");
        log_text(&line, "directory", directory);
        log_text(&line, "error", strerrordesc_np(error));
        log_emit(&line);
    }
    keeper->watch_error = error;
}

/* Update the watches, because the paths may lead through other directories than before. */
static void set_watch(struct tls_keeper *keeper)
{
    struct tls_watch_fault fault;
    size_t n;
    const char *const *paths = tls_files_paths(keeper->files, &n);
    if (!keeper->watch)
        return;
    if (!tls_watch_set(keeper->watch, paths, n, &fault))
        log_not_watching(keeper, ENOMEM, NULL);
    else
        log_not_watching(keeper, fault.error, fault.directory);
}

/* Wait until the changes stop, up to a limit, because files change in groups. */
static void wait_until_still(struct tls_keeper *keeper)
{
    ev_timer_again(keeper->loop, &keeper->settle);
    if (!ev_is_active(&keeper->settle_end))
        ev_timer_again(keeper->loop, &keeper->settle_end);
}

static void on_changed(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct tls_keeper *keeper = io->data;
    if (tls_watch_read(keeper->watch))
        wait_until_still(keeper);
}

/* Update the watches before comparing, so that a change in between causes an event. */
static void on_settled(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct tls_keeper *keeper = timer->data;
    ev_timer_stop(loop, &keeper->settle);
    ev_timer_stop(loop, &keeper->settle_end);
    set_watch(keeper);
    if (tls_files_changed(keeper->files))
        load_all(keeper, false);
}

static void on_compare(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct tls_keeper *keeper = timer->data;
    tls_calendar_log(keeper->calendar, keeper->log);
    if (ev_is_active(&keeper->settle))
        return;
    if (tls_files_changed(keeper->files))
        wait_until_still(keeper);
    else if (keeper->failed && ++keeper->comparisons >= TLS_KEEPER_RETRY)
        load_all(keeper, true);
}

/* Use a new key for new tickets; tickets of the previous two keys stay valid. */
static void on_rotate(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct tls_keeper *keeper = timer->data;
    const struct snapshot *snapshot = keeper->snapshot;
    struct tls_ticket_keys *fresh =
        tls_ticket_keys_generate(keeper->generated, TLS_KEEPER_OLD_KEYS);
    if (!fresh) {
        log_event(keeper->log, LOG_ERROR, "tls.rotation_failed", "error",
                  "cannot generate a ticket key");
        return;
    }
    for (size_t i = 0; i < snapshot->n_bindings; i++) {
        if (keeper->keys[i] != keeper->generated || !keeper->keys[i])
            continue;
        tls_ticket_keys_unref(keeper->keys[i]);
        keeper->keys[i] = tls_ticket_keys_ref(fresh);
    }
    tls_ticket_keys_unref(keeper->generated);
    keeper->generated = fresh;
    for (unsigned k = 0; k < keeper->n_workers; k++) {
        struct worker_tls *update = worker_tls_new(snapshot);
        for (size_t i = 0; update && i < snapshot->n_bindings; i++)
            if (keeper->keys[i] == fresh)
                update->keys[i] = tls_ticket_keys_ref(fresh);
        if (!update || !worker_send_tls(keeper->workers[k], update))
            log_event(keeper->log, LOG_ERROR, "tls.rotation_failed", "error", "out of memory");
    }
    log_event(keeper->log, LOG_NOTICE, "tls.tickets_rotated", NULL, NULL);
}

size_t tls_keeper_unserved(const struct tls_keeper *keeper)
{
    return tls_files_walk_unserved(keeper->files, NULL, NULL);
}

static void init_timer(struct tls_keeper *keeper, struct ev_timer *timer,
                       void (*callback)(struct ev_loop *, struct ev_timer *, int), double every_s)
{
    ev_timer_init(timer, callback, every_s, every_s);
    timer->data = keeper;
}

static void start_watching(struct tls_keeper *keeper)
{
    keeper->watch = tls_watch_new();
    if (!keeper->watch) {
        log_not_watching(keeper, errno, NULL);
        return; /* the comparison every 10 s still works */
    }
    ev_io_init(&keeper->changed, on_changed, tls_watch_fd(keeper->watch), EV_READ);
    keeper->changed.data = keeper;
    ev_io_start(keeper->loop, &keeper->changed);
    set_watch(keeper);
}

void tls_keeper_start(struct tls_keeper *keeper, struct ev_loop *loop,
                      struct worker *const *workers, unsigned n_workers)
{
    size_t n;
    keeper->loop = loop;
    keeper->workers = workers;
    keeper->n_workers = n_workers;
    init_timer(keeper, &keeper->settle, on_settled, TLS_KEEPER_SETTLE_S);
    init_timer(keeper, &keeper->settle_end, on_settled, TLS_KEEPER_SETTLE_MAX_S);
    init_timer(keeper, &keeper->compare, on_compare, TLS_KEEPER_COMPARE_S);
    init_timer(keeper, &keeper->rotate, on_rotate, TLS_KEEPER_ROTATE_S);
    (void)tls_files_paths(keeper->files, &n);
    if (n == 0)
        return;
    ev_timer_set(&keeper->rotate, keeper->first_rotation_s, TLS_KEEPER_ROTATE_S);
    ev_timer_start(loop, &keeper->rotate);
    ev_timer_start(loop, &keeper->compare);
    tls_calendar_log(keeper->calendar, keeper->log);
    start_watching(keeper);
    wait_until_still(keeper); /* files may have changed between loading and watching */
}

void tls_keeper_walk(const struct tls_keeper *keeper, tls_calendar_each *each, void *arg)
{
    tls_calendar_walk(keeper->calendar, each, arg);
}

void tls_keeper_log(const struct tls_keeper *keeper)
{
    tls_calendar_log(keeper->calendar, keeper->log);
}

void tls_keeper_free(struct tls_keeper *keeper)
{
    if (!keeper)
        return;
    if (keeper->loop) {
        ev_io_stop(keeper->loop, &keeper->changed);
        ev_timer_stop(keeper->loop, &keeper->settle);
        ev_timer_stop(keeper->loop, &keeper->settle_end);
        ev_timer_stop(keeper->loop, &keeper->compare);
        ev_timer_stop(keeper->loop, &keeper->rotate);
    }
    tls_watch_free(keeper->watch);
    unref_keys(keeper->keys, keeper->snapshot ? keeper->snapshot->n_bindings : 0);
    tls_ticket_keys_unref(keeper->generated);
    tls_calendar_free(keeper->calendar);
    tls_files_free(keeper->files);
    tls_library_free(keeper->library);
    snapshot_unref(keeper->snapshot);
    free(keeper);
}
