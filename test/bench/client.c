/*
 * client.c - connect and close a device of the load.
 *
 * Each device has its own address in 127.0.0.0/8, so that no ports run out.
 */
#include "client.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_client.h"

#define FIRST_ADDRESS 0x7f140001u /* 127.20.0.1 */
#define KEEP_ALIVE_S  3600
#define ID_SIZE       20
#define CONNECT_MAX   (14 + ID_SIZE)

void client_init(struct client *c, struct client_context *context)
{
    *c = (struct client){.context = context};
    c->io.fd = -1;
    c->io.data = c;
}

/* ---- close ---- */

void client_drop(struct client *c)
{
    ev_io_stop(c->context->loop, &c->io);
    if (c->ssl) {
        /*
         * Otherwise OpenSSL treats the missing close_notify as an attack and discards the ticket.
         */
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->io.fd >= 0)
        close(c->io.fd);
    c->io.fd = -1;
    c->stage = CLIENT_OFF;
}

void client_reset(struct client *c)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (c->io.fd >= 0)
        (void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    client_drop(c);
}

void client_leave(struct client *c)
{
    static const unsigned char disconnect[] = {0xe0, 0};
    (void)client_write(c, disconnect, sizeof(disconnect));
    if (c->ssl)
        (void)SSL_shutdown(c->ssl);
    client_drop(c);
}

static void fail(struct client *c)
{
    client_drop(c);
    c->context->failed(c);
}

void client_fini(struct client *c)
{
    client_reset(c);
    SSL_SESSION_free(c->session);
}

/* ---- bytes ---- */

static void on_io(struct ev_loop *loop, struct ev_io *io, int events);

