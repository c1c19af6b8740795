/*
 * error.h - error messages about TLS files and settings, with OpenSSL's reason. Private to net/.
 */
#ifndef NET_TLS_CERT_ERROR_H
#define NET_TLS_CERT_ERROR_H

#include <stdbool.h>

#include "net/tls/cert/report.h"

/* The text of an OpenSSL error code, including system errors. Static, never null. */
const char *tls_reason(unsigned long code);

/* Write "file: rule: first error in OpenSSL's queue" into `error`. Returns false. */
bool tls_fail(char error[TLS_ERROR_MAX], const char *file, const char *rule);

/* Write "out of memory" into `error`. Returns false. */
bool tls_fail_memory(char error[TLS_ERROR_MAX]);

#endif
