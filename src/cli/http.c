/*
 * http.c - HTTP client for a router's admin interface, based on libcurl.
 *
 * libcurl depends on about thirty libraries, which the daemon must not load. It is therefore loaded
 * with dlopen() when a command needs it, and does not have to be installed otherwise. Its ABI
 * (libcurl.so.4) has been stable since 2006.
 *
 * Limits: 10 seconds and 64 MiB for a response; HTTP only; no redirect and no proxy, because the
 * token must reach only the router.
 */
#include "http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS  10000L
#define ANSWER_MAX  (64u << 20)
#define ADDRESS_MAX 300u

#define CURL_CALLS(X)                                                                              \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_perform)                                                                                \
    X(easy_getinfo) X(easy_cleanup) X(easy_strerror) X(slist_append) X(slist_free_all)

struct curl_calls {
#define X(name) __typeof__(&curl_##name) name;
    CURL_CALLS(X)
#undef X
};

struct client_http {
    struct curl_calls curl;
    CURL *handle;
    struct curl_slist *headers;
    char base[ADDRESS_MAX + 16]; /* "http://127.0.0.1:9090" */
    char *address;               /* as given, for messages */
    char error[CURL_ERROR_SIZE];
    FILE *err; /* borrowed */
};

/* A response being received. */
struct inflow {
    char *text;
    size_t n, size;
    bool too_long;
};

/* ---- addresses ---- */

static bool is_port(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n >= 1 && n <= 5 && !text[n] && atoi(text) >= 1 && atoi(text) <= 65535;
}

/*
 * Make "http://HOST:PORT" from an address that is not a Unix socket. Characters that a host cannot
 * contain are rejected, because the host becomes part of a URL.
 */
static bool make_base(const char *address, char *out, size_t room)
{
    const char *colon = strrchr(address, ':');
    if (!colon || !is_port(colon + 1) || strlen(address) > ADDRESS_MAX)
        return false;
    const size_t n = (size_t)(colon - address);
    const bool v6 = n > 2 && address[0] == '[' && address[n - 1] == ']';
    const char *host = address;
    int length = (int)n;
    if (n == 0 || (n == 1 && *address == '*') || (n == 7 && strncmp(address, "0.0.0.0", n) == 0)) {
        host = "127.0.0.1";
        length = (int)strlen(host);
    } else if (n == 4 && strncmp(address, "[::]", n) == 0) {
        host = "[::1]";
        length = (int)strlen(host);
    } else if (v6 ? strspn(address + 1, "0123456789abcdefABCDEF:.") != n - 2
                  : strspn(address, "0123456789abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_") != n) {
        return false;
    }
    (void)snprintf(out, room, "http://%.*s%s", length, host, colon);
    return true;
}

/* Return the path of a Unix socket address, or null for other addresses. */
static const char *unix_path(const char *address)
{
    const size_t n = strlen("unix:");
    return strncmp(address, "unix:", n) == 0 ? address + n : NULL;
}

/* ---- callbacks of libcurl ---- */

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    struct inflow *in = arg;
    const size_t n = size * count;
    if (in->n + n > ANSWER_MAX) {
        in->too_long = true;
        return 0;
    }
    if (in->n + n + 1 > in->size) {
        const size_t larger = size_max(2 * in->size, in->n + n + 1);
        char *text = realloc(in->text, larger);
        if (!text)
            return 0;
        in->text = text;
        in->size = larger;
    }
    memcpy(in->text + in->n, bytes, n);
    in->n += n;
    in->text[in->n] = '\0';
    return n;
}

/* Called about once per second while no data arrives. A nonzero result aborts the request. */
static int is_interrupted(void *arg, curl_off_t down, curl_off_t down_now, curl_off_t up,
                          curl_off_t up_now)
{
    (void)arg, (void)down, (void)down_now, (void)up, (void)up_now;
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGINT) == 1;
}

/* ---- set-up ---- */

static bool load(struct curl_calls *curl, FILE *err)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        (void)fprintf(err, "error: libcurl.so.4 is missing: apt-get install libcurl4 (%s)\n",
                      dlerror());
        return false;
    }
    /* The library is never closed: some of its dependencies crash when unloaded. */
    bool whole = true;
#define X(name)                                                                                    \
    *(void **)&curl->name = dlsym(library, "curl_" #name);                                         \
    whole = whole && curl->name;
    CURL_CALLS(X)
#undef X
    if (!whole)
        (void)fprintf(err, "error: libcurl.so.4 does not have a required function: %s\n",
                      dlerror());
    return whole;
}

static bool add_header(struct client_http *http, const char *text)
{
    struct curl_slist *longer = http->curl.slist_append(http->headers, text);
    http->headers = longer ? longer : http->headers;
    return longer;
}

