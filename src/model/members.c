/*
 * members.c - make the nodes of a discovered cluster from DNS records.
 *
 *    records -> drafts (with normalized hosts) -> names -> sort, one per name -> nodes
 *
 * Routers receive the same records in different orders, so no choice may depend on the order.
 */
#include "model/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"

/* A record before it becomes a node. */
struct draft {
    const struct member_record *record; /* borrowed */
    char *host; /* owned: the normalized target; null = the node is named by its address */
    char *name; /* owned */
};

struct drafts {
    struct draft *list;
    size_t n;
};

static void drafts_fini(struct drafts *drafts)
{
    for (size_t i = 0; i < drafts->n; i++) {
        free(drafts->list[i].host);
        free(drafts->list[i].name);
    }
    free(drafts->list);
}

/* ---- names ---------------------------------------------------------------------------- */

static char *one_spelling(const char *target)
{
    char *host = strdup(target);
    if (!host)
        return NULL;
    size_t n = strlen(host);
    if (n > 0 && host[n - 1] == '.')
        host[n - 1] = '\0';
    for (char *c = host; *c; c++)
        *c = (char)ascii_lower((uint8_t)*c);
    return host;
}

static char *with_port(const char *host, uint16_t port)
{
    const bool v6 = strchr(host, ':');
    size_t size = strlen(host) + sizeof("[]:65535");
    char *text = malloc(size);
    if (text)
        (void)snprintf(text, size, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return text;
}

static bool is_usable(const struct member_record *record, bool by_target)
{
    return record->port != 0 &&
           !(by_target && (*record->target == '\0' || strcmp(record->target, ".") == 0));
}

/* Returns false if out of memory. */
static bool drafts_init(struct drafts *drafts, const struct discovery_conf *conf,
                        const struct member_record *records, size_t n)
{
    *drafts = (struct drafts){.list = calloc(n > 0 ? n : 1, sizeof(struct draft))};
    if (!drafts->list)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool by_target = conf->node_name == NODE_NAME_TARGET && records[i].target;
        if (!is_usable(&records[i], by_target))
            continue;
        struct draft *d = &drafts->list[drafts->n++];
        d->record = &records[i];
        if (by_target && !(d->host = one_spelling(records[i].target)))
            return false;
    }
    return true;
}

static int by_host_and_port(const void *left, const void *right)
{
    const struct draft *a = left, *b = right;
    int order = strcmp(a->host ? a->host : "", b->host ? b->host : "");
    return order ? order : (int)a->record->port - (int)b->record->port;
}

/* Return the end of the drafts of one host. Drafts are sorted by host and port. */
static size_t host_end(const struct drafts *drafts, size_t first)
{
    size_t end = first + 1;
    while (end < drafts->n && drafts->list[first].host && drafts->list[end].host &&
           strcmp(drafts->list[first].host, drafts->list[end].host) == 0)
        end++;
    return end;
}

static bool name_drafts(struct drafts *drafts)
{
    qsort(drafts->list, drafts->n, sizeof(struct draft), by_host_and_port);
    for (size_t first = 0, end; first < drafts->n; first = end) {
        end = host_end(drafts, first);
        bool several = drafts->list[first].record->port != drafts->list[end - 1].record->port;
        for (size_t i = first; i < end; i++) {
            struct draft *d = &drafts->list[i];
            if (!d->host)
                d->name = with_port(d->record->address, d->record->port);
            else
                d->name = several ? with_port(d->host, d->record->port) : strdup(d->host);
            if (!d->name)
                return false;
        }
    }
    return true;
}

/* ---- one per name --------------------------------------------------------------------- */

/* Sort by name; of drafts with the same name, the preferred one comes first. */
static int by_preference(const void *left, const void *right)
{
    const struct draft *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order)
        return order;
    bool a_is_v6 = strchr(a->record->address, ':');
    bool b_is_v6 = strchr(b->record->address, ':');
    if (a_is_v6 != b_is_v6)
        return a_is_v6 ? 1 : -1;
    order = strcmp(a->record->address, b->record->address);
    if (order)
        return order;
    if (a->record->priority != b->record->priority)
        return a->record->priority < b->record->priority ? -1 : 1;
    return (int)b->record->weight - (int)a->record->weight;
}

static uint16_t lowest_priority(const struct drafts *drafts)
{
    uint16_t lowest = UINT16_MAX;
    for (size_t i = 0; i < drafts->n; i++)
        if (drafts->list[i].record->priority < lowest)
            lowest = drafts->list[i].record->priority;
    return lowest;
}

