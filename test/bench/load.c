/*
 * load.c - the devices of the benchmarks, in one thread.
 *
 *    load PLAIN TLS WS     ports of 127.0.0.1; 0 = none
 *
 * Reads commands from standard input and answers each with a line of JSON:
 *
 *    cycle TRANSPORT RESUME SLOTS MS RATE
 *        for MS: connect, CONNECT, CONNACK, DISCONNECT, close, with SLOTS devices, each again as
 *        soon as it is done; or, if RATE is not 0, that many per second
 *    open TRANSPORT KIND N
 *        N devices connect and stay; KIND as in sink.c
 *    echo BYTES MS RATE
 *        they send PUBLISH packets of BYTES in total and read them back: each the next one
 *        immediately, or all together RATE per second
 *    bulk MS
 *        they send (take-...) or read (pour-...) as fast as possible
 *    close
 *        they close cleanly
 *
 * TRANSPORT is plain, tls13, tls12 or ws. Times are measured from the moment when an action was
 * due, not from when it started. Exits at the end of its input.
 */
#include <arpa/inet.h>
#include <err.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client.h"
#include "samples.h"
#include "tls_client.h"

#define CONNECTING_MAX 256 /* limit of simultaneous connects of `open` */
#define FAILURES_MAX   1000
#define SCRATCH_MAX    (256u * 1024)
#define ROUNDS         4
#define RETRY_MS       0.1 /* retry interval if an action is due and every device is busy */

enum job { JOB_NONE, JOB_CYCLE, JOB_OPEN, JOB_ECHO, JOB_BULK };

struct load {
    struct client_context context;
    struct ev_io input;
    struct ev_io tick; /* a timerfd, because the loop's timers have millisecond resolution */
    struct ev_timer over;
    struct client *clients;
    unsigned n_clients, n_begun, n_up, next;

    enum job job;
    bool ending;         /* finish pending work, start nothing new */
    unsigned busy;       /* pending cycles or messages */
    double rate, due_ms; /* actions per ms; time of the next action */
    size_t message_bytes;
    double began_ms;
    unsigned long done, resumed, failures;
    unsigned long long bytes;
    struct samples latency;
    unsigned char scratch[SCRATCH_MAX], message[SCRATCH_MAX];
};

static struct load *load_of(struct client *c)
{
    return (struct load *)c->context; /* its first member */
}

