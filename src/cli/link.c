/*
 * link.c - connect to a running router, send requests, and print its errors.
 *
 * An error response (application/problem+json, RFC 9457) is printed as one line, followed by one
 * line for each fault that it lists.
 */
#include "link.h"

#include <stdlib.h>
#include <string.h>

#include "base/bearer_token.h"
#include "base/escape.h"
#include "model/config/file.h"
#include "text.h"

#define DEFAULT_ADDRESS "127.0.0.1:9090"

/* ---- address and token ---- */

/* Load the configuration. Prints messages only if it has errors; warnings alone are not printed. */
static struct config *load_config(const char *path, FILE *err)
{
    char *text = NULL;
    size_t n = 0;
    FILE *messages = open_memstream(&text, &n);
    struct config *config = messages ? config_file_load(path, CONFIG_FILE_START, messages) : NULL;
    if (messages)
        (void)fclose(messages);
    if (!config)
        (void)fputs(text ? text : "error: out of memory\n", err);
    else if (!config->admin)
        (void)fprintf(err, "error: %s: \"admin\" is not configured: use --admin ADDRESS\n", path);
    free(text);
    if (config && config->admin)
        return config;
    config_free(config);
    return NULL;
}

static bool open_at(struct client_link *link, const char *address, const char *token_file)
{
    FILE *err = link->client->err;
    struct bearer_token token = {0};
    char why[SMALL_FILE_ERROR_MAX] = "out of memory";
    const bool read = bearer_token_read(token_file, SMALL_FILE_OR_PIPE, &token, why);
    char *text = token.n > 0 ? strndup(token.text, token.n) : NULL;
    bearer_token_wipe(&token);
    if (!read || (token_file && !text))
        (void)fprintf(err, "error: %s: %s\n", token_file, why);
    else
        link->http = client_http_new(address, text, err);
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    return link->http;
}

bool client_link_open(struct client_link *link, const struct client *client)
{
    *link = (struct client_link){.client = client};
    const char *address = client->address;
    const char *token_file = client->token_file;
    struct config *config = NULL;
    if (client->config_path) {
        config = load_config(client->config_path, client->err);
        if (!config)
            return false;
        address = address ? address : config->admin->address;
        token_file = token_file ? token_file : config->admin->token_file;
    }
    address = address ? address : getenv("MQTT_ROUTER_ADMIN");
    token_file = token_file ? token_file : getenv("MQTT_ROUTER_TOKEN_FILE");
    const bool open = open_at(link, address && *address ? address : DEFAULT_ADDRESS,
                              token_file && *token_file ? token_file : NULL);
    config_free(config);
    return open;
}

void client_link_close(struct client_link *link)
{
    client_response_fini(&link->response);
    client_http_free(link->http);
}

/* ---- paths ---- */

static bool add(char **path, const char *joint, const char *key, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-._~";
    const size_t n = *path ? strlen(*path) : 0;
    char *longer = realloc(*path, n + strlen(joint) + strlen(key) + 3 * strlen(value) + 1);
    if (!longer)
        return false;
    *path = longer;
    char *at = longer + n + sprintf(longer + n, "%s%s", joint, key);
    for (; *value; value++)
        at += sprintf(at, strchr(plain, *value) ? "%c" : "%%%02X", (unsigned char)*value);
    *at = '\0';
    return true;
}

char *client_path_query(const char *base, const struct client_parameter *list, size_t n)
{
    char *path = strdup(base);
    const char *joint = "?";
    for (size_t i = 0; path && i < n; i++) {
        char key[32];
        if (!list[i].value)
            continue;
        (void)snprintf(key, sizeof(key), "%s=", list[i].key);
        if (!add(&path, joint, key, list[i].value)) {
            free(path);
            return NULL;
        }
        joint = "&";
    }
    return path;
}

char *client_path_segments(const char *base, const char *first, const char *second)
{
    char *path = strdup(base);
    if (path && add(&path, "/", "", first) && add(&path, "/", "", second))
        return path;
    free(path);
    return NULL;
}

/* ---- requests ---- */

void client_link_print(const struct client_link *link)
{
    FILE *out = link->client->out;
    const uint8_t *text = (const uint8_t *)link->response.text;
    char shown[ESCAPE_MAX];
    for (size_t i = 0, used = 0; i < link->response.n; i += used) {
        /* White space between JSON values. JSON strings contain these characters only escaped. */
        if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
            (void)fputc(text[i], out);
            used = 1;
            continue;
        }
        const size_t length = escape_char(text + i, link->response.n - i, false, shown, &used);
        (void)fwrite(shown, 1, length, out);
    }
    if (link->response.n > 0 && text[link->response.n - 1] != '\n')
        (void)fputc('\n', out);
}

