/*
 * body.h - the keys of a POST's object, each with its type and range. What is wrong is named
 * in the answer; so is a key that is not known.
 */
#ifndef CONTROL_ADMIN_BODY_H
#define CONTROL_ADMIN_BODY_H

#include "call.h"

/* Are these all of its keys (separated by blanks)? Else the call is answered. */
MUST_USE bool admin_body_has_only(struct admin_call *call, const char *keys);

/*
 * Read an integer (2.0 is one), or a string. *out is untouched when the key is missing. False: the
 * value has another type or is out of range, and the call is answered.
 */
MUST_USE bool admin_body_number(struct admin_call *call, const char *key, uint32_t min,
                                uint32_t max, uint32_t *out);
MUST_USE bool admin_body_text(struct admin_call *call, const char *key, const char **out);

#endif