/* Return when the next action is due; 0: no action. */
static void set_tick(struct load *l, double at_ms)
{
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(at_ms / 1e3), .tv_nsec = (long)(fmod(at_ms, 1e3) * 1e6)}};
    if (timerfd_settime(l->tick.fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
        err(1, "timerfd_settime");
}

static void report(struct load *l)
{
    set_tick(l, 0);
    ev_timer_stop(l->context.loop, &l->over);
    printf("{\"done\": %lu, \"resumed\": %lu, \"failures\": %lu, \"bytes\": %llu, "
           "\"serial\": %u, \"elapsed_ms\": %.1f, ",
           l->done, l->resumed, l->failures, l->bytes, l->context.serial, now_ms() - l->began_ms);
    samples_print(&l->latency, "latency_ms", stdout);
    puts("}");
    fflush(stdout);
    l->job = JOB_NONE;
}

static void begin(struct load *l, enum job job)
{
    l->job = job;
    l->ending = false;
    l->busy = l->next = 0;
    l->done = l->resumed = l->failures = 0;
    l->bytes = 0;
    samples_clear(&l->latency);
    l->began_ms = l->due_ms = now_ms();
}

/* Run for this time, then finish pending work and report. */
static void run_for(struct load *l, unsigned ms, unsigned rate)
{
    l->rate = rate / 1e3;
    ev_now_update(l->context.loop);
    ev_timer_set(&l->over, ms / 1e3, 0);
    ev_timer_start(l->context.loop, &l->over);
    if (rate > 0)
        set_tick(l, l->due_ms);
}

static void end_if_done(struct load *l)
{
    if (l->ending && l->busy == 0)
        report(l);
}

/* ---- cycles ---- */

static void cycle(struct client *c, double due_ms)
{
    load_of(c)->busy++;
    c->waits = true;
    c->due_ms = due_ms;
    client_connect(c);
}

static void cycle_done(struct client *c)
{
    struct load *l = load_of(c);
    c->waits = false;
    l->busy--;
    if (!l->ending && l->rate <= 0)
        cycle(c, now_ms());
    end_if_done(l);
}

static void cycle_up(struct client *c)
{
    struct load *l = load_of(c);
    samples_add(&l->latency, now_ms() - c->due_ms);
    l->done++;
    l->resumed += c->resumed;
    client_leave(c);
    cycle_done(c);
}

static void begin_cycles(struct load *l, unsigned ms, unsigned rate)
{
    begin(l, JOB_CYCLE);
    run_for(l, ms, rate);
    for (unsigned i = 0; rate == 0 && i < l->n_clients; i++)
        cycle(&l->clients[i], now_ms());
}

/* ---- devices that stay ---- */

static void open_next(struct load *l)
{
    while (l->n_begun < l->n_clients && l->n_begun - l->n_up < CONNECTING_MAX)
        client_connect(&l->clients[l->n_begun++]);
}

static void open_up(struct client *c)
{
    struct load *l = load_of(c);
    l->n_up++;
    l->done++;
    open_next(l);
    if (l->n_up == l->n_clients)
        report(l);
}

/* ---- echoes ---- */

static void send_message(struct client *c, double due_ms)
{
    struct load *l = load_of(c);
    c->waits = true;
    c->due_ms = due_ms;
    c->got = 0;
    l->busy++;
    const long n = client_write(c, l->message, l->message_bytes);
    if (n != (long)l->message_bytes) /* an empty socket accepts 256 KiB */
        errx(1, "%ld bytes of %zu could be sent", n, l->message_bytes);
}

static void echo_ready(struct client *c)
{
    struct load *l = load_of(c);
    long n;
    while ((n = client_read(c, l->scratch, SCRATCH_MAX)) > 0) {
        c->got += (size_t)n;
        if (c->got >= l->message_bytes || !c->ssl)
            break;
    }
    if (n < 0 || c->got > l->message_bytes)
        errx(1, "device %u: its connection ended, or it received too much", c->number);
    if (!c->waits || c->got < l->message_bytes)
        return;
    samples_add(&l->latency, now_ms() - c->due_ms);
    c->waits = false;
    l->busy--;
    l->done++;
    if (!l->ending && l->rate <= 0)
        send_message(c, now_ms());
    end_if_done(l);
}

/* MQTT 3.1.1 section 3.3: PUBLISH, QoS 0, topic "t". */
static void compose_message(struct load *l, size_t bytes)
{
    unsigned char *p = l->message;
    size_t rest = bytes - 2;
    memset(p, 'x', bytes);
    rest -= rest > 127 ? 1 : 0; /* the remaining length takes 1, 2 or 3 bytes */
    rest -= rest > 16383 ? 1 : 0;
    *p++ = 0x30;
    for (size_t left = rest; left > 0; left >>= 7)
        *p++ = (unsigned char)((left & 0x7f) | (left > 127 ? 0x80 : 0));
    memcpy(p, "\0\1t", 3);
    l->message_bytes = bytes;
}

static void begin_echoes(struct load *l, unsigned bytes, unsigned ms, unsigned rate)
{
    compose_message(l, bytes);
    begin(l, JOB_ECHO);
    run_for(l, ms, rate);
    for (unsigned i = 0; rate == 0 && i < l->n_clients; i++)
        send_message(&l->clients[i], now_ms());
}

/* ---- bulk ---- */

static void bulk_ready(struct client *c, int events)
{
    struct load *l = load_of(c);
    for (int i = 0; i < ROUNDS; i++) {
        const long n = events & EV_WRITE ? client_write(c, l->message, SCRATCH_MAX)
                                         : client_read(c, l->scratch, SCRATCH_MAX);
        if (n < 0)
            errx(1, "device %u: its connection ended", c->number);
        if (n == 0)
            return;
        l->bytes += (unsigned long long)n;
    }
}

static void begin_bulk(struct load *l, unsigned ms)
{
    begin(l, JOB_BULK);
    run_for(l, ms, 0);
    for (unsigned i = 0; i < l->n_clients; i++)
        client_watch(&l->clients[i], strcmp(l->clients[i].kind, "take") == 0 ? EV_WRITE : EV_READ);
}

/* ---- events ---- */

static void on_up(struct client *c)
{
    if (load_of(c)->job == JOB_CYCLE)
        cycle_up(c);
    else
        open_up(c);
}

static void on_ready(struct client *c, int events)
{
    if (load_of(c)->job == JOB_ECHO)
        echo_ready(c);
    else if (load_of(c)->job == JOB_BULK)
        bulk_ready(c, events);
    else if (strcmp(c->kind, "pour") != 0)
        errx(1, "device %u: its connection ended",
             c->number); /* the sink does not send anything unrequested */
    else
        client_watch(c, 0);
}

static void on_failed(struct client *c)
{
    struct load *l = load_of(c);
    if (++l->failures > FAILURES_MAX || l->job != JOB_CYCLE)
        errx(1, "device %u did not connect", c->number);
    cycle_done(c);
}

/* Start due actions while there are idle devices. */
static void on_tick(struct ev_loop *loop, struct ev_io *tick, int events)
{
    (void)loop, (void)events;
    struct load *l = tick->data;
    uint64_t times;
    if (read(tick->fd, &times, sizeof(times)) < 0 || l->ending)
        return;
    const double now = now_ms();
    for (; l->due_ms <= now && l->busy < l->n_clients; l->due_ms += 1 / l->rate) {
        while (l->clients[l->next % l->n_clients].waits)
            l->next++;
        struct client *c = &l->clients[l->next++ % l->n_clients];
        if (l->job == JOB_CYCLE)
            cycle(c, l->due_ms);
        else
            send_message(c, l->due_ms);
    }
    set_tick(l, l->due_ms > now ? l->due_ms : now + RETRY_MS);
}

static void on_over(struct ev_loop *loop, struct ev_timer *over, int events)
{
    (void)loop, (void)events;
    struct load *l = over->data;
    l->ending = true;
    set_tick(l, 0);
    for (unsigned i = 0; l->job == JOB_BULK && i < l->n_clients; i++)
        client_watch(&l->clients[i], 0);
    end_if_done(l);
}

/* ---- commands ---- */

static const char *word(char **rest)
{
    const char *w = strtok_r(NULL, " \n", rest);
    if (!w)
        errx(2, "an argument is missing");
    return w;
}

static unsigned number(char **rest, unsigned least, unsigned most)
{
    return number_between(word(rest), least, most);
}

/* Return the index of the argument among the words. */
static unsigned one_of(const char *w, const char *const *words, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(w, words[i]) == 0)
            return i;
    errx(2, "\"%s\" is unknown", w);
}

