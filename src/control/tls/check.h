/*
 * check.h - check that everything that TLS needs can be loaded and has not expired.
 */
#ifndef CONTROL_TLS_CHECK_H
#define CONTROL_TLS_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "model/config/config.h"

/*
 * Load every certificate, key, authority, revocation list and ticket key file of a configuration
 * separately, and write each error as one line: "error: FILE:7: listeners[0].tls.certificates[1]:
 * server.pem: no certificate in it". Anything that has expired or is not valid yet is only a
 * warning, because the router starts with it.
 *
 *   file_name   name of the configuration file, for the messages
 *
 * Returns true if there is no error.
 */
bool tls_check(const struct config *config, const char *file_name, FILE *out);

#endif
