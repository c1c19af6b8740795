/*
 * resolver.c - carry one look: c-ares on libev, and the questions one after the other.
 *
 *    SRV: the name --targets--> A and AAAA of each, a few at a time --> over
 *    else:                      A and/or AAAA of the name           --> over
 *
 * A channel lives as long as its look. So it knows the resolv.conf of now, asks from a fresh
 * port each time, and cancelling is destroying it.
 *
 * c-ares calls back from inside its own calls, even from inside the asking. The callbacks only
 * note what came; what follows from it happens in step(), when no call of c-ares is under way.
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

/* Questions under way at once: the buffers of a server's UDP socket are small. */
#define IN_FLIGHT_MAX 32u
/* Of one server at first; c-ares doubles it for each further round. */
#define TRY_MS 2000
#define TRIES  2
/* Fits a packet nearly everywhere (DNS flag day 2020); what is larger comes over TCP. */
#define UDP_ANSWER_MAX 1232
/* One socket for UDP and one for TCP a server; an unwatched one ends in a timeout. */
#define SOCKETS_MAX 16u

/* What c-ares hands back with an answer. */
struct question {
    struct resolver_query *look;
    size_t host;
};

struct resolver_query {
    struct ev_loop *loop;              /* borrowed */
    const struct discovery_conf *conf; /* borrowed */
    resolver_done *done;
    void *arg;

    ares_channel channel;
    struct dns_answer *answer;  /* owned until done */
    struct question *questions; /* owned; one a host of the answer */
    size_t asked, in_flight;    /* hosts; the SRV question counts as in flight too */

    struct ev_io sockets[SOCKETS_MAX]; /* inactive = free */
    struct ev_timer tick;              /* c-ares' own timeouts */
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
                    status == ARES_ECANCELLED ? "no answer in time" : ares_strerror(status));
}

static const char *family_word(int family)
{
    return family == AF_INET ? "A" : "AAAA";
}

static void host_done(struct resolver_query *look, struct dns_host *host, int status)
{
    host->state = status == ARES_SUCCESS ? DNS_HOST_FOUND
                  : is_empty(status)     ? DNS_HOST_EMPTY
                                         : DNS_HOST_FAILED;
    note(look->answer, host->name, family_word(host->family), status);
}

static void on_addresses(void *arg, int status, int timeouts, unsigned char *p, int n)
{
    (void)timeouts;
    struct question *question = arg;
    struct resolver_query *look = question->look;
    struct dns_host *host = &look->answer->hosts[question->host];
    if (status == ARES_EDESTRUCTION)
        return;
    look->in_flight--;
    if (status == ARES_SUCCESS)
        status = resolver_parse_addresses(span_of(p, (size_t)n), look->answer, host);
    host_done(look, host, status);
}

static void on_services(void *arg, int status, int timeouts, unsigned char *p, int n)
{
    (void)timeouts;
    struct resolver_query *look = arg;
    if (status == ARES_EDESTRUCTION)
        return;
    look->in_flight--;
    if (status == ARES_SUCCESS)
        status = resolver_parse_services(span_of(p, (size_t)n), look->answer);
    if (status == ARES_SUCCESS && !dns_answer_add_targets(look->answer))
        status = ARES_ENOMEM;
    note(look->answer, look->conf->name, "SRV", status);
}

/* ---- questions ------------------------------------------------------------------------- */

static bool make_questions(struct resolver_query *look)
{
    if (look->questions || look->answer->n_hosts == 0)
        return true;
    look->questions = calloc(look->answer->n_hosts, sizeof(struct question));
    for (size_t i = 0; look->questions && i < look->answer->n_hosts; i++)
        look->questions[i] = (struct question){look, i};
    return look->questions != NULL;
}

/* No more questions: whoever has not answered by now has failed. */
static void give_up(struct resolver_query *look, int status)
{
    ares_cancel(look->channel);
    while (look->asked < look->answer->n_hosts)
        host_done(look, &look->answer->hosts[look->asked++], status);
}

/* A question may be answered, with a failure, before ares_query() is back. */
static void ask(struct resolver_query *look)
{
    if (look->in_flight > 0 && look->answer->n_hosts == 0)
        return; /* SRV first */
    if (!make_questions(look)) {
        give_up(look, ARES_ENOMEM);
        return;
    }
    while (look->in_flight < IN_FLIGHT_MAX && look->asked < look->answer->n_hosts) {
        struct question *question = &look->questions[look->asked++];
        const struct dns_host *host = &look->answer->hosts[question->host];
        look->in_flight++;
        ares_query(look->channel, host->name, ns_c_in, host->family == AF_INET ? ns_t_a : ns_t_aaaa,
                   on_addresses, question);
    }
}

