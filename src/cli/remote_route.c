/*
 * remote_route.c - `mqtt-router route` of a running router: by the health of now.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "link.h"
#include "text.h"

static char *path_of(const struct route_query *query)
{
    char *path = strdup("/api/v1/route");
    if (path && client_path_query(&path, "cluster", query->cluster) &&
        client_path_query(&path, "client_id", query->client_id) &&
        client_path_query(&path, "username", query->username) &&
        client_path_query(&path, "source_ip", query->source_ip) &&
        client_path_query(&path, "tls_cn", query->tls_cn) &&
        client_path_query(&path, "sni", query->sni))
        return path;
    free(path);
    return NULL;
}

/* The same lines as without a router, and each node's status behind. */
static int print_candidates(const json_t *answer, FILE *out, FILE *err)
{
    size_t i;
    json_t *candidate;
    const json_t *list = json_object_get(answer, "candidates");
    json_array_foreach(list, i, candidate)
    {
        (void)fprintf(out, "%zu ", i + 1);
        escape_print(client_word(candidate, "node"), out);
        (void)fputc(' ', out);
        escape_print(client_word(candidate, "address"), out);
        (void)fputc(' ', out);
        escape_print(client_word(candidate, "status"), out);
        (void)fputc('\n', out);
    }
    if (json_array_size(list) == 0)
        (void)fprintf(err, "no node takes this device now\n");
    return json_array_size(list) > 0 ? 0 : 1;
}

static void say_home(const json_t *answer, FILE *err)
{
    const char *home = client_word(answer, "home");
    const char *first =
        client_word(json_array_get(json_object_get(answer, "candidates"), 0), "node");
    if (!home || (first && strcmp(first, home) == 0))
        return;
    (void)fputs("its home is ", err);
    escape_print(home, err);
    (void)fputs(", which takes no new sessions now\n", err);
}

static int print_answer(const json_t *answer, FILE *out, FILE *err)
{
    const char *without_key = client_word(answer, "without_key");
    if (without_key) {
        (void)fprintf(err, "no route key: cluster ");
        escape_print(client_word(answer, "cluster"), err);
        (void)fprintf(err, " %s\n",
                      strcmp(without_key, "refused") == 0
                          ? "would refuse this device"
                          : "would send this device to its least loaded node");
        return 1;
    }
    const int code = print_candidates(answer, out, err);
    say_home(answer, err);
    return code;
}

int client_route(const struct client *client, const struct route_query *query)
{
    struct client_link link;
    int code = 1;
    json_t *answer = NULL;
    char *path = path_of(query);
    if (!path)
        (void)fprintf(client->err, "error: out of memory\n");
    if (client_link_open(&link, client) && path)
        answer = client_link_ask(&link, path, NULL);
    if (answer && client->json) {
        client_link_print(&link);
        code = 0;
    } else if (answer) {
        code = print_answer(answer, client->out, client->err);
    }
    json_decref(answer);
    free(path);
    client_link_close(&link);
    return code;
}
