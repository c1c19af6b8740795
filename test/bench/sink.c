/*
 * sink.c - a minimal broker for the benchmarks.
 *
 *    sink PORT...     listens on 127.0.0.1 until the end of its standard input
 *
 * Accepts and ignores PROXY v1 and v2 headers, accepts WebSocket upgrades, and answers CONNECT with
 * CONNACK. The client identifier selects the behavior after that:
 *
 *    echo...   sends back every byte
 *    take...   reads and discards
 *    pour...   sends zeros as fast as possible
 *    else      answers PINGREQ with PINGRESP, and closes on DISCONNECT
 *
 * It uses a tenth of the CPU time of Mosquitto, so that the proxy in front dominates the
 * measurement.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "samples.h"

#define BACKLOG     4096
#define HEAD_MAX    1024 /* a PROXY header and an upgrade, or a CONNECT */
#define SCRATCH_MAX 65536u
#define POUR_ROUNDS 4

enum stage { STAGE_HEAD, STAGE_PACKETS, STAGE_ECHO, STAGE_TAKE, STAGE_POUR };

struct connection {
    struct ev_io io;
    enum stage stage;
    bool websocket;
    size_t n; /* bytes buffered in STAGE_HEAD and STAGE_PACKETS */
    unsigned char bytes[HEAD_MAX];
    unsigned char *rest; /* owned; the unsent rest of an echo; null: none */
    size_t rest_at, rest_n;
};

static unsigned char scratch[SCRATCH_MAX];

static void watch(struct ev_loop *loop, struct connection *c, int events)
{
    ev_io_stop(loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    ev_io_start(loop, &c->io);
}

static void hang_up(struct ev_loop *loop, struct connection *c)
{
    ev_io_stop(loop, &c->io);
    close(c->io.fd);
    free(c->rest);
    free(c);
}

static void drop_front(struct connection *c, size_t n)
{
    c->n -= n;
    memmove(c->bytes, c->bytes + n, c->n);
}

static bool put(const struct connection *c, const void *p, size_t n)
{
    return write(c->io.fd, p, n) ==
           (ssize_t)n; /* an empty socket accepts these few bytes in one piece */
}

/* ---- before the packets ---- */

/* Return the length of a PROXY header at the start; 0: no header, -1: incomplete. */
static long proxy_header(const struct connection *c)
{
    static const unsigned char v2[12] = "\r\n\r\n\0\r\nQUIT\n";
    const unsigned char *end;
    if (c->n < sizeof(v2))
        return -1;
    if (memcmp(c->bytes, v2, sizeof(v2)) == 0)
        return c->n < 16 ? -1 : 16 + (c->bytes[14] << 8 | c->bytes[15]);
    if (memcmp(c->bytes, "PROXY ", 6) != 0)
        return 0;
    end = memchr(c->bytes, '\n', c->n);
    return end ? end + 1 - c->bytes : -1;
}

/* Return the length of a complete WebSocket request, otherwise 0. */
static size_t upgrade(const struct connection *c)
{
    const unsigned char *end = memmem(c->bytes, c->n, "\r\n\r\n", 4);
    return end ? (size_t)(end + 4 - c->bytes) : 0;
}

/*
 * The key in load.c and this answer are the example of RFC 6455 section 1.3. Proxies relay both.
 */
static bool accept_upgrade(struct connection *c)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n"
                                 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                 "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    c->websocket = true;
    return put(c, answer, sizeof(answer) - 1);
}

/* ---- packets ---- */

static bool answer(struct connection *c, unsigned char type)
{
    static const unsigned char connack[] = {0x82, 4, 0x20, 2, 0, 0}, pingresp[] = {0xd0, 0};
    const size_t frame = c->websocket ? 0 : 2; /* RFC 6455 section 5.2: binary, final, not masked */
    if (type == 1)
        return put(c, connack + frame, sizeof(connack) - frame);
    if (type == 12)
        return put(c, pingresp, sizeof(pingresp));
    return type != 14;
}

/* MQTT 3.1.1 section 3.1: the client identifier starts at byte 14. */
static enum stage stage_of(const unsigned char *connect, size_t n)
{
    static const struct {
        char word[4];
        enum stage stage;
    } ids[] = {{"echo", STAGE_ECHO}, {"take", STAGE_TAKE}, {"pour", STAGE_POUR}};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (n >= 18 && memcmp(connect + 14, ids[i].word, 4) == 0)
            return ids[i].stage;
    return STAGE_PACKETS;
}

