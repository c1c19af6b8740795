/*
 * status.c - `mqtt-router status`: print the state of a router on one screen.
 *
 * Sends three requests: status, nodes and certificates. Members that an older router does not send
 * are not shown.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "remote.h"
#include "text.h"

#define LABEL       "%-14s "
#define REASONS_MAX 6u
#define CERT_DAYS   30 /* show certificates that expire sooner */
#define LIST_DAYS   7  /* CRLs and OCSP responses are renewed every few days */
#define CONNECTIONS "connections"

static void print_head(const json_t *status, FILE *out)
{
    char value[FORMAT_MAX];
    (void)fputs("mqtt-router ", out);
    escape_print(member_string(status, "version"), out);
    (void)fprintf(out, " (pid %" PRId64 "), ", member_number(status, "pid"));
    escape_print(member_string(status, "phase"), out);
    (void)fprintf(out, " for %s, %s\n", format_duration(member_number(status, "uptime_s"), value),
                  json_is_true(json_object_get(status, "ready")) ? "ready" : "NOT READY");
    size_t i;
    json_t *reason;
    json_array_foreach(json_object_get(status, "reasons"), i, reason)
    {
        (void)fprintf(out, LABEL, i == 0 ? "because" : "");
        escape_print(json_string_value(reason), out);
        (void)fputc('\n', out);
    }
    json_array_foreach(json_object_get(status, "warnings"), i, reason)
    {
        (void)fprintf(out, LABEL, i == 0 ? "warning" : "");
        escape_print(json_string_value(reason), out);
        (void)fputc('\n', out);
    }
    (void)fprintf(out, LABEL, "configuration");
    escape_print(member_string(status, "config_file"), out);
    (void)fputs(", read ", out);
    escape_print(member_string(status, "config_loaded"), out);
    (void)fputc('\n', out);
}

struct count {
    const char *name; /* borrowed */
    int64_t n;
};

static int compare_counts(const void *a, const void *b)
{
    const struct count *x = a, *y = b;
    return (x->n < y->n) - (x->n > y->n);
}

/* Print counts above zero, the largest first: ": relay 120, connect 3". */
static void print_counts(const json_t *counts, FILE *out)
{
    struct count list[64];
    size_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)counts, name, value)
    {
        if (n < ARRAY_LEN(list) && json_integer_value(value) > 0)
            list[n++] = (struct count){.name = name, .n = json_integer_value(value)};
    }
    qsort(list, n, sizeof(*list), compare_counts);
    for (size_t i = 0; i < n && i < REASONS_MAX; i++) {
        (void)fputs(i == 0 ? ": " : ", ", out);
        escape_print(list[i].name, out);
        (void)fprintf(out, " %" PRId64, list[i].n);
    }
    (void)fputs(n > REASONS_MAX ? ", ...\n" : "\n", out);
}

/* The TLS connections of relayed sessions to one side; no line if there is none. */
static void print_tls(const json_t *status, const char *side, const char *label, FILE *out)
{
    int64_t total = 0;
    const char *name;
    json_t *value;
    const json_t *counts = json_object_get(json_object_get(status, "tls_sessions"), side);
    json_object_foreach((json_t *)counts, name, value)
    {
        total += json_integer_value(value);
    }
    if (total == 0)
        return;
    (void)fprintf(out, LABEL "%" PRId64, label, total);
    print_counts(counts, out);
}

static void print_numbers(const json_t *status, FILE *out)
{
    char up[FORMAT_MAX], down[FORMAT_MAX];
    (void)fprintf(out, LABEL "%" PRId64 " of %" PRId64, "connections",
                  member_number(status, "connections"), member_number(status, "max_connections"));
    print_counts(json_object_get(status, "sessions"), out);
    print_tls(status, "client", "TLS to clients", out);
    print_tls(status, "node", "TLS to nodes", out);
    (void)fprintf(out, LABEL "%" PRId64 "\n", "accepted", member_number(status, "accepted_total"));
    (void)fprintf(out, LABEL "%" PRId64, "closed", member_number(status, "closed_total"));
    print_counts(json_object_get(status, "closed_by_reason"), out);
    (void)fprintf(out, LABEL "%s up, %s down\n", "bytes",
                  format_bytes(member_number(status, "bytes_up_total"), up),
                  format_bytes(member_number(status, "bytes_down_total"), down));
    const json_t *memory = json_object_get(status, "relay_memory");
    const int64_t most = member_number(memory, "max_bytes");
    (void)fprintf(out, LABEL "%s buffered for relaying, ", "memory",
                  format_bytes(member_number(memory, "used_bytes"), up));
    (void)fprintf(out, most > 0 ? "limit %s\n" : "no limit\n", format_bytes(most, down));
}

