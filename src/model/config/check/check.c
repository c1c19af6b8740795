/*
 * check.c - what no single row can see: siblings that clash, keys that exclude or need
 * each other.
 *
 * Runs over configurations that already have errors too, so any text may be null and any
 * list empty; it says nothing about what the readers have complained about already.
 */
#include "check.h"

#include <inttypes.h>
#include <string.h>

#include "model/config/address.h"
#include "model/config/message.h"
#include "model/config/store.h"

static bool same(const struct config_key *key, const char *a, const char *b)
{
    if (!a || !b)
        return false;
    return key->kind == KEY_STRING ? strcmp(a, b) == 0 : config_address_equal(a, b);
}

/* The text of element i's field. */
static const char *text_of(const char *list, size_t i, const struct config_table *table,
                           const struct config_key *key)
{
    return config_pointer(key, list + i * table->struct_size);
}

/* Report element i when an earlier one has the same text in this field. */
static void check_element(struct config_load *load, const struct config_table *table,
                          const struct config_key *key, const char *list,
                          const struct config_place *element)
{
    char got[CONFIG_GOT_MAX];
    struct config_place field;
    const char *text = text_of(list, element->index, table, key);
    for (size_t j = 0; text && j < element->index; j++) {
        if (!same(key, text, text_of(list, j, table, key)))
            continue;
        if (!config_place_member(load, element, key->key, &field))
            return;
        const char *list_key = element->up->key;
        if (key->unique)
            config_error(load, &field, "%s is taken by %s[%zu]", config_quote(text, got), list_key,
                         j);
        else
            config_warning(load, &field, "%s is the %s of %s[%zu] too", config_quote(text, got),
                           key->key, list_key, j);
        return;
    }
}

void config_check_unique(struct config_load *load, const struct config_key *list,
                         const struct config_place *at, void *object)
{
    const char *elements = config_pointer(list, object);
    struct config_place element;
    for (size_t i = 0; i < list->table->n_keys; i++) {
        const struct config_key *key = &list->table->keys[i];
        if (!key->unique && !key->unique_advised)
            continue;
        for (size_t j = 0; config_place_element(load, at, j, &element); j++)
            check_element(load, list->table, key, elements, &element);
    }
}

bool config_has(const struct config_place *at, const char *key)
{
    return json_object_get(at->value, key) != NULL;
}

void config_want_with(struct config_load *load, const struct config_place *at, const char *key,
                      const char *needed, const char *why)
{
    struct config_place place;
    if (config_has(at, needed) || !config_place_member(load, at, key, &place))
        return;
    config_error(load, &place, "want \"%s\" with it%s", needed, why);
}

static void check_idle(struct config_load *load, const struct config_place *root)
{
    struct config_place timeouts;
    struct config_place idle;
    struct config_place idle_ms;
    if (config_place_member(load, root, "timeouts", &timeouts) &&
        config_place_member(load, &timeouts, "idle", &idle) &&
        config_place_member(load, &timeouts, "idle_ms", &idle_ms))
        config_error(load, &idle_ms, "\"idle\" is set too; want one of the two");
}

static void check_flapping(struct config_load *load, const struct config_place *root)
{
    const struct flapping_conf *conf = &load->config->limits.flapping;
    struct config_place limits;
    struct config_place flapping;
    struct config_place at;
    if (conf->penalty_ms <= conf->penalty_max_ms ||
        !config_place_member(load, root, "limits", &limits) ||
        !config_place_member(load, &limits, "flapping", &flapping))
        return;
    if (config_place_member(load, &flapping, "penalty_ms", &at) ||
        config_place_member(load, &flapping, "penalty_max_ms", &at))
        config_error(load, &at,
                     "want \"penalty_ms\" at most \"penalty_max_ms\", got %" PRIu32 " and %" PRIu32,
                     conf->penalty_ms, conf->penalty_max_ms);
}

/* Earlier versions refused by default: a file that sets a penalty probably expects that. */
static void warn_flapping(struct config_load *load, const struct config_place *root)
{
    struct config_place limits;
    struct config_place flapping;
    struct config_place at;
    if (load->messages->errors > 0 || load->config->limits.flapping.refuse ||
        !config_place_member(load, root, "limits", &limits) ||
        !config_place_member(load, &limits, "flapping", &flapping))
        return;
    if (config_place_member(load, &flapping, "penalty_ms", &at) ||
        config_place_member(load, &flapping, "penalty_max_ms", &at))
        config_warning(
            load, &at,
            "has no effect on CONNECTs without \"refuse\": true: flapping is only logged");
}

/* Half of it is for relay blocks: a worker with two of them would close one session for another. */
static void check_relay_memory(struct config_load *load, const struct config_place *root)
{
    const struct limits_conf *conf = &load->config->limits;
    const uint64_t workers = load->config->workers > 0 ? load->config->workers : 1;
    const uint64_t least = 8 * workers * conf->relay_buffer_bytes;
    struct config_place limits;
    struct config_place at;
    if (conf->relay_memory_bytes == 0 || conf->relay_memory_bytes >= least ||
        !config_place_member(load, root, "limits", &limits))
        return;
    if (config_place_member(load, &limits, "relay_memory_bytes", &at) ||
        config_place_member(load, &limits, "relay_buffer_bytes", &at))
        config_error(
            load, &at,
            "want \"relay_memory_bytes\" to be 0, or eight times \"relay_buffer_bytes\" for "
            "each worker (%" PRIu64 "), got %" PRIu32,
            least, conf->relay_memory_bytes);
}

static bool replays(const struct config *config)
{
    for (size_t i = 0; i < config->n_clusters; i++) {
        const struct cluster_conf *cluster = &config->clusters[i];
        if (cluster->replay && (cluster->discovery || cluster->n_nodes > 1))
            return true;
    }
    return false;
}

/* Said of files without errors only: elsewhere a time may have been misread. */
static void check_placement(struct config_load *load, const struct config_place *root)
{
    const struct timeouts_conf *conf = &load->config->timeouts;
    struct config_place timeouts;
    struct config_place at;
    if (load->messages->errors > 0 || conf->connack_ms < conf->placement_ms ||
        !replays(load->config) || !config_place_member(load, root, "timeouts", &timeouts))
        return;
    if (config_place_member(load, &timeouts, "placement_ms", &at))
        config_warning(load, &at,
                       "want more than \"connack_ms\" (%" PRIu32 "): a node that stays silent is "
                       "never replayed",
                       conf->connack_ms);
    else if (config_place_member(load, &timeouts, "connack_ms", &at))
        config_warning(load, &at,
                       "want less than \"placement_ms\" (%" PRIu32 "): a node that stays silent "
                       "is never replayed",
                       conf->placement_ms);
}

void config_check_whole(struct config_load *load, const struct config_place *root)
{
    config_check_listeners(load, root);
    config_check_clusters(load, root);
    check_idle(load, root);
    check_flapping(load, root);
    warn_flapping(load, root);
    check_relay_memory(load, root);
    check_placement(load, root);
    config_check_admin(load, root);
    config_check_log(load, root);
}
