/*
 * session_rig.c - a real worker on descriptors that are always ready, between scripts.
 *
 *    rig_begin() -> session_begin() -> stages -> stream functions -> struct rig_stream
 *                        ^                                                |
 *    rig_settle() -> ev_run(NOWAIT): every watched descriptor is ready    v
 *                                                   stream_memory: waits, short reads, asserts
 *
 * A rig_stream behaves as a TCP stream does for a session, and allows what TCP allows and a
 * scripted stream does not: a read after the end, any call after an error; and a node that takes
 * nothing more may still be read.
 */
#include "session_rig.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "model/config/config.h"
#include "net/socket.h"
#include "proxy/admission/admission.h"
#include "proxy/listener.h"
#include "proxy/session/session.h"
#include "proxy/session/turn.h"
#include "proxy/stages/run.h"
#include "proxy/worker/worker.h"

#define QUIET_TURNS 4       /* turns without a change: the session waits */
#define TURNS_MAX   1000000 /* a session that still changes after this many turns spins */
#define BOOT_ID     7

struct rig {
    struct log *log;
    int null_fd;
    struct node_registry registry;
    struct worker_shared shared;
    struct worker *w;

    /* the session in progress */
    struct rig_peer *client, *nodes;
    size_t n_nodes, dialled;
    int client_fd;
    bool earnest;
    void (*told)(void *arg);
    void *told_arg;
    uint64_t closed_before[CLOSE_REASON_COUNT];

    uint64_t now_us;
    bool moved;
    size_t open_fds; /* created by the rig and not closed yet */
};

/* State of the wrappers, which have no argument for it. */
static struct {
    struct rig *rig;
    unsigned inside; /* > 0: in calls of the rig itself, which do not fail */
    size_t asked, fail_after;
    bool fail_on;
    struct {
        size_t asked;
        unsigned times;
        int error;
    } calls[RIG_CALL_COUNT];
} the = {.fail_after = RIG_NEVER};

/* ---- memory ---- */

void *__real_slab_alloc(size_t n);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
char *__real_strdup(const char *text);
void *__wrap_slab_alloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
char *__wrap_strdup(const char *text);

static bool memory_is_short(void)
{
    if (the.inside > 0)
        return false;
    the.asked++;
    if (the.fail_after == RIG_NEVER)
        return false;
    if (the.fail_after > 0) {
        the.fail_after--;
        return false;
    }
    if (!the.fail_on)
        the.fail_after = RIG_NEVER;
    errno = ENOMEM;
    return true;
}

/* With a sanitizer it is malloc(), which is counted. */
void *__wrap_slab_alloc(size_t n)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return __real_slab_alloc(n);
#else
    return memory_is_short() ? NULL : __real_slab_alloc(n);
#endif
}

void *__wrap_malloc(size_t n)
{
    return memory_is_short() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return memory_is_short() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
    return memory_is_short() ? NULL : __real_realloc(old, n);
}

char *__wrap_strdup(const char *text)
{
    return memory_is_short() ? NULL : __real_strdup(text);
}

size_t rig_fail_allocation(size_t after, bool on)
{
    size_t asked = the.asked;
    the.asked = 0;
    the.fail_after = after;
    the.fail_on = on;
    return asked;
}

/* ---- system calls ---- */

int __real_socket(int domain, int type, int protocol);
int __real_connect(int fd, const struct sockaddr *to, socklen_t n);
int __real_accept4(int fd, struct sockaddr *peer, socklen_t *n, int flags);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t n);
int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *n, int flags);

static bool call_fails(enum rig_call call)
{
    the.calls[call].asked++;
    if (the.calls[call].times == 0)
        return false;
    the.calls[call].times--;
    errno = the.calls[call].error;
    return true;
}

int __wrap_socket(int domain, int type, int protocol)
{
    return call_fails(RIG_SOCKET) ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t n)
{
    return call_fails(RIG_CONNECT) ? -1 : __real_connect(fd, to, n);
}

int __wrap_accept4(int fd, struct sockaddr *peer, socklen_t *n, int flags)
{
    return call_fails(RIG_ACCEPT) ? -1 : __real_accept4(fd, peer, n, flags);
}

/* Defined by the program, so libev calls it instead of that of the C library. */
int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && call_fails(RIG_EPOLL))
        return -1;
    return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}

size_t rig_fail_call(enum rig_call call, unsigned times, int error)
{
    size_t asked = the.calls[call].asked;
    the.calls[call].asked = 0;
    the.calls[call].times = times;
    the.calls[call].error = error;
    return asked;
}

