/*
 * client.h - a device of the load: TCP, TLS or WebSocket, CONNECT, CONNACK.
 *
 *    OFF -> TCP -> TLS? -> UPGRADE? -> CONNACK -> UP
 *
 * Each connection is made by the next of CLIENT_FLEET devices with different addresses and client
 * identifiers, because a device that reconnects immediately would be treated as flapping. The load
 * decides what a connected device does. A client never blocks and has no deadline; the caller has
 * one.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <ev.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define CLIENT_FLEET 16384u

enum transport { TRANSPORT_PLAIN, TRANSPORT_TLS13, TRANSPORT_TLS12, TRANSPORT_WS, TRANSPORT_COUNT };

enum client_stage { CLIENT_OFF, CLIENT_TCP, CLIENT_TLS, CLIENT_UPGRADE, CLIENT_CONNACK, CLIENT_UP };

struct client;

/* Shared by the clients of one load. */
struct client_context {
    struct ev_loop *loop;
    SSL_CTX *tls[TRANSPORT_COUNT]; /* null without TLS */
    struct sockaddr_in at[TRANSPORT_COUNT];
    unsigned serial;              /* number of the next device to connect; all connect in turn */
    void (*up)(struct client *c); /* CONNACK received */
    void (*ready)(struct client *c, int events); /* socket event while up */
    void (*failed)(struct client *c);            /* closed */
};

struct client {
    struct ev_io io;
    struct client_context *context;
    unsigned number; /* number of the current device, which determines the address and the client
                        identifier */
    enum client_stage stage;
    enum transport transport;
    bool resume;          /* connect with the newest ticket, if there is one */
    bool resumed;         /* the ticket was accepted */
    const char *kind;     /* static; the client identifier begins with it */
    SSL *ssl;             /* owned; null without TLS and while off */
    SSL_SESSION *session; /* owned; the newest ticket */

    /* used by the load */
    double due_ms, began_ms;
    size_t got, sent;
    bool waits;
};

void client_init(struct client *c, struct client_context *context);

/* Connect; the caller has set transport, kind and resume. Calls up() or failed() at the end. */
void client_connect(struct client *c);

/* Watch the socket for these events. */
void client_watch(struct client *c, int events);

/*
 * Read or write without blocking. Return the number of bytes; 0: none now (a read may only have
 * processed TLS records); -1: the connection has ended.
 */
long client_read(struct client *c, void *p, size_t n);
long client_write(struct client *c, const void *p, size_t n);

/* Close cleanly: DISCONNECT, close_notify, FIN. */
void client_leave(struct client *c);
/* Close without DISCONNECT. */
void client_drop(struct client *c);
/* Close with a reset, which leaves no TIME_WAIT in the kernel. */
void client_reset(struct client *c);

void client_fini(struct client *c);

#endif
