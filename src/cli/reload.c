/*
 * reload.c - `mqtt-router reload`: as SIGHUP, with an answer.
 */
#include "base/escape.h"
#include "link.h"
#include "text.h"

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

/* Keys of the cluster where most move. */
static void print_done(const json_t *answer, FILE *out, FILE *err)
{
    char share[CLIENT_VALUE_MAX];
    print_lines(json_object_get(answer, "warnings"), err);
    (void)fprintf(out, "reloaded; %s of the keys have another home\n",
                  client_share(client_number(answer, "moved_permille"), share));
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
        print_done(answer, client->out, client->err);
    const bool done = answer;
    json_decref(answer);
    client_link_close(&link);
    return done ? 0 : 1;
}
