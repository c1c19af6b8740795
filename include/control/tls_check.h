/*
 * tls_check.h - can everything that TLS needs be loaded? All that cannot is said.
 */
#ifndef CONTROL_TLS_CHECK_H
#define CONTROL_TLS_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "model/config.h"

/*
 * Try every certificate, key, authority, revocation list and ticket key file of a
 * configuration, each for itself, and say each fault in one line that names the place:
 * "error: FILE:7: listeners[0].tls.certificates[1]: server.pem: no certificate in it".
 *
 *   file_name   of the configuration, for the messages
 *
 * True when there is nothing wrong.
 */
bool tls_check(const struct config *config, const char *file_name, FILE *out);

#endif