/* ---- clock ---- */

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (!the.rig || clock != CLOCK_MONOTONIC)
        return __real_clock_gettime(clock, out);
    out->tv_sec = (time_t)(the.rig->now_us / 1000000u);
    out->tv_nsec = (long)(the.rig->now_us % 1000000u * 1000u);
    return 0;
}

/* ---- streams ---- */

struct rig_stream {
    struct stream stream;
    struct rig_peer *peer;
    int fd;
    bool is_node;
    bool dead;  /* a read has failed: every later call fails */
    bool mute;  /* a write has failed */
    bool ended; /* a read has returned EOF */
};

static struct rig_stream *rig_stream_of(struct stream *st)
{
    return CONTAINER_OF(st, struct rig_stream, stream);
}

/* Move what was written to the peer. */
static void collect(struct rig_peer *peer)
{
    struct span put = stream_memory_output(peer->stream);
    if (put.n == 0)
        return;
    peer->got = __real_realloc(peer->got, peer->got_n + put.n);
    assert(peer->got);
    memcpy(peer->got + peer->got_n, put.p, put.n);
    peer->got_n += put.n;
    stream_memory_consume(peer->stream, put.n);
}

static enum stream_result note(struct rig_stream *rs, enum stream_result r)
{
    if (r != STREAM_WANT_READ && r != STREAM_WANT_WRITE)
        the.rig->moved = true;
    if (r == STREAM_ERR)
        rs->peer->failed = true;
    return r;
}

static enum stream_result rig_open(struct stream *st)
{
    struct rig_stream *rs = rig_stream_of(st);
    if (!rs->is_node)
        return STREAM_OK;
    if (rs->peer->opened)
        return STREAM_OK;
    enum stream_result r = stream_open(rs->peer->stream);
    rs->dead |= r == STREAM_ERR;
    rs->peer->opened = r == STREAM_OK;
    return r == STREAM_WANT_READ ? STREAM_WANT_WRITE : note(rs, r);
}

static enum stream_result rig_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct rig_stream *rs = rig_stream_of(st);
    if (rs->dead)
        return STREAM_ERR;
    if (rs->ended)
        return STREAM_EOF;
    enum stream_result r = stream_read(rs->peer->stream, p, n, got);
    if (r == STREAM_OK)
        rs->peer->read_n += *got;
    rs->dead |= r == STREAM_ERR;
    rs->ended |= r == STREAM_EOF;
    return note(rs, r);
}

static enum stream_result rig_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct rig_stream *rs = rig_stream_of(st);
    struct rig_peer *peer = rs->peer;
    assert(!peer->told_end);
    if (rs->dead || rs->mute)
        return STREAM_ERR;
    enum stream_result r = rig_open(st); /* a write also reports whether connect() is done */
    if (r != STREAM_OK)
        return r;
    size_t written = peer->got_n + stream_memory_output(peer->stream).n;
    if (peer->how.write_fails) {
        n = size_min(n, peer->how.write_fails_at - size_min(written, peer->how.write_fails_at));
        rs->mute = n == 0;
        if (rs->mute)
            return note(rs, STREAM_ERR);
    }
    the.inside++;
    r = stream_write(peer->stream, p, n, put);
    if (peer->how.room == 0)
        collect(peer);
    the.inside--;
    return note(rs, r);
}

static enum stream_result rig_close_write(struct stream *st)
{
    struct rig_stream *rs = rig_stream_of(st);
    rs->peer->told_end = true;
    return note(rs, STREAM_OK);
}

static void rig_stream_free(struct stream *st)
{
    struct rig_stream *rs = rig_stream_of(st);
    struct rig_peer *peer = rs->peer;
    the.inside++;
    collect(peer);
    stream_free(peer->stream);
    the.inside--;
    peer->stream = NULL;
    peer->closed = true;
    the.rig->moved = true;
    the.rig->open_fds--;
    close(rs->fd);
    free(rs);
}

static const char *rig_error(const struct stream *st)
{
    (void)st;
    return "scripted fault";
}

static const struct stream_ops rig_ops = {.open = rig_open,
                                          .read = rig_read,
                                          .write = rig_write,
                                          .close_write = rig_close_write,
                                          .free = rig_stream_free,
                                          .error = rig_error};

