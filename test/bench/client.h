/*
 * client.h - one device of the load: TCP, TLS or WebSocket, CONNECT, CONNACK.
 *
 *    OFF -> TCP -> TLS? -> UPGRADE? -> CONNACK -> UP
 *
 * A fleet of CLIENT_FLEET devices, each with an address and a client identifier of its own, of
 * which each connection is the next: one that came back at once, again and again, would be taken
 * for flapping. What it does once it is up is its load's business. It never blocks, and has no
 * deadline: who runs the load has one.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <ev.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define CLIENT_FLEET 16384u

enum binding { DOOR_PLAIN, DOOR_TLS13, DOOR_TLS12, DOOR_WS, DOOR_COUNT };

enum client_stage { CLIENT_OFF, CLIENT_TCP, CLIENT_TLS, CLIENT_UPGRADE, CLIENT_CONNACK, CLIENT_UP };

struct client;

/* What the clients of one load share. */
struct client_context {
    struct ev_loop *loop;
    SSL_CTX *tls[DOOR_COUNT]; /* null where no TLS is spoken */
    struct sockaddr_in at[DOOR_COUNT];
    unsigned serial;              /* of the next device to connect: all come back in turn */
    void (*up)(struct client *c); /* CONNACK is here */
    void (*ready)(struct client *c, int events); /* its socket, while up */
    void (*failed)(struct client *c);            /* it is off again */
};

struct client {
    struct ev_io io;
    struct client_context *context;
    unsigned number; /* of the device it is now: its address, and in its client identifier */
    enum client_stage stage;
    enum binding binding;
    bool resume;          /* with its newest ticket, if it has one */
    bool resumed;         /* it was taken */
    const char *kind;     /* static; the client identifier begins with it */
    SSL *ssl;             /* owned, null without TLS and while off */
    SSL_SESSION *session; /* owned: the newest ticket */

    /* the load's */
    double due_ms, began_ms;
    size_t got, sent;
    bool waits;
};

void client_init(struct client *c, struct client_context *context);

/* From OFF on the way to UP; `door`, `kind` and `resume` are set. Ends in up() or failed(). */
void client_connect(struct client *c);

/* Watch the socket for this. */
void client_watch(struct client *c, int events);

/*
 * Read or write what is possible now. Bytes moved; 0 = nothing now, for reading also because of
 * what TLS had to do; -1 = the connection is over.
 */
long client_read(struct client *c, void *p, size_t n);
long client_write(struct client *c, const void *p, size_t n);

/* DISCONNECT, close_notify, FIN: as a device leaves in order. */
void client_leave(struct client *c);
/* Without a word. */
void client_drop(struct client *c);
/* Reset: nothing of it stays in the kernel. */
void client_reset(struct client *c);

void client_fini(struct client *c);

#endif
