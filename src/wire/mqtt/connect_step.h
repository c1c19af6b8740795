/*
 * connect_step.h - the fields of a CONNECT in their order, and what reading each of them needs.
 * Private to the connect*.c files.
 *
 *    connect.c --> connect_head.c --------+
 *              --> connect_payload.c -----+--> connect_step.c
 */
#ifndef WIRE_MQTT_CONNECT_STEP_H
#define WIRE_MQTT_CONNECT_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"
#include "wire/mqtt/connect.h"

/* The fields in packet order. */
enum connect_step {
    STEP_TYPE,
    STEP_LENGTH,
    STEP_NAME,
    STEP_LEVEL,
    STEP_FLAGS,
    STEP_KEEP_ALIVE,
    STEP_PROPERTIES,
    STEP_CLIENT_ID,
    STEP_WILL_PROPERTIES,
    STEP_WILL_TOPIC,
    STEP_WILL_PAYLOAD,
    STEP_USERNAME,
    STEP_PASSWORD,
    STEP_END, /* no bytes may follow the last field */
    STEP_DONE
};

enum {
    FLAG_RESERVED = 0x01,
    FLAG_CLEAN = 0x02,
    FLAG_WILL = 0x04,
    FLAG_WILL_QOS = 0x18,
    FLAG_WILL_RETAIN = 0x20,
    FLAG_PASSWORD = 0x40,
    FLAG_USERNAME = 0x80
};

/* Record a fault, unless lenient mode leaves it to the broker. Returns true if recorded. */
static inline bool connect_refuse(struct mqtt_connect *c, enum mqtt_fault fault)
{
    if (c->lenient && !mqtt_fault_is_framing(fault))
        return false;
    c->fault = fault;
    return true;
}

static inline bool connect_has(const struct mqtt_connect *c, uint8_t flag)
{
    return c->flags & flag;
}

/* Finish the current field and continue with `next`. */
static inline enum parse_result connect_go(struct mqtt_connect *c, size_t at,
                                           enum connect_step next)
{
    c->at = (uint32_t)at;
    c->step = (uint8_t)next;
    c->field_open = false;
    return PARSE_DONE;
}

/* Check that the required fields from `next` on fit between offset `at` and the end. */
bool connect_room_after(struct mqtt_connect *c, size_t at, enum connect_step next);

/*
 * Read the field c->step, which is one of the head (up to KEEP_ALIVE) or one after it (up to
 * PASSWORD). DONE: continue with the new c->step.
 */
MUST_USE enum parse_result connect_read_head(struct mqtt_connect *c, struct span in);
MUST_USE enum parse_result connect_read_payload(struct mqtt_connect *c, struct span in);

#endif
