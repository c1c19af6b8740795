/*
 * resolver.c - run a DNS query with c-ares on libev: send its lookups, collect the answers.
 *
 *    SRV: the name --targets--> A and AAAA of each, a few at a time --> done
 *    else:                      A and/or AAAA of the name           --> done
 *
 * Each query has its own channel, so that it uses the current resolv.conf and a new source port,
 * and can be cancelled by destroying the channel.
 *
 * c-ares runs callbacks inside its own calls, even inside ares_query(). The callbacks only store
 * the answer; step() handles it later, when no c-ares call is in progress.
 */
#include "resolver.h"

#include <ares.h>
#include <ares_nameser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "resolver_parse.h"

/* Maximum number of concurrent lookups, because a server's UDP socket buffer may be small. */
#define IN_FLIGHT_MAX 32u
/* First timeout per server, in milliseconds; c-ares doubles it at each retry. */
#define TRY_MS 2000
#define TRIES  2
/* Not fragmented on most networks (DNS flag day 2020); larger answers use TCP. */
#define UDP_ANSWER_MAX 1232
/* One UDP and one TCP socket per server; lookups on sockets beyond this limit time out. */
#define SOCKETS_MAX 16u

/* Argument of the c-ares callbacks. */
struct question {
    struct resolver_query *query;
    size_t host;
};

struct resolver_query {
    struct ev_loop *loop;              /* borrowed */
    const struct discovery_conf *conf; /* borrowed */
    resolver_done *done;
    void *arg;

    ares_channel channel;
    struct dns_answer *answer;  /* owned until done */
    struct question *questions; /* owned; one per host of the answer */
    size_t asked, in_flight;    /* number of hosts; an SRV lookup also counts as in flight */

    struct ev_io sockets[SOCKETS_MAX]; /* inactive = free */
    struct ev_timer tick;              /* timeouts of c-ares */
    struct ev_timer deadline;
};

/* ---- answers --------------------------------------------------------------------------- */

static bool is_empty(int status)
{
    return status == ARES_ENODATA || status == ARES_ENOTFOUND;
}

static void note(struct dns_answer *answer, const char *name, const char *record, int status)
{
    char what[300];
    if (status == ARES_SUCCESS)
        return;
    (void)snprintf(what, sizeof(what), "%s %s", name, record);
    dns_answer_note(answer, !is_empty(status), what,
                    status == ARES_ECANCELLED ? "no response in time" : ares_strerror(status));
}

static const char *family_word(int family)
{
    return family == AF_INET ? "A" : "AAAA";
}

static void host_done(struct resolver_query *query, struct dns_host *host, int status)
{
    host->state = status == ARES_SUCCESS ? DNS_HOST_FOUND
                  : is_empty(status)     ? DNS_HOST_EMPTY
                                         : DNS_HOST_FAILED;
    note(query->answer, host->name, family_word(host->family), status);
}

static void on_addresses(void *arg, int status, int timeouts, unsigned char *p, int n)
{
    (void)timeouts;
    struct question *question = arg;
    struct resolver_query *query = question->query;
    struct dns_host *host = &query->answer->hosts[question->host];
    if (status == ARES_EDESTRUCTION)
        return;
    query->in_flight--;
    if (status == ARES_SUCCESS)
        status = resolver_parse_addresses(span_of(p, (size_t)n), query->answer, host);
    host_done(query, host, status);
}

static void on_services(void *arg, int status, int timeouts, unsigned char *p, int n)
{
    (void)timeouts;
    struct resolver_query *query = arg;
    if (status == ARES_EDESTRUCTION)
        return;
    query->in_flight--;
    if (status == ARES_SUCCESS)
        status = resolver_parse_services(span_of(p, (size_t)n), query->answer);
    if (status == ARES_SUCCESS && !dns_answer_add_targets(query->answer))
        status = ARES_ENOMEM;
    note(query->answer, query->conf->name, "SRV", status);
}

/* ---- lookups ------------------------------------------------------------------------- */

static bool make_questions(struct resolver_query *query)
{
    if (query->questions || query->answer->n_hosts == 0)
        return true;
    query->questions = calloc(query->answer->n_hosts, sizeof(struct question));
    for (size_t i = 0; query->questions && i < query->answer->n_hosts; i++)
        query->questions[i] = (struct question){query, i};
    return query->questions != NULL;
}

/* Send no more lookups; those without an answer count as failed. */
static void give_up(struct resolver_query *query, int status)
{
    ares_cancel(query->channel);
    while (query->asked < query->answer->n_hosts)
        host_done(query, &query->answer->hosts[query->asked++], status);
}