/* A stream like that of stream_tcp.c: takes the descriptor, on failure too. */
static struct stream *rig_stream_new(struct rig_peer *peer, int fd, bool is_node)
{
    struct rig_stream *rs = malloc(sizeof(*rs)); /* may fail, unlike those of the rig */
    if (!rs) {
        the.rig->open_fds--;
        close(fd);
        return NULL;
    }
    *rs = (struct rig_stream){
        .stream = {.ops = &rig_ops}, .peer = peer, .fd = fd, .is_node = is_node};
    struct stream_memory_script script = peer->how;
    peer->arrived = size_min(peer->first, peer->how.input.n);
    peer->ended = peer->ends && peer->arrived == peer->how.input.n;
    script.input = span_of(peer->how.input.p, peer->arrived);
    script.eof = peer->ended;
    script.write_fails = false; /* rig_write() does it: reads go on after it */
    if (!is_node)
        script.open_waits = script.open_fails = 0;
    the.inside++;
    peer->stream = stream_memory_new(&script);
    assert(peer->stream);
    if (!is_node)
        peer->opened = stream_open(peer->stream) == STREAM_OK;
    the.inside--;
    the.rig->moved = true;
    return &rs->stream;
}

struct stream *__real_stream_tcp_new(int fd);
struct stream *__real_stream_tcp_new_connecting(int fd);
int __real_socket_dial(const struct endpoint *endpoint, const struct address *source);
struct stream *__wrap_stream_tcp_new(int fd);
struct stream *__wrap_stream_tcp_new_connecting(int fd);
int __wrap_socket_dial(const struct endpoint *endpoint, const struct address *source);

struct stream *__wrap_stream_tcp_new(int fd)
{
    if (!the.rig || fd != the.rig->client_fd)
        return __real_stream_tcp_new(fd);
    return rig_stream_new(the.rig->client, fd, false);
}

struct stream *__wrap_stream_tcp_new_connecting(int fd)
{
    struct rig *rig = the.rig;
    if (!rig || rig->earnest)
        return __real_stream_tcp_new_connecting(fd);
    return rig_stream_new(&rig->nodes[rig->dialled - 1], fd, true);
}

static int always_ready(struct rig *rig)
{
    int fd =
        eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC); /* not 0: readable; not the maximum: writable */
    assert(fd >= 0);
    rig->open_fds++;
    return fd;
}

int __wrap_socket_dial(const struct endpoint *endpoint, const struct address *source)
{
    struct rig *rig = the.rig;
    if (!rig || rig->earnest)
        return __real_socket_dial(endpoint, source);
    rig->moved = true;
    if (rig->told) {
        the.inside++;
        rig->told(rig->told_arg);
        the.inside--;
    }
    if (rig->dialled >= rig->n_nodes) {
        errno = ECONNREFUSED;
        return -1;
    }
    const struct rig_peer *peer = &rig->nodes[rig->dialled++];
    if (peer->dial_error) {
        errno = peer->dial_error;
        return -1;
    }
    return always_ready(rig);
}

void rig_peer_fini(struct rig_peer *peer)
{
    free(peer->got);
    peer->got = NULL;
    peer->got_n = peer->read_n = 0;
    peer->told_end = peer->opened = peer->closed = peer->failed = peer->ended = false;
}

void rig_arrive(struct rig_peer *peer, size_t n)
{
    if (!peer->stream || peer->ended)
        return;
    size_t unread = stream_memory_unread(peer->stream);
    size_t at = peer->arrived - unread;
    peer->arrived += size_min(n, peer->how.input.n - peer->arrived);
    peer->ended = peer->ends && peer->arrived == peer->how.input.n;
    stream_memory_feed(peer->stream, span_of(peer->how.input.p + at, peer->arrived - at),
                       peer->ended);
}

bool rig_has_arrived(const struct rig_peer *peer)
{
    return !peer->stream || (peer->arrived == peer->how.input.n && (peer->ended || !peer->ends));
}

/* ---- the worker ---- */

/* Optional: admission is linked only if something needs it. */
__attribute__((weak)) struct admission *admission_new(const struct limits_conf *limits,
                                                      uint64_t seed);
__attribute__((weak)) void admission_free(struct admission *a);

static void do_nothing(void *arg)
{
    (void)arg;
}

static struct config *parse(const char *text)
{
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), "rig.json", &messages);
    for (size_t i = 0; i < messages.n; i++)
        (void)fprintf(stderr, "%s\n", messages.list[i].text);
    config_messages_fini(&messages);
    return config;
}

