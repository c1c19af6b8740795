/*
 * body.c - what a POST asks for, read strictly.
 */
#include "body.h"

#include <string.h>

#include "target.h"

bool admin_body_has_only(struct admin_call *call, const char *keys)
{
    const char *key;
    json_t *value;
    json_object_foreach(admin_call_body(call), key, value)
    {
        if (admin_is_among(keys, key))
            continue;
        admin_problem(call, 400, "invalid_body", "%.64s: unknown key; known here: %s", key,
                      *keys ? keys : "none");
        return false;
    }
    return true;
}

bool admin_body_number(struct admin_call *call, const char *key, uint32_t min, uint32_t max,
                       uint32_t *out)
{
    const json_t *value = json_object_get(admin_call_body(call), key);
    int64_t number = json_integer_value(value);
    if (!value)
        return true;
    bool integer = json_is_integer(value) || exact_integer(json_real_value(value), &number);
    if (json_is_number(value) && integer && number >= min && number <= max) {
        *out = (uint32_t)number;
        return true;
    }
    admin_problem(call, 400, "invalid_body", "%s: want an integer in %u..%u", key, min, max);
    return false;
}

bool admin_body_text(struct admin_call *call, const char *key, const char **out)
{
    const json_t *value = json_object_get(admin_call_body(call), key);
    if (!value)
        return true;
    if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value)) {
        *out = json_string_value(value);
        return true;
    }
    admin_problem(call, 400, "invalid_body", "%s: want a text", key);
    return false;
}
