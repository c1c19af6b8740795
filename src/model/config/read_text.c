/*
 * read_text.c - read a JSON string: a name, a file, an address, or text of a certain shape.
 *
 * Relative paths of files and of Unix sockets are resolved against the configuration file's
 * directory.
 */
#include "read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

#define NUMERIC "a numeric IPv4 or IPv6 address and a port"
#define OR_UNIX ", or \"" CONFIG_UNIX_PREFIX "PATH\""

const char *config_plain_text(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* Control characters are rejected, because strings are used in logs, metrics and messages. */
static bool has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

bool config_want_text(struct config_load *load, const struct config_key *key,
                      const struct config_place *at)
{
    const struct config_shape *shape = key->shape;
    uint32_t min = shape ? 1 : key->min;
    uint32_t max = shape ? shape->max : key->max;
    const char *text = config_plain_text(at->value);
    if (text && strlen(text) >= min && strlen(text) <= max &&
        (shape ? shape->fits(text) : !has_control(text)))
        return true;
    struct config_text rule = {0};
    if (shape)
        config_text_put(&rule, "%s, of up to %" PRIu32 " bytes", shape->want, max);
    else
        config_text_put(
            &rule, "text of %" PRIu32 " to %" PRIu32 " bytes without control characters", min, max);
    config_want(load, at, rule.bytes);
    return false;
}

static char *copy(struct config_load *load, const char *text)
{
    char *text_copy = strdup(text);
    if (!text_copy)
        config_no_memory(load);
    return text_copy;
}

/* Resolve a relative path against the configuration file's directory. The result begins with
 * prefix. */
static char *resolve_path(struct config_load *load, const char *prefix, const char *path)
{
    const char *slash = strrchr(load->file_name, '/');
    size_t directory = *path == '/' || !slash ? 0 : (size_t)(slash - load->file_name) + 1;
    size_t n_prefix = strlen(prefix);
    size_t n_path = strlen(path) + 1;
    char *whole = malloc(n_prefix + directory + n_path);
    if (!whole) {
        config_no_memory(load);
        return NULL;
    }
    memcpy(whole, prefix, n_prefix);
    memcpy(whole + n_prefix, load->file_name, directory);
    memcpy(whole + n_prefix + directory, path, n_path);
    return whole;
}

static char *make_file(struct config_load *load, const struct config_place *at)
{
    const char *text = config_plain_text(at->value);
    if (text && *text && !has_control(text))
        return resolve_path(load, "", text);
    config_want(load, at, "a file name");
    return NULL;
}

static char *make_unix_address(struct config_load *load, const char *path,
                               const struct config_place *at)
{
    if (!*path || has_control(path)) {
        config_want(load, at,
                    "\"" CONFIG_UNIX_PREFIX "PATH\" without control characters in the path");
        return NULL;
    }
    char *address = resolve_path(load, CONFIG_UNIX_PREFIX, path);
    size_t n = address ? strlen(config_address_unix(address)) : 0;
    if (n <= CONFIG_UNIX_PATH_MAX)
        return address;
    config_error(load, at, "the path of a Unix socket must be at most %u bytes long, got %zu%s",
                 CONFIG_UNIX_PATH_MAX, n, n > strlen(path) ? " including the directory" : "");
    free(address);
    return NULL;
}

static char *make_listen_address(struct config_load *load, const struct config_place *at)
{
    struct config_address address;
    const char *text = config_plain_text(at->value);
    if (text && config_address_unix(text))
        return make_unix_address(load, config_address_unix(text), at);
    if (text && config_address_parse(text, &address))
        return copy(load, text);
    config_want(load, at, NUMERIC " (\"0.0.0.0:1883\", \"[::]:1883\")" OR_UNIX);
    return NULL;
}

static char *make_node_address(struct config_load *load, const struct config_place *at)
{
    struct config_address address;
    const char *text = config_plain_text(at->value);
    if (text && config_address_unix(text))
        return make_unix_address(load, config_address_unix(text), at);
    if (!text || !config_address_parse(text, &address))
        config_want(load, at, NUMERIC " (\"192.0.2.1:1883\", \"[2001:db8::1]:1883\")" OR_UNIX);
    else if (address.any || address.port == 0)
        config_want(load, at, "the address and port of one node");
    else
        return copy(load, text);
    return NULL;
}

#define SERVER_ADDRESS_MAX 64u

/* Add the port to a host without one, and brackets to IPv6. */
static bool complete_server(const char *host, uint32_t port, char text[SERVER_ADDRESS_MAX])
{
    struct config_address address;
    bool bare_v6 = config_host_parse(host, &address) && address.v6;
    int n = snprintf(text, SERVER_ADDRESS_MAX, "%s%s%s:%" PRIu32, bare_v6 ? "[" : "", host,
                     bare_v6 ? "]" : "", port);
    return n > 0 && n < (int)SERVER_ADDRESS_MAX && config_address_parse(text, &address) &&
           !address.any;
}

static char *make_server_address(struct config_load *load, const struct config_key *key,
                                 const struct config_place *at)
{
    char completed[SERVER_ADDRESS_MAX];
    struct config_address address;
    const char *text = config_plain_text(at->value);
    if (text && config_address_parse(text, &address) && !address.any && address.port > 0)
        return copy(load, text);
    if (text && complete_server(text, key->default_value, completed))
        return copy(load, completed);
    config_want(load, at,
                "a numeric IPv4 or IPv6 address, with or without a port (\"192.0.2.1:53\", "
                "\"2001:db8::1\")");
    return NULL;
}

/* Store the line, for config_line(). */
static void note_line(struct config_load *load, const struct config_place *at)
{
    struct config *config = load->config;
    struct config_text path = {0};
    struct config_where *list =
        reallocarray(config->where, config->n_where + 1, sizeof(*config->where));
    if (list)
        config->where = list;
    config_path(at, &path);
    char *copied = list ? strdup(path.bytes) : NULL;
    if (copied)
        list[config->n_where++] = (struct config_where){
            .path = copied, .line = config_lines_line(&load->lines, at->entry)};
    else
        config_no_memory(load);
}

static char *make_text(struct config_load *load, const struct config_key *key,
                       enum config_kind kind, const struct config_place *at)
{
    switch (kind) {
    case KEY_FILE:
        return make_file(load, at);
    case KEY_LISTEN_ADDRESS:
        return make_listen_address(load, at);
    case KEY_NODE_ADDRESS:
        return make_node_address(load, at);
    case KEY_SERVER_ADDRESS:
        return make_server_address(load, key, at);
    default:
        return config_want_text(load, key, at) ? copy(load, config_plain_text(at->value)) : NULL;
    }
}

char *config_make_text(struct config_load *load, const struct config_key *key,
                       enum config_kind kind, const struct config_place *at)
{
    char *text = make_text(load, key, kind, at);
    if (text && (kind == KEY_FILE || kind == KEY_LISTEN_ADDRESS || key->of_host))
        note_line(load, at);
    return text;
}
