/*
 * admission.c - tables of sources and of client identifiers, shared by the workers.
 *
 * Each table has SHARDS shards, each with its own mutex, so contention is rare. A place encodes a
 * shard and the index of an entry in it. The entry of a source with connections is held in the
 * table, so its index stays valid.
 */
#include "proxy/admission/admission.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cidr.h"
#include "model/damping.h"
#include "net/address.h"
#include "table.h"

#define SHARD_BITS 4u
#define SHARDS     (1u << SHARD_BITS)

/* Time window in which changes between two sources are counted; window_ms if that is longer. */
#define TRADES_MS 60000u
/* A pair that a node has accepted counts as accepted for a day. */
#define KNOWN_US (UINT64_C(86400) * 1000000)
/* Number of changes that make an identifier contested: A to B, back to A, and to B again. */
#define TRADES_MANY 3u

struct source {
    struct table_entry entry;
    uint64_t next;        /* state of bucket_take() */
    uint32_t connections; /* open now */
};

/* A host's address; IPv4 as an IPv4-mapped IPv6 address; all zero = none. */
struct host {
    uint8_t ip[16];
};

/* A pair of identifier and source, an identifier alone, or the source changes of an identifier. */
struct client {
    struct table_entry entry;
    union {
        struct {
            struct damping damping;
            union {
                uint64_t accepted_us; /* pair: when a node last accepted it; 0 = never */
                struct host last;     /* identifier alone: the source last accepted */
            };
        };
        struct {                /* source changes */
            uint64_t traded_us; /* time of the first counted change */
            uint64_t said_us;   /* when last reported as contested; 0 = never */
            uint64_t before;    /* hash of the source accepted before `last`; 0 = none */
            uint8_t trades;     /* number of changes between the two sources */
        } trade;
    };
};
_Static_assert(sizeof(struct client) == TABLE_LINE, "a device costs two lines of the cache");

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct table table;
    uint64_t evicted, unlimited;
};

struct admission {
    uint64_t seed;
    struct shard sources[SHARDS], clients[SHARDS];
};

static bool shards_init(struct shard *shards, uint32_t entries, size_t entry_size)
{
    bool good = true;
    for (unsigned i = 0; i < SHARDS; i++) {
        good = pthread_mutex_init(&shards[i].lock, NULL) == 0 && good;
        good = table_init(&shards[i].table, entries / SHARDS, entry_size) && good;
    }
    return good;
}

static void shards_fini(struct shard *shards)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        table_fini(&shards[i].table);
        pthread_mutex_destroy(&shards[i].lock);
    }
}

struct admission *admission_new(const struct limits_conf *limits, uint64_t seed)
{
    struct admission *a = aligned_alloc(64, sizeof(*a));
    if (!a)
        return NULL;
    memset(a, 0, sizeof(*a));
    a->seed = seed;
    bool good = shards_init(a->sources, limits->per_source.table_size, sizeof(struct source));
    good = shards_init(a->clients, limits->flapping.table_size, sizeof(struct client)) && good;
    if (good)
        return a;
    admission_free(a);
    return NULL;
}

void admission_free(struct admission *a)
{
    if (!a)
        return;
    shards_fini(a->sources);
    shards_fini(a->clients);
    free(a);
}

/* The shard depends on key.high, the bucket on key.low. */
static struct shard *shard_of(struct shard *shards, struct key_hash key)
{
    return &shards[key.high >> (64 - SHARD_BITS)];
}

/*
 * Find or create the key's entry, and make it the most recently used. If the table is full, a new
 * entry replaces the least recently used one. Returns 0 if all entries are held.
 */
static uint32_t get(struct shard *shard, struct key_hash key)
{
    struct table *t = &shard->table;
    uint32_t index = table_find(t, key);
    if (index) {
        table_touch(t, index);
        return index;
    }
    if (table_add(t, key, &index))
        return index;
    if (t->oldest == 0)
        return 0;
    table_remove(t, t->oldest);
    shard->evicted++;
    (void)table_add(t, key, &index);
    return index;
}

/* Workers read the clock before they wait for the lock, so now_us can be older than then_us. */
static uint64_t since(uint64_t then_us, uint64_t now_us)
{
    return now_us > then_us ? now_us - then_us : 0;
}

/* ---- sources ---- */

/* A source is an IPv4 address, or the first 64 bits of an IPv6 address. */
static struct key_hash source_key(const struct admission *a, const struct proxy_endpoint *source)
{
    uint8_t bytes[9] = {source->is_ipv6};
    memcpy(bytes + 1, source->ip, source->is_ipv6 ? 8 : 4);
    return key_hash(bytes, sizeof(bytes), a->seed);
}

static enum admission_verdict judge(struct source *s, const struct per_source_conf *conf,
                                    uint64_t now_us)
{
    if (conf->max_connections > 0 && s->connections >= conf->max_connections)
        return ADMISSION_TOO_MANY;
    const struct bucket_rate rate = {
        .window_us = 1000000, .events = conf->max_connects_per_s, .burst = conf->burst};
    if (conf->max_connects_per_s > 0 && !bucket_take(&s->next, now_us, rate))
        return ADMISSION_TOO_FAST;
    return ADMISSION_GRANTED;
}