static void drop_clients(struct load *l)
{
    for (unsigned i = 0; i < l->n_clients; i++)
        client_fini(&l->clients[i]);
    free(l->clients);
    l->clients = NULL;
    l->n_clients = l->n_begun = l->n_up = 0;
}

/* Reallocate the clients only if there are too few, to keep the tickets of cycles. */
static void make_clients(struct load *l, unsigned n)
{
    if (n == l->n_clients && l->n_begun == 0)
        return;
    drop_clients(l);
    l->clients = calloc(n, sizeof(struct client));
    if (!l->clients)
        err(1, "devices");
    l->n_clients = n;
    for (unsigned i = 0; i < n; i++)
        client_init(&l->clients[i], &l->context);
}

static enum transport transport_of(char **rest)
{
    static const char *const words[TRANSPORT_COUNT] = {"plain", "tls13", "tls12", "ws"};
    return (enum transport)one_of(word(rest), words, TRANSPORT_COUNT);
}

static void do_cycle(struct load *l, char **rest)
{
    const enum transport transport = transport_of(rest);
    const bool resume = number(rest, 0, 1);
    make_clients(l, number(rest, 1, 10000));
    const unsigned ms = number(rest, 1, 3600000), rate = number(rest, 0, 1000000);
    for (unsigned i = 0; i < l->n_clients; i++) {
        l->clients[i].transport = transport;
        l->clients[i].resume = resume;
        l->clients[i].kind = "idle"; /* the same devices as those that stay */
    }
    begin_cycles(l, ms, rate);
}

