/*
 * alert.c - look up TLS alerts by code and by name.
 */
#include "net/tls/alert.h"

#include <assert.h>

#include "base/util.h"

enum tls_failure tls_alert_failure(uint8_t code)
{
    switch (code) {
#define X(name, number)                                                                            \
    case number:                                                                                   \
        return TLS_FAILURE_##name;
        TLS_ALERTS(X)
#undef X
    default:
        return TLS_FAILURE_OTHER;
    }
}

const char *tls_failure_name(enum tls_failure failure)
{
    static const char *const words[] = {
#define X(name, code) #name,
        TLS_ALERTS(X)
#undef X
            "other",
        "none",
    };
    _Static_assert(ARRAY_LEN(words) == TLS_FAILURE_COUNT, "every failure has a name");
    assert(failure < TLS_FAILURE_COUNT);
    return words[failure];
}
