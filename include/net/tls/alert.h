/*
 * alert.h - the names of fatal TLS alerts, for metrics.
 *
 * A peer can send any byte as an alert code. Unknown codes are counted as "other", so that a peer
 * cannot create metric labels. Source: RFC 8446 section 6 and appendix B.2.
 */
#ifndef NET_TLS_ALERT_H
#define NET_TLS_ALERT_H

#include <stdint.h>

/* Name, code. */
#define TLS_ALERTS(X)                                                                              \
    X(close_notify, 0)                                                                             \
    X(unexpected_message, 10)                                                                      \
    X(bad_record_mac, 20)                                                                          \
    X(record_overflow, 22)                                                                         \
    X(handshake_failure, 40)                                                                       \
    X(bad_certificate, 42)                                                                         \
    X(unsupported_certificate, 43)                                                                 \
    X(certificate_revoked, 44)                                                                     \
    X(certificate_expired, 45)                                                                     \
    X(certificate_unknown, 46)                                                                     \
    X(illegal_parameter, 47)                                                                       \
    X(unknown_ca, 48)                                                                              \
    X(access_denied, 49)                                                                           \
    X(decode_error, 50)                                                                            \
    X(decrypt_error, 51)                                                                           \
    X(protocol_version, 70)                                                                        \
    X(insufficient_security, 71)                                                                   \
    X(internal_error, 80)                                                                          \
    X(inappropriate_fallback, 86)                                                                  \
    X(user_canceled, 90)                                                                           \
    X(missing_extension, 109)                                                                      \
    X(unsupported_extension, 110)                                                                  \
    X(unrecognized_name, 112)                                                                      \
    X(bad_certificate_status_response, 113)                                                        \
    X(unknown_psk_identity, 115)                                                                   \
    X(certificate_required, 116)                                                                   \
    X(no_application_protocol, 120)

/* How a handshake failed: with a known alert, an unknown alert, or no alert. */
enum tls_failure {
#define X(name, code) TLS_FAILURE_##name,
    TLS_ALERTS(X)
#undef X
        TLS_FAILURE_OTHER,
    TLS_FAILURE_NONE,
    TLS_FAILURE_COUNT
};

/* The table entry for an alert code; TLS_FAILURE_OTHER if there is none. */
enum tls_failure tls_alert_failure(uint8_t code);

/* "unknown_ca", "other", "none". Never null. */
const char *tls_failure_name(enum tls_failure failure);

#endif