static bool set_headers(struct client_http *http, const char *token)
{
    char *text = NULL;
    bool done = add_header(http, "Content-Type: application/json") && add_header(http, "Expect:");
    if (done && token) {
        done = asprintf(&text, "Authorization: Bearer %s", token) >= 0 && add_header(http, text);
        free(text);
    }
    return done;
}

static bool set_options(struct client_http *http)
{
    CURL *h = http->handle;
    __typeof__(&curl_easy_setopt) set = http->curl.easy_setopt;
    const char *path = unix_path(http->address);
    return set(h, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK &&
           set(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           set(h, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK &&
           set(h, CURLOPT_CONNECTTIMEOUT_MS, TIMEOUT_MS) == CURLE_OK &&
           set(h, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           set(h, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           set(h, CURLOPT_PROXY, "") == CURLE_OK &&
           set(h, CURLOPT_USERAGENT, "mqtt-router/" MQTT_ROUTER_VERSION) == CURLE_OK &&
           set(h, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK &&
           set(h, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           set(h, CURLOPT_XFERINFOFUNCTION, is_interrupted) == CURLE_OK &&
           set(h, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           (!path || set(h, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK);
}

struct client_http *client_http_new(const char *address, const char *token, FILE *err)
{
    struct client_http *http = calloc(1, sizeof(*http));
    if (!http) {
        (void)fprintf(err, "error: out of memory\n");
        return NULL;
    }
    http->err = err;
    const char *path = unix_path(address);
    if (path)
        (void)snprintf(http->base, sizeof(http->base), "http://localhost");
    if (path ? !*path : !make_base(address, http->base, sizeof(http->base))) {
        (void)fprintf(err,
                      "error: admin address: must be \"HOST:PORT\", \"[IPv6]:PORT\" or "
                      "\"unix:PATH\", got \"%s\"\n",
                      address);
        free(http);
        return NULL;
    }
    if (!load(&http->curl, err)) {
        free(http);
        return NULL;
    }
    http->address = strdup(address);
    http->handle = http->curl.easy_init();
    if (http->address && http->handle && set_headers(http, token) && set_options(http))
        return http;
    (void)fprintf(err, "error: cannot set up libcurl\n");
    client_http_free(http);
    return NULL;
}

void client_http_free(struct client_http *http)
{
    if (!http)
        return;
    if (http->handle)
        http->curl.easy_cleanup(http->handle);
    http->curl.slist_free_all(http->headers);
    free(http->address);
    free(http);
}

/* ---- requests ---- */

static void print_failure(struct client_http *http, CURLcode code, const struct inflow *in)
{
    long number = 0;
    const char *why = *http->error ? http->error : http->curl.easy_strerror(code);
    if (in->too_long)
        why = "the response is longer than 64 MiB";
    else if (code == CURLE_OPERATION_TIMEDOUT)
        why = "no response within 10 seconds";
    else if (code == CURLE_COULDNT_CONNECT &&
             http->curl.easy_getinfo(http->handle, CURLINFO_OS_ERRNO, &number) == CURLE_OK &&
             number > 0)
        why = strerror((int)number);
    (void)fprintf(http->err, "error: %s: %s\n", http->address, why);
}

static CURLcode perform(struct client_http *http, const char *path, const char *body,
                        struct inflow *in)
{
    CURL *h = http->handle;
    __typeof__(&curl_easy_setopt) set = http->curl.easy_setopt;
    char *url = NULL;
    if (asprintf(&url, "%s%s", http->base, path) < 0)
        return CURLE_OUT_OF_MEMORY;
    CURLcode code = set(h, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = set(h, CURLOPT_WRITEDATA, in);
    if (code == CURLE_OK)
        code = body ? set(h, CURLOPT_POSTFIELDS, body) : set(h, CURLOPT_HTTPGET, 1L);
    if (code == CURLE_OK && body)
        code = set(h, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    *http->error = '\0';
    if (code == CURLE_OK)
        code = http->curl.easy_perform(h);
    free(url);
    return code;
}

bool client_http_request(struct client_http *http, const char *path, const char *body,
                         struct client_response *out)
{
    struct inflow in = {.text = calloc(1, 1), .size = 1};
    long status = 0;
    CURLcode code = in.text ? perform(http, path, body, &in) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = http->curl.easy_getinfo(http->handle, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        if (code != CURLE_ABORTED_BY_CALLBACK)
            print_failure(http, code, &in);
        free(in.text);
        return false;
    }
    *out = (struct client_response){.status = status, .text = in.text, .n = in.n};
    return true;
}

void client_response_fini(struct client_response *response)
{
    free(response->text);
    *response = (struct client_response){0};
}
