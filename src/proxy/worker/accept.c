/*
 * accept.c - how fast a worker takes up new connections.
 *
 * Two things hold it back, and the kernel's queue keeps who waits:
 *
 *   TLS handshakes    a worker takes limits.handshakes_per_turn steps of them in a turn of its
 *                     loop, those under way before those that have not begun. While others wait
 *                     for their turn it accepts nobody on TLS listeners: what was paid for is
 *                     finished first, and relayed sessions, and devices on other listeners, wait
 *                     for a few milliseconds of cryptography, not for all of a storm's.
 *   a shortage        of descriptors or memory: it accepts nobody for a moment, because the
 *                     socket stays readable and a level-triggered loop would spin on it. Where
 *                     that was not enough, who waits is taken with a descriptor kept in reserve
 *                     and closed, which tells it to come again later.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/socket.h"
#include "proxy/session/session.h"
#include "worker.h"

#define PAUSE_SAID_EVERY_US 1000000u
#define ACCEPT_PAUSE_S      0.1
#define SHED_MAX            512 /* parted from after a pause */

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

/* One line a second of the whole process: the state lasts, and its log must not add to it. */
static void say_paused(struct worker *w, int why)
{
    uint64_t now_us = clock_monotonic_us();
    uint64_t said_us = atomic_load_explicit(&w->shared->pause_said_us, memory_order_relaxed);
    if (now_us - said_us < PAUSE_SAID_EVERY_US ||
        !atomic_compare_exchange_strong_explicit(&w->shared->pause_said_us, &said_us, now_us,
                                                 memory_order_relaxed, memory_order_relaxed))
        return;
    struct log_line line;
    log_begin(&line, w->log, LOG_WARN, "accept.paused");
    log_u64(&line, "worker", w->index);
    log_text(&line, "error", strerrordesc_np(why));
    log_emit(&line);
}

/* Part from some of those who wait. Each takes the reserve's place, and leaves it. */
static void shed(struct worker *w, int listen_fd)
{
    struct address peer;
    for (int i = 0; i < SHED_MAX && w->reserve_fd >= 0; i++) {
        close(w->reserve_fd);
        int fd = socket_accept(listen_fd, &peer);
        if (fd >= 0) {
            close(fd);
            counter_add(&w->counters.accept_shed, 1);
        }
        w->reserve_fd = open_reserve();
        if (fd < 0)
            return;
    }
}

static void pause_accept(struct worker *w, int listen_fd, int why)
{
    say_paused(w, why);
    counter_add(&w->counters.accept_pauses, 1);
    if (w->still_short && (why == EMFILE || why == ENFILE))
        shed(w, listen_fd);
    w->still_short = true;
    worker_pause_listeners(w);
    w->accept_pause.repeat = ACCEPT_PAUSE_S;
    ev_timer_again(w->loop, &w->accept_pause);
}

void worker_cannot_watch(struct worker *w)
{
    pause_accept(w, -1, ENOMEM);
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

/* Others need not wait for what TLS costs. */
static void hold_tls(struct worker *w)
{
    if (!w->accept_held)
        counter_add(&w->counters.accept_holds, 1);
    w->accept_held = true;
    for (size_t i = 0; i < w->n_listeners; i++)
        if (w->listeners[i]->conf->tls)
            listener_pause(w->listeners[i]);
}

int worker_accept(struct worker *w, struct listener *listener, struct address *peer)
{
    if (listener->conf->tls && worker_has_handshakes(w)) {
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

/* ---- TLS handshakes ---- */

bool worker_lets_shake(struct worker *w)
{
    if (w->handshakes_left == 0)
        return false;
    w->handshakes_left--;
    return true;
}

void worker_queue_handshake(struct worker *w, struct session *s, bool begun)
{
    counter_add(&w->counters.handshakes_queued, 1);
    list_remove(&s->runnable);
    list_append(begun ? &w->shaking : &w->knocking, &s->runnable);
    ev_idle_start(w->loop, &w->keep_turning); /* the loop must not sleep now */
}

void worker_run_handshakes(struct worker *w)
{
    w->handshakes_left = w->snapshot->config->limits.handshakes_per_turn;
    while (w->handshakes_left > 0 && worker_has_handshakes(w)) {
        struct list *queue = list_empty(&w->shaking) ? &w->knocking : &w->shaking;
        struct session *s = CONTAINER_OF(queue->next, struct session, runnable);
        list_remove(&s->runnable);
        session_run(s);
    }
    if (!w->accept_held || worker_has_handshakes(w))
        return;
    w->accept_held = false;
    if (!ev_is_active(&w->accept_pause))
        resume(w);
}

/* ---- life ---- */

void worker_init_accept(struct worker *w)
{
    list_init(&w->shaking);
    list_init(&w->knocking);
    w->reserve_fd = open_reserve();
    ev_init(&w->accept_pause, on_accept_pause_over);
}

void worker_fini_accept(struct worker *w)
{
    if (w->reserve_fd >= 0)
        close(w->reserve_fd);
    w->reserve_fd = -1;
}
