/*
 * connect_step.c - check that the required fields still fit into the packet.
 */
#include "connect_step.h"

/* Return the minimum size of the fields from `step` on, according to the flags. */
static uint32_t payload_min(const struct mqtt_connect *c, enum connect_step step)
{
    const uint32_t optional_min = c->version == 3 ? 0 : 2; /* may be missing in 3.1 */
    uint32_t sum = 0;

    if (step <= STEP_CLIENT_ID)
        sum += 2;
    if (step <= STEP_WILL_PROPERTIES && c->has_will && c->version == 5)
        sum += 1;
    if (step <= STEP_WILL_TOPIC && c->has_will)
        sum += 2;
    if (step <= STEP_WILL_PAYLOAD && c->has_will)
        sum += 2;
    if (step <= STEP_USERNAME && connect_has(c, FLAG_USERNAME))
        sum += optional_min;
    if (step <= STEP_PASSWORD && connect_has(c, FLAG_PASSWORD))
        sum += optional_min;
    return sum;
}

/* Return the minimum size from `step` to the client identifier, before the flags are known. */
static uint32_t head_min(const struct mqtt_connect *c, enum connect_step step)
{
    const uint32_t level = step <= STEP_LEVEL ? 1 : 0, properties = c->version == 5 ? 1 : 0;

    return level + 1 + 2 + properties + 2;
}

bool connect_room_after(struct mqtt_connect *c, size_t at, enum connect_step next)
{
    uint32_t least = next <= STEP_FLAGS ? head_min(c, next) : payload_min(c, next);

    return at + least <= c->end || !connect_refuse(c, MQTT_FAULT_FIELD_OVERRUN);
}
