/*
 * accept.c - accept connections, and limit how fast.
 *
 * Two conditions delay accepting; pending connections then stay in the kernel's queue:
 *
 *    TLS handshakes    A worker runs limits.handshakes_per_turn steps per turn of its loop, for
 *                      active handshakes before pending ones. While handshakes wait, it accepts
 *                      nothing on TLS listeners. So started handshakes are finished first, and
 *                      relayed sessions and other listeners are delayed by a few milliseconds
 *                      of cryptography, not by the handshakes of all new clients.
 *    shortage          If descriptors or memory are short, the worker pauses accepting; a
 *                      level-triggered loop would otherwise spin. If the shortage lasts, it
 *                      accepts pending connections with a reserved descriptor and closes them,
 *                      so that their clients try again later.
 *
 * Accepts in batches, after everything else that is due in a turn of the loop, so that many new
 * devices do not delay the others.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/socket.h"
#include "proxy/session/turn.h"
#include "proxy/stages/run.h"
#include "worker.h"

#define PAUSE_LOG_EVERY_US 1000000u
#define ACCEPT_PAUSE_S     0.1
#define ACCEPT_BATCH_MAX   64
#define SHED_MAX           512 /* connections closed after a pause */

void worker_pause_listeners(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_pause(w->listeners[i]);
}

static void resume(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_resume(w->listeners[i]);
}

/* ---- a shortage ---- */

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Log at most one line per second for the whole process, because a shortage can last. */
static void log_paused(struct worker *w, int why)
{
    uint64_t now_us = clock_monotonic_us();
    uint64_t logged_us =
        atomic_load_explicit(&w->core.shared->pause_logged_us, memory_order_relaxed);
    if (now_us - logged_us < PAUSE_LOG_EVERY_US ||
        !atomic_compare_exchange_strong_explicit(&w->core.shared->pause_logged_us, &logged_us,
                                                 now_us, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    struct log_line line;
    log_begin(&line, w->core.log, LOG_WARN, "accept.paused");
    log_u64(&line, "worker", w->core.index);
    log_text(&line, "error", strerrordesc_np(why));
    log_emit(&line);
}

/* Accept and close some pending connections, with the reserved descriptor. */
static void shed(struct worker *w, int listen_fd)
{
    struct address peer;
    for (int i = 0; i < SHED_MAX && w->reserve_fd >= 0; i++) {
        close(w->reserve_fd);
        int fd = socket_accept(listen_fd, &peer);
        if (fd >= 0) {
            close(fd);
            counter_add(&w->core.counters.accept_shed, 1);
        }
        w->reserve_fd = open_reserve();
        if (fd < 0)
            return;
    }
}

static void pause_accept(struct worker *w, int listen_fd, int why)
{
    log_paused(w, why);
    counter_add(&w->core.counters.accept_pauses, 1);
    if (w->still_short && (why == EMFILE || why == ENFILE))
        shed(w, listen_fd);
    w->still_short = true;
    worker_pause_listeners(w);
    w->accept_pause.repeat = ACCEPT_PAUSE_S;
    ev_timer_again(w->core.loop, &w->accept_pause);
}

static void on_accept_pause_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    struct worker *w = CONTAINER_OF(timer, struct worker, accept_pause);
    ev_timer_stop(loop, timer);
    if (w->reserve_fd < 0)
        w->reserve_fd = open_reserve();
    resume(w);
}

/* Pause the TLS listeners only. */
static void hold_tls(struct worker *w)
{
    if (!w->accept_held)
        counter_add(&w->core.counters.accept_holds, 1);
    w->accept_held = true;
    for (size_t i = 0; i < w->n_listeners; i++)
        if (w->listeners[i]->conf->tls)
            listener_pause(w->listeners[i]);
}

/*
 * Accept a connection of a listener. Returns -1 if none is pending, if handshakes wait (holds the
 * TLS listeners), or if descriptors or memory are short (pauses all listeners).
 */
static int accept_fd(struct worker *w, struct listener *listener, struct address *peer)
{
    if (listener->conf->tls && turn_has_handshakes(&w->core)) {
        hold_tls(w);
        return -1;
    }
    int fd = socket_accept(listener->fd, peer);
    if (fd >= 0)
        w->still_short = false;
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        pause_accept(w, listener->fd, errno);
    return fd;
}

/* Accept a connection and begin its session. Returns false if accept_fd() accepted none. */
static bool accept_one(struct worker *w, struct listener *listener)
{
    struct address source;
    int fd = accept_fd(w, listener, &source);
    if (fd < 0)
        return false;
    session_begin(&w->core, listener, fd, &source);
    return true;
}

/*
 * To find the queue empty costs a system call, which is avoided while devices connect one at a
 * time. So a batch starts with one connection, and grows only while consecutive turns find more.
 */
static void accept_batch(struct worker *w, struct listener *listener)
{
    const unsigned turn = ev_iteration(w->core.loop);
    const bool goes_on = turn == listener->turn + 1;
    unsigned n = 0;
    while (n < listener->batch && accept_one(w, listener))
        n++;
    if (n < listener->batch || !goes_on)
        listener->batch = n > 1 ? n : 1;
    else if (listener->batch < ACCEPT_BATCH_MAX)
        listener->batch *= 2;
    listener->turn = turn;
}

static void on_connection(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct worker *w = io->data;
    if (events & EV_ERROR) /* no memory to watch the socket; libev has stopped the watcher */
        pause_accept(w, -1, ENOMEM);
    else
        accept_batch(w, CONTAINER_OF(io, struct listener, io));
}

void worker_start_listener(struct worker *w, struct listener *listener)
{
    listener_watch(listener, w->core.loop, on_connection, w);
}

void worker_retire_listener(struct worker *w, struct listener *listener)
{
    struct address source;
    for (uint32_t i = 0; listener->fd >= 0 && i < listener->conf->backlog; i++) {
        int fd = socket_accept(listener->fd, &source);
        if (fd < 0)
            break;
        session_begin(&w->core, listener, fd, &source);
    }
    listener_close(listener);
}

/* ---- TLS handshakes ---- */

void worker_run_handshakes(struct worker *w)
{
    w->core.handshakes_left = w->core.snapshot->config->limits.handshakes_per_turn;
    while (w->core.handshakes_left > 0 && turn_has_handshakes(&w->core))
        session_run(turn_pop_handshake(&w->core));
    if (!w->accept_held || turn_has_handshakes(&w->core))
        return;
    w->accept_held = false;
    if (!ev_is_active(&w->accept_pause))
        resume(w);
}

/* ---- life ---- */

void worker_init_accept(struct worker *w)
{
    w->reserve_fd = open_reserve();
    ev_init(&w->accept_pause, on_accept_pause_over);
}

void worker_fini_accept(struct worker *w)
{
    if (w->reserve_fd >= 0)
        close(w->reserve_fd);
    w->reserve_fd = -1;
}
