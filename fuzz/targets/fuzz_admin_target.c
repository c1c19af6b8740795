/*
 * fuzz_admin_target.c - check invariants of parsing the target, Host and Origin of an admin
 * request.
 *
 * The input has three lines: the target, the Host and the Origin.
 *
 *   - a parsed target matches its route; parts and values are UTF-8 (according to jansson, too);
 *     each key belongs to the route and occurs once
 *   - the same target with every byte written as %XX parses to the same result
 *   - the method only decides whether the result is "found" or "wrong method"
 *   - an accepted Host is "localhost" or an address that inet_pton() accepts
 *   - an accepted Origin names the same host as Host
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <strings.h>

#include "control/admin/api/routes.h"
#include "law.h"

#define INPUT_MAX 2048u
#define NAME_MAX_ 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The routes of the router, without handlers. */
static const struct admin_route list[] = {
#define X(method, pattern, query, access, handler)                                                 \
    {ADMIN_##method, pattern, query, ADMIN_##access, NULL},
    ADMIN_ROUTES(X)
#undef X
};
static const struct admin_routes routes = {.list = list, .n = ARRAY_LEN(list)};

static const enum admin_method methods[] = {ADMIN_GET, ADMIN_POST};

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    json_decref(string);
    return string;
}

/* ---- the parsed target ---- */

static bool has_word(const char *words, const char *word)
{
    char *copy = exact_text((const uint8_t *)words, strlen(words)), *rest = NULL;
    bool found = false;

    for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        found = found || strcmp(w, word) == 0;
    free(copy);
    return found;
}

static void it_has_the_routes_shape(const struct admin_target *t)
{
    size_t parts = 0;

    for (const char *p = t->route->pattern; *p; p++)
        parts += *p == '{';
    LAW(parts <= ADMIN_PARTS_MAX && t->n_query <= ADMIN_QUERY_MAX);
    for (size_t i = 0; i < ADMIN_PARTS_MAX; i++) {
        LAW((i < parts) == (t->parts[i] != NULL));
        LAW(i >= parts || (*t->parts[i] && is_utf8(t->parts[i])));
    }
    for (unsigned i = 0; i < t->n_query; i++) {
        LAW(has_word(t->route->query, t->keys[i]) && is_utf8(t->values[i]));
        for (unsigned k = 0; k < i; k++)
            LAW(strcmp(t->keys[i], t->keys[k]) != 0);
    }
}

/* ---- formatted again ---- */

static char *put_encoded(char *to, const char *text)
{
    for (; *text; text++)
        to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*text);
    return to;
}

static char *write_again(const struct admin_target *t)
{
    char *text = (char *)exact_new(3 * 2 * INPUT_MAX + 256), *to = text;
    unsigned part = 0;

    for (const char *p = t->route->pattern; *p; p++) {
        if (*p == '{') {
            to = put_encoded(to, t->parts[part++]);
            p = strchr(p, '}');
        } else {
            *to++ = *p;
        }
    }
    for (unsigned i = 0; i < t->n_query; i++) {
        *to++ = i ? '&' : '?';
        to = put_encoded(to, t->keys[i]);
        *to++ = '=';
        to = put_encoded(to, t->values[i]);
    }
    *to = '\0';
    return text;
}

static void it_reads_the_same_again(const struct admin_target *t)
{
    char *text = write_again(t);
    struct admin_target again;

    LAW(admin_target_parse(&routes, text, &t->route->method, &again) == ADMIN_FOUND);
    LAW(again.route == t->route && again.n_query == t->n_query);
    for (size_t i = 0; i < ADMIN_PARTS_MAX; i++)
        LAW(!t->parts[i] || strcmp(again.parts[i], t->parts[i]) == 0);
    for (unsigned i = 0; i < t->n_query; i++)
        LAW(strcmp(again.keys[i], t->keys[i]) == 0 && strcmp(again.values[i], t->values[i]) == 0);
    admin_target_fini(&again);
    free(text);
}

static void check_target(const char *raw)
{
    struct admin_target t;
    enum admin_found by_method[ARRAY_LEN(methods)];

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        by_method[i] = admin_target_parse(&routes, raw, &methods[i], &t);
        LAW(by_method[i] == ADMIN_NOT_FOUND || (t.route && strncmp(raw, t.route->pattern, 1) == 0));
        if (by_method[i] == ADMIN_FOUND) {
            LAW(t.route->method == methods[i]);
            it_has_the_routes_shape(&t);
            it_reads_the_same_again(&t);
        }
        admin_target_fini(&t);
    }
    enum admin_found without = admin_target_parse(&routes, raw, NULL, &t);
    LAW(without == ADMIN_NOT_FOUND || without == ADMIN_WRONG_METHOD);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        LAW((without == ADMIN_NOT_FOUND) == (by_method[i] == ADMIN_NOT_FOUND));
    admin_target_fini(&t);
}

/* ---- Host and Origin ---- */

static void nobody_can_own_it(const char *host)
{
    char name[NAME_MAX_] = {0};
    uint8_t ip[16];
    size_t n = strlen(host);

    while (n > 0 && strchr("0123456789", host[n - 1])) /* the port, if it is valid */
        n--;
    n = n > 0 && host[n - 1] == ':' ? n - 1 : strlen(host);
    bool bracketed = host[0] == '[' && host[n - 1] == ']';
    LAW(n - 2 * bracketed < sizeof(name));
    memcpy(name, host + bracketed, n - 2 * bracketed);
    LAW(strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, ip) == 1 ||
        (bracketed && inet_pton(AF_INET6, name, ip) == 1));
}

static void check_origin(const char *origin, const char *host)
{
    char *own = (char *)exact_new(strlen(host) + sizeof("https://"));

    if (admin_host_is_ours(host))
        nobody_can_own_it(host);
    if (admin_origin_fits(origin, host)) {
        const char *name = strstr(origin, "://");
        LAW(name != NULL && strncasecmp(origin, "http", 4) == 0);
        LAW(strcasecmp(name + 3, host) == 0);
    }
    LAW(admin_origin_fits(NULL, host) && admin_host_is_ours(NULL));
    LAW(!admin_origin_fits(origin, NULL));
    (void)sprintf(own, "https://%s", host);
    LAW(admin_origin_fits(own, host));
    free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    char *raw = exact_text(data, size), *rest = raw;
    char *target = strsep(&rest, "\n"), *host = strsep(&rest, "\n"), *origin = strsep(&rest, "\n");
    char *exact = exact_text((const uint8_t *)target, strlen(target));

    check_target(exact);
    if (host)
        check_origin(origin ? origin : "", host);
    free(exact);
    free(raw);
    return 0;
}
