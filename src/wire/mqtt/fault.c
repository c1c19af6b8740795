/*
 * fault.c - names, clauses and classes of CONNECT faults.
 */
#include "wire/mqtt/fault.h"

#include <assert.h>

#include "base/util.h"

enum fault_class { FRAMING, SEMANTIC };

static const struct {
    const char *word, *clause;
    enum fault_class class;
} faults[] = {
#define X(suffix, word, class, clause) {word, clause, class},
    MQTT_FAULTS(X)
#undef X
};
_Static_assert(ARRAY_LEN(faults) == MQTT_FAULT_COUNT, "every fault has a name");

const char *mqtt_fault_name(enum mqtt_fault fault)
{
    assert(fault < MQTT_FAULT_COUNT);
    return faults[fault].word;
}

const char *mqtt_fault_clause(enum mqtt_fault fault)
{
    assert(fault < MQTT_FAULT_COUNT);
    return faults[fault].clause;
}

bool mqtt_fault_is_framing(enum mqtt_fault fault)
{
    assert(fault < MQTT_FAULT_COUNT);
    return faults[fault].class == FRAMING;
}
