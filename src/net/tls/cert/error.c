/*
 * error.c - error messages about TLS files and settings, with OpenSSL's reason.
 */
#include "error.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

const char *tls_reason(unsigned long code)
{
    /* OpenSSL has no text for system errors. */
    const char *words = ERR_SYSTEM_ERROR(code) ? strerrordesc_np(ERR_GET_REASON(code))
                                               : ERR_reason_error_string(code);
    return words ? words : "unknown error";
}

bool tls_fail(char error[TLS_ERROR_MAX], const char *file, const char *rule)
{
    /* Report the first error: later errors in the queue are its consequences. */
    (void)snprintf(error, TLS_ERROR_MAX, "%s: %s: %s", file, rule, tls_reason(ERR_peek_error()));
    return false;
}

bool tls_fail_memory(char error[TLS_ERROR_MAX])
{
    (void)snprintf(error, TLS_ERROR_MAX, "out of memory");
    return false;
}