static void print_problem(const struct client_link *link, const json_t *problem)
{
    FILE *err = link->client->err;
    const char *detail = member_string(problem, "detail");
    const char *reason = member_string(problem, "reason");
    (void)fputs("error: the router rejected the request: ", err);
    if (detail || reason)
        escape_print(detail ? detail : reason, err);
    else
        (void)fprintf(err, "HTTP status %ld", link->response.status);
    if (detail && reason)
        (void)fprintf(err, " (%ld)", link->response.status);
    (void)fputc('\n', err);
    size_t i;
    json_t *fault;
    json_array_foreach(json_object_get(problem, "faults"), i, fault)
    {
        escape_print(json_string_value(fault), err);
        (void)fputc('\n', err);
    }
}

json_t *client_link_request(struct client_link *link, const char *path, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    const bool ready = text || !body;
    json_decref(body);
    client_response_fini(&link->response);
    if (!ready)
        (void)fprintf(link->client->err, "error: out of memory\n");
    const bool received = ready && client_http_request(link->http, path, text, &link->response);
    free(text);
    if (!received)
        return NULL;
    const long status = link->response.status;
    json_t *json = json_loadb(link->response.text, link->response.n, 0, NULL);
    if (json && status >= 200 && status < 300)
        return json;
    if (link->client->json)
        client_link_print(link);
    if (!json && status < 300)
        (void)fprintf(link->client->err,
                      "error: the response is not JSON: check the admin address\n");
    else
        print_problem(link, json);
    json_decref(json);
    return NULL;
}

int client_run(const struct client *client, char *path, json_t *body,
               int (*print)(const struct client *client, const json_t *response, const void *arg),
               const void *arg)
{
    struct client_link link;
    json_t *response = NULL;
    int code = 1;
    if (!path)
        (void)fprintf(client->err, "error: out of memory\n");
    else if (client_link_open(&link, client))
        response = client_link_request(&link, path, json_incref(body));
    if (response && client->json) {
        client_link_print(&link);
        code = 0;
    } else if (response) {
        code = print(client, response, arg);
    }
    json_decref(response);
    json_decref(body);
    if (path)
        client_link_close(&link);
    free(path);
    return code;
}

/* ---- nodes ---- */

void client_node_each(const json_t *response, void (*visit)(void *arg, const json_t *node),
                      void *arg)
{
    size_t i, k;
    json_t *cluster, *node;
    json_array_foreach(json_object_get(response, "clusters"), i, cluster)
    {
        json_array_foreach(json_object_get(cluster, "nodes"), k, node)
        {
            visit(arg, node);
        }
    }
}

void client_node_print_name(const json_t *node, FILE *out)
{
    escape_print(member_string(node, "cluster"), out);
    (void)fputc('/', out);
    escape_print(member_string(node, "name"), out);
}

const char *client_node_why(const json_t *node)
{
    static const char *const listed[] = {"paused", "ejected", "down"};
    const char *status = member_string(node, "status");
    for (size_t i = 0; status && i < ARRAY_LEN(listed); i++)
        if (strcmp(status, listed[i]) == 0)
            return member_string(node, "why");
    if (json_is_true(json_object_get(node, "suspected")) ||
        json_is_true(json_object_get(node, "unanswered")))
        return member_string(node, "why");
    return NULL;
}

struct search {
    const char *name;
    FILE *err; /* print matching nodes here; null: do not print */
    bool all;  /* also print nodes that do not match */
    size_t found;
    const json_t *node; /* the last match */
};

static bool matches(const json_t *node, const char *wanted)
{
    const char *cluster = member_string(node, "cluster"), *name = member_string(node, "name");
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
        client_node_print_name(node, search->err);
        (void)fputc('\n', search->err);
    }
}

char *client_node_path(const json_t *node)
{
    return client_path_segments("/api/v1/nodes", member_string(node, "cluster"),
                                member_string(node, "name"));
}

char *client_node_find(struct client_link *link, const char *name)
{
    FILE *err = link->client->err;
    char *path = NULL;
    json_t *answer = client_link_request(link, "/api/v1/nodes", NULL);
    struct search search = {.name = name};
    client_node_each(answer, search_one, &search);
    if (search.found == 1) {
        path = client_node_path(search.node);
        if (!path)
            (void)fprintf(err, "error: out of memory\n");
    } else if (answer) {
        (void)fputs(search.found ? "error: several nodes match \"" : "error: unknown node \"", err);
        escape_print(name, err);
        (void)fputs(search.found ? "\":\n" : "\"; the nodes are:\n", err);
        struct search list = {.name = name, .err = err, .all = search.found == 0};
        client_node_each(answer, search_one, &list);
    }
    json_decref(answer);
    return path;
}

json_t *client_node_post(struct client_link *link, const char *path, json_t *body)
{
    if (body)
        return client_link_request(link, path, body);
    (void)fprintf(link->client->err, "error: out of memory\n");
    return NULL;
}