/* Print the changes made at run time. */
static void print_overrides(const json_t *status, FILE *out)
{
    size_t i;
    json_t *change;
    json_array_foreach(json_object_get(status, "overrides"), i, change)
    {
        const char *node = member_string(change, "node");
        (void)fprintf(out, LABEL, i == 0 ? "changed" : "");
        escape_print(member_string(change, "what"), out);
        if (node) {
            (void)fputs(" of ", out);
            escape_print(member_string(change, "cluster"), out);
            (void)fputc('/', out);
            escape_print(node, out);
        }
        for (unsigned k = 0; k < 2; k++) {
            json_t *value = json_object_get(change, k == 0 ? "now" : "in_file");
            (void)fputs(k == 0 ? ": now " : ", in the file ", out);
            if (json_is_integer(value))
                (void)fprintf(out, "%" PRId64, (int64_t)json_integer_value(value));
            else
                escape_print(json_string_value(value), out);
        }
        (void)fputc('\n', out);
    }
}

struct summary {
    size_t up, all;
    FILE *out; /* print nodes that are not up here; null: only count */
};

static void add_node(void *arg, const json_t *node)
{
    struct summary *summary = arg;
    const char *status = member_string(node, "status");
    const bool up = status && strcmp(status, "up") == 0;
    summary->all++;
    summary->up += up;
    if (up || !summary->out)
        return;
    (void)fprintf(summary->out, LABEL, "");
    client_node_print_name(node, summary->out);
    (void)fputs(" is ", summary->out);
    escape_print(status, summary->out);
    if (client_node_why(node)) {
        (void)fputs(": ", summary->out);
        escape_print(client_node_why(node), summary->out);
    }
    (void)fputc('\n', summary->out);
}

static void print_nodes(const json_t *nodes, FILE *out)
{
    struct summary summary = {0}, names = {.out = out};
    client_node_each(nodes, add_node, &summary);
    (void)fprintf(out, LABEL "%zu of %zu up\n", "nodes", summary.up, summary.all);
    client_node_each(nodes, add_node, &names);
}

static bool has_same(const json_t *a, const json_t *b, const char *key)
{
    const char *of_a = member_string(a, key), *of_b = member_string(b, key);
    return of_a && of_b && strcmp(of_a, of_b) == 0;
}

/* True if already printed. A certificate is listed for each listener and cluster that uses it. */
static bool is_printed(const json_t *list, size_t n, const json_t *certificate)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *other = json_array_get(list, i);
        if (has_same(other, certificate, "file") && has_same(other, certificate, "subject") &&
            has_same(other, certificate, "not_after"))
            return true;
    }
    return false;
}

/* Return the kind of an entry, shown if fewer than *days are left. Older routers send no kind. */
static const char *kind_of(const json_t *certificate, int64_t *days)
{
    const char *kind = member_string(certificate, "kind");
    const bool is_crl = kind && strcmp(kind, "crl") == 0;
    const bool is_ocsp = kind && strcmp(kind, "ocsp_response") == 0;
    *days = is_crl || is_ocsp ? LIST_DAYS : CERT_DAYS;
    return is_crl ? "CRL" : is_ocsp ? "OCSP response" : "certificate";
}

static void print_certificate(const json_t *certificate, int64_t days, FILE *out)
{
    int64_t shown_days;
    (void)fprintf(out, LABEL, kind_of(certificate, &shown_days));
    escape_print(member_string(certificate, "file"), out);
    (void)fputs(" (", out);
    escape_print(member_string(certificate, "subject"), out);
    if (days == -1) /* the router rounds down */
        (void)fputs(") EXPIRED less than a day ago\n", out);
    else if (days < 0)
        (void)fprintf(out, ") EXPIRED %" PRId64 " day%s ago\n", -days - 1, days == -2 ? "" : "s");
    else
        (void)fprintf(out, ") expires in %" PRId64 " days\n", days);
}

static void print_certificates(const json_t *response, FILE *out)
{
    size_t i;
    json_t *certificate;
    const json_t *list = json_object_get(response, "certificates");
    json_array_foreach(list, i, certificate)
    {
        const json_t *left = json_object_get(certificate, "days_left");
        const int64_t days = (int64_t)json_number_value(left);
        int64_t shown_days;
        (void)kind_of(certificate, &shown_days);
        if (json_is_number(left) && days < shown_days && !is_printed(list, i, certificate))
            print_certificate(certificate, days, out);
    }
}

/* Print the rest of the screen. If a request fails, its part is missing. */
static void print_rest(struct client_link *link)
{
    json_t *nodes = client_link_request(link, "/api/v1/nodes", NULL);
    json_t *certificates = client_link_request(link, "/api/v1/certificates", NULL);
    if (nodes)
        print_nodes(nodes, link->client->out);
    if (certificates)
        print_certificates(certificates, link->client->out);
    json_decref(nodes);
    json_decref(certificates);
}

int client_status(const struct client *client)
{
    struct client_link link;
    int code = 1;
    json_t *status = NULL;
    if (client_link_open(&link, client))
        status = client_link_request(&link, "/api/v1/status", NULL);
    if (status)
        code = json_is_true(json_object_get(status, "ready")) ? 0 : 1;
    if (status && client->json) {
        client_link_print(&link);
    } else if (status) {
        print_head(status, client->out);
        print_numbers(status, client->out);
        print_overrides(status, client->out);
        print_rest(&link);
    }
    json_decref(status);
    client_link_close(&link);
    return code;
}
