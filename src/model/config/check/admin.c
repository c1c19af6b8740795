/*
 * admin.c - what the rows of "admin" and "log" cannot see one by one.
 */
#include "check.h"
#include "model/config/address.h"
#include "model/config/message.h"

/* Whether nobody but this machine's own users can get there. */
static bool is_private(const char *text)
{
    struct config_address address;
    return config_address_unix(text) || (config_address_parse(text, &address) && !address.any &&
                                         config_address_loopback(&address));
}

void config_check_admin(struct config_load *load, const struct config_place *root)
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
                 "want \"token_file\" beside it: others can reach this address, and whoever does "
                 "could close every session");
}

void config_check_log(struct config_load *load, const struct config_place *root)
{
    const struct log_conf *conf = &load->config->log;
    struct config_place log;
    struct config_place at;
    if (!config_place_member(load, root, "log", &log))
        return;
    if (conf->target == LOG_TARGET_FILE)
        config_want_with(load, &log, "target", "file", ": which file?");
    else if (config_place_member(load, &log, "file", &at))
        config_warning(load, &at, "no effect without \"target\" \"file\"");
    if (conf->sample_above_per_s == 0 && config_place_member(load, &log, "sample_one_in", &at))
        config_warning(load, &at, "no effect without \"sample_above_per_s\"");
}
