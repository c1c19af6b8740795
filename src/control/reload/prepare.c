/*
 * prepare.c - read a configuration and everything it names on this host.
 */
#include "prepare.h"

#include <errno.h>
#include <string.h>

#include "control/host/check.h"
#include "control/tls/check.h"
#include "model/config/fault.h"

/* The start opens the file later, and creates it if it is missing. */
static bool check_log(const struct faults *faults)
{
    const struct log_conf *conf = &faults->config->log;
    const struct log_output_conf where = {
        .target = conf->target, .path = conf->file, .facility = conf->syslog_facility};
    if (log_output_try(&where))
        return true;
    const char *why = strerrordesc_np(errno);
    if (conf->target == LOG_TARGET_FILE)
        fault_error(faults, "log.file", "%s: %s", conf->file, why);
    else
        fault_error(faults, "log.target", "/dev/log: %s", why);
    return false;
}

struct config *preparation_load(const char *path, enum config_file_use use, struct privileges *to,
                                FILE *out)
{
    struct config *config = config_file_load(path, use, out);
    if (!config)
        return NULL;
    const struct faults faults = {.config = config, .file_name = path, .out = out};
    bool good = tls_check(config, path, out);
    good = host_check(&faults) && good;
    if (use == CONFIG_FILE_START) {
        good = privileges_find(&faults, to) && good;
        good = check_log(&faults) && good;
    }
    if (good)
        return config;
    config_free(config);
    return NULL;
}
