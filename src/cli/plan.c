/*
 * plan.c - compare the homes of keys under two configurations, with the router's own hash.
 *
 *    OLD, NEW --> clusters, matched by name --> home of each key in both
 *
 * The keys are synthetic or read from a file. Health is not known, and clusters whose nodes are
 * discovered by DNS cannot be compared.
 */
#include "plan.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/small_file.h"
#include "base/span.h"
#include "model/config/file.h"
#include "model/placement.h"
#include "model/route_key.h"
#include "net/address.h"
#include "route.h"

#define SAMPLES_MAX      65536u
#define SAMPLES_MIN      2048u
#define SAMPLE_HASHES    (1u << 21) /* 0.4 s if weights differ */
#define PROGRESS_EVERY_S 1

/* A cluster in one of the two configurations. */
struct side {
    const struct cluster_conf *conf; /* null: not in this configuration */
    struct route_nodes nodes;
    bool by_address; /* keys are source addresses */
};

#define PLAN_NOWHERE "-" /* the key has no home */

/* Keys that move from one node to another. */
struct plan_move {
    const char *from, *to; /* borrowed from the configurations, or PLAN_NOWHERE */
    uint64_t keys;
};

enum plan_fate { PLAN_STAYS, PLAN_ADDED, PLAN_REMOVED };

struct plan_cluster {
    const char *name; /* borrowed */
    enum plan_fate fate;
    uint64_t keys, moved;
    struct plan_move *moves; /* owned; the largest first */
    size_t n;
};

static double plan_percent(const struct plan_cluster *cluster, uint64_t keys)
{
    return cluster->keys ? 100.0 * (double)keys / (double)cluster->keys : 0;
}

struct plan {
    const struct plan_query *query;
    struct config *before, *after; /* owned */
    FILE *out, *err;
};

/* ---- sides ---- */

static const struct cluster_conf *find(const struct config *config, const char *name)
{
    size_t i;
    return config_find_cluster(config, name, &i) ? &config->clusters[i] : NULL;
}

/* True if each key is an address: with a prefix, or several sources of keys, it need not be one. */
static bool is_by_address(const struct cluster_conf *conf)
{
    return conf && conf->n_route_by == 1 && conf->route_by[0].from == ROUTE_SOURCE_IP &&
           !conf->route_by[0].prefix_until;
}

/* Returns false if out of memory. */
static bool side_init(struct side *side, const struct cluster_conf *conf)
{
    *side = (struct side){.conf = conf, .by_address = is_by_address(conf)};
    return route_nodes_init(&side->nodes, conf);
}

static void side_fini(struct side *side)
{
    route_nodes_fini(&side->nodes);
}

static const char *home_of(const struct side *side, struct span key)
{
    uint8_t server_name[ROUTE_SERVER_NAME_MAX];
    if (side->conf && route_key_is_server_name(side->conf))
        key = route_key_server_name(key, server_name);
    const struct placement_homes homes = {
        .nodes = side->nodes.nodes, .backup = side->nodes.backup, .n = side->nodes.n};
    const char *name = placement_home(&homes, key);
    return name ? name : PLAN_NOWHERE;
}

/* ---- shares ---- */

/* Returns false if out of memory. */
static bool count_key(struct plan_cluster *cluster, const char *from, const char *to)
{
    cluster->keys++;
    if (strcmp(from, to) == 0)
        return true;
    cluster->moved++;
    for (size_t i = 0; i < cluster->n; i++) {
        struct plan_move *move = &cluster->moves[i];
        if (strcmp(move->from, from) == 0 && strcmp(move->to, to) == 0) {
            move->keys++;
            return true;
        }
    }
    struct plan_move *longer = realloc(cluster->moves, (cluster->n + 1) * sizeof(*longer));
    if (!longer)
        return false;
    cluster->moves = longer;
    longer[cluster->n++] = (struct plan_move){.from = from, .to = to, .keys = 1};
    return true;
}

static int by_size(const void *a, const void *b)
{
    const struct plan_move *x = a, *y = b;
    return x->keys == y->keys ? strcmp(x->from, y->from) : x->keys < y->keys ? 1 : -1;
}

static bool sample(struct plan_cluster *cluster, const struct side *before,
                   const struct side *after)
{
    const size_t nodes = size_max(before->nodes.n + after->nodes.n, 1);
    const size_t samples = size_max(size_min(SAMPLE_HASHES / nodes, SAMPLES_MAX), SAMPLES_MIN);
    for (uint64_t i = 0; i < samples; i++) {
        const struct span key = span_of(&i, sizeof(i));
        if (!count_key(cluster, home_of(before, key), home_of(after, key)))
            return false;
    }
    if (cluster->n > 0)
        qsort(cluster->moves, cluster->n, sizeof(*cluster->moves), by_size);
    return true;
}

/* Print a text escaped, so that names and identifiers cannot control the terminal. */
static void print_text(FILE *out, struct span text)
{
    char form[ESCAPE_MAX];
    for (size_t at = 0, used; at < text.n; at += used)
        (void)fwrite(form, 1, escape_char(text.p + at, text.n - at, false, form, &used), out);
}