enum admission_verdict admission_enter(struct admission *a, const struct per_source_conf *conf,
                                       const struct address *source, uint64_t now_us,
                                       admission_place *place)
{
    *place = 0;
    if ((conf->max_connections == 0 && conf->max_connects_per_s == 0) ||
        source->sa.sa_family == AF_UNIX)
        return ADMISSION_GRANTED;
    const struct address unmapped = address_unmap(source);
    const struct proxy_endpoint from = address_to_proxy(&unmapped);
    if (cidr_contains(conf->exempt, conf->n_exempt, from.ip, from.is_ipv6))
        return ADMISSION_GRANTED;
    const struct key_hash key = source_key(a, &from);
    struct shard *shard = shard_of(a->sources, key);
    enum admission_verdict verdict = ADMISSION_GRANTED;
    pthread_mutex_lock(&shard->lock);
    uint32_t index = get(shard, key);
    struct source *s = index ? table_at(&shard->table, index) : NULL;
    if (!s)
        shard->unlimited++;
    else
        verdict = judge(s, conf, now_us);
    if (s && verdict == ADMISSION_GRANTED) {
        s->connections++;
        table_hold(&shard->table, index);
        *place = index << SHARD_BITS | (admission_place)(shard - a->sources);
    }
    pthread_mutex_unlock(&shard->lock);
    return verdict;
}

void admission_leave(struct admission *a, admission_place place)
{
    if (place == 0)
        return;
    struct shard *shard = &a->sources[place & (SHARDS - 1)];
    uint32_t index = place >> SHARD_BITS;
    pthread_mutex_lock(&shard->lock);
    struct source *s = table_at(&shard->table, index);
    if (--s->connections == 0)
        table_release(&shard->table, index);
    pthread_mutex_unlock(&shard->lock);
}

/* ---- client identifiers ---- */

/* A client whose address changes within a /64 keeps its key. */
static struct key_hash pair_key(const struct admission *a, const struct admission_client *client)
{
    const struct address unmapped = address_unmap(client->source);
    const struct proxy_endpoint from = address_to_proxy(&unmapped); /* all zero for Unix */
    const uint64_t who = client->certificate.p
                             ? key_hash(client->certificate.p, client->certificate.n, a->seed).high
                             : 0;
    return key_hash(client->id.p, client->id.n, ~a->seed ^ source_key(a, &from).low ^ who);
}

struct admission_key admission_key(const struct admission *a, const struct admission_client *client)
{
    return (struct admission_key){.pair = pair_key(a, client),
                                  .alone = key_hash(client->id.p, client->id.n, a->seed)};
}

/*
 * Return true if a node accepted the pair within the last day. Only accepted CONNECTs then count.
 */
static bool is_known(const struct client *pair, uint64_t now_us)
{
    return pair->accepted_us > 0 && since(pair->accepted_us, now_us) < KNOWN_US;
}

/* Return the remaining time of the penalty for a pair or an identifier; 0 = no penalty. */
static uint32_t penalty_left_ms(struct admission *a, struct key_hash key, uint64_t now_us)
{
    struct shard *shard = shard_of(a->clients, key);
    uint32_t left_ms = 0;
    pthread_mutex_lock(&shard->lock);
    uint32_t index = table_find(&shard->table, key);
    const struct client *c = index ? table_at(&shard->table, index) : NULL;
    if (c && c->damping.until_us > now_us) {
        left_ms = (uint32_t)((c->damping.until_us - now_us + 999) / 1000);
        table_touch(&shard->table, index); /* otherwise eviction could end the penalty early */
    }
    pthread_mutex_unlock(&shard->lock);
    return left_ms;
}

uint32_t admission_connect(struct admission *a, const struct admission_key *key, uint64_t now_us)
{
    uint32_t of_pair = penalty_left_ms(a, key->pair, now_us);
    uint32_t of_client = penalty_left_ms(a, key->alone, now_us);
    return of_pair > of_client ? of_pair : of_client;
}

uint32_t admission_placed(struct admission *a, const struct flapping_conf *conf,
                          const struct admission_key *key, uint64_t now_us)
{
    struct shard *shard = shard_of(a->clients, key->pair);
    uint32_t penalty_ms = 0;
    pthread_mutex_lock(&shard->lock);
    struct client *c = table_at(&shard->table, get(shard, key->pair));
    if (!is_known(c, now_us) &&
        damping_step(&c->damping, conf, now_us, &penalty_ms) != DAMPING_BEGINS)
        penalty_ms = 0;
    pthread_mutex_unlock(&shard->lock);
    return penalty_ms;
}

