/*
 * identity.h - check that a device's certificate confirms its identity.
 */
#ifndef PROXY_STAGES_IDENTITY_H
#define PROXY_STAGES_IDENTITY_H

#include <stdbool.h>

#include "model/route_key.h"

struct session;

#define IDENTITY_NAMES_MAX 256u

/*
 * Check the client identifier or user name against the certificate of the device, or the common
 * name that a trusted proxy reports, as the listener's `identity` rule requires. Returns true
 * without a rule.
 *
 *   names   on false: the names in the certificate, as a string for the log; unescaped peer text
 */
bool identity_confirmed(struct session *s, const struct route_facts *claims,
                        char names[IDENTITY_NAMES_MAX]);

#endif