/* Make a node from a draft, and take the draft's name. */
static bool node_init(struct node_conf *node, struct draft *draft, uint16_t primary)
{
    const struct member_record *record = draft->record;
    *node = (struct node_conf){.name = draft->name,
                               .address = with_port(record->address, record->port),
                               .weight = record->weight > 0 ? record->weight : 1,
                               .state = NODE_STATE_UP,
                               .backup = record->priority > primary,
                               .max_connections = NODE_AS_DEFAULT,
                               .max_connects_per_s = NODE_AS_DEFAULT};
    draft->name = NULL;
    return node->address != NULL;
}

static bool take_nodes(struct drafts *drafts, struct members *out)
{
    uint16_t primary = lowest_priority(drafts);
    qsort(drafts->list, drafts->n, sizeof(struct draft), by_preference);
    out->nodes = calloc(size_min(drafts->n, MEMBERS_MAX) + 1, sizeof(struct node_conf));
    if (!out->nodes)
        return false;
    const char *before = NULL;
    for (size_t i = 0; i < drafts->n; i++) {
        struct draft *d = &drafts->list[i];
        if (before && strcmp(before, d->name) == 0)
            continue;
        before = d->name; /* stays valid, in the draft or in the node */
        if (out->n == MEMBERS_MAX)
            out->left_out++;
        else if (!node_init(&out->nodes[out->n++], d, primary))
            return false;
    }
    return true;
}

bool members_make(const struct discovery_conf *conf, const struct member_record *records, size_t n,
                  struct members *out)
{
    struct drafts drafts;
    *out = (struct members){0};
    bool made =
        drafts_init(&drafts, conf, records, n) && name_drafts(&drafts) && take_nodes(&drafts, out);
    drafts_fini(&drafts);
    if (!made)
        members_fini(out);
    return made;
}

/* ---- compare, copy ---------------------------------------------------------------------- */

static bool node_equal(const struct node_conf *a, const struct node_conf *b)
{
    return strcmp(a->address, b->address) == 0 && a->weight == b->weight && a->backup == b->backup;
}

struct members_change members_compare(const struct members *before, const struct members *after)
{
    struct members_change change = {0};
    size_t b = 0, a = 0;
    while (b < before->n || a < after->n) {
        int order = b == before->n  ? 1
                    : a == after->n ? -1
                                    : strcmp(before->nodes[b].name, after->nodes[a].name);
        if (order == 0 && !node_equal(&before->nodes[b], &after->nodes[a]))
            change.altered++;
        change.removed += order < 0;
        change.added += order > 0;
        b += order <= 0;
        a += order >= 0;
    }
    return change;
}

bool members_equal(const struct members *a, const struct members *b)
{
    struct members_change change = members_compare(a, b);
    return change.added + change.removed + change.altered == 0;
}

static char *copy_of(const char *text)
{
    return text ? strdup(text) : NULL;
}

/* The caller must free the copy even on failure. */
static bool copy_node(const struct node_conf *from, struct node_conf *out)
{
    *out = *from;
    out->name = strdup(from->name);
    out->address = strdup(from->address);
    out->check_address = copy_of(from->check_address);
    return out->name && out->address && (out->check_address || !from->check_address);
}

bool members_copy(const struct members *from, struct members *out)
{
    *out = (struct members){.nodes = calloc(from->n + 1, sizeof(struct node_conf)),
                            .left_out = from->left_out};
    bool copied = out->nodes;
    for (size_t i = 0; copied && i < from->n; i++)
        copied = copy_node(&from->nodes[i], &out->nodes[out->n++]);
    if (!copied)
        members_fini(out);
    return copied;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct node_conf *)a)->name, ((const struct node_conf *)b)->name);
}

bool members_of_nodes(const struct node_conf *const *nodes, size_t n, struct members *out)
{
    *out = (struct members){.nodes = calloc(n + 1, sizeof(struct node_conf))};
    bool copied = out->nodes;
    for (size_t i = 0; copied && i < n; i++)
        copied = copy_node(nodes[i], &out->nodes[out->n++]);
    if (!copied) {
        members_fini(out);
        return false;
    }
    qsort(out->nodes, n, sizeof(*out->nodes), by_name);
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return (a && b) ? strcmp(a, b) == 0 : a == b;
}

bool members_same_query(const struct discovery_conf *a, const struct discovery_conf *b)
{
    return a->type == b->type && a->record == b->record && a->port == b->port &&
           a->node_name == b->node_name && same_text(a->name, b->name) &&
           same_text(a->resolver, b->resolver);
}

void members_fini(struct members *members)
{
    for (size_t i = 0; i < members->n; i++) {
        free(members->nodes[i].name);
        free(members->nodes[i].address);
        free(members->nodes[i].check_address);
    }
    free(members->nodes);
    *members = (struct members){0};
}
