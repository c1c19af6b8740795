/*
 * device.h - a device of the storm: TCP, TLS, CONNECT, CONNACK, and retries.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include <ev.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "samples.h"

/* The stage in which an attempt failed, and how. */
#define FAILURES(X)                                                                                \
    X(TCP_TIMEOUT, "tcp_timeout")                                                                  \
    X(TCP_REFUSED, "tcp_refused")                                                                  \
    X(TLS_TIMEOUT, "tls_timeout")                                                                  \
    X(TLS_CLOSED, "tls_closed")                                                                    \
    X(TLS_ERROR, "tls_error")                                                                      \
    X(CONNACK_TIMEOUT, "connack_timeout")                                                          \
    X(CONNACK_CLOSED, "connack_closed")                                                            \
    X(CONNACK_REFUSED, "connack_refused")                                                          \
    X(LOST, "lost_after_connack")
enum failure {
#define FAILURE(id, word) FAILURE_##id,
    FAILURES(FAILURE)
#undef FAILURE
        FAILURE_COUNT
};

/* All devices, and the results of the current storm. */
struct storm {
    struct ev_loop *loop;
    SSL_CTX *tls;
    struct sockaddr_in proxy;
    struct device *devices;
    unsigned n_devices;
    unsigned connect_timeout_ms;
    bool resume; /* connect with each device's ticket, if it has one */

    struct device *first, **last; /* devices waiting for their turn of the handshake */
    struct ev_prepare turn;
    struct ev_idle awake;

    double started_ms, cpu_ms; /* monotonic time and CPU time of this program at the start */
    unsigned n_back, tries, resumed;
    unsigned failures[FAILURE_COUNT];
    struct samples connect; /* duration of the successful attempt, from connect() to CONNACK */
    struct samples back;    /* duration from the start of the storm to CONNACK */
    void (*all_back)(struct storm *storm);
};

enum device_stage { DEVICE_OFF, DEVICE_TCP, DEVICE_TLS, DEVICE_CONNACK, DEVICE_BACK, DEVICE_PAUSE };

struct device {
    struct ev_io io;
    struct ev_timer timer; /* timer of the attempt, then of the pause after it */
    struct storm *storm;
    struct device *next; /* entry in the storm's queue, if `queued` */
    bool queued;
    unsigned index;
    enum device_stage stage;
    unsigned n_failed; /* consecutive attempts */
    double tried_ms;
    SSL *ssl;             /* owned; null outside an attempt; the socket is io.fd */
    SSL_SESSION *session; /* owned; the last ticket */
};

/* Initialize the queue of handshakes; the caller has set the loop. */
void device_begin_turns(struct storm *storm);
void device_init(struct device *d, struct storm *storm, unsigned index);
/* Prepare the first flight of the first attempt, before a storm. */
void device_prepare(struct device *d);
/* Start the first attempt of a storm. The device retries until it is connected. */
void device_start(struct device *d);
/* Simulate a power cut: reset the connection, cancel pauses, keep the ticket. */
void device_cut(struct device *d);
void device_fini(struct device *d);

/*
 * Compute the ClientHello before the connection is opened. Real devices do it in parallel, but here
 * one CPU would do it for all of them while the proxy waits.
 */
void device_make_hello(struct device *d);
/*
 * Send the ClientHello, which an empty socket accepts in one piece. From now on OpenSSL uses the
 * socket.
 */
bool device_send_hello(struct device *d);

#endif