/* RFC 6455 section 5.2: unmask the frame of up to 125 bytes with the CONNECT. */
static bool unwrap(struct connection *c)
{
    const size_t size = c->n >= 2 ? 6 + (c->bytes[1] & 0x7fu) : 0;
    unsigned char mask[4];
    if (size == 0 || c->n < size)
        return false;
    memcpy(mask, c->bytes + 2, sizeof(mask));
    drop_front(c, 6);
    for (size_t i = 0; i < size - 6; i++)
        c->bytes[i] ^= mask[i % 4];
    return true;
}

/* All packets here have a length field of one byte. */
static bool take_packets(struct connection *c)
{
    while (c->n >= 2 && c->stage == STAGE_PACKETS) {
        const size_t size = 2 + (size_t)c->bytes[1];
        if (c->bytes[1] >= 0x80)
            return false;
        if (c->n < size)
            return true;
        const unsigned char type = c->bytes[0] >> 4;
        if (type == 1)
            c->stage = stage_of(c->bytes, size);
        if (!answer(c, type))
            return false;
        drop_front(c, size);
    }
    return true;
}

static bool take_head(struct connection *c)
{
    const long header = proxy_header(c);
    if (header > (long)c->n)
        return true;
    if (header > 0)
        drop_front(c, (size_t)header);
    if (header < 0 || c->n == 0)
        return true;
    if (c->bytes[0] == 'G') {
        const size_t request = upgrade(c);
        if (request > 0 && !accept_upgrade(c))
            return false;
        drop_front(c, request);
    }
    if (c->n > 0 && (c->bytes[0] == 'G' || (c->websocket && !unwrap(c))))
        return true;
    if (c->n > 0)
        c->stage = STAGE_PACKETS;
    return true;
}

/* ---- streams ---- */

static void send_rest(struct ev_loop *loop, struct connection *c)
{
    ssize_t n = write(c->io.fd, c->rest + c->rest_at, c->rest_n);
    if (n < 0 && errno != EAGAIN) {
        hang_up(loop, c);
        return;
    }
    c->rest_at += n > 0 ? (size_t)n : 0;
    c->rest_n -= n > 0 ? (size_t)n : 0;
    if (c->rest_n > 0)
        return;
    free(c->rest);
    c->rest = NULL;
    watch(loop, c, EV_READ);
}

static bool echo(struct ev_loop *loop, struct connection *c, size_t n)
{
    ssize_t sent = write(c->io.fd, scratch, n);
    if (sent < 0 && errno != EAGAIN)
        return false;
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == n)
        return true;
    c->rest = malloc(n);
    if (!c->rest)
        err(1, "echo");
    c->rest_at = 0;
    c->rest_n = n - (size_t)sent;
    memcpy(c->rest, scratch + sent, c->rest_n);
    watch(loop, c, EV_WRITE);
    return true;
}

static void pour(struct ev_loop *loop, struct connection *c)
{
    static const unsigned char zeros[SCRATCH_MAX];
    for (int i = 0; i < POUR_ROUNDS; i++) {
        ssize_t n = write(c->io.fd, zeros, sizeof(zeros));
        if (n < 0 && errno != EAGAIN)
            hang_up(loop, c);
        if (n < (ssize_t)sizeof(zeros))
            return;
    }
}

/* ---- a connection ---- */

static bool take_bytes(struct ev_loop *loop, struct connection *c, size_t n)
{
    if (c->stage == STAGE_ECHO)
        return echo(loop, c, n);
    if (c->stage == STAGE_TAKE)
        return true;
    c->n += n;
    if (c->stage == STAGE_HEAD && !take_head(c))
        return false;
    if (c->stage == STAGE_PACKETS && !take_packets(c))
        return false;
    if (c->stage == STAGE_POUR)
        watch(loop, c, EV_READ | EV_WRITE);
    return c->n < sizeof(c->bytes);
}

static void on_event(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct connection *c = io->data;
    const bool head = c->stage == STAGE_HEAD || c->stage == STAGE_PACKETS;
    if (c->rest) {
        send_rest(loop, c);
        return;
    }
    if (events & EV_READ) {
        ssize_t n = head ? read(io->fd, c->bytes + c->n, sizeof(c->bytes) - c->n)
                         : read(io->fd, scratch, sizeof(scratch));
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || !take_bytes(loop, c, (size_t)n))
            hang_up(loop, c);
        return;
    }
    pour(loop, c);
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
        ev_io_init(&c->io, on_event, fd, EV_READ);
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
        errx(2, "usage: sink PORT...");
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
    return 0; /* the kernel closes open sockets */
}
