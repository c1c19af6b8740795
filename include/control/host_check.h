/*
 * host_check.h - does this host have what a configuration takes for granted? All it lacks is said.
 */
#ifndef CONTROL_HOST_CHECK_H
#define CONTROL_HOST_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "model/config.h"

/*
 * The token_file of the admin interface has to be readable, with a token on its first line; a
 * warning when every user can read it. Also for `--check`, which looks at what TLS loads as well.
 */
MUST_USE bool host_check_admin(const struct config *config, const char *file_name, FILE *out);

/*
 * That, and each password_file of a health check has to be readable, with a password on its first
 * line, and each source address has to be one of this host. Every fault is one line: "error: FILE:
 * clusters[0].source_addresses[1]: 10.9.9.9: Cannot assign requested address".
 *
 * For starts and reloads. `--check` does without: the file may be meant for another machine.
 *
 *   file_name   of the configuration, for the messages
 *
 * True when there is nothing wrong.
 */
MUST_USE bool host_check(const struct config *config, const char *file_name, FILE *out);

#endif
