/*
 * device.c - a device of the storm, which behaves like a client library.
 *
 *    OFF -> TCP -> TLS -> CONNACK -> BACK
 *            ^      |        |        |
 *            +---- PAUSE <---+--------+      1, 2, 4, 8 s, jittered
 *
 * Each device has its own address in 127.0.0.0/8 and its own client identifier, and resumes its
 * session (clean start 0).
 */
#include "device.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_ADDRESS       0x7f0a0001u /* 127.10.0.1 */
#define PAUSE_MS            1000.0
#define PAUSE_DOUBLED       3 /* at most: 8 s */
#define KEEP_ALIVE_S        3600
#define CLIENT_ID_SIZE      16
#define HANDSHAKES_PER_TURN 32

/* ---- close ---- */

static void wait_for(struct device *d, int events)
{
    if (ev_is_active(&d->io) && (d->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(d->storm->loop, &d->io);
    ev_io_modify(&d->io, events);
    ev_io_start(d->storm->loop, &d->io);
}

static void hang_up(struct device *d, bool reset)
{
    ev_io_stop(d->storm->loop, &d->io);
    ev_timer_stop(d->storm->loop, &d->timer);
    if (d->ssl) {
        /*
         * Otherwise OpenSSL treats the missing close_notify as an attack and discards the ticket.
         */
        SSL_set_shutdown(d->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(d->ssl);
        d->ssl = NULL;
    }
    if (d->io.fd < 0)
        return;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        (void)setsockopt(d->io.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(d->io.fd);
    ev_io_set(&d->io, -1, EV_READ);
}

/* Return between half and all of the time. The jitter separates devices that failed together. */
static double pause_s(const struct device *d)
{
    unsigned doubled = d->n_failed - 1 < PAUSE_DOUBLED ? d->n_failed - 1 : PAUSE_DOUBLED;
    double jitter = (double)random() / (double)RAND_MAX;
    return PAUSE_MS * (double)(1u << doubled) * (0.5 + jitter / 2) / 1e3;
}

static void start_timer(struct device *d, double seconds)
{
    ev_timer_stop(d->storm->loop, &d->timer);
    ev_now_update(d->storm->loop); /* during a storm, a turn of this loop can take long */
    ev_timer_set(&d->timer, seconds, 0);
    ev_timer_start(d->storm->loop, &d->timer);
}

static void fail(struct device *d, enum failure failure)
{
    if (failure == FAILURE_LOST)
        d->storm->n_back--;
    d->storm->failures[failure]++;
    d->n_failed++;
    hang_up(d, false);
    d->stage = DEVICE_PAUSE;
    start_timer(d, pause_s(d));
}

static void try(struct device *d)
{
    if (!d->ssl)
        device_make_hello(d);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "socket");
    int on = 1;
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr = htonl(FIRST_ADDRESS + d->index);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
        err(1, "bind");
    ev_io_set(&d->io, fd, EV_WRITE);
    d->stage = DEVICE_TCP;
    d->storm->tries++;
    d->tried_ms = now_ms();
    start_timer(d, d->storm->connect_timeout_ms / 1e3);
    if (connect(fd, (struct sockaddr *)&d->storm->proxy, sizeof(d->storm->proxy)) < 0 &&
        errno != EINPROGRESS) {
        fail(d, FAILURE_TCP_REFUSED);
        return;
    }
    ev_io_start(d->storm->loop, &d->io);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct device *d = timer->data;
    static const enum failure late[] = {[DEVICE_TCP] = FAILURE_TCP_TIMEOUT,
                                        [DEVICE_TLS] = FAILURE_TLS_TIMEOUT,
                                        [DEVICE_CONNACK] = FAILURE_CONNACK_TIMEOUT};
    if (d->stage == DEVICE_PAUSE)
        try(d);
    else
        fail(d, late[d->stage]);
}

/* ---- the stages ---- */

/*
 * If OpenSSL has to wait, watch for its event and return true. Otherwise report a lost connection.
 */
static bool goes_on(struct device *d, int result, enum failure closed, enum failure wrong)
{
    switch (SSL_get_error(d->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        wait_for(d, EV_READ);
        return true;
    case SSL_ERROR_WANT_WRITE:
        wait_for(d, EV_WRITE);
        return true;
    case SSL_ERROR_SSL:
        /* A close without close_notify also ends here. */
        fail(d, SSL_get_shutdown(d->ssl) & SSL_RECEIVED_SHUTDOWN ? closed : wrong);
        return false;
    default:
        fail(d, closed);
        return false;
    }
}

/* MQTT 3.1.1 section 3.1, with only a client identifier. */
static int write_connect(const struct device *d,
                         unsigned char packet[static 12 + 2 + CLIENT_ID_SIZE])
{
    char id[CLIENT_ID_SIZE];
    int n = snprintf(id, sizeof(id), "storm-%u", d->index);
    unsigned char head[] = {0x10,
                            (unsigned char)(12 + n),
                            0,
                            4,
                            'M',
                            'Q',
                            'T',
                            'T',
                            4,
                            0,
                            KEEP_ALIVE_S >> 8,
                            KEEP_ALIVE_S & 0xff,
                            0,
                            (unsigned char)n};
    memcpy(packet, head, sizeof(head));
    memcpy(packet + sizeof(head), id, (size_t)n);
    return (int)sizeof(head) + n;
}

static void send_connect(struct device *d)
{
    unsigned char packet[12 + 2 + CLIENT_ID_SIZE];
    int n = write_connect(d, packet);
    if (SSL_session_reused(d->ssl))
        d->storm->resumed++;
    d->stage = DEVICE_CONNACK;
    /* An empty socket accepts these few bytes in one piece. */
    if (SSL_write(d->ssl, packet, n) != n) {
        fail(d, FAILURE_CONNACK_CLOSED);
        return;
    }
    wait_for(d, EV_READ);
}

static void be_back(struct device *d)
{
    struct storm *storm = d->storm;
    double now = now_ms();
    ev_timer_stop(storm->loop, &d->timer);
    d->stage = DEVICE_BACK;
    d->n_failed = 0;
    samples_add(&storm->connect, now - d->tried_ms);
    samples_add(&storm->back, now - storm->started_ms);
    if (++storm->n_back == storm->n_devices)
        storm->all_back(storm);
}

static void read_connack(struct device *d)
{
    unsigned char packet[64];
    int n = SSL_read(d->ssl, packet, sizeof(packet));
    if (n <= 0)
        (void)goes_on(d, n, FAILURE_CONNACK_CLOSED, FAILURE_CONNACK_CLOSED);
    else if (n >= 4 && packet[0] == 0x20 && packet[3] == 0)
        be_back(d);
    else
        fail(d, FAILURE_CONNACK_REFUSED);
}

static void tcp_done(struct device *d)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (getsockopt(d->io.fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error) {
        fail(d, FAILURE_TCP_REFUSED);
        return;
    }
    d->stage = DEVICE_TLS;
    if (device_send_hello(d))
        wait_for(d, EV_READ);
    else
        fail(d, FAILURE_TLS_CLOSED);
}

/*
 * Compute handshakes in order of arrival, a few per turn, and process received CONNACKs first, so
 * that the first device does not have to wait until the last one is served.
 */
static void queue_handshake(struct device *d)
{
    struct storm *storm = d->storm;
    ev_io_stop(storm->loop, &d->io);
    if (d->queued)
        return; /* queued by an earlier attempt that was aborted */
    d->next = NULL;
    d->queued = true;
    *storm->last = d;
    storm->last = &d->next;
    ev_idle_start(storm->loop, &storm->awake);
}

static void shake_hands(struct device *d)
{
    int result = SSL_connect(d->ssl);
    if (result == 1)
        send_connect(d);
    else
        (void)goes_on(d, result, FAILURE_TLS_CLOSED, FAILURE_TLS_ERROR);
}

static void stay(struct device *d)
{
    unsigned char bytes[64];
    int n = SSL_read(d->ssl, bytes, sizeof(bytes));
    if (n <= 0)
        (void)goes_on(d, n, FAILURE_LOST, FAILURE_LOST);
}

static void run(struct device *d)
{
    ERR_clear_error();
    switch (d->stage) {
    case DEVICE_TCP:
        tcp_done(d);
        return;
    case DEVICE_TLS:
        queue_handshake(d);
        return;
    case DEVICE_CONNACK:
        read_connack(d);
        return;
    case DEVICE_BACK:
        stay(d);
        return;
    default:
        return;
    }
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)events;
    run(io->data);
}

static void on_turn(struct ev_loop *loop, struct ev_prepare *turn, int events)
{
    (void)events;
    struct storm *storm = turn->data;
    for (int i = 0; i < HANDSHAKES_PER_TURN && storm->first; i++) {
        struct device *d = storm->first;
        storm->first = d->next;
        if (!storm->first)
            storm->last = &storm->first;
        d->queued = false;
        ERR_clear_error();
        if (d->stage == DEVICE_TLS) /* the attempt may have timed out */
            shake_hands(d);
    }
    if (!storm->first)
        ev_idle_stop(loop, &storm->awake);
}

static void on_awake(struct ev_loop *loop, struct ev_idle *awake, int events)
{
    (void)loop, (void)awake, (void)events; /* prevents the loop from sleeping */
}

/* ---- life cycle ---- */

void device_begin_turns(struct storm *storm)
{
    storm->last = &storm->first;
    ev_idle_init(&storm->awake, on_awake);
    ev_prepare_init(&storm->turn, on_turn);
    storm->turn.data = storm;
    ev_prepare_start(storm->loop, &storm->turn);
}

void device_init(struct device *d, struct storm *storm, unsigned index)
{
    *d = (struct device){.storm = storm, .index = index};
    ev_io_init(&d->io, on_io, -1, EV_READ);
    ev_timer_init(&d->timer, on_time, 0, 0);
    d->io.data = d->timer.data = d;
}

void device_prepare(struct device *d)
{
    d->n_failed = 0;
    device_make_hello(d);
}

void device_start(struct device *d)
{
    try(d);
}

void device_cut(struct device *d)
{
    hang_up(d, true);
    d->stage = DEVICE_OFF;
}

void device_fini(struct device *d)
{
    device_cut(d);
    SSL_SESSION_free(d->session);
}
