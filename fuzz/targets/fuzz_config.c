/*
 * fuzz_config.c - check invariants of the configuration loader.
 *
 * The input is a configuration file.
 *
 *   - the loader returns a configuration if, and only if, there is no error
 *   - every message contains the file name and an existing line number, and messages are sorted by
 *     line
 *   - no message contains a control character, or text that is not UTF-8
 *   - the same text causes the same messages; text that jansson rejects is rejected
 *   - accepted text is still accepted, with the same warnings, if the whitespace between values is
 *     removed
 *   - an accepted configuration has the properties that the rest of the router relies on
 *   - all memory is freed (LeakSanitizer)
 *
 * test_config_memory.c tests allocation failures.
 */
#include <jansson.h>

#include "law.h"
#include "model/config/config.h"
#include "model/rendezvous.h"

#define INPUT_MAX     (64u << 10)
#define FILE_NAME     "router.json"
#define MESSAGES_KEPT 1000u /* further messages are only counted */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct config *config;
    struct config_messages messages;
};

static struct outcome parse(const char *text, size_t n)
{
    struct outcome o;
    uint8_t *exact = exact_copy((const uint8_t *)text, n);

    o.config = config_parse((const char *)exact, n, FILE_NAME, &o.messages);
    free(exact); /* the configuration must not point into the input */
    return o;
}

static void outcome_free(struct outcome *o)
{
    config_messages_fini(&o->messages);
    config_free(o->config);
}

/* ---- messages --------------------------------------------------------------------------- */

/* jansson decides whether the text is UTF-8. U+0080..U+009F are control characters, too. */
static bool is_fit_for_a_terminal(const char *text)
{
    json_t *decoded = json_string(text);
    bool fit = decoded != NULL;

    json_decref(decoded);
    for (const uint8_t *p = (const uint8_t *)text; *p; p++)
        fit = fit && *p >= 0x20 && *p != 0x7f && !(p[0] == 0xc2 && p[1] < 0xa0);
    return fit;
}

static void message_is_good(const struct config_message *m, uint32_t lines)
{
    char place[64];

    LAW(m->line <= lines);
    if (m->line > 0)
        (void)snprintf(place, sizeof(place), FILE_NAME ":%u: ", (unsigned)m->line);
    else
        (void)snprintf(place, sizeof(place), FILE_NAME ": ");
    LAW(strncmp(m->text, place, strlen(place)) == 0 ||
        strstr(m->text, "more messages are not listed"));
    LAW(strlen(m->text) > strlen(place));
    LAW(is_fit_for_a_terminal(m->text));
}

static void messages_are_good(const struct outcome *o, const uint8_t *data, size_t size)
{
    const struct config_messages *messages = &o->messages;
    uint32_t lines = 1;
    size_t errors = 0;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    for (size_t i = 0; i < messages->n; i++) {
        message_is_good(&messages->list[i], lines);
        LAW(i == 0 || messages->list[i - 1].line <= messages->list[i].line);
        errors += !messages->list[i].warning;
    }
    LAW(messages->n > MESSAGES_KEPT || errors == messages->errors);
    LAW(messages->n <= MESSAGES_KEPT + 1);
    LAW((o->config == NULL) == (messages->errors > 0));
}

static void same_messages(const struct outcome *a, const struct outcome *b, bool same_lines)
{
    LAW(a->messages.n == b->messages.n && a->messages.errors == b->messages.errors);
    for (size_t i = 0; same_lines && i < a->messages.n; i++)
        LAW(strcmp(a->messages.list[i].text, b->messages.list[i].text) == 0);
}

/* ---- the same text, reformatted ------------------------------------------------------------ */

static void it_says_the_same_twice(const struct outcome *o, const uint8_t *data, size_t size)
{
    struct outcome again = parse((const char *)data, size);

    same_messages(o, &again, true);
    outcome_free(&again);
}

/* jansson formats the text as one long line. Only the line numbers may differ. */
static void blanks_change_nothing(const struct outcome *o, const uint8_t *data, size_t size)
{
    json_t *root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    LAW(root != NULL || o->config == NULL);
    if (!o->config || !root) {
        json_decref(root);
        return;
    }
    char *text = json_dumps(root, JSON_COMPACT);
    LAW(text != NULL);
    struct outcome compact = parse(text, strlen(text));
    LAW(compact.config != NULL);
    same_messages(o, &compact, false);
    outcome_free(&compact);
    free(text);
    json_decref(root);
}

/* ---- accepted configurations ------------------------------------------------------------ */

static void cluster_is_good(const struct cluster_conf *cluster)
{
    LAW(cluster->name && cluster->n_route_by > 0 && cluster->passive.failures > 0);
    LAW((cluster->n_nodes > 0) == (cluster->discovery == NULL));
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        LAW(cluster->nodes[i].name && cluster->nodes[i].address);
        LAW(cluster->nodes[i].weight <= RENDEZVOUS_WEIGHT_MAX);
        for (size_t k = 0; k < i; k++)
            LAW(strcmp(cluster->nodes[i].name, cluster->nodes[k].name) != 0);
    }
    LAW(cluster->bounded_load_permille == 0 || cluster->bounded_load_permille >= 1000);
}

static bool all_are_unix(const struct listener_conf *listener)
{
    for (size_t i = 0; i < listener->n_addresses; i++)
        if (strncmp(listener->addresses[i], "unix:", 5) != 0)
            return false;
    return true;
}

static void promises_are_kept(const struct config *config)
{
    LAW(config->n_listeners > 0 && config->n_clusters > 0);
    for (size_t i = 0; i < config->n_clusters; i++)
        cluster_is_good(&config->clusters[i]);
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_conf *listener = &config->listeners[i];
        LAW(listener->name && listener->n_addresses > 0 && listener->cluster < config->n_clusters);
        bool trusts = listener->accept_proxy_protocol || listener->client_address_header;
        LAW(!trusts || listener->n_trusted_proxies > 0 || all_are_unix(listener));
    }
    LAW(config->limits.connect_max_bytes > 0 && config->limits.relay_buffer_bytes > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    struct outcome o = parse((const char *)data, size);
    messages_are_good(&o, data, size);
    it_says_the_same_twice(&o, data, size);
    blanks_change_nothing(&o, data, size);
    if (o.config)
        promises_are_kept(o.config);
    outcome_free(&o);
    return 0;
}
