/*
 * nodes.c - `mqtt-router nodes` and `restore`; how a node is found by its name.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "node.h"
#include "text.h"

/* ---- all of them ---- */

void client_node_each(const json_t *answer, void (*see)(void *arg, const json_t *node), void *arg)
{
    size_t i, k;
    json_t *cluster, *node;
    json_array_foreach(json_object_get(answer, "clusters"), i, cluster)
    {
        json_array_foreach(json_object_get(cluster, "nodes"), k, node)
        {
            see(arg, node);
        }
    }
}

void client_node_print_name(const json_t *node, FILE *out)
{
    escape_print(client_word(node, "cluster"), out);
    (void)fputc('/', out);
    escape_print(client_word(node, "name"), out);
}

const char *client_node_why(const json_t *node)
{
    static const char *const told[] = {"paused", "ejected", "down"};
    const char *status = client_word(node, "status");
    for (size_t i = 0; status && i < ARRAY_LEN(told); i++)
        if (strcmp(status, told[i]) == 0)
            return client_word(node, "why");
    if (json_is_true(json_object_get(node, "suspected")) ||
        json_is_true(json_object_get(node, "unanswered")))
        return client_word(node, "why");
    return NULL;
}

static void print_name_line(void *arg, const json_t *node)
{
    client_node_print_name(node, arg);
    (void)fputc('\n', arg);
}

static bool is_true(const json_t *node, const char *key)
{
    return json_is_true(json_object_get(node, key));
}

/* A value, with a star when the file has another one. */
static void add_changed(struct client_table *table, const char *value, bool changed)
{
    char text[80];
    (void)snprintf(text, sizeof(text), "%s%s", value, changed ? "*" : "");
    client_table_text(table, text);
}

static void add_state(struct client_table *table, const json_t *node)
{
    char text[64];
    const char *state = client_word(node, "state"), *in_file = client_word(node, "state_in_file");
    state = state ? state : "-";
    (void)snprintf(text, sizeof(text), "%s%s", is_true(node, "departed") ? "departed" : state,
                   is_true(node, "backup") ? " (backup)" : "");
    add_changed(table, text, in_file && strcmp(state, in_file) != 0 && !is_true(node, "departed"));
}

static void add_node(void *arg, const json_t *node)
{
    struct client_table *table = arg;
    char value[CLIENT_VALUE_MAX];
    const json_t *weight = json_object_get(node, "weight");
    const json_t *file_weight = json_object_get(node, "weight_in_file");
    client_table_text(table, client_word(node, "cluster"));
    client_table_text(table, client_word(node, "name"));
    client_table_text(table, client_word(node, "address"));
    client_table_text(table, client_word(node, "status"));
    add_state(table, node);
    (void)snprintf(value, sizeof(value), "%" PRId64, client_number(node, "weight"));
    add_changed(table, value, file_weight && !json_equal(weight, file_weight));
    client_table_number(table, client_number(node, "sessions"));
    client_table_text(table, client_share(client_number(node, "session_share_permille"), value));
    client_table_text(table, client_share(client_number(node, "key_share_permille"), value));
    client_table_text(table, client_node_why(node));
}

static bool print_table(const json_t *answer, FILE *out, FILE *err)
{
    static const char *const titles[] = {"CLUSTER", "NODE",    "ADDRESS",   "STATUS",
                                         "STATE",   ">WEIGHT", ">SESSIONS", ">OF ALL",
                                         ">KEYS",   "WHY",     NULL};
    struct client_table *table = client_table_new(titles);
    client_node_each(answer, add_node, table);
    return client_table_end(table, out, err);
}

int client_nodes(const struct client *client, bool names)
{
    struct client_link link;
    bool done = false;
    json_t *answer = NULL;
    if (client_link_open(&link, client))
        answer = client_link_ask(&link, "/api/v1/nodes", NULL);
    if (answer && client->json)
        client_link_print(&link);
    else if (answer && names)
        client_node_each(answer, print_name_line, client->out);
    else if (answer)
        done = print_table(answer, client->out, client->err);
    done = done || (answer && (client->json || names));
    json_decref(answer);
    client_link_close(&link);
    return done ? 0 : 1;
}

/* ---- one of them ---- */

struct search {
    const char *name;
    FILE *err; /* where the names of matching nodes go; null = nowhere */
    bool all;  /* names of nodes that do not match, too */
    size_t found;
    const json_t *node; /* the last one found */
};

static bool matches(const json_t *node, const char *wanted)
{
    const char *cluster = client_word(node, "cluster"), *name = client_word(node, "name");
    if (!cluster || !name)
        return false;
    const size_t n = strlen(cluster);
    return strcmp(name, wanted) == 0 || (strncmp(cluster, wanted, n) == 0 && wanted[n] == '/' &&
                                         strcmp(wanted + n + 1, name) == 0);
}

static void search_one(void *arg, const json_t *node)
{
    struct search *search = arg;
    const bool match = matches(node, search->name);
    if (match) {
        search->found++;
        search->node = node;
    }
    if (search->err && (match || search->all)) {
        (void)fputs("  ", search->err);
        print_name_line(search->err, node);
    }
}

char *client_node_path(const json_t *node)
{
    char *path = strdup("/api/v1/nodes");
    if (path && client_path_part(&path, client_word(node, "cluster")) &&
        client_path_part(&path, client_word(node, "name")))
        return path;
    free(path);
    return NULL;
}

char *client_node_find(struct client_link *link, const char *name)
{
    FILE *err = link->client->err;
    char *path = NULL;
    json_t *answer = client_link_ask(link, "/api/v1/nodes", NULL);
    struct search search = {.name = name};
    client_node_each(answer, search_one, &search);
    if (search.found == 1) {
        path = client_node_path(search.node);
        if (!path)
            (void)fprintf(err, "error: out of memory\n");
    } else if (answer) {
        (void)fputs(search.found ? "error: several nodes are called \""
                                 : "error: no node is called \"",
                    err);
        escape_print(name, err);
        (void)fputs(search.found ? "\"; which one?\n" : "\"; there are:\n", err);
        struct search list = {.name = name, .err = err, .all = search.found == 0};
        client_node_each(answer, search_one, &list);
    }
    json_decref(answer);
    return path;
}

json_t *client_node_steer(struct client_link *link, const char *path, json_t *body)
{
    if (body)
        return client_link_ask(link, path, body);
    (void)fprintf(link->client->err, "error: out of memory\n");
    return NULL;
}

int client_restore(const struct client *client, const char *name)
{
    struct client_link link;
    json_t *node = NULL;
    char *path = NULL;
    if (client_link_open(&link, client))
        path = client_node_find(&link, name);
    if (path)
        node = client_node_steer(&link, path, json_pack("{s:s}", "state", "up"));
    if (node && client->json) {
        client_link_print(&link);
    } else if (node) {
        client_node_print_name(node, client->out);
        (void)fputs(": its state is up, its status ", client->out);
        escape_print(client_word(node, "status"), client->out);
        (void)fputc('\n', client->out);
    }
    const bool done = node;
    json_decref(node);
    free(path);
    client_link_close(&link);
    return done ? 0 : 1;
}