static struct worker_update *plan_new(struct rig *rig, struct snapshot *snapshot)
{
    char error[WORKER_TLS_ERROR_MAX] = "";
    struct worker_socket *sockets = calloc(snapshot->n_bindings, sizeof(*sockets));
    struct tls_ticket_keys **keys = calloc(snapshot->n_bindings, sizeof(struct tls_ticket_keys *));
    const struct listen_options options = {.backlog = 128};
    struct worker_update *plan = NULL;
    bool listening = sockets && keys;
    for (size_t i = 0; listening && i < snapshot->n_bindings; i++) {
        sockets[i].fd = socket_listen(&snapshot->bindings[i].endpoint, &options);
        listening = sockets[i].fd >= 0;
    }
    if (listening)
        plan = worker_update_new(rig->w, snapshot, sockets, keys, error);
    if (!plan)
        (void)fprintf(stderr, "rig: no plan: %s\n", error);
    free(sockets);
    free(keys);
    return plan;
}

static bool set_up(struct rig *rig, const char *config_json)
{
    struct config *config = parse(config_json);
    if (!config)
        return false;
    rig->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    rig->log = log_new(rig->null_fd, config->log.level, config->log.format);
    rig->shared = (struct worker_shared){.log = rig->log,
                                         .registry = &rig->registry,
                                         .boot_id = BOOT_ID,
                                         .max_connections = 1000,
                                         .ended = do_nothing,
                                         .freed_memory = do_nothing,
                                         .failing = do_nothing};
    if (admission_new)
        rig->shared.admission = admission_new(&config->limits, 1);
    rig->w = rig->log ? worker_new(&rig->shared, 0, config->limits.relay_buffer_bytes) : NULL;
    struct snapshot *snapshot = snapshot_new(config, &rig->registry, NULL, NULL);
    struct worker_update *plan = rig->w && snapshot ? plan_new(rig, snapshot) : NULL;
    snapshot_unref(snapshot);
    if (!plan)
        return false;
    worker_apply_update(rig->w, plan);
    return true;
}

struct rig *rig_new(const char *config_json)
{
    assert(!the.rig);
    struct rig *rig = calloc(1, sizeof(*rig));
    if (!rig)
        return NULL;
    rig->null_fd = rig->client_fd = -1;
    rig->now_us = UINT64_C(1000000000);
    node_registry_init(&rig->registry, 1);
    the.rig = rig;
    if (set_up(rig, config_json))
        return rig;
    rig_free(rig);
    return NULL;
}

void rig_free(struct rig *rig)
{
    if (!rig)
        return;
    worker_free(rig->w);
    node_registry_fini(&rig->registry);
    if (admission_free && rig->shared.admission)
        admission_free(rig->shared.admission);
    log_free(rig->log);
    if (rig->null_fd >= 0)
        close(rig->null_fd);
    the.rig = NULL;
    free(rig);
}

/* ---- running a session ---- */

static struct session *session_of(const struct rig *rig)
{
    return rig_lives(rig) ? CONTAINER_OF(rig->w->core.sessions.next, struct session, link) : NULL;
}

void rig_tidy(struct rig *rig)
{
    struct pool *pool = &rig->w->core.relay_pool;
    pool_fini(pool);
    pool_init(pool, pool->size, pool->keep);
    rig_nodes_up(rig);
}

bool rig_lives(const struct rig *rig)
{
    return !list_empty(&rig->w->core.sessions);
}

void rig_on_dial(struct rig *rig, void (*told)(void *arg), void *arg)
{
    rig->told = told;
    rig->told_arg = arg;
}

