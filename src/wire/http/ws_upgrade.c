/*
 * ws_upgrade.c - parse a WebSocket opening handshake and compose the response.
 *
 * head.c parses the request; this file interprets its fields. Fields are recorded as they arrive
 * and evaluated at the end, so the result does not depend on their order. A body is detected by its
 * headers and is never read. Responses do not repeat any text of the request.
 */
#include "wire/http/ws_upgrade.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "wire/first_bytes.h"

static enum parse_result refuse(struct ws_upgrade *u, unsigned status, const char *fault)
{
    u->status = status;
    u->fault = fault;
    return PARSE_BAD;
}

static bool is_text(struct span value, const char *text)
{
    return span_equal(value, span_of_str(text));
}

/* True if the list contains the word. Case-insensitive. */
static bool list_has(struct span list, const char *word)
{
    struct span element;
    while ((element = http_list_next(&list)).p)
        if (http_same_word(element, span_of_str(word)))
            return true;
    return false;
}

static void note_host(struct ws_upgrade *u, struct span value)
{
    /* uri-host [ ":" port ], RFC 3986 section 3.2.2; only the characters are checked */
    static const char marks[] = "-._~%!$&'()*+,;=:[]";
    u->n_hosts++;
    for (size_t i = 0; i < value.n; i++) {
        uint8_t b = value.p[i];
        u->host_is_invalid |= !ascii_is_alphanumeric(b) && !memchr(marks, b, sizeof(marks) - 1);
    }
}

static void note_upgrade(struct ws_upgrade *u, struct span value)
{
    u->upgrades_to_websocket |= list_has(value, "websocket");
}

static void note_connection(struct ws_upgrade *u, struct span value)
{
    u->connection_is_upgrade |= list_has(value, "upgrade");
}

static void note_version(struct ws_upgrade *u, struct span value)
{
    u->n_versions++;
    u->version_matches = is_text(value, "13");
}

/*
 * 16 bytes are 22 base64 characters and "==". The key is not decoded, so the four unused bits of
 * the last character are not checked.
 */
static void note_key(struct ws_upgrade *u, struct span value)
{
    u->n_keys++;
    u->key_is_invalid |= value.n != WS_KEY_N;
    if (u->key_is_invalid)
        return;
    for (size_t i = 0; i < WS_KEY_N; i++) {
        uint8_t b = value.p[i];
        bool is_base64 = ascii_is_alphanumeric(b) || b == '+' || b == '/';
        u->key_is_invalid |= i < WS_KEY_N - 2 ? !is_base64 : b != '=';
    }
    memcpy(u->key, value.p, WS_KEY_N);
}

static void note_subprotocol(struct ws_upgrade *u, struct span value)
{
    struct span element;
    while ((element = http_list_next(&value)).p) {
        u->offers_mqtt |= is_text(element, "mqtt");
        u->offers_mqttv31 |= is_text(element, "mqttv3.1");
    }
}

static void note_content_length(struct ws_upgrade *u, struct span value)
{
    u->has_body |= !is_text(value, "0");
}

static void note_transfer_encoding(struct ws_upgrade *u, struct span value)
{
    (void)value;
    u->has_body = true;
}

static const struct {
    const char *name;
    void (*note)(struct ws_upgrade *u, struct span value);
} fields[] = {
    {"Host", note_host},
    {"Upgrade", note_upgrade},
    {"Connection", note_connection},
    {"Sec-WebSocket-Version", note_version},
    {"Sec-WebSocket-Key", note_key},
    {"Sec-WebSocket-Protocol", note_subprotocol},
    {"Content-Length", note_content_length},
    {"Transfer-Encoding", note_transfer_encoding},
};

/* Append `bytes` to the list, and keep its last WS_UPGRADE_FORWARDED_MAX bytes. */
static void keep_end(struct ws_upgrade *u, struct span bytes)
{
    if (bytes.n > WS_UPGRADE_FORWARDED_MAX) {
        bytes.p += bytes.n - WS_UPGRADE_FORWARDED_MAX;
        bytes.n = WS_UPGRADE_FORWARDED_MAX;
        u->forwarded_cut = true;
    }
    uint32_t keep = (uint32_t)size_min(u->forwarded_n, WS_UPGRADE_FORWARDED_MAX - bytes.n);
    if (keep < u->forwarded_n) {
        memmove(u->forwarded, u->forwarded + u->forwarded_n - keep, keep);
        u->forwarded_cut = true;
    }
    if (bytes.n > 0)
        memcpy(u->forwarded + keep, bytes.p, bytes.n);
    u->forwarded_n = keep + (uint32_t)bytes.n;
}

