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
 * Check the claimed identity (client identifier or user name) as the listener's `identity` rule
 * requires: against the device's certificate, or the common name that a trusted proxy reports.
 * Returns true if there is no rule.
 *
 *   names   on false: the names in the certificate, as a string for the log, not escaped
 */
bool identity_confirmed(struct session *s, const struct route_facts *claims,
                        char names[IDENTITY_NAMES_MAX]);

#endif
