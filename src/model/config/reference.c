/*
 * reference.c - print the reference of all keys as Markdown, from the table rows.
 *
 * The rows' texts must not contain "|", which is not escaped.
 */
#include <inttypes.h>

#include "message.h"
#include "model/config/config.h"
#include "table.h"

static void put_choices(FILE *out, const struct config_key *key, const char *join)
{
    for (size_t i = 0; i < key->n_choices; i++)
        fprintf(out, "%s`\"%s\"`", i ? join : "", key->choices[i].name);
}

static void put_value(FILE *out, const struct config_key *key, enum config_kind kind)
{
    switch (kind) {
    case KEY_STRING:
        fprintf(out, "%s, up to %" PRIu32 " bytes", key->shape ? key->shape->reference : "text",
                key->shape ? key->shape->max : key->max);
        return;
    case KEY_FILE:
        fputs("file name", out);
        return;
    case KEY_LISTEN_ADDRESS:
    case KEY_NODE_ADDRESS:
        fputs("address and port, or `\"unix:PATH\"`", out);
        return;
    case KEY_SERVER_ADDRESS:
        fputs("numeric address, with or without a port", out);
        return;
    case KEY_STRING_LIST:
        put_value(out, key, key->element);
        fprintf(out, "; or a list of up to %" PRIu32, key->max);
        return;
    case KEY_NETWORK_LIST:
        fprintf(out, "address, or network with its prefix length; or a list of up to %" PRIu32,
                key->max);
        return;
    case KEY_BOOL:
        fputs("`true`, `false`", out);
        return;
    case KEY_INTEGER:
        fprintf(out, "%" PRIu32 " to %" PRIu32, key->min, key->max);
        return;
    case KEY_INTEGER_LIST:
        put_value(out, key, KEY_INTEGER);
        fprintf(out, "; or a list of %s%" PRIu32, key->count_min ? "up to " : "0 to ",
                key->count_max);
        return;
    case KEY_FACTOR:
        fprintf(out, "number, %g to %g", key->min / 1000.0, key->max / 1000.0);
        return;
    case KEY_ENUM:
        put_choices(out, key, ", ");
        return;
    case KEY_ENUM_LIST:
        put_choices(out, key, ", ");
        fputs(", or a list of them", out);
        return;
    case KEY_ENUM_SET:
        fputs("list of ", out);
        put_choices(out, key, ", ");
        return;
    case KEY_CLUSTER:
        fputs("a `clusters[].name`", out);
        return;
    case KEY_OBJECT:
    case KEY_OPTIONAL_OBJECT:
        fputs(key->off_allowed ? "`false`, object" : "object", out);
        return;
    case KEY_FALSE_OR_OBJECT:
        fputs("`false`, object", out);
        return;
    case KEY_SHORTHAND_LIST:
        put_choices(out, &key->table->keys[0], ", ");
        fprintf(out, ", object; or a list of up to %" PRIu32, key->max);
        return;
    case KEY_LIST:
        fprintf(out, "%" PRIu32 " to %" PRIu32 " objects", key->min, key->max);
        return;
    case CONFIG_KIND_COUNT:
        return;
    }
}

static const char *choice_of(const struct config_key *key, uint32_t value)
{
    for (size_t i = 0; i < key->n_choices; i++) {
        if (key->choices[i].value == value)
            return key->choices[i].name;
    }
    return "";
}

static void put_default(FILE *out, const struct config_key *key)
{
    if (key->required)
        fputs("required", out);
    else if (key->default_text)
        fputs(key->default_text, out);
    else if (key->kind == KEY_INTEGER || key->kind == KEY_INTEGER_LIST)
        fprintf(out, "`%" PRIu32 "`", key->default_value);
    else if (key->kind == KEY_BOOL)
        fprintf(out, "`%s`", key->default_value ? "true" : "false");
    else if (key->default_string)
        fprintf(out, "`\"%s\"`", key->default_string);
    else if (key->kind == KEY_SHORTHAND_LIST)
        fprintf(out, "`\"%s\"`", choice_of(&key->table->keys[0], key->default_value));
    else if (key->kind == KEY_ENUM || key->kind == KEY_ENUM_LIST)
        fprintf(out, "`\"%s\"`", choice_of(key, key->default_value));
}

static void put_table(FILE *out, const struct config_table *table, struct config_text *path)
{
    size_t n = path->n;
    for (size_t i = 0; i < table->n_keys; i++) {
        const struct config_key *key = &table->keys[i];
        config_text_put(path, "%s", key->key);
        fprintf(out, "| `%s` | ", path->bytes);
        put_value(out, key, key->kind);
        fputs(" | ", out);
        put_default(out, key);
        fprintf(out, " | %s |\n", key->help);
        if (key->table) {
            config_text_put(path, config_is_list(key) ? "[]." : ".");
            put_table(out, key->table, path);
        }
        path->bytes[path->n = n] = '\0';
    }
}

void config_reference(FILE *out)
{
    struct config_text path = {0};
    fputs("| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |\n", out);
    put_table(out, &config_top_table, &path);
}