/* Headers with the same name form one list: RFC 9110 section 5.3. */
static void note_forwarded(struct ws_upgrade *u, struct span value)
{
    if (u->has_forwarded)
        keep_end(u, span_of_str(", "));
    keep_end(u, value);
    u->has_forwarded = true;
}

static void note_field(struct ws_upgrade *u, const struct http_item *item)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (http_same_word(item->name, span_of_str(fields[i].name))) {
            fields[i].note(u, item->value);
            break;
        }
    }
    if (http_same_word(item->name, u->conf->client_address_header))
        note_forwarded(u, item->value);
}

/* Skip the scheme and authority of a target in absolute form, "http://host:port/path". */
static struct span origin_form(struct span target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (target.n < n || !http_same_word(span_of(target.p, n), span_of_str(schemes[i])))
            continue;
        while (n < target.n && target.p[n] != '/' && target.p[n] != '?')
            n++;
        if (n == target.n || target.p[n] == '?')
            return span_of_str("/"); /* RFC 9110 section 4.2.3 */
        return span_of(target.p + n, target.n - n);
    }
    return target;
}

static void note_request_line(struct ws_upgrade *u, const struct http_item *item)
{
    struct span path = origin_form(item->value);
    const uint8_t *query = memchr(path.p, '?', path.n);
    if (query)
        path.n = (size_t)(query - path.p);
    u->path_matches = span_equal(path, u->conf->path);
    u->is_get = is_text(item->name, "GET"); /* methods are case-sensitive */
    u->is_head = is_text(item->name, "HEAD");
    u->minor = (uint8_t)item->minor;
    u->line_seen = true;
}

/*
 * Describe input that is not HTTP. Uses only bytes that have always been received by then, so the
 * result does not depend on how the input is split.
 */
static const char *other_protocol(const struct ws_upgrade *u, const uint8_t *p, size_t n)
{
    const size_t certain = p[0] == 'P' ? 6 : p[0] == '\r' ? 5 : 1;

    switch (first_bytes_protocol(span_of(p, size_min(n, certain)))) {
    case FIRST_MQTT:
        return "not HTTP: the client speaks MQTT";
    case FIRST_TLS:
        return "not HTTP: the client speaks TLS";
    case FIRST_PROXY:
        return "not HTTP: the client speaks PROXY protocol";
    default:
        return u->head.fault;
    }
}

/*
 * True for a health check or a browser. False for a WebSocket client whose Upgrade header was
 * dropped by a proxy.
 */
static bool is_plain_http(const struct ws_upgrade *u)
{
    return !u->upgrades_to_websocket && !u->connection_is_upgrade && u->n_keys == 0 &&
           u->n_versions == 0;
}

static enum parse_result judge(struct ws_upgrade *u)
{
    u->plain_http = is_plain_http(u);
    if (u->minor < 1)
        return refuse(u, 400, "not HTTP/1.1");
    if (u->n_hosts != 1 || u->host_is_invalid)
        return refuse(u, 400, "exactly one valid Host header is required");
    if (u->has_body)
        return refuse(u, 400, "an upgrade request must not have a body");
    if (!u->path_matches)
        return refuse(u, 404, "no such path");
    if (!u->is_get && !u->upgrades_to_websocket)
        return refuse(u, 405, "method is not GET");
    if (!u->upgrades_to_websocket)
        return refuse(u, 426, "no Upgrade: websocket");
    if (!u->is_get)
        return refuse(u, 400, "method is not GET");
    if (!u->connection_is_upgrade)
        return refuse(u, 400, "no Connection: Upgrade");
    if (u->n_versions > 1)
        return refuse(u, 400, "more than one Sec-WebSocket-Version");
    if (!u->version_matches)
        return refuse(u, 426, "Sec-WebSocket-Version is not 13");
    if (u->n_keys != 1 || u->key_is_invalid)
        return refuse(u, 400, "exactly one valid Sec-WebSocket-Key is required");
    if (!u->offers_mqtt && !u->offers_mqttv31)
        return refuse(u, 400, "no subprotocol \"mqtt\""); /* [MQTT-6.0.0-3] */
    u->subprotocol = u->offers_mqtt ? "mqtt" : "mqttv3.1";
    u->head_n = u->head.head_n;
    u->status = 101;
    return PARSE_DONE;
}

