/*
 * check.c - check the rules between the keys of the whole configuration.
 *
 * Also runs if the readers have reported errors, so any string may be null and any list empty. A
 * value that the readers have reported is not reported again.
 *
 *    check --> listener, cluster --> nodes, health --> rules
 */
#include "check.h"

#include <inttypes.h>
#include <string.h>

#include "model/config/address.h"
#include "model/config/message.h"

static void check_idle(struct config_load *load, const struct config_place *root)
{
    struct config_place timeouts;
    struct config_place idle;
    struct config_place idle_ms;
    if (config_place_member(load, root, "timeouts", &timeouts) &&
        config_place_member(load, &timeouts, "idle", &idle) &&
        config_place_member(load, &timeouts, "idle_ms", &idle_ms))
        config_error(load, &idle_ms, "must not be set together with \"idle\"");
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
                     "\"penalty_ms\" must be at most \"penalty_max_ms\", got %" PRIu32
                     " and %" PRIu32,
                     conf->penalty_ms, conf->penalty_max_ms);
}

/* Earlier versions refused by default, and a file that sets a penalty may still expect that. */
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
            "does not refuse CONNECTs unless \"refuse\" is true: flapping is only logged");
}

/* Half of the memory is for relay buffers. With only two buffers per worker, one waiting session
 * would cause another to be closed. */
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
        config_error(load, &at,
                     "\"relay_memory_bytes\" must be 0, or at least eight times "
                     "\"relay_buffer_bytes\" for each worker (%" PRIu64 "), got %" PRIu32,
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

/* Not checked if there are errors, because one of the times may be invalid. */
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
                       "should be more than \"connack_ms\" (%" PRIu32
                       "): otherwise no CONNECT is replayed if a node does not respond",
                       conf->connack_ms);
    else if (config_place_member(load, &timeouts, "connack_ms", &at))
        config_warning(load, &at,
                       "should be less than \"placement_ms\" (%" PRIu32
                       "): otherwise no CONNECT is replayed if a node does not respond",
                       conf->placement_ms);
}

/* Return whether only users of this machine can connect to the address. */
static bool is_private(const char *text)
{
    struct config_address address;
    return config_address_unix(text) || (config_address_parse(text, &address) && !address.any &&
                                         config_address_loopback(&address));
}

static void check_admin(struct config_load *load, const struct config_place *root)
{
    const struct admin_conf *conf = load->config->admin;
    struct config_place admin;
    struct config_place at;
    if (conf && conf->address && config_place_member(load, root, "admin", &admin))
        config_check_socket(load, &admin, config_address_unix(conf->address));
    if (!conf || !conf->address || is_private(conf->address) ||
        !config_place_member(load, root, "admin", &admin) || config_has(&admin, "token_file") ||
        !config_place_member(load, &admin, "address", &at))
        return;
    config_error(load, &at,
                 "requires \"token_file\": other hosts can reach this address and could close "
                 "every session");
}

static void check_log(struct config_load *load, const struct config_place *root)
{
    const struct log_conf *conf = &load->config->log;
    struct config_place log;
    struct config_place at;
    if (!config_place_member(load, root, "log", &log))
        return;
    if (conf->target == LOG_TARGET_FILE)
        config_want_with(load, &log, "target", "file", "");
    else if (config_place_member(load, &log, "file", &at))
        config_warning(load, &at, "has no effect without \"target\" \"file\"");
    if (conf->sample_above_per_s == 0 && config_place_member(load, &log, "sample_one_in", &at))
        config_warning(load, &at, "has no effect without \"sample_above_per_s\"");
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
    check_admin(load, root);
    check_log(load, root);
}