static bool begin(struct resolver_query *look)
{
    if (look->conf->record != DNS_RECORD_SRV)
        return dns_answer_add_name(look->answer, look->conf);
    look->in_flight++;
    ares_query(look->channel, look->conf->name, ns_c_in, ns_t_srv, on_services, look);
    return true;
}

static bool is_over(const struct resolver_query *look)
{
    return look->in_flight == 0 && look->asked == look->answer->n_hosts;
}

/* ---- c-ares on libev ------------------------------------------------------------------- */

static void arm_tick(struct resolver_query *look)
{
    struct timeval left = {.tv_sec = 0};
    if (!is_over(look))
        (void)ares_timeout(look->channel, NULL, &left);
    ev_timer_stop(look->loop, &look->tick);
    ev_timer_set(&look->tick, (double)left.tv_sec + (double)left.tv_usec / 1e6 + 0.001, 0.);
    ev_timer_start(look->loop, &look->tick);
}

static void step(struct resolver_query *look)
{
    ask(look);
    if (!is_over(look)) {
        arm_tick(look);
        return;
    }
    struct dns_answer *answer = look->answer;
    resolver_done *done = look->done;
    void *arg = look->arg;
    look->answer = NULL;
    resolver_query_cancel(look);
    done(arg, answer);
}

static void on_socket(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct resolver_query *look = io->data;
    ares_process_fd(look->channel, events & EV_READ ? io->fd : ARES_SOCKET_BAD,
                    events & EV_WRITE ? io->fd : ARES_SOCKET_BAD);
    step(look);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver_query *look = timer->data;
    ares_process_fd(look->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    step(look);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver_query *look = timer->data;
    give_up(look, ARES_ECANCELLED);
    step(look);
}

/* c-ares says what it waits for at a socket; nothing, when it closes it. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver_query *look = arg;
    struct ev_io *io = NULL;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        struct ev_io *slot = &look->sockets[i];
        if (ev_is_active(slot) && slot->fd == fd) {
            io = slot;
            break;
        }
        if (!ev_is_active(slot) && !io)
            io = slot;
    }
    if (!io)
        return;
    ev_io_stop(look->loop, io);
    if (!readable && !writable)
        return;
    ev_io_set(io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    ev_io_start(look->loop, io);
}

/* ---- life ------------------------------------------------------------------------------ */

static bool open_channel(struct resolver_query *look)
{
    struct ares_options options = {.flags = ARES_FLAG_EDNS,
                                   .timeout = TRY_MS,
                                   .tries = TRIES,
                                   .ednspsz = UDP_ANSWER_MAX,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = look};
    if (ares_init_options(&look->channel, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                              ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
        look->channel = NULL;
        return false;
    }
    return !look->conf->resolver ||
           ares_set_servers_ports_csv(look->channel, look->conf->resolver) == ARES_SUCCESS;
}

static void init_watchers(struct resolver_query *look)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        ev_init(&look->sockets[i], on_socket);
        look->sockets[i].data = look;
    }
    ev_init(&look->tick, on_tick);
    look->tick.data = look;
    ev_timer_init(&look->deadline, on_deadline, RESOLVER_QUERY_MS / 1000., 0.);
    look->deadline.data = look;
}

struct resolver_query *resolver_query_start(struct ev_loop *loop, const struct discovery_conf *conf,
                                            resolver_done *done, void *arg)
{
    struct resolver_query *look = calloc(1, sizeof(*look));
    if (!look)
        return NULL;
    *look = (struct resolver_query){
        .loop = loop, .conf = conf, .done = done, .arg = arg, .answer = dns_answer_new()};
    init_watchers(look);
    (void)ares_library_init(ARES_LIB_INIT_ALL); /* counted, and never fails here */
    if (!look->answer || !open_channel(look) || !begin(look)) {
        resolver_query_cancel(look);
        return NULL;
    }
    ev_timer_start(loop, &look->deadline);
    ask(look);
    arm_tick(look);
    return look;
}

void resolver_query_cancel(struct resolver_query *look)
{
    if (!look)
        return;
    if (look->channel)
        ares_destroy(look->channel); /* stops the sockets' watchers */
    ares_library_cleanup();
    ev_timer_stop(look->loop, &look->tick);
    ev_timer_stop(look->loop, &look->deadline);
    dns_answer_free(look->answer);
    free(look->questions);
    free(look);
}