/* Drop the port, which changes with every connection. A peer without an address becomes 0.0.0.0. */
static struct host host_of(const struct address *source)
{
    struct host host = {.ip = {[10] = 0xff, [11] = 0xff}};
    if (source->sa.sa_family == AF_INET6)
        memcpy(host.ip, &source->in6.sin6_addr, sizeof(host.ip));
    else if (source->sa.sa_family == AF_INET)
        memcpy(host.ip + 12, &source->in.sin_addr, 4);
    return host;
}

static struct address host_address(const struct host *host)
{
    struct address address = {.in6 = {.sin6_family = AF_INET6}};
    memcpy(&address.in6.sin6_addr, host->ip, sizeof(host->ip));
    address = address_unmap(&address);
    if (address.sa.sa_family == AF_INET && address.in.sin_addr.s_addr == INADDR_ANY)
        address = (struct address){.sa = {.sa_family = AF_UNIX}};
    return address;
}

static bool host_equal(const struct host *a, const struct host *b)
{
    return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/*
 * Note that an identifier has moved from one host to another. Returns true if it has moved back and
 * forth between the two too often.
 */
static bool note_trade(struct client *c, uint64_t from, uint64_t to, uint64_t window_us,
                       uint64_t now_us)
{
    const bool back = c->trade.before == to;
    c->trade.before = from;
    if (!back || since(c->trade.traded_us, now_us) > window_us)
        c->trade.trades = 0;
    if (c->trade.trades == 0)
        c->trade.traded_us = now_us;
    c->trade.trades++;
    if (c->trade.trades < TRADES_MANY ||
        (c->trade.said_us && since(c->trade.said_us, now_us) < window_us))
        return false;
    c->trade.said_us = now_us;
    return true;
}

/* Store the source that now uses the identifier. Returns true if the identifier is contested. */
static bool note_host(struct admission *a, const struct flapping_conf *conf, struct host now_at,
                      struct client *alone, uint64_t now_us)
{
    static const struct host none;
    const uint32_t window_ms = conf->window_ms > TRADES_MS ? conf->window_ms : TRADES_MS;
    const struct host before = alone->last;
    if (host_equal(&before, &now_at))
        return false;
    alone->last = now_at;
    if (host_equal(&before, &none))
        return false;
    /* same shard, already locked; `alone` is its newest entry, so get() does not evict it */
    const struct key_hash key = {.low = ~alone->entry.key.low, .high = alone->entry.key.high};
    struct shard *shard = shard_of(a->clients, key);
    struct client *c = table_at(&shard->table, get(shard, key));
    return note_trade(c, key_hash(before.ip, sizeof(before.ip), a->seed).low,
                      key_hash(now_at.ip, sizeof(now_at.ip), a->seed).low,
                      window_ms * UINT64_C(1000), now_us);
}

/*
 * Note an accepted CONNECT, and count it if its pair is known. Returns the length of a new penalty,
 * or 0.
 */
static uint32_t count_accepted(struct admission *a, const struct flapping_conf *conf,
                               struct key_hash pair, uint64_t now_us)
{
    struct shard *shard = shard_of(a->clients, pair);
    uint32_t penalty_ms = 0;
    pthread_mutex_lock(&shard->lock);
    struct client *c = table_at(&shard->table, get(shard, pair));
    if (is_known(c, now_us) &&
        damping_step(&c->damping, conf, now_us, &penalty_ms) != DAMPING_BEGINS)
        penalty_ms = 0;
    c->accepted_us = now_us;
    pthread_mutex_unlock(&shard->lock);
    return penalty_ms;
}

struct admission_news admission_accepted(struct admission *a, const struct flapping_conf *conf,
                                         const struct admission_key *key,
                                         const struct address *source, uint64_t now_us)
{
    struct shard *shard = shard_of(a->clients, key->alone);
    struct flapping_conf twice =
        *conf; /* so that a single source reaches the limit of its pair first */
    twice.max_connects *= 2;
    struct admission_news news = {0};
    const uint32_t penalty_ms = count_accepted(a, conf, key->pair, now_us);
    pthread_mutex_lock(&shard->lock);
    struct client *c = table_at(&shard->table, get(shard, key->alone));
    const struct host before = c->last;
    news.contested = note_host(a, conf, host_of(source), c, now_us);
    news.penalised = damping_step(&c->damping, &twice, now_us, &news.penalty_ms) == DAMPING_BEGINS;
    pthread_mutex_unlock(&shard->lock);
    if (news.contested)
        news.rival = host_address(&before);
    if (penalty_ms > 0) {
        news.penalised = true;
        news.penalty_ms = penalty_ms;
    }
    return news;
}

void admission_gauges(struct admission *a, struct admission_gauges *out)
{
    *out = (struct admission_gauges){0};
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shards[] = {&a->sources[i], &a->clients[i]};
        for (unsigned k = 0; k < ARRAY_LEN(shards); k++) {
            pthread_mutex_lock(&shards[k]->lock);
            *(k == 0 ? &out->sources : &out->clients) += shards[k]->table.n;
            out->evicted += shards[k]->evicted;
            out->sources_unlimited += shards[k]->unlimited;
            pthread_mutex_unlock(&shards[k]->lock);
        }
    }
}