static void begin(struct rig *rig, size_t listener, int fd)
{
    struct address source = {0};
    source.in = (struct sockaddr_in){.sin_family = AF_INET,
                                     .sin_port = htons(40000),
                                     .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    assert(!rig_lives(rig) && listener < rig->w->n_listeners);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        rig->closed_before[i] = counter_read(&rig->w->core.counters.closed[i]);
    session_begin(&rig->w->core, rig->w->listeners[listener], fd, &source);
}

void rig_begin(struct rig *rig, size_t listener, struct rig_peer *client, struct rig_peer *nodes,
               size_t n_nodes)
{
    rig->client = client;
    rig->nodes = nodes;
    rig->n_nodes = n_nodes;
    rig->dialled = 0;
    rig->client_fd = always_ready(rig);
    size_t fds = rig->open_fds;
    begin(rig, listener, rig->client_fd);
    /* no memory for a session: the router itself has closed it */
    if (!rig_lives(rig) && !client->closed && rig->open_fds == fds)
        rig->open_fds--;
}

void rig_begin_on(struct rig *rig, size_t listener, int fd, struct rig_peer *nodes, size_t n_nodes)
{
    rig->client = NULL;
    rig->nodes = nodes;
    rig->n_nodes = n_nodes;
    rig->dialled = 0;
    rig->client_fd = -1;
    begin(rig, listener, fd);
}

void rig_turn(struct rig *rig)
{
    ev_run(rig->w->core.loop, EVRUN_NOWAIT);
}

static void collect_all(struct rig *rig)
{
    the.inside++;
    if (rig->client && rig->client->stream && !rig->client->deaf)
        collect(rig->client);
    for (size_t i = 0; i < rig->dialled; i++)
        if (rig->nodes[i].stream && !rig->nodes[i].deaf)
            collect(&rig->nodes[i]);
    the.inside--;
}

unsigned rig_settle(struct rig *rig)
{
    unsigned turns = 0, quiet = 0;
    while (quiet < QUIET_TURNS && rig_lives(rig)) {
        rig->moved = false;
        collect_all(rig);
        rig_turn(rig);
        quiet = rig->moved ? 0 : quiet + 1;
        turns++;
        assert(turns < TURNS_MAX);
    }
    return turns;
}

void rig_pass(struct rig *rig, uint64_t ms)
{
    rig->now_us += ms * 1000u;
}

bool rig_deadline_early(struct rig *rig)
{
    struct session *s = session_of(rig);
    if (!s || !ev_is_active(&s->deadline))
        return false;
    rig->w->core.now_us = rig->now_us; /* as the next turn of the loop does */
    ev_feed_event(rig->w->core.loop, &s->deadline, EV_TIMER);
    ev_invoke_pending(rig->w->core.loop);
    (void)rig_settle(rig);
    return true;
}

bool rig_deadline(struct rig *rig)
{
    const struct session *s = session_of(rig);
    if (s)
        rig->now_us += (uint64_t)(s->deadline.repeat * 1e6) + 1;
    return rig_deadline_early(rig);
}

static struct node_live *live_of(struct rig *rig, size_t cluster, size_t k)
{
    const struct cluster *c = &rig->w->core.snapshot->clusters[cluster];
    return c->nodes[k % c->n].live;
}

static void check_nodes(struct rig *rig)
{
    if (worker_check_nodes(rig->w))
        worker_wake(rig->w);
}

void rig_node_down(struct rig *rig, size_t k)
{
    for (size_t i = 0; i < rig->w->core.n_cluster_views; i++)
        node_live_set_status(&rig->registry, live_of(rig, i, k), NODE_DOWN);
    check_nodes(rig);
}

void rig_node_evicts(struct rig *rig, size_t k)
{
    for (size_t i = 0; i < rig->w->core.n_cluster_views; i++)
        atomic_store(&live_of(rig, i, k)->evictions[EVICT_DOWN], 1);
    check_nodes(rig);
    for (size_t i = 0; i < rig->w->core.n_cluster_views; i++)
        atomic_store(&live_of(rig, i, k)->evictions[EVICT_DOWN], 0);
}

static void take_turns(struct rig *rig, const struct node *n, unsigned turns)
{
    uint64_t next_us = atomic_load(&n->live->next_turn_us);
    while (turns-- > 0)
        (void)placement_take_turn(&next_us, rig->now_us, n->max_connects_per_s, UINT32_MAX);
    atomic_store(&n->live->next_turn_us, next_us);
}

void rig_take_turns(struct rig *rig, unsigned turns)
{
    for (size_t i = 0; i < rig->w->core.n_cluster_views; i++) {
        const struct cluster *c = &rig->w->core.snapshot->clusters[i];
        for (size_t k = 0; k < c->n; k++)
            take_turns(rig, &c->nodes[k], turns);
    }
}

void rig_nodes_up(struct rig *rig)
{
    for (size_t i = 0; i < rig->w->core.n_cluster_views; i++) {
        for (size_t k = 0; k < rig->w->core.snapshot->clusters[i].n; k++) {
            node_live_set_status(&rig->registry, live_of(rig, i, k), NODE_UP);
            atomic_store(&live_of(rig, i, k)->next_turn_us, 0);
        }
    }
}

void rig_end(struct rig *rig)
{
    struct session *s = session_of(rig);
    if (s)
        session_end(s, CLOSE_SHUTDOWN);
}

enum close_reason rig_reason(const struct rig *rig)
{
    int reason = CLOSE_REASON_COUNT;
    for (int i = 0; i < CLOSE_REASON_COUNT; i++) {
        uint64_t times = counter_read(&rig->w->core.counters.closed[i]) - rig->closed_before[i];
        assert(times == 0 || (times == 1 && reason == CLOSE_REASON_COUNT)); /* closed once */
        if (times == 1)
            reason = i;
    }
    return (enum close_reason)reason;
}

static const char *nodes_residue(const struct rig *rig)
{
    for (size_t i = 0; i < rig->w->core.n_cluster_views; i++) {
        const struct cluster *c = &rig->w->core.snapshot->clusters[i];
        for (size_t k = 0; k < c->n; k++) {
            const struct node_live *live = c->nodes[k].live;
            if (NODE_LIVE_READ(live->sessions) != 0)
                return "a node's count of sessions";
            if (NODE_LIVE_READ(live->clean) + NODE_LIVE_READ(live->kept) +
                    node_live_off_home(live) !=
                0)
                return "a node's count of relayed sessions";
            const struct node_seat *seat = &live->seats[0];
            if (!list_empty(&seat->waiting) || !list_empty(&seat->clean) ||
                !list_empty(&seat->kept))
                return "a place in a node's seat";
            for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
                if (!list_empty(&seat->off_home[cause]))
                    return "a place in a node's list of sessions off home";
        }
        unsigned listeners = 0;
        for (size_t d = 0; d < rig->w->n_listeners; d++)
            listeners += rig->w->listeners[d]->cluster_view == rig->w->core.cluster_views[i];
        if (rig->w->core.cluster_views[i]->refs != 1 + listeners)
            return "a reference to a cluster view";
    }
    return NULL;
}

const char *rig_residue(const struct rig *rig)
{
    const struct worker *w = rig->w;
    for (int i = 0; i < SESSION_STATE_COUNT; i++)
        if (counter_read(&w->core.counters.in_state[i]) != 0)
            return session_state_name((enum session_state)i);
    if (!list_empty(&w->core.sessions) || w->core.n_sessions != 0 || rig->shared.connections != 0)
        return "a session";
    if (!list_empty(&w->core.runnable) || !list_empty(&w->core.stuck) ||
        turn_has_handshakes(&w->core))
        return "a place in a list";
    if (w->core.relay_pool.n_held != 0 || counter_read(&w->core.counters.buffers_held) != 0)
        return "relay blocks";
    if (w->core.held_bytes != 0 || counter_read(&w->core.counters.waiting_bytes) != 0)
        return "held bytes";
    for (size_t i = 0; i < w->n_listeners; i++)
        if (w->listeners[i]->refs != 1 || w->listeners[i]->tag->refs != 1 ||
            atomic_load(&w->listeners[i]->tag->live->connections) != 0)
            return "a reference to a listener";
    if (rig->open_fds != 0)
        return "a descriptor";
    return nodes_residue(rig);
}

/* ---- real sockets ---- */

void rig_dial_in_earnest(struct rig *rig, bool earnest)
{
    rig->earnest = earnest;
}

void rig_start_listening(struct rig *rig)
{
    for (size_t i = 0; i < rig->w->n_listeners; i++)
        worker_start_listener(rig->w, rig->w->listeners[i]);
}

uint16_t rig_port(const struct rig *rig, size_t listener)
{
    return ntohs(rig->w->listeners[listener]->local.in.sin_port);
}

bool rig_pause_over(struct rig *rig)
{
    if (!ev_is_active(&rig->w->accept_pause))
        return false;
    ev_feed_event(rig->w->core.loop, &rig->w->accept_pause, EV_TIMER);
    ev_invoke_pending(rig->w->core.loop);
    return true;
}

struct worker *rig_worker(struct rig *rig)
{
    return rig->w;
}

void rig_use_ids(struct rig *rig, uint32_t n)
{
    rig->w->core.next_id += n;
}

size_t rig_sessions(const struct rig *rig)
{
    return rig->w->core.n_sessions;
}

uint64_t rig_accepted(const struct rig *rig)
{
    return counter_read(&rig->w->core.counters.accepted);
}

uint64_t rig_pauses(const struct rig *rig)
{
    return counter_read(&rig->w->core.counters.accept_pauses);
}
