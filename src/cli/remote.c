/*
 * remote.c - the commands that send one request to a running router: sessions, disconnect, reload
 * and route.
 */
#include "remote.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "text.h"

/* ---- sessions ---- */

static void add_session(struct table *table, const json_t *session)
{
    char value[FORMAT_MAX];
    const json_t *id = json_object_get(session, "id");
    const char *node = member_string(session, "node"), *home = member_string(session, "home");
    if (json_is_integer(id))
        table_number(table, (int64_t)json_integer_value(id));
    else
        table_text(table, json_string_value(id));
    table_text(table, member_string(session, "client_id"));
    table_text(table, member_string(session, "source"));
    table_text(table, member_string(session, "listener"));
    table_text(table, node);
    table_text(table, node && home && strcmp(node, home) == 0 ? "at home" : home);
    table_text(table, member_string(session, "stage"));
    table_text(table, format_duration(member_number(session, "age_s"), value));
    table_text(table, format_bytes(member_number(session, "bytes_up"), value));
    table_text(table, format_bytes(member_number(session, "bytes_down"), value));
}

static int print_sessions(const struct client *client, const json_t *response, const void *arg)
{
    (void)arg;
    static const char *const titles[] = {"ID",    "CLIENT ID", "SOURCE", "LISTENER", "NODE", "HOME",
                                         "STAGE", ">AGE",      ">UP",    ">DOWN",    NULL};
    const json_t *list = json_object_get(response, "sessions");
    struct table *table = table_new(titles);
    size_t i;
    json_t *session;
    json_array_foreach(list, i, session)
    {
        add_session(table, session);
    }
    if (!table_end(table, client->out, client->err))
        return 1;
    if (json_is_true(json_object_get(response, "more")))
        (void)fprintf(client->err,
                      "There are more sessions: use --limit N (up to 1000) or a filter.\n");
    if (json_is_false(json_object_get(response, "complete")))
        (void)fprintf(client->err,
                      "Some workers did not respond in time: sessions may be missing.\n");
    return 0;
}

int client_sessions(const struct client *client, const struct client_sessions *query)
{
    const struct client_parameter parameters[] = {{"client_id", query->client_id},
                                                  {"node", query->node},
                                                  {"source", query->source},
                                                  {"limit", query->limit}};
    char *path = client_path_query("/api/v1/sessions", parameters, ARRAY_LEN(parameters));
    return client_run(client, path, NULL, print_sessions, NULL);
}

/* ---- disconnect ---- */

static int print_disconnected(const struct client *client, const json_t *response, const void *arg)
{
    (void)fputs("session ", client->out);
    escape_print(arg, client->out);
    (void)fputs(": ", client->out);
    escape_print(member_string(response, "reason"), client->out);
    (void)fputc('\n', client->out);
    return 0;
}

int client_disconnect(const struct client *client, const char *id)
{
    char *path = client_path_segments("/api/v1/sessions", id, "disconnect");
    return client_run(client, path, json_object(), print_disconnected, id);
}

/* ---- reload ---- */

static void print_lines(const json_t *lines, FILE *out)
{
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line)
    {
        escape_print(json_string_value(line), out);
        (void)fputc('\n', out);
    }
}

/* The share is that of the cluster in which the largest share of keys moves. */
static int print_reloaded(const struct client *client, const json_t *response, const void *arg)
{
    char share[FORMAT_MAX];
    (void)arg;
    print_lines(json_object_get(response, "warnings"), client->err);
    (void)fprintf(client->out, "reloaded; %s of the keys have a new home\n",
                  format_permille(member_number(response, "moved_permille"), share));
    return 0;
}

int client_reload(const struct client *client)
{
    return client_run(client, strdup("/api/v1/reload"), json_object(), print_reloaded, NULL);
}

/* ---- route ---- */

/* Print the same lines as route_command(), each followed by the status of the node. */
static int print_candidates(const json_t *response, FILE *out, FILE *err)
{
    size_t i;
    json_t *candidate;
    const json_t *list = json_object_get(response, "candidates");
    json_array_foreach(list, i, candidate)
    {
        (void)fprintf(out, "%zu ", i + 1);
        escape_print(member_string(candidate, "node"), out);
        (void)fputc(' ', out);
        escape_print(member_string(candidate, "address"), out);
        (void)fputc(' ', out);
        escape_print(member_string(candidate, "status"), out);
        (void)fputc('\n', out);
    }
    if (json_array_size(list) == 0)
        (void)fprintf(err, "no node accepts new sessions now\n");
    return json_array_size(list) > 0 ? 0 : 1;
}

static void print_home(const json_t *response, FILE *err)
{
    const char *home = member_string(response, "home");
    const char *first =
        member_string(json_array_get(json_object_get(response, "candidates"), 0), "node");
    if (!home || (first && strcmp(first, home) == 0))
        return;
    (void)fputs("the home node is ", err);
    escape_print(home, err);
    (void)fputs(", which accepts no new sessions now\n", err);
}

static int print_route(const struct client *client, const json_t *response, const void *arg)
{
    (void)arg;
    FILE *err = client->err;
    const char *without_key = member_string(response, "without_key");
    if (without_key) {
        (void)fprintf(err, "no route key: cluster ");
        escape_print(member_string(response, "cluster"), err);
        (void)fprintf(err, " %s\n",
                      strcmp(without_key, "refused") == 0
                          ? "would refuse this device"
                          : "would send this device to the least loaded node");
        return 1;
    }
    const int code = print_candidates(response, client->out, err);
    print_home(response, err);
    return code;
}

int client_route(const struct client *client, const struct route_query *query)
{
    const struct client_parameter parameters[] = {
        {"cluster", query->cluster},   {"client_id", query->client_id},
        {"username", query->username}, {"source_ip", query->source_ip},
        {"tls_cn", query->tls_cn},     {"sni", query->sni}};
    char *path = client_path_query("/api/v1/route", parameters, ARRAY_LEN(parameters));
    return client_run(client, path, NULL, print_route, NULL);
}