static void print_name(FILE *out, const char *name)
{
    print_text(out, span_of_str(name));
}

static void print_cluster(const struct plan *plan, const struct plan_cluster *cluster)
{
    (void)fputs("cluster ", plan->out);
    print_name(plan->out, cluster->name);
    (void)fprintf(plan->out, ": %.1f %% of the keys move%s\n",
                  plan_percent(cluster, cluster->moved),
                  cluster->fate == PLAN_ADDED     ? " (new cluster)"
                  : cluster->fate == PLAN_REMOVED ? " (removed cluster)"
                                                  : "");
    for (size_t i = 0; i < cluster->n; i++) {
        const struct plan_move *move = &cluster->moves[i];
        (void)fprintf(plan->out, "  %5.1f %%  ", plan_percent(cluster, move->keys));
        print_name(plan->out, move->from);
        (void)fputs(" -> ", plan->out);
        print_name(plan->out, move->to);
        (void)fputc('\n', plan->out);
    }
}

/* ---- JSON ---- */

static json_t *node_json(const char *name)
{
    return strcmp(name, PLAN_NOWHERE) == 0 ? json_null() : json_string(name);
}

static json_t *cluster_json(const struct plan_cluster *cluster)
{
    static const char *const fates[] = {
        [PLAN_STAYS] = "stays", [PLAN_ADDED] = "added", [PLAN_REMOVED] = "removed"};
    json_t *moves = json_array();
    for (size_t i = 0; i < cluster->n; i++) {
        const struct plan_move *move = &cluster->moves[i];
        json_array_append_new(moves, json_pack("{s:o, s:o, s:f}", "from", node_json(move->from),
                                               "to", node_json(move->to), "percent",
                                               plan_percent(cluster, move->keys)));
    }
    return json_pack("{s:s, s:s, s:f, s:o}", "name", cluster->name, "change", fates[cluster->fate],
                     "moved_percent", plan_percent(cluster, cluster->moved), "moves", moves);
}

/*
 * Print {"clusters": [{"name", "change": "stays" | "added" | "removed", "moved_percent",
 *                      "moves": [{"from", "to", "percent"}]}]}.
 * "from" or "to" is null if the key has no home. Returns false if out of memory, or if writing
 * fails.
 */
static bool print_json(const struct plan_cluster *clusters, size_t n, FILE *out)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, cluster_json(&clusters[i]));
    json_t *plan = json_pack("{s:o}", "clusters", list);
    bool whole = plan && json_dumpf(plan, out, JSON_INDENT(2) | JSON_REAL_PRECISION(4)) == 0 &&
                 fputc('\n', out) != EOF;
    json_decref(plan);
    return whole;
}

/* ---- clusters ---- */

static bool is_known(const struct plan *plan, const struct cluster_conf *conf)
{
    if (!conf || !conf->discovery)
        return true;
    (void)fprintf(
        plan->err,
        "error: cluster \"%s\": its nodes are discovered by DNS, so they are not in the file\n",
        conf->name);
    return false;
}

static bool no_memory(const struct plan *plan)
{
    (void)fprintf(plan->err, "error: out of memory\n");
    return false;
}

/* Compare one cluster, which may be in only one file. Returns false after printing an error. */
static bool compare(const struct plan *plan, const char *name, struct plan_cluster *out)
{
    const struct cluster_conf *before = find(plan->before, name), *after = find(plan->after, name);
    struct side a = {0}, b = {0};
    *out = (struct plan_cluster){.name = name,
                                 .fate = !before  ? PLAN_ADDED
                                         : !after ? PLAN_REMOVED
                                                  : PLAN_STAYS};
    if (!is_known(plan, before) || !is_known(plan, after))
        return false;
    bool done = side_init(&a, before) && side_init(&b, after) && sample(out, &a, &b);
    side_fini(&a);
    side_fini(&b);
    return done || no_memory(plan);
}

static bool is_selected(const struct plan *plan, const char *name)
{
    return !plan->query->cluster || strcmp(plan->query->cluster, name) == 0;
}

/* Return the i-th cluster name, first of NEW, then of OLD; null if a name of OLD is also in NEW. */
static const char *name_of(const struct plan *plan, size_t i)
{
    if (i < plan->after->n_clusters)
        return plan->after->clusters[i].name;
    const char *name = plan->before->clusters[i - plan->after->n_clusters].name;
    return find(plan->after, name) ? NULL : name;
}

static bool print_shares(const struct plan *plan)
{
    const size_t n = plan->after->n_clusters + plan->before->n_clusters;
    struct plan_cluster *found = calloc(n, sizeof(*found));
    size_t used = 0;
    bool good = found || no_memory(plan);
    for (size_t i = 0; found && i < n; i++) {
        const char *name = name_of(plan, i);
        if (!name || !is_selected(plan, name))
            continue;
        bool done = compare(plan, name, &found[used++]);
        if (done && !plan->query->json)
            print_cluster(plan, &found[used - 1]);
        good = good && done;
    }
    if (found && used == 0) {
        (void)fprintf(plan->err, "error: unknown cluster \"%s\"\n", plan->query->cluster);
        good = false;
    }
    if (good && plan->query->json)
        good = print_json(found, used, plan->out);
    for (size_t i = 0; i < used; i++)
        free(found[i].moves);
    free(found);
    return good;
}

