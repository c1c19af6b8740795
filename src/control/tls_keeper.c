/*
 * tls_keeper.c - keeps what TLS is made of fresh.
 *
 *    inotify on the files' directories --settle--> has any file changed? --> load for the
 *    keeper itself (finds faults, reads the calendar) --> load for each worker --> give
 *
 * Directories are watched, not files: editors and certificate tools replace a file by renaming
 * a new one over it, and Kubernetes by turning a link in the directory.
 */
#include "tls_keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "proxy/worker_tls.h"
#include "tls_calendar.h"
#include "tls_files.h"

struct tls_keeper {
    struct snapshot *snapshot; /* a reference */
    struct log *log;           /* borrowed */
    struct tls_library *library;
    struct tls_ticket_keys *generated; /* for every door without a key file */
    struct tls_ticket_keys **keys;     /* for each door; null = no tickets, or no TLS */
    struct tls_calendar *calendar;
    struct tls_files *files;

    double first_rotation_s; /* from the start until the next key; a reload does not put it off */
    struct ev_loop *loop;    /* null until started */
    struct worker *const *workers;
    unsigned n_workers;
    void (*reloaded)(void *arg); /* null = nobody else wants to know */
    void *arg;
    int inotify_fd; /* -1 = none */
    struct ev_io changed;
    struct ev_timer settle, rotate, look;
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

/* The keys of each door, key files read anew. Null on failure. */
static struct tls_ticket_keys **load_keys(const struct tls_keeper *keeper,
                                          char error[WORKER_TLS_ERROR_MAX])
{
    const struct snapshot *snapshot = keeper->snapshot;
    struct tls_ticket_keys **keys = calloc(snapshot->n_doors, sizeof(struct tls_ticket_keys *));
    if (!keys) {
        (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < snapshot->n_doors; i++) {
        const struct listener_conf *conf = snapshot->doors[i].conf;
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
            unref_keys(keys, snapshot->n_doors);
            return NULL;
        }
    }
    return keys;
}

/* Load for the keeper itself: is everything well, and until when? */
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
    keeper->inotify_fd = -1;
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

/* Load for every worker; all or none. */
static bool load_workers(struct tls_keeper *keeper, struct tls_ticket_keys *const *keys,
                         char error[WORKER_TLS_ERROR_MAX])
{
    struct worker_tls **news = calloc(keeper->n_workers, sizeof(struct worker_tls *));
    bool loaded = news;
    for (unsigned i = 0; loaded && i < keeper->n_workers; i++) {
        news[i] =
            worker_tls_load(worker_tls_library(keeper->workers[i]), keeper->snapshot, keys, error);
        loaded = news[i];
    }
    for (unsigned i = 0; news && i < keeper->n_workers; i++) {
        if (!loaded)
            worker_tls_free(news[i]);
        else if (!worker_give_tls(keeper->workers[i], news[i]))
            log_event(keeper->log, LOG_ERROR, "tls.reload_failed", "error", "out of memory");
    }
    free(news);
    return loaded;
}

void tls_keeper_reload(struct tls_keeper *keeper)
{
    char error[WORKER_TLS_ERROR_MAX] = "out of memory";
    tls_files_note(keeper->files);
    struct tls_ticket_keys **keys = load_keys(keeper, error);
    if (!keys || !load_own(keeper, keys, error) || !load_workers(keeper, keys, error)) {
        log_event(keeper->log, LOG_ERROR, "tls.reload_failed", "error", error);
        unref_keys(keys, keeper->snapshot->n_doors);
        return;
    }
    unref_keys(keeper->keys, keeper->snapshot->n_doors);
    keeper->keys = keys;
    log_event(keeper->log, LOG_NOTICE, "tls.reloaded", NULL, NULL);
    tls_calendar_log(keeper->calendar, keeper->log);
    if (keeper->reloaded)
        keeper->reloaded(keeper->arg);
}

void tls_keeper_tell(struct tls_keeper *keeper, void (*reloaded)(void *arg), void *arg)
{
    keeper->reloaded = reloaded;
    keeper->arg = arg;
}

/* ---- events ---- */

static void on_changed(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    struct tls_keeper *keeper = io->data;
    char notes[4096];
    while (read(keeper->inotify_fd, notes, sizeof(notes)) > 0)
        continue; /* which file it was does not matter: they are compared when they are still */
    keeper->settle.repeat = TLS_KEEPER_SETTLE_S;
    ev_timer_again(loop, &keeper->settle);
}

static void on_settled(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct tls_keeper *keeper = timer->data;
    ev_timer_stop(loop, timer);
    if (tls_files_changed(keeper->files))
        tls_keeper_reload(keeper);
}

/* Seal with a new key from now on; tickets of the last two still open. */
static void on_rotate(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct tls_keeper *keeper = timer->data;
    const struct snapshot *snapshot = keeper->snapshot;
    struct tls_ticket_keys *fresh =
        tls_ticket_keys_generate(keeper->generated, TLS_KEEPER_OLD_KEYS);
    if (!fresh) {
        log_event(keeper->log, LOG_ERROR, "tls.rotation_failed", "error", "no new ticket key");
        return;
    }
    for (size_t i = 0; i < snapshot->n_doors; i++) {
        if (keeper->keys[i] != keeper->generated || !keeper->keys[i])
            continue;
        tls_ticket_keys_unref(keeper->keys[i]);
        keeper->keys[i] = tls_ticket_keys_ref(fresh);
    }
    tls_ticket_keys_unref(keeper->generated);
    keeper->generated = fresh;
    for (unsigned k = 0; k < keeper->n_workers; k++) {
        struct worker_tls *news = worker_tls_new(snapshot);
        for (size_t i = 0; news && i < snapshot->n_doors; i++)
            if (keeper->keys[i] == fresh)
                news->keys[i] = tls_ticket_keys_ref(fresh);
        if (!news || !worker_give_tls(keeper->workers[k], news))
            log_event(keeper->log, LOG_ERROR, "tls.rotation_failed", "error", "out of memory");
    }
    log_event(keeper->log, LOG_NOTICE, "tls.tickets_rotated", NULL, NULL);
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct tls_keeper *keeper = timer->data;
    tls_calendar_log(keeper->calendar, keeper->log);
}

static void start_timer(struct tls_keeper *keeper, struct ev_timer *timer,
                        void (*callback)(struct ev_loop *, struct ev_timer *, int), double every_s)
{
    ev_timer_init(timer, callback, every_s, every_s);
    timer->data = keeper;
    if (every_s > 0)
        ev_timer_start(keeper->loop, timer);
}

void tls_keeper_start(struct tls_keeper *keeper, struct ev_loop *loop,
                      struct worker *const *workers, unsigned n_workers)
{
    keeper->loop = loop;
    keeper->workers = workers;
    keeper->n_workers = n_workers;
    start_timer(keeper, &keeper->settle, on_settled, 0);
    if (tls_files_count(keeper->files) == 0)
        return;
    ev_timer_init(&keeper->rotate, on_rotate, keeper->first_rotation_s, TLS_KEEPER_ROTATE_S);
    keeper->rotate.data = keeper;
    ev_timer_start(loop, &keeper->rotate);
    start_timer(keeper, &keeper->look, on_look, TLS_KEEPER_EXPIRY_S);
    tls_calendar_log(keeper->calendar, keeper->log);
    keeper->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (keeper->inotify_fd < 0 || !tls_files_watch(keeper->files, keeper->inotify_fd)) {
        log_event(keeper->log, LOG_WARN, "tls.not_watching", "error", strerror(errno));
        return; /* SIGHUP still works */
    }
    ev_io_init(&keeper->changed, on_changed, keeper->inotify_fd, EV_READ);
    keeper->changed.data = keeper;
    ev_io_start(loop, &keeper->changed);
    /* what changed since it was loaded, and before anybody watched */
    keeper->settle.repeat = TLS_KEEPER_SETTLE_S;
    ev_timer_again(loop, &keeper->settle);
}

void tls_keeper_walk(const struct tls_keeper *keeper, tls_calendar_each *each, void *arg)
{
    tls_calendar_walk(keeper->calendar, each, arg);
}

void tls_keeper_free(struct tls_keeper *keeper)
{
    if (!keeper)
        return;
    if (keeper->loop) {
        ev_io_stop(keeper->loop, &keeper->changed);
        ev_timer_stop(keeper->loop, &keeper->settle);
        ev_timer_stop(keeper->loop, &keeper->rotate);
        ev_timer_stop(keeper->loop, &keeper->look);
    }
    if (keeper->inotify_fd >= 0)
        close(keeper->inotify_fd);
    unref_keys(keeper->keys, keeper->snapshot ? keeper->snapshot->n_doors : 0);
    tls_ticket_keys_unref(keeper->generated);
    tls_calendar_free(keeper->calendar);
    tls_files_free(keeper->files);
    tls_library_free(keeper->library);
    snapshot_unref(keeper->snapshot);
    free(keeper);
}