/* Send the next lookups. ares_query() may call the callback, with a failure, before it returns. */
static void ask(struct resolver_query *query)
{
    if (query->in_flight > 0 && query->answer->n_hosts == 0)
        return; /* wait for the SRV answer first */
    if (!make_questions(query)) {
        give_up(query, ARES_ENOMEM);
        return;
    }
    while (query->in_flight < IN_FLIGHT_MAX && query->asked < query->answer->n_hosts) {
        struct question *question = &query->questions[query->asked++];
        const struct dns_host *host = &query->answer->hosts[question->host];
        query->in_flight++;
        ares_query(query->channel, host->name, ns_c_in,
                   host->family == AF_INET ? ns_t_a : ns_t_aaaa, on_addresses, question);
    }
}

static bool begin(struct resolver_query *query)
{
    if (query->conf->record != DNS_RECORD_SRV)
        return dns_answer_add_name(query->answer, query->conf);
    query->in_flight++;
    ares_query(query->channel, query->conf->name, ns_c_in, ns_t_srv, on_services, query);
    return true;
}

static bool is_over(const struct resolver_query *query)
{
    return query->in_flight == 0 && query->asked == query->answer->n_hosts;
}

/* ---- c-ares on libev ------------------------------------------------------------------- */

static void arm_tick(struct resolver_query *query)
{
    struct timeval left = {.tv_sec = 0};
    if (!is_over(query))
        (void)ares_timeout(query->channel, NULL, &left);
    ev_timer_stop(query->loop, &query->tick);
    ev_timer_set(&query->tick, (double)left.tv_sec + (double)left.tv_usec / 1e6 + 0.001, 0.);
    ev_timer_start(query->loop, &query->tick);
}

static void step(struct resolver_query *query)
{
    ask(query);
    if (!is_over(query)) {
        arm_tick(query);
        return;
    }
    struct dns_answer *answer = query->answer;
    resolver_done *done = query->done;
    void *arg = query->arg;
    query->answer = NULL;
    resolver_query_cancel(query);
    done(arg, answer);
}

static void on_socket(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct resolver_query *query = io->data;
    ares_process_fd(query->channel, events & EV_READ ? io->fd : ARES_SOCKET_BAD,
                    events & EV_WRITE ? io->fd : ARES_SOCKET_BAD);
    step(query);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver_query *query = timer->data;
    ares_process_fd(query->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    step(query);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver_query *query = timer->data;
    give_up(query, ARES_ECANCELLED);
    step(query);
}

/* Called by c-ares with the events to watch on a socket; none if c-ares closes it. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver_query *query = arg;
    struct ev_io *io = NULL;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        struct ev_io *slot = &query->sockets[i];
        if (ev_is_active(slot) && slot->fd == fd) {
            io = slot;
            break;
        }
        if (!ev_is_active(slot) && !io)
            io = slot;
    }
    if (!io)
        return;
    ev_io_stop(query->loop, io);
    if (!readable && !writable)
        return;
    ev_io_set(io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    ev_io_start(query->loop, io);
}

/* ---- create and free ------------------------------------------------------------------- */

static bool open_channel(struct resolver_query *query)
{
    struct ares_options options = {.flags = ARES_FLAG_EDNS,
                                   .timeout = TRY_MS,
                                   .tries = TRIES,
                                   .ednspsz = UDP_ANSWER_MAX,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = query};
    if (ares_init_options(&query->channel, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                              ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
        query->channel = NULL;
        return false;
    }
    return !query->conf->resolver ||
           ares_set_servers_ports_csv(query->channel, query->conf->resolver) == ARES_SUCCESS;
}

static void init_watchers(struct resolver_query *query)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        ev_init(&query->sockets[i], on_socket);
        query->sockets[i].data = query;
    }
    ev_init(&query->tick, on_tick);
    query->tick.data = query;
    ev_timer_init(&query->deadline, on_deadline, RESOLVER_QUERY_MS / 1000., 0.);
    query->deadline.data = query;
}

struct resolver_query *resolver_query_start(struct ev_loop *loop, const struct discovery_conf *conf,
                                            resolver_done *done, void *arg)
{
    struct resolver_query *query = calloc(1, sizeof(*query));
    if (!query)
        return NULL;
    *query = (struct resolver_query){
        .loop = loop, .conf = conf, .done = done, .arg = arg, .answer = dns_answer_new()};
    init_watchers(query);
    (void)ares_library_init(ARES_LIB_INIT_ALL); /* reference-counted, and never fails here */
    if (!query->answer || !open_channel(query) || !begin(query)) {
        resolver_query_cancel(query);
        return NULL;
    }
    ev_timer_start(loop, &query->deadline);
    ask(query);
    arm_tick(query);
    return query;
}

void resolver_query_cancel(struct resolver_query *query)
{
    if (!query)
        return;
    if (query->channel)
        ares_destroy(query->channel); /* also stops the socket watchers */
    ares_library_cleanup();
    ev_timer_stop(query->loop, &query->tick);
    ev_timer_stop(query->loop, &query->deadline);
    dns_answer_free(query->answer);
    free(query->questions);
    free(query);
}
