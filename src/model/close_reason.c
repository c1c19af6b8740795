/*
 * close_reason.c - the table of close reasons.
 */
#include "model/close_reason.h"

#include <assert.h>

#include "base/util.h"

static const struct close_reason_row rows[] = {
#define X(suffix, word, by, farewell, refusal, ws_code, help)                                      \
    [CLOSE_##suffix] = {                                                                           \
        word, CLOSED_BY_##by, FAREWELL_##farewell, MQTT_REFUSAL_##refusal, ws_code, help},
    CLOSE_REASONS(X)
#undef X
};
_Static_assert(ARRAY_LEN(rows) == CLOSE_REASON_COUNT, "every reason has a row");

const struct close_reason_row *close_reason_row(enum close_reason reason)
{
    assert(reason < CLOSE_REASON_COUNT);
    return &rows[reason];
}

const char *closed_by_name(enum closed_by by)
{
    static const char *const words[] = {"client", "node", "router"};
    _Static_assert(ARRAY_LEN(words) == CLOSED_BY_COUNT, "every side has a word");
    assert(by < CLOSED_BY_COUNT);
    return words[by];
}
