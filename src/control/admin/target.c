/*
 * target.c - find the route of a request, and decode its path and query.
 *
 * libmicrohttpd passes the target undecoded. It is decoded here, once and strictly: invalid paths
 * and parameters are errors.
 */
#include "target.h"

#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "base/utf8.h"
#include "net/address.h"

/* ---- decoding ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        int length = utf8_char((const uint8_t *)text + i, n - i, n - i);
        if (length == UTF8_BAD || text[i] == '\0')
            return false;
        i += (size_t)length;
    }
    return true;
}

/* Decode in place. Returns false for an invalid escape, a NUL byte, or invalid UTF-8. */
static bool decode(char *text, bool form)
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '%') {
            int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
            if (low < 0)
                return false;
            text[n++] = (char)(high * 16 + low);
            p += 2;
        } else {
            text[n++] = form && *p == '+' ? ' ' : *p;
        }
    }
    if (!is_text(text, n))
        return false;
    text[n] = '\0';
    return true;
}

/* ---- the path ---- */

/* Match a path with a pattern. Sets starts and sizes to the texts that match {...}. */
static bool matches(const char *pattern, const char *path, const char *starts[ADMIN_PARTS_MAX],
                    size_t sizes[ADMIN_PARTS_MAX])
{
    unsigned part = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t n = strcspn(path, "/");
        if (n == 0 || part == ADMIN_PARTS_MAX)
            return false;
        starts[part] = path;
        sizes[part++] = n;
        path += n;
        pattern += strcspn(pattern, "}") + 1;
    }
    return *path == '\0';
}

static bool take_parts(struct admin_target *out, char *room, const char *starts[ADMIN_PARTS_MAX],
                       const size_t sizes[ADMIN_PARTS_MAX])
{
    for (unsigned i = 0; i < ADMIN_PARTS_MAX && starts[i]; i++) {
        memcpy(room, starts[i], sizes[i]);
        room[sizes[i]] = '\0';
        if (!decode(room, false))
            return false;
        out->parts[i] = room;
        room += sizes[i] + 1;
    }
    return true;
}

static enum admin_found find_route(const struct admin_routes *routes, const char *path,
                                   const enum admin_method *method, char *room,
                                   struct admin_target *out)
{
    enum admin_found found = ADMIN_NOT_FOUND;
    for (size_t i = 0; i < routes->n; i++) {
        const struct admin_route *route = &routes->list[i];
        const char *starts[ADMIN_PARTS_MAX] = {0};
        size_t sizes[ADMIN_PARTS_MAX];
        if (!matches(route->pattern, path, starts, sizes))
            continue;
        out->route = route;
        found = ADMIN_WRONG_METHOD;
        if (method && *method == route->method)
            return take_parts(out, room, starts, sizes) ? ADMIN_FOUND : ADMIN_BAD_PATH;
    }
    return found;
}

/* ---- the query ---- */

bool admin_is_among(const char *words, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = words; *p; p += strspn(p, " ")) {
        const size_t length = strcspn(p, " ");
        if (length == n && strncmp(p, word, n) == 0)
            return true;
        p += length;
    }
    return false;
}

static bool has_key(const struct admin_target *target, const char *key)
{
    for (unsigned i = 0; i < target->n_query; i++)
        if (strcmp(target->keys[i], key) == 0)
            return true;
    return false;
}

static bool take_parameter(struct admin_target *out, char *text)
{
    char *value = strchr(text, '=');
    if (value)
        *value++ = '\0';
    else
        value = text + strlen(text);
    if (!decode(text, true))
        return false;
    out->at = text;
    if (!decode(value, true) || !admin_is_among(out->route->query, text) || has_key(out, text) ||
        out->n_query == ADMIN_QUERY_MAX)
        return false;
    out->keys[out->n_query] = text;
    out->values[out->n_query++] = value;
    out->at = NULL;
    return true;
}

static bool take_query(struct admin_target *out, char *query)
{
    while (query) {
        char *next = strchr(query, '&');
        if (next)
            *next++ = '\0';
        if (*query && !take_parameter(out, query))
            return false;
        query = next;
    }
    return true;
}

enum admin_found admin_target_parse(const struct admin_routes *routes, const char *raw,
                                    const enum admin_method *method, struct admin_target *out)
{
    *out = (struct admin_target){0};
    const size_t n = strlen(raw);
    out->text = malloc(2 * n + 2 * ADMIN_PARTS_MAX + 2); /* for a copy and the decoded parts */
    if (!out->text)
        return ADMIN_NO_MEMORY;
    memcpy(out->text, raw, n + 1);
    char *query = strchr(out->text, '?');
    if (query)
        *query++ = '\0';
    enum admin_found found = find_route(routes, out->text, method, out->text + n + 1, out);
    if (found == ADMIN_FOUND && !take_query(out, query))
        found = ADMIN_BAD_QUERY;
    return found;
}

void admin_target_fini(struct admin_target *target)
{
    free(target->text);
    *target = (struct admin_target){0};
}

/* ---- Host and Origin ---- */

/* Copy the host without port and brackets. Returns false if it is invalid or too long. */
static bool split_host(const char *text, char host[ADDRESS_TEXT_MAX])
{
    const char *begin = text + (*text == '[');
    const char *end = begin + strcspn(begin, *text == '[' ? "]" : ":");
    const char *port = end + (*text == '[' && *end == ']');
    const size_t n = (size_t)(end - begin);
    if (n == 0 || n >= ADDRESS_TEXT_MAX || (*text == '[' && *end != ']'))
        return false;
    if (*port == ':')
        port += 1 + strspn(port + 1, "0123456789");
    memcpy(host, begin, n);
    host[n] = '\0';
    return *port == '\0';
}

bool admin_host_is_ours(const char *host)
{
    char name[ADDRESS_TEXT_MAX];
    struct address address;
    if (!host)
        return true;
    return split_host(host, name) &&
           strcmp(name, "*") != 0 && /* address_parse_host() accepts it as "any" */
           (strcasecmp(name, "localhost") == 0 || address_parse_host(name, &address));
}

bool admin_origin_fits(const char *origin, const char *host)
{
    static const char *const schemes[] = {"http://", "https://"};
    if (!origin)
        return true;
    for (size_t i = 0; host && i < ARRAY_LEN(schemes); i++)
        if (strncasecmp(origin, schemes[i], strlen(schemes[i])) == 0)
            return strcasecmp(origin + strlen(schemes[i]), host) == 0;
    return false;
}
