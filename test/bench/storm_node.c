/*
 * storm_node.c - a broker that does the least a storm asks of one.
 *
 *    storm_node PORT...     listens on 127.0.0.1, until its standard input ends
 *
 * Answers CONNECT with CONNACK and PINGREQ with PINGRESP, and keeps the connection. It costs a
 * tenth of what Mosquitto does, so that what is measured in front of it is the proxy.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "samples.h"

#define BACKLOG    4096
#define PACKET_MAX 256 /* the devices' own are far shorter */

struct connection {
    struct ev_io io;
    size_t n;
    unsigned char bytes[PACKET_MAX];
};

static void hang_up(struct ev_loop *loop, struct connection *c)
{
    ev_io_stop(loop, &c->io);
    close(c->io.fd);
    free(c);
}

static bool answer(struct connection *c, unsigned char type)
{
    static const unsigned char connack[] = {0x20, 2, 0, 0}, pingresp[] = {0xd0, 0};
    if (type == 1)
        return write(c->io.fd, connack, sizeof(connack)) == (ssize_t)sizeof(connack);
    if (type == 12)
        return write(c->io.fd, pingresp, sizeof(pingresp)) == (ssize_t)sizeof(pingresp);
    return true;
}

/* Packets whose length takes one byte, which are all there are here. */
static bool take_packets(struct connection *c)
{
    while (c->n >= 2) {
        size_t size = 2 + (size_t)c->bytes[1];
        if (c->bytes[1] >= 0x80)
            return false;
        if (c->n < size)
            return true;
        if (!answer(c, c->bytes[0] >> 4))
            return false;
        c->n -= size;
        memmove(c->bytes, c->bytes + size, c->n);
    }
    return true;
}

static void on_bytes(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    struct connection *c = io->data;
    ssize_t n = read(io->fd, c->bytes + c->n, sizeof(c->bytes) - c->n);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hang_up(loop, c);
        return;
    }
    c->n += (size_t)n;
    if (!take_packets(c))
        hang_up(loop, c);
}

static void on_accept(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    int fd, on = 1;
    while ((fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof(*c));
        if (!c)
            err(1, "connection");
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        ev_io_init(&c->io, on_bytes, fd, EV_READ);
        c->io.data = c;
        ev_io_start(loop, &c->io);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        err(1, "accept");
}

static void on_input(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    char bytes[64];
    if (read(io->fd, bytes, sizeof(bytes)) <= 0)
        ev_break(loop, EVBREAK_ALL);
}

static int listen_on(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0)
        err(1, "port %u", port);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        errx(2, "usage: storm_node PORT...");
    signal(SIGPIPE, SIG_IGN);
    struct ev_loop *loop = ev_default_loop(0);
    struct ev_io input, *listeners = calloc((size_t)argc, sizeof(*listeners));
    if (!listeners)
        err(1, "listeners");
    for (int i = 1; i < argc; i++) {
        ev_io_init(&listeners[i], on_accept, listen_on(number_between(argv[i], 1, 65535)), EV_READ);
        ev_io_start(loop, &listeners[i]);
    }
    ev_io_init(&input, on_input, STDIN_FILENO, EV_READ);
    ev_io_start(loop, &input);
    ev_run(loop, 0);
    return 0; /* the kernel closes what is open */
}
