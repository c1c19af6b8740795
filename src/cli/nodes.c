/*
 * nodes.c - `mqtt-router nodes`, `restore` and `drain`.
 *
 * drain --wait blocks SIGINT and receives it with sigtimedwait(), so no signal handler is needed.
 * The drain itself runs in the router and continues when the command is interrupted.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "remote.h"
#include "text.h"

/* ---- nodes ---- */

static bool is_true(const json_t *node, const char *key)
{
    return json_is_true(json_object_get(node, key));
}

/* Add a value, with a star if it differs from the configuration file. */
static void add_changed(struct table *table, const char *value, bool changed)
{
    char text[80];
    (void)snprintf(text, sizeof(text), "%s%s", value, changed ? "*" : "");
    table_text(table, text);
}

static void add_state(struct table *table, const json_t *node)
{
    char text[64];
    const char *state = member_string(node, "state"),
               *in_file = member_string(node, "state_in_file");
    state = state ? state : "-";
    (void)snprintf(text, sizeof(text), "%s%s", is_true(node, "departed") ? "departed" : state,
                   is_true(node, "backup") ? " (backup)" : "");
    add_changed(table, text, in_file && strcmp(state, in_file) != 0 && !is_true(node, "departed"));
}

static void add_node(void *arg, const json_t *node)
{
    struct table *table = arg;
    char value[FORMAT_MAX];
    const json_t *weight = json_object_get(node, "weight");
    const json_t *file_weight = json_object_get(node, "weight_in_file");
    table_text(table, member_string(node, "cluster"));
    table_text(table, member_string(node, "name"));
    table_text(table, member_string(node, "address"));
    table_text(table, member_string(node, "status"));
    add_state(table, node);
    (void)snprintf(value, sizeof(value), "%" PRId64, member_number(node, "weight"));
    add_changed(table, value, file_weight && !json_equal(weight, file_weight));
    table_number(table, member_number(node, "sessions"));
    table_text(table, format_permille(member_number(node, "session_share_permille"), value));
    table_text(table, format_permille(member_number(node, "key_share_permille"), value));
    table_text(table, client_node_why(node));
}

static bool print_table(const json_t *response, FILE *out, FILE *err)
{
    static const char *const titles[] = {"CLUSTER", "NODE",    "ADDRESS",   "STATUS",
                                         "STATE",   ">WEIGHT", ">SESSIONS", ">OF ALL",
                                         ">KEYS",   "WHY",     NULL};
    struct table *table = table_new(titles);
    client_node_each(response, add_node, table);
    return table_end(table, out, err);
}

static void print_name_line(void *arg, const json_t *node)
{
    client_node_print_name(node, arg);
    (void)fputc('\n', arg);
}

static int print_nodes(const struct client *client, const json_t *response, const void *arg)
{
    const bool *names = arg;
    if (!*names)
        return print_table(response, client->out, client->err) ? 0 : 1;
    client_node_each(response, print_name_line, client->out);
    return 0;
}

int client_nodes(const struct client *client, bool names)
{
    return client_run(client, strdup("/api/v1/nodes"), NULL, print_nodes, &names);
}

/* ---- restore ---- */

int client_restore(const struct client *client, const char *name)
{
    struct client_link link;
    json_t *node = NULL;
    char *path = NULL;
    if (client_link_open(&link, client))
        path = client_node_find(&link, name);
    if (path)
        node = client_node_post(&link, path, json_pack("{s:s}", "state", "up"));
    if (node && client->json) {
        client_link_print(&link);
    } else if (node) {
        client_node_print_name(node, client->out);
        (void)fputs(": state up, status ", client->out);
        escape_print(member_string(node, "status"), client->out);
        (void)fputc('\n', client->out);
    }
    const bool done = node;
    json_decref(node);
    free(path);
    client_link_close(&link);
    return done ? 0 : 1;
}

/* ---- drain ---- */

/* State of `drain --wait`. */
struct watch {
    struct client_link *link;
    const char *path; /* API path of the node */
    uint64_t began_us;
    int64_t at_start; /* number of sessions */
    bool terminal;    /* update one line */
    bool silent;      /* --json */
};

static json_t *drain_body(const struct client_drain *drain)
{
    json_t *body = json_pack("{s:s}", "state", "draining");
    int bad = body ? 0 : -1;
    if (drain->rate)
        bad |= json_object_set_new(body, "drain_rate_per_s", json_integer(atoll(drain->rate)));
    if (drain->deadline)
        bad |= json_object_set_new(body, "drain_deadline_ms",
                                   json_integer(1000 * atoll(drain->deadline)));
    if (bad == 0)
        return body;
    json_decref(body);
    return NULL;
}

/* Print "c/n1: 1200 of 9000 sessions left after 4 s". On a terminal, replace the previous line. */
static void print_progress(const struct watch *watch, const json_t *node)
{
    FILE *out = watch->link->client->out;
    char age[FORMAT_MAX];
    const int64_t left = member_number(node, "sessions");
    if (watch->silent)
        return;
    if (watch->terminal)
        (void)fputs("\r\033[K", out); /* clear the line */
    client_node_print_name(node, out);
    (void)fprintf(
        out, ": %" PRId64 " of %" PRId64 " sessions left after %s", left, watch->at_start,
        format_duration((int64_t)((clock_monotonic_us() - watch->began_us) / 1000000u), age));
    if (json_is_true(json_object_get(json_object_get(node, "drain"), "held")))
        (void)fputs(" (waiting: no other node accepts sessions)", out);
    if (!watch->terminal)
        (void)fputc('\n', out);
    (void)fflush(out);
}

