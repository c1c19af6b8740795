/*
 * relay_floor.c - a minimal relay, a lower bound of the cost of a proxy.
 *
 *    relay_floor THREADS PORT NODE_PORT...     runs until it is killed
 *
 * Each thread has its own listener and epoll instance. It connects each client to the next node
 * immediately, reads bytes from one side once and writes them to the other; if one side closes, it
 * closes both. It parses nothing, has no timers, no failure handling and no log, sends no PROXY
 * header, and spins while a receiver's buffer is full.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "samples.h"

#define BACKLOG    4096
#define BLOCK      16384
#define EVENTS_MAX 256

struct pair;

/* One end of a pair, the user data of its epoll events. */
struct end {
    struct pair *pair;
    int fd;
};

struct pair {
    struct end device, node;
    bool connected; /* the node is connected; before that, nothing is read from the device */
    bool closed;    /* freed after the current batch of events */
    struct pair *next;
};

struct relay {
    pthread_t thread;
    int epoll, listener;
    unsigned turn;
    struct pair *dead;
    const struct sockaddr_in *nodes;
    unsigned n_nodes;
    unsigned char block[BLOCK];
};

static void watch(const struct relay *r, int op, struct end *end, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = end};
    if (epoll_ctl(r->epoll, op, end->fd, &event) < 0)
        err(1, "epoll_ctl");
}

static void close_pair(struct relay *r, struct pair *p)
{
    close(p->device.fd); /* also removes it from epoll */
    close(p->node.fd);
    p->closed = true;
    p->next = r->dead;
    r->dead = p;
}

static void no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static bool dial(struct relay *r, struct pair *p)
{
    const struct sockaddr_in *to = &r->nodes[r->turn++ % r->n_nodes];
    p->node.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->node.fd < 0)
        return false;
    no_delay(p->node.fd);
    return connect(p->node.fd, (const struct sockaddr *)to, sizeof(*to)) == 0 ||
           errno == EINPROGRESS;
}

static void accept_all(struct relay *r)
{
    int fd;
    while ((fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct pair *p = calloc(1, sizeof(*p));
        if (!p)
            err(1, "pair");
        p->device = (struct end){p, fd};
        p->node = (struct end){p, -1};
        if (dial(r, p))
            watch(r, EPOLL_CTL_ADD, &p->node, EPOLLOUT);
        else
            close_pair(r, p);
    }
}

static void on_connected(struct relay *r, struct pair *p)
{
    p->connected = true;
    watch(r, EPOLL_CTL_MOD, &p->node, EPOLLIN);
    watch(r, EPOLL_CTL_ADD, &p->device, EPOLLIN);
}

/*
 * Copy a block; retry while the receiver's buffer is full. Close the pair at the end or on an
 * error.
 */
static void copy(struct relay *r, struct pair *p, int from, int to)
{
    ssize_t n = read(from, r->block, BLOCK);
    if (n < 0 && errno == EAGAIN)
        return;
    for (ssize_t at = 0; n > 0 && at < n;) {
        ssize_t put = write(to, r->block + at, (size_t)(n - at));
        if (put < 0 && errno != EAGAIN)
            n = -1;
        at += put > 0 ? put : 0;
    }
    if (n <= 0)
        close_pair(r, p);
}

static void on_event(struct relay *r, struct end *end)
{
    struct pair *p = end->pair;
    if (p->closed)
        return;
    if (!p->connected)
        on_connected(r, p);
    else if (end == &p->device)
        copy(r, p, p->device.fd, p->node.fd);
    else
        copy(r, p, p->node.fd, p->device.fd);
}

static void free_dead(struct relay *r)
{
    while (r->dead) {
        struct pair *p = r->dead;
        r->dead = p->next;
        free(p);
    }
}

static void *run(void *arg)
{
    struct relay *r = arg;
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int n = epoll_wait(r->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_event(r, events[i].data.ptr);
            else
                accept_all(r);
        }
        free_dead(r);
    }
    return NULL;
}

static int listen_on(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    no_delay(fd); /* inherited by accepted sockets */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0)
        err(1, "port %u", port);
    return fd;
}

static void start(struct relay *r, unsigned port)
{
    struct epoll_event event = {.events = EPOLLIN};
    r->listener = listen_on(port);
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->listener, &event) < 0)
        err(1, "epoll");
    if (pthread_create(&r->thread, NULL, run, r) != 0)
        errx(1, "thread");
}

int main(int argc, char **argv)
{
    if (argc < 4)
        errx(2, "usage: relay_floor THREADS PORT NODE_PORT...");
    signal(SIGPIPE, SIG_IGN);
    const unsigned threads = number_between(argv[1], 1, 64);
    const unsigned port = number_between(argv[2], 1, 65535), n_nodes = (unsigned)argc - 3;
    struct relay *relays = calloc(threads, sizeof(*relays));
    struct sockaddr_in *nodes = calloc(n_nodes, sizeof(*nodes));
    if (!relays || !nodes)
        err(1, "relays");
    for (unsigned i = 0; i < n_nodes; i++) {
        nodes[i] = (struct sockaddr_in){.sin_family = AF_INET};
        nodes[i].sin_port = htons((uint16_t)number_between(argv[3 + i], 1, 65535));
        nodes[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    for (unsigned i = 0; i < threads; i++) {
        relays[i].nodes = nodes;
        relays[i].n_nodes = n_nodes;
        relays[i].turn = i;
        start(&relays[i], port);
    }
    return pthread_join(relays[0].thread, NULL);
}
