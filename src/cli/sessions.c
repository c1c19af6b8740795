/*
 * sessions.c - `mqtt-router sessions` and `disconnect`.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "link.h"
#include "text.h"

static void add_session(struct client_table *table, const json_t *session)
{
    char value[CLIENT_VALUE_MAX];
    const json_t *id = json_object_get(session, "id");
    const char *node = client_word(session, "node"), *home = client_word(session, "home");
    if (json_is_integer(id))
        client_table_number(table, (int64_t)json_integer_value(id));
    else
        client_table_text(table, json_string_value(id));
    client_table_text(table, client_word(session, "client_id"));
    client_table_text(table, client_word(session, "source"));
    client_table_text(table, client_word(session, "listener"));
    client_table_text(table, node);
    client_table_text(table, node && home && strcmp(node, home) == 0 ? "at home" : home);
    client_table_text(table, client_word(session, "stage"));
    client_table_text(table, client_duration(client_number(session, "age_s"), value));
    client_table_text(table, client_bytes(client_number(session, "bytes_up"), value));
    client_table_text(table, client_bytes(client_number(session, "bytes_down"), value));
}

static bool print_sessions(const json_t *answer, FILE *out, FILE *err)
{
    static const char *const titles[] = {"ID",    "CLIENT ID", "SOURCE", "LISTENER", "NODE", "HOME",
                                         "STAGE", ">AGE",      ">UP",    ">DOWN",    NULL};
    const json_t *list = json_object_get(answer, "sessions");
    struct client_table *table = client_table_new(titles);
    size_t i;
    json_t *session;
    json_array_foreach(list, i, session)
    {
        add_session(table, session);
    }
    if (!client_table_end(table, out, err))
        return false;
    if (json_is_true(json_object_get(answer, "more")))
        (void)fprintf(err, "There are more: --limit N, up to 1000, or ask for less.\n");
    if (json_is_false(json_object_get(answer, "complete")))
        (void)fprintf(err, "Not all workers answered in time: some sessions may be missing.\n");
    return true;
}

static char *path_of(const struct client_sessions *query)
{
    char *path = strdup("/api/v1/sessions");
    if (path && client_path_query(&path, "client_id", query->client_id) &&
        client_path_query(&path, "node", query->node) &&
        client_path_query(&path, "source", query->source) &&
        client_path_query(&path, "limit", query->limit))
        return path;
    free(path);
    return NULL;
}

int client_sessions(const struct client *client, const struct client_sessions *query)
{
    struct client_link link;
    bool done = false;
    json_t *answer = NULL;
    char *path = path_of(query);
    if (!path)
        (void)fprintf(client->err, "error: out of memory\n");
    if (client_link_open(&link, client) && path)
        answer = client_link_ask(&link, path, NULL);
    if (answer && client->json)
        client_link_print(&link);
    else if (answer)
        done = print_sessions(answer, client->out, client->err);
    done = done || (answer && client->json);
    json_decref(answer);
    free(path);
    client_link_close(&link);
    return done ? 0 : 1;
}

static char *disconnect_path(const char *id)
{
    char *path = strdup("/api/v1/sessions");
    if (path && client_path_part(&path, id) && client_path_part(&path, "disconnect"))
        return path;
    free(path);
    return NULL;
}

int client_disconnect(const struct client *client, const char *id)
{
    struct client_link link;
    json_t *answer = NULL;
    char *path = disconnect_path(id);
    if (!path)
        (void)fprintf(client->err, "error: out of memory\n");
    if (client_link_open(&link, client) && path)
        answer = client_link_ask(&link, path, json_object());
    if (answer && client->json) {
        client_link_print(&link);
    } else if (answer) {
        (void)fputs("session ", client->out);
        escape_print(id, client->out);
        (void)fputs(": ", client->out);
        escape_print(client_word(answer, "reason"), client->out);
        (void)fputc('\n', client->out);
    }
    const bool done = answer;
    json_decref(answer);
    free(path);
    client_link_close(&link);
    return done ? 0 : 1;
}