void client_watch(struct client *c, int events)
{
    if (ev_is_active(&c->io) && (c->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(c->context->loop, &c->io);
    ev_io_init(&c->io, on_io, c->io.fd, events);
    ev_io_start(c->context->loop, &c->io);
}

/* If OpenSSL has to wait, watch for its event and return true. */
static bool wants_more(struct client *c, int result)
{
    const int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_WRITE)
        client_watch(c, EV_READ | EV_WRITE);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

long client_read(struct client *c, void *p, size_t n)
{
    if (!c->ssl) {
        ssize_t r = recv(c->io.fd, p, n, 0);
        return r > 0 ? r : r < 0 && errno == EAGAIN ? 0 : -1;
    }
    ERR_clear_error();
    int r = SSL_read(c->ssl, p, (int)n);
    return r > 0 ? r : wants_more(c, r) ? 0 : -1;
}

long client_write(struct client *c, const void *p, size_t n)
{
    if (!c->ssl) {
        ssize_t r = send(c->io.fd, p, n, MSG_NOSIGNAL);
        return r >= 0 ? r : errno == EAGAIN ? 0 : -1;
    }
    ERR_clear_error();
    int r = SSL_write(c->ssl, p, (int)n);
    return r > 0 ? r : wants_more(c, r) ? 0 : -1;
}

/* ---- connect ---- */

/* MQTT 3.1.1 section 3.1: clean session, and a client identifier of "KIND-NUMBER". */
static size_t compose_connect(const struct client *c, unsigned char packet[static CONNECT_MAX])
{
    static const unsigned char head[] = {
        0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x02, KEEP_ALIVE_S >> 8, KEEP_ALIVE_S & 0xff, 0, 0};
    char id[ID_SIZE];
    const int n = snprintf(id, sizeof(id), "%s-%07u", c->kind, c->number);
    memcpy(packet, head, sizeof(head));
    memcpy(packet + sizeof(head), id, (size_t)n);
    packet[1] = (unsigned char)(12 + n);
    packet[13] = (unsigned char)n;
    return sizeof(head) + (size_t)n;
}

/* RFC 6455 section 5.2: a binary frame, validly masked with zeros. */
static size_t compose_frame(const struct client *c, unsigned char frame[static 6 + CONNECT_MAX])
{
    const size_t n = compose_connect(c, frame + 6);
    const unsigned char head[6] = {0x82, (unsigned char)(0x80 | n)};
    memcpy(frame, head, sizeof(head));
    return n + 6;
}

static void send_connect(struct client *c)
{
    unsigned char packet[6 + CONNECT_MAX];
    const size_t n =
        c->transport == TRANSPORT_WS ? compose_frame(c, packet) : compose_connect(c, packet);
    c->stage = CLIENT_CONNACK;
    c->got = 0;
    if (client_write(c, packet, n) !=
        (long)n) { /* an empty socket accepts these few bytes in one piece */
        fail(c);
        return;
    }
    client_watch(c, EV_READ);
}

static void read_connack(struct client *c)
{
    unsigned char bytes[64];
    const size_t frame = c->transport == TRANSPORT_WS ? 2 : 0;
    const long n = client_read(c, bytes, sizeof(bytes));
    if (n == 0)
        return;
    if (n < (long)(4 + frame) || bytes[frame] != 0x20 || bytes[frame + 3] != 0) {
        fail(c);
        return;
    }
    c->stage = CLIENT_UP;
    c->context->up(c);
}

/* The key is the example of RFC 6455 section 1.3; sink.c has the matching answer. */
static void send_upgrade(struct client *c)
{
    static const char request[] = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                  "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    c->stage = CLIENT_UPGRADE;
    if (client_write(c, request, sizeof(request) - 1) != (long)sizeof(request) - 1) {
        fail(c);
        return;
    }
    client_watch(c, EV_READ);
}

/* With all these proxies, the head of the answer arrives in one piece. */
static void read_upgrade(struct client *c)
{
    char head[1024];
    const long n = client_read(c, head, sizeof(head));
    if (n == 0)
        return;
    if (n < 12 || memcmp(head, "HTTP/1.1 101", 12) != 0 ||
        memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
        fail(c);
        return;
    }
    send_connect(c);
}

static void shake_hands(struct client *c)
{
    ERR_clear_error();
    const int r = SSL_connect(c->ssl);
    if (r == 1) {
        c->resumed = SSL_session_reused(c->ssl);
        send_connect(c);
    } else if (wants_more(c, r)) {
        client_watch(c, SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_WRITE ? EV_WRITE : EV_READ);
    } else {
        fail(c);
    }
}

static void begin_tls(struct client *c)
{
    c->stage = CLIENT_TLS;
    c->ssl = SSL_new(c->context->tls[c->transport]);
    if (!c->ssl || !SSL_set_fd(c->ssl, c->io.fd))
        errx(1, "out of memory");
    tls_client_keep(c->ssl, &c->session, c->resume);
    shake_hands(c);
}

static void tcp_done(struct client *c)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error)
        fail(c);
    else if (c->context->tls[c->transport])
        begin_tls(c);
    else if (c->transport == TRANSPORT_WS)
        send_upgrade(c);
    else
        send_connect(c);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct client *c = io->data;
    switch (c->stage) {
    case CLIENT_TCP:
        tcp_done(c);
        return;
    case CLIENT_TLS:
        shake_hands(c);
        return;
    case CLIENT_UPGRADE:
        read_upgrade(c);
        return;
    case CLIENT_CONNACK:
        read_connack(c);
        return;
    case CLIENT_UP:
        c->context->ready(c, events);
        return;
    default:
        return;
    }
}

void client_connect(struct client *c)
{
    int on = 1;
    c->number = c->context->serial++ % CLIENT_FLEET;
    struct sockaddr_in own = {.sin_family = AF_INET};
    const struct sockaddr_in *to = &c->context->at[c->transport];
    own.sin_addr.s_addr = htonl(FIRST_ADDRESS + c->number);
    c->io.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->io.fd < 0)
        err(1, "socket");
    (void)setsockopt(c->io.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(c->io.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(c->io.fd, (struct sockaddr *)&own, sizeof(own)) < 0)
        err(1, "bind");
    c->stage = CLIENT_TCP;
    c->resumed = false;
    if (connect(c->io.fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS) {
        fail(c);
        return;
    }
    client_watch(c, EV_WRITE);
}