static void end_line(const struct watch *watch)
{
    if (watch->terminal)
        (void)fputc('\n', watch->link->client->out);
}

static void block_interrupt(sigset_t *set, int how)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    (void)sigprocmask(how, set, NULL);
}

/* Wait until the next request is due. Returns false if SIGINT arrived first. */
static bool wait_interval(const struct watch *watch, const sigset_t *interrupt)
{
    const struct timespec time = {.tv_sec = watch->terminal ? 0 : 1,
                                  .tv_nsec = watch->terminal ? 250000000 : 0};
    int got;
    do
        got = sigtimedwait(interrupt, NULL, &time);
    while (got < 0 && errno == EINTR);
    return got != SIGINT;
}

/* Return whether SIGINT aborted a request. */
static bool is_interrupted(const sigset_t *interrupt)
{
    const struct timespec now = {0};
    return sigtimedwait(interrupt, NULL, &now) == SIGINT;
}

struct lookup {
    const char *path;
    json_t *found; /* owned reference */
};

static void look_up_one(void *arg, const json_t *node)
{
    struct lookup *lookup = arg;
    char *path = client_node_path(node);
    if (path && strcmp(path, lookup->path) == 0 && !lookup->found)
        lookup->found = json_incref((json_t *)node);
    free(path);
}

/* Fetch the state of the node, owned by the caller. Returns null after printing an error. */
static json_t *fetch_node(const struct watch *watch)
{
    struct lookup lookup = {.path = watch->path};
    json_t *response = client_link_request(watch->link, "/api/v1/nodes", NULL);
    client_node_each(response, look_up_one, &lookup);
    if (response && !lookup.found)
        (void)fprintf(watch->link->client->err,
                      "error: the node was removed from the configuration\n");
    json_decref(response);
    return lookup.found;
}

/* Return the exit code: 0 if no session is left, 1 if the drain was ended; -1 to keep waiting. */
static int verdict(const struct watch *watch, const json_t *node)
{
    FILE *out = watch->link->client->out;
    const char *state = member_string(node, "state");
    const bool removed = json_is_true(json_object_get(node, "departed"));
    if (!removed && (!state || strcmp(state, "draining") != 0)) {
        end_line(watch);
        (void)fprintf(watch->link->client->err,
                      "error: the drain was stopped: the node's state is now ");
        escape_print(state, watch->link->client->err);
        (void)fputc('\n', watch->link->client->err);
        return 1;
    }
    if (member_number(node, "sessions") > 0)
        return -1;
    end_line(watch);
    if (watch->silent) {
        (void)json_dumpf(node, out, JSON_COMPACT | JSON_ENSURE_ASCII);
        (void)fputc('\n', out);
        return 0;
    }
    client_node_print_name(node, out);
    (void)fputs(" is empty\n", out);
    return 0;
}

static int stop_waiting(const struct watch *watch)
{
    end_line(watch);
    (void)fprintf(watch->link->client->err,
                  "Stopped waiting; the drain continues. `mqtt-router restore` stops it.\n");
    return 1;
}

/* Wait until the drain ends. Takes `node`, the response that started it. Returns the exit code. */
static int watch_drain(struct watch *watch, json_t *node, const sigset_t *interrupt)
{
    int code = -1;
    watch->began_us = clock_monotonic_us();
    watch->at_start = member_number(node, "sessions");
    while (code < 0) {
        print_progress(watch, node);
        code = verdict(watch, node);
        if (code >= 0)
            break;
        bool go_on = wait_interval(watch, interrupt);
        json_decref(node);
        node = go_on ? fetch_node(watch) : NULL;
        if (!node)
            code = !go_on || is_interrupted(interrupt) ? stop_waiting(watch) : 1;
    }
    json_decref(node);
    return code;
}

static void print_started(const struct client_link *link, const json_t *node)
{
    FILE *out = link->client->out;
    if (link->client->json) {
        client_link_print(link);
        return;
    }
    client_node_print_name(node, out);
    (void)fprintf(out, ": draining, %" PRId64 " sessions left\n", member_number(node, "sessions"));
}

/* Start the drain, and wait for it if requested. */
static int drain_at(struct client_link *link, const char *path, const struct client_drain *drain)
{
    const struct client *client = link->client;
    sigset_t interrupt;
    struct watch watch = {.link = link,
                          .path = path,
                          .terminal = !client->json && isatty(fileno(client->out)) == 1,
                          .silent = client->json};
    json_t *node = client_node_post(link, path, drain_body(drain));
    if (!node)
        return 1;
    if (!drain->wait) {
        print_started(link, node);
        json_decref(node);
        return 0;
    }
    block_interrupt(&interrupt, SIG_BLOCK);
    int code = watch_drain(&watch, node, &interrupt);
    block_interrupt(&interrupt, SIG_UNBLOCK);
    return code;
}

int client_drain(const struct client *client, const struct client_drain *drain)
{
    struct client_link link;
    int code = 1;
    char *path = NULL;
    if (client_link_open(&link, client))
        path = client_node_find(&link, drain->node);
    if (path)
        code = drain_at(&link, path, drain);
    free(path);
    client_link_close(&link);
    return code;
}