static void do_open(struct load *l, char **rest)
{
    static const char *const kinds[] = {"echo", "take", "pour", "idle"};
    const enum transport transport = transport_of(rest);
    const char *kind = kinds[one_of(word(rest), kinds, 4)];
    drop_clients(l);
    make_clients(l, number(rest, 1, 100000));
    for (unsigned i = 0; i < l->n_clients; i++) {
        l->clients[i].transport = transport;
        l->clients[i].kind = kind;
    }
    begin(l, JOB_OPEN);
    open_next(l);
}

static void do_close(struct load *l)
{
    for (unsigned i = 0; i < l->n_clients; i++)
        if (l->clients[i].stage == CLIENT_UP)
            client_leave(&l->clients[i]);
    drop_clients(l);
    begin(l, JOB_NONE);
    report(l);
}

static void obey(struct load *l, char *line)
{
    static const char *const commands[] = {"cycle", "open", "echo", "bulk", "close"};
    char *rest;
    const char *command = strtok_r(line, " \n", &rest);
    switch (one_of(command ? command : "", commands, 5)) {
    case 0:
        do_cycle(l, &rest);
        return;
    case 1:
        do_open(l, &rest);
        return;
    case 2: {
        const unsigned bytes = number(&rest, 16, SCRATCH_MAX), ms = number(&rest, 1, 3600000);
        begin_echoes(l, bytes, ms, number(&rest, 0, 1000000));
        return;
    }
    case 3:
        begin_bulk(l, number(&rest, 1, 3600000));
        return;
    default:
        do_close(l);
    }
}

/* Read one line at a time, because the caller waits for each answer. */
static void on_input(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    char line[128] = "";
    if (read(io->fd, line, sizeof(line) - 1) <= 0)
        ev_break(loop, EVBREAK_ALL);
    else
        obey(io->data, line);
}

/* ---- life cycle ---- */

static void set_up(struct load *l, char **ports)
{
    static const int port_of[TRANSPORT_COUNT] = {0, 1, 1, 2};
    l->context.loop = ev_default_loop(0);
    l->context.up = on_up;
    l->context.ready = on_ready;
    l->context.failed = on_failed;
    l->context.tls[TRANSPORT_TLS13] = tls_client_new(TLS1_3_VERSION);
    l->context.tls[TRANSPORT_TLS12] = tls_client_new(TLS1_2_VERSION);
    for (int i = 0; i < TRANSPORT_COUNT; i++) {
        l->context.at[i] = (struct sockaddr_in){.sin_family = AF_INET};
        l->context.at[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        l->context.at[i].sin_port = htons((uint16_t)number_between(ports[port_of[i]], 0, 65535));
    }
    ev_timer_init(&l->over, on_over, 0, 0);
    ev_io_init(&l->tick, on_tick, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), EV_READ);
    if (l->tick.fd < 0)
        err(1, "timerfd_create");
    ev_io_init(&l->input, on_input, STDIN_FILENO, EV_READ);
    l->over.data = l->tick.data = l->input.data = l;
    ev_io_start(l->context.loop, &l->tick);
    ev_io_start(l->context.loop, &l->input);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(2, "usage: load PLAIN TLS WS");
    signal(SIGPIPE, SIG_IGN);
    struct load *l = calloc(1, sizeof(*l));
    if (!l)
        err(1, "load");
    set_up(l, argv + 1);
    ev_run(l->context.loop, 0);

    drop_clients(l);
    samples_fini(&l->latency);
    SSL_CTX_free(l->context.tls[TRANSPORT_TLS13]);
    SSL_CTX_free(l->context.tls[TRANSPORT_TLS12]);
    ev_loop_destroy(l->context.loop);
    free(l);
    return 0;
}