/* ---- keys of a file ---- */

struct progress {
    FILE *err; /* null: not a terminal */
    time_t printed;
    uint64_t read, moved;
};

static void print_progress(struct progress *progress, bool at_end)
{
    const time_t now = time(NULL);
    if (!progress->err || (!at_end && now - progress->printed < PROGRESS_EVERY_S))
        return;
    progress->printed = now;
    (void)fprintf(progress->err, "\r%llu keys read, %llu move%s",
                  (unsigned long long)progress->read, (unsigned long long)progress->moved,
                  at_end ? "\n" : "");
    (void)fflush(progress->err);
}

static void print_move(const struct plan *plan, struct span id, const char *from, const char *to)
{
    print_text(plan->out, id);
    (void)fputc('\t', plan->out);
    print_name(plan->out, from);
    (void)fputc('\t', plan->out);
    print_name(plan->out, to);
    (void)fputc('\n', plan->out);
}

/* Get the key from a line: the line itself, or the address in normalized form. */
static bool key_of_line(const struct side *side, const char *line, size_t n,
                        char text[ADDRESS_TEXT_MAX], struct span *key)
{
    *key = span_of(line, n);
    if (!side->by_address)
        return true;
    if (n >= ADDRESS_TEXT_MAX || memchr(line, '\0', n))
        return false;
    memcpy(text, line, n);
    text[n] = '\0';
    if (!address_normalize(text, text))
        return false;
    *key = span_of_str(text);
    return true;
}

/* Process one non-empty line without its line end. Returns false if it is not a valid key. */
static bool look_up(const struct plan *plan, const struct side sides[2], struct span line,
                    struct progress *progress)
{
    char text[2][ADDRESS_TEXT_MAX];
    struct span key[2];
    for (int i = 0; i < 2; i++)
        if (!key_of_line(&sides[i], (const char *)line.p, line.n, text[i], &key[i]))
            return false;
    const char *from = home_of(&sides[0], key[0]), *to = home_of(&sides[1], key[1]);
    progress->read++;
    if (strcmp(from, to) != 0) {
        progress->moved++;
        print_move(plan, line, from, to);
    }
    if (progress->read % 4096 == 0)
        print_progress(progress, false);
    return true;
}

static bool print_moves(const struct plan *plan, FILE *ids, const struct side sides[2])
{
    struct progress progress = {.err = isatty(fileno(plan->err)) ? plan->err : NULL,
                                .printed = time(NULL)};
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    uint64_t number = 0;
    bool good = true;
    while (good && (n = getline(&line, &room, ids)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (number++ == 0 && small_file_has_mark(line, (size_t)n)) {
            (void)fprintf(
                plan->err,
                "error: %s: starts with a byte order mark: save the file as UTF-8 without it\n",
                plan->query->ids_path);
            free(line);
            return false;
        }
        good = n == 0 || look_up(plan, sides, span_of(line, (size_t)n), &progress);
    }
    free(line);
    if (ferror(ids))
        (void)fprintf(plan->err, "error: %s: %s\n", plan->query->ids_path, strerror(errno));
    else if (!good)
        (void)fprintf(plan->err,
                      "error: %s:%" PRIu64 ": must be " ADDRESS_HOST_RULE
                      ", because the cluster has route_by \"source_ip\"\n",
                      plan->query->ids_path, number);
    print_progress(&progress, true);
    return good && !ferror(ids);
}

static bool print_ids(const struct plan *plan)
{
    const char *path = plan->query->ids_path;
    const char *name = plan->query->cluster ? plan->query->cluster : plan->after->clusters[0].name;
    const struct cluster_conf *before = find(plan->before, name), *after = find(plan->after, name);
    struct side sides[2] = {0};
    if (!before && !after) {
        (void)fprintf(plan->err, "error: unknown cluster \"%s\"\n", name);
        return false;
    }
    if (!is_known(plan, before) || !is_known(plan, after))
        return false;
    FILE *ids = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!ids) {
        (void)fprintf(plan->err, "error: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool ready = side_init(&sides[0], before) && side_init(&sides[1], after);
    bool good = ready ? print_moves(plan, ids, sides) : no_memory(plan);
    side_fini(&sides[0]);
    side_fini(&sides[1]);
    if (ids != stdin)
        (void)fclose(ids);
    return good;
}

int plan_command(const struct plan_query *query, FILE *out, FILE *err)
{
    struct plan plan = {.query = query,
                        .before = config_file_load(query->old_path, CONFIG_FILE_START, err),
                        .after = config_file_load(query->new_path, CONFIG_FILE_START, err),
                        .out = out,
                        .err = err};
    bool good =
        plan.before && plan.after && (query->ids_path ? print_ids(&plan) : print_shares(&plan));
    config_free(plan.before);
    config_free(plan.after);
    return good ? 0 : 1;
}
