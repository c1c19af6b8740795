/*
 * fuzz_route_key.c - check invariants of the route key and its home.
 *
 * The input is up to six texts, each terminated by a zero byte: the delimiter after a prefix, then
 * client identifier, user name, source address, common name and server name. Texts that are missing
 * at the end are absent from the session. The routing rules are derived from the input.
 *
 *   - the key agrees with a second implementation, which searches for prefixes byte by byte
 *   - the key is never empty, and is a prefix of the text that it comes from
 *   - if there is no key, the output is unchanged
 *   - the order of nodes for a key does not depend on their order in the configuration; if the
 *     first node is removed, the others keep their order
 */
#include "law.h"
#include "model/rendezvous.h"
#include "model/route_key.h"

#define INPUT_MAX 2048u
#define TEXTS_N   6u
#define RULES_MAX 6u
#define NODES_N   5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The texts of the input, each in separate memory. */
struct texts {
    size_t n;
    char *list[TEXTS_N];
};

static struct texts split(const uint8_t *data, size_t size)
{
    struct texts texts = {0};

    for (size_t at = 0; at < size && texts.n < TEXTS_N;) {
        const uint8_t *end = memchr(data + at, '\0', size - at);
        size_t n = end ? (size_t)(end - data) - at : size - at;
        char *text = (char *)exact_new(n + 1);
        memcpy(text, data + at, n);
        text[n] = '\0';
        texts.list[texts.n++] = text;
        at += n + 1;
    }
    return texts;
}

static struct span text_at(const struct texts *texts, size_t i)
{
    return i < texts->n ? span_of_str(texts->list[i]) : (struct span){0};
}

static struct span value_of(const struct route_facts *facts, enum route_source source)
{
    switch (source) {
    case ROUTE_CLIENT_ID:
        return facts->client_id;
    case ROUTE_USERNAME:
        return facts->username;
    case ROUTE_SOURCE_IP:
        return facts->source_ip;
    case ROUTE_TLS_CN:
        return facts->tls_cn;
    default:
        return facts->sni;
    }
}

static struct span before(struct span value, const char *until)
{
    size_t until_n = until ? strlen(until) : 0;

    for (size_t at = 0; until && at + until_n <= value.n; at++) {
        bool here = true;
        for (size_t i = 0; i < until_n && here; i++)
            here = value.p[at + i] == (uint8_t)until[i];
        if (here)
            return span_of(value.p, at);
    }
    return value;
}

static bool second_key(const struct cluster_conf *cluster, const struct route_facts *facts,
                       struct span *key)
{
    for (size_t i = 0; i < cluster->n_route_by; i++) {
        *key =
            before(value_of(facts, cluster->route_by[i].from), cluster->route_by[i].prefix_until);
        if (key->n > 0)
            return true;
    }
    *key = facts->source_ip;
    return cluster->empty_client_id == EMPTY_ID_SOURCE_IP && key->n > 0;
}

/* The key is in memory of exactly its size. */
static void the_key_has_one_home(struct span key, struct dice *dice)
{
    static const char *const names[NODES_N] = {"emqx1", "emqx2", "emqx3", "emqx4", "emqx5"};
    struct rendezvous_node nodes[NODES_N], others[NODES_N];
    uint32_t order[NODES_N], again[NODES_N];
    uint8_t *exact = exact_copy(key.p, key.n);
    const size_t turn = dice_roll(dice, NODES_N);

    for (size_t i = 0; i < NODES_N; i++)
        nodes[i] = (struct rendezvous_node){.name = names[i],
                                            .seed = rendezvous_seed(names[i]),
                                            .weight = (uint32_t)dice_roll(dice, 4)};
    size_t n = rendezvous_pick(nodes, NODES_N, span_of(exact, key.n), NODES_N, order);
    for (size_t i = 0; i < NODES_N; i++)
        others[i] = nodes[(i + turn) % NODES_N];
    LAW(rendezvous_pick(others, NODES_N, key, NODES_N, again) == n);
    for (size_t i = 0; i < n; i++)
        LAW(nodes[order[i]].weight > 0 && nodes[order[i]].name == others[again[i]].name);
    if (n > 1) { /* if the home is removed, the next node is the home, and the others keep their
                    order */
        others[again[0]].weight = 0;
        LAW(rendezvous_pick(others, NODES_N, key, NODES_N, order) == n - 1);
        for (size_t i = 0; i + 1 < n; i++)
            LAW(order[i] == again[i + 1]);
    }
    free(exact);
}

static void check(const struct cluster_conf *cluster, const struct route_facts *facts,
                  struct dice *dice)
{
    struct span key = {(const uint8_t *)cluster, 4711}, second;
    bool has = route_key_pick(cluster, facts, &key);

    LAW(has == second_key(cluster, facts, &second));
    if (!has) {
        LAW(key.p == (const uint8_t *)cluster && key.n == 4711);
        return;
    }
    LAW(key.p == second.p && key.n == second.n && key.n > 0);
    the_key_has_one_home(key, dice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);
    struct route_rule rules[RULES_MAX];

    if (size > INPUT_MAX)
        return 0;
    struct texts texts = split(data, size);
    struct cluster_conf cluster = {.route_by = rules,
                                   .n_route_by = 1 + dice_roll(&dice, RULES_MAX),
                                   .empty_client_id =
                                       (enum empty_client_id)dice_roll(&dice, EMPTY_ID_REFUSE + 1)};
    char *until = texts.n > 0 && texts.list[0][0] != '\0' ? texts.list[0] : NULL;
    for (size_t i = 0; i < cluster.n_route_by; i++)
        rules[i] =
            (struct route_rule){.from = (enum route_source)dice_roll(&dice, ROUTE_SOURCE_COUNT),
                                .prefix_until = dice_roll(&dice, 2) ? until : NULL};
    const struct route_facts facts = {
        .client_id = text_at(&texts, 1),
        .username = text_at(&texts, 2),
        .source_ip = text_at(&texts, 3),
        .tls_cn = text_at(&texts, 4),
        .sni = text_at(&texts, 5),
    };
    check(&cluster, &facts, &dice);
    for (size_t i = 0; i < texts.n; i++)
        free(texts.list[i]);
    return 0;
}