void ws_upgrade_init(struct ws_upgrade *u, const struct ws_upgrade_conf *conf)
{
    *u = (struct ws_upgrade){.conf = conf};
    http_head_init(&u->head, WS_UPGRADE_HEAD_MAX);
}

enum parse_result ws_upgrade_read(struct ws_upgrade *u, const uint8_t *p, size_t n)
{
    if (u->status != 0)
        return u->status == 101 ? PARSE_DONE : PARSE_BAD;
    for (;;) {
        struct http_item item;
        enum parse_result r = http_head_next(&u->head, p, n, &item);
        if (r == PARSE_BAD)
            return refuse(u, u->head.status,
                          u->line_seen ? u->head.fault : other_protocol(u, p, n));
        if (r == PARSE_MORE)
            return r;
        if (item.kind == HTTP_END)
            return judge(u);
        if (item.kind == HTTP_REQUEST_LINE)
            note_request_line(u, &item);
        else
            note_field(u, &item);
    }
}

struct span ws_upgrade_forwarded(const struct ws_upgrade *u)
{
    if (!u->has_forwarded)
        return (struct span){0};
    uint32_t at = 0;
    if (u->forwarded_cut) { /* the first element is incomplete */
        while (at < u->forwarded_n && u->forwarded[at] != ',')
            at++;
        at += at < u->forwarded_n;
        while (at < u->forwarded_n && u->forwarded[at] == ' ')
            at++;
    }
    return span_of(u->forwarded + at, u->forwarded_n - at);
}

/* ---- the response ---------------------------------------------------------------------- */

static const char *reason_phrase(unsigned status)
{
    switch (status) {
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Bad Request";
    }
}

/* Return the header fields that depend on the status. */
static const char *fields_of(unsigned status)
{
    switch (status) {
    case 405:
        return "Allow: GET\r\nConnection: close\r\n"; /* RFC 9110 section 15.5.6 */
    case 426:                                         /* sections 7.8 and 15.5.22; RFC 6455 4.4 */
        return "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n";
    default:
        return "Connection: close\r\n";
    }
}

static int respond_101(const struct ws_upgrade *u, const char *accept, char *text)
{
    return snprintf(text, WS_UPGRADE_RESPONSE_MAX,
                    "HTTP/1.1 101 Switching Protocols\r\n"
                    "Upgrade: websocket\r\n"
                    "Connection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: %.*s\r\n"
                    "Sec-WebSocket-Protocol: %s\r\n"
                    "\r\n",
                    (int)WS_ACCEPT_N, accept, u->subprotocol);
}

static int respond_refusal(const struct ws_upgrade *u, char *text)
{
    size_t fault_n = span_of_str(u->fault).n;
    return snprintf(text, WS_UPGRADE_RESPONSE_MAX,
                    "HTTP/1.1 %u %s\r\n"
                    "%s"
                    "Content-Type: text/plain\r\n"
                    "Content-Length: %zu\r\n"
                    "\r\n"
                    "%s%s",
                    u->status, reason_phrase(u->status), fields_of(u->status), fault_n + 1,
                    u->is_head ? "" : u->fault, u->is_head ? "" : "\n");
}

size_t ws_upgrade_respond(const struct ws_upgrade *u, const char *accept,
                          uint8_t out[WS_UPGRADE_RESPONSE_MAX])
{
    assert(u->status != 0);
    int n =
        u->status == 101 ? respond_101(u, accept, (char *)out) : respond_refusal(u, (char *)out);
    assert(n > 0 && (unsigned)n < WS_UPGRADE_RESPONSE_MAX);
    return (size_t)n;
}
