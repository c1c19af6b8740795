/* identity.h - whether the certificate of a device confirms its identity. */
#ifndef PROXY_STAGES_IDENTITY_H
#define PROXY_STAGES_IDENTITY_H

#include <stdbool.h>

#include "model/route_key.h"

struct session;

#define IDENTITY_NAMES_MAX 256u

/*
 * Check the claim of the listener's `identity` rule, if it has one, against the certificate that
 * the device presented, or that a trusted proxy reports (its common name only).
 *
 *   names   on false: the names in the certificate, terminated, for the log; peer text
 */
bool identity_confirmed(struct session *s, const struct route_facts *claims,
                        char names[IDENTITY_NAMES_MAX]);

#endif
