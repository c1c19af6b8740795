/*
 * listener.c - accept connections on one worker's share of a listening socket.
 *
 * Takes a batch at a time, so that a storm of new devices does not keep the old ones
 * waiting. Without descriptors or memory the worker pauses all its listeners for a moment:
 * the socket stays readable, and a level-triggered loop would spin on it.
 */
#include "listener.h"

#include <errno.h>
#include <unistd.h>

#include "net/socket.h"
#include "session.h"
#include "worker.h"

#define ACCEPT_BATCH_MAX 32

static void accept_batch(struct listener *listener)
{
    for (int i = 0; i < ACCEPT_BATCH_MAX; i++) {
        struct address source;
        int fd = socket_accept(listener->fd, &source);
        if (fd >= 0)
            session_begin(listener->w, listener, fd, &source);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else {
            worker_pause_accept(listener->w, errno);
            return;
        }
    }
}

static void on_connection(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    (void)events;
    accept_batch(CONTAINER_OF(io, struct listener, io));
}

void listener_start(struct listener *listener)
{
    ev_io_init(&listener->io, on_connection, listener->fd, EV_READ);
    listener_resume(listener);
}

void listener_pause(struct listener *listener)
{
    ev_io_stop(listener->w->loop, &listener->io);
}

void listener_resume(struct listener *listener)
{
    if (listener->fd >= 0)
        ev_io_start(listener->w->loop, &listener->io);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    if (listener->w && listener->w->loop)
        ev_io_stop(listener->w->loop, &listener->io);
    close(listener->fd);
    listener->fd = -1;
}
