/*
 * identity.h - is a device who it says it is? Its certificate has to confirm it.
 */
#ifndef PROXY_STAGES_IDENTITY_H
#define PROXY_STAGES_IDENTITY_H

#include <stdbool.h>

#include "model/route_key.h"

struct session;

#define IDENTITY_NAMES_MAX 256u

/*
 * Check the claim of the listener's `identity` rule, if it has one, against the certificate
 * that the device showed us, or that a trusted proxy vouches for (its common name alone).
 *
 *   names   on false: which names the certificate has, terminated, for the log; peer text
 */
bool identity_confirmed(struct session *s, const struct route_facts *claims,
                        char names[IDENTITY_NAMES_MAX]);

#endif
