/*
 * client_reload.c - `mqtt-router reload`: as SIGHUP, with an answer.
 */
#include <inttypes.h>

#include "client_link.h"
#include "client_text.h"

static void print_lines(const json_t *lines, FILE *out)
{
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line)
    {
        client_text_print(json_string_value(line), out);
        (void)fputc('\n', out);
    }
}

static void print_done(const json_t *answer, FILE *out)
{
    char share[CLIENT_VALUE_MAX];
    size_t i;
    json_t *cluster;
    print_lines(json_object_get(answer, "warnings"), out);
    (void)fputs("reloaded\n", out);
    json_array_foreach(json_object_get(answer, "clusters"), i, cluster)
    {
        client_text_print(client_word(cluster, "name"), out);
        (void)fprintf(out,
                      ": %" PRId64 " nodes, %" PRId64 " added, %" PRId64
                      " removed; %s of the keys move\n",
                      client_number(cluster, "nodes"), client_number(cluster, "added"),
                      client_number(cluster, "removed"),
                      client_share(client_number(cluster, "moved_permille"), share));
    }
}

int client_reload(const struct client *client)
{
    struct client_link link;
    json_t *answer = NULL;
    if (client_link_open(&link, client))
        answer = client_link_ask(&link, "/api/v1/reload", json_object());
    if (answer && client->json)
        client_link_print(&link);
    else if (answer)
        print_done(answer, client->out);
    const bool done = answer;
    json_decref(answer);
    client_link_close(&link);
    return done ? 0 : 1;
}
