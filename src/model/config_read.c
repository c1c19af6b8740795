/*
 * config_read.c - read one JSON value into one field, by its row of config_keys.h.
 *
 * One reader a kind of key. A reader that does not like its value says so and leaves the
 * field at its default, so that the walk goes on and finds everything that is wrong.
 */
#include "model/config_load.h"

#include <inttypes.h>
#include <stdlib.h>

#include "model/config_address.h"
#include "model/config_message.h"
#include "model/config_store.h"

/* A value, its row, and the struct that the row's field is in. */
typedef void value_reader(struct config_load *load, const struct config_key *key,
                          const struct config_place *at, void *object);

/* ---- text ---------------------------------------------------------------------------- */

/* The value as a C string; null when it is no text, or has a NUL and would be cut by it. */
static const char *plain_text(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static void keep_text(struct config_load *load, const struct config_key *key, void *object,
                      const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        config_no_memory(load);
    config_store_pointer(key, object, copy);
}

/* Names of all kinds end up in log lines and in metrics. */
static bool has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

static bool name_is_fine(struct config_load *load, const struct config_key *key,
                         const struct config_place *at)
{
    const char *text = plain_text(at->value);
    if (text && strlen(text) >= key->min && strlen(text) <= key->max && !has_control(text))
        return true;
    struct config_text rule = {0};
    config_text_put(&rule, "text of %" PRIu32 " to %" PRIu32 " bytes without control characters",
                    key->min, key->max);
    config_want(load, at, rule.bytes);
    return false;
}

static void read_name(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    if (name_is_fine(load, key, at))
        keep_text(load, key, object, plain_text(at->value));
}

/* The name is looked up by config_check_whole(), when all clusters are known. */
static void read_cluster(struct config_load *load, const struct config_key *key,
                         const struct config_place *at, void *object)
{
    (void)object;
    (void)name_is_fine(load, key, at);
}

static void read_file(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    const char *text = plain_text(at->value);
    if (!text || !*text || has_control(text)) {
        config_want(load, at, "the name of a file");
        return;
    }
    const char *slash = strrchr(load->file_name, '/');
    if (*text == '/' || !slash) {
        keep_text(load, key, object, text);
        return;
    }
    size_t directory = (size_t)(slash - load->file_name) + 1;
    size_t n = strlen(text) + 1;
    char *path = malloc(directory + n);
    if (!path) {
        config_no_memory(load);
        return;
    }
    memcpy(path, load->file_name, directory);
    memcpy(path + directory, text, n);
    config_store_pointer(key, object, path);
}

#define WANT_ADDRESS "a numeric IPv4 or IPv6 address and a port"

static void read_listen_address(struct config_load *load, const struct config_key *key,
                                const struct config_place *at, void *object)
{
    struct config_address address;
    const char *text = plain_text(at->value);
    if (text && config_address_parse(text, &address))
        keep_text(load, key, object, text);
    else
        config_want(load, at, WANT_ADDRESS " (\"0.0.0.0:1883\", \"[::]:1883\")");
}

static void read_node_address(struct config_load *load, const struct config_key *key,
                              const struct config_place *at, void *object)
{
    struct config_address address;
    const char *text = plain_text(at->value);
    if (!text || !config_address_parse(text, &address))
        config_want(load, at, WANT_ADDRESS " (\"192.0.2.1:1883\", \"[2001:db8::1]:1883\")");
    else if (address.any || address.port == 0)
        config_want(load, at, "the address and port of one node");
    else
        keep_text(load, key, object, text);
}

/* ---- numbers and words --------------------------------------------------------------- */

static void read_integer(struct config_load *load, const struct config_key *key,
                         const struct config_place *at, void *object)
{
    json_int_t value = json_integer_value(at->value);
    if (json_is_integer(at->value) && value >= key->min && value <= key->max) {
        config_store_number(key, object, (uint32_t)value);
        return;
    }
    struct config_text rule = {0};
    config_text_put(&rule, "an integer in %" PRIu32 "..%" PRIu32, key->min, key->max);
    config_want(load, at, rule.bytes);
}

static const struct config_word *find_word(const struct config_key *key, const json_t *value)
{
    const char *text = plain_text(value);
    for (size_t i = 0; text && i < key->n_words; i++) {
        if (strcmp(key->words[i].word, text) == 0)
            return &key->words[i];
    }
    return NULL;
}

/* "a", "b" or "c" */
static void put_words(const struct config_key *key, struct config_text *text)
{
    for (size_t i = 0; i < key->n_words; i++) {
        const char *join = i == 0 ? "" : i + 1 < key->n_words ? ", " : " or ";
        config_text_put(text, "%s\"%s\"", join, key->words[i].word);
    }
}

static const struct config_word *want_word(struct config_load *load, const struct config_key *key,
                                           const struct config_place *at, const char *or_else)
{
    const struct config_word *word = find_word(key, at->value);
    if (!word) {
        struct config_text rule = {0};
        put_words(key, &rule);
        config_text_put(&rule, "%s", or_else);
        config_want(load, at, rule.bytes);
    }
    return word;
}

static void read_word(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    const struct config_word *word = want_word(load, key, at, "");
    if (word)
        config_store_number(key, object, word->value);
}

/* Whether an earlier element of the list is the same word. */
static bool repeated(const struct config_place *list, const struct config_place *at)
{
    for (size_t i = 0; i < at->index; i++) {
        if (json_equal(json_array_get(list->value, i), at->value))
            return true;
    }
    return false;
}

static void read_word_list(struct config_load *load, const struct config_key *key,
                           const struct config_place *at, void *object)
{
    size_t n = json_array_size(at->value);
    if (!json_is_array(at->value) || n < key->min) {
        const struct config_word *word = want_word(load, key, at, ", or a list of them");
        if (word)
            config_store_element(key, object, 0, word->value);
        return;
    }
    size_t kept = 0;
    struct config_place element;
    for (size_t i = 0; i < n && config_place_element(load, at, i, &element); i++) {
        const struct config_word *word = want_word(load, key, &element, "");
        if (word && repeated(at, &element))
            config_error(load, &element, "\"%s\" is in the list already", word->word);
        else if (word)
            config_store_element(key, object, kept++, word->value);
    }
    config_store_count(key, object, kept);
}

/* ---- objects and lists --------------------------------------------------------------- */

static void read_object(struct config_load *load, const struct config_key *key,
                        const struct config_place *at, void *object)
{
    config_load_object(load, key->table, at, config_field(key, object));
}

static void read_optional(struct config_load *load, const struct config_key *key,
                          const struct config_place *at, void *object)
{
    void *inner = calloc(1, key->table->struct_size);
    if (!inner) {
        config_no_memory(load);
        return;
    }
    config_store_pointer(key, object, inner);
    config_table_defaults(key->table, inner);
    config_load_object(load, key->table, at, inner);
}

static void read_list(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    size_t n = json_array_size(at->value);
    if (!json_is_array(at->value) || n < key->min || n > key->max) {
        struct config_text rule = {0};
        config_text_put(&rule, "an array of %" PRIu32 " to %" PRIu32 " objects", key->min,
                        key->max);
        if (n > key->max)
            config_error(load, at, "want %s, got %zu", rule.bytes, n);
        else
            config_want(load, at, rule.bytes);
        return;
    }
    char *list = calloc(n, key->table->struct_size);
    if (!list) {
        config_no_memory(load);
        return;
    }
    config_store_pointer(key, object, list);
    config_store_count(key, object, n);
    struct config_place element;
    for (size_t i = 0; i < n && config_place_element(load, at, i, &element); i++) {
        config_table_defaults(key->table, list + i * key->table->struct_size);
        config_load_object(load, key->table, &element, list + i * key->table->struct_size);
    }
    config_check_unique(load, key, at, object);
}

/* ---- keys of later versions ---------------------------------------------------------- */

static void read_coming(struct config_load *load, const struct config_key *key,
                        const struct config_place *at, void *object)
{
    (void)key;
    (void)object;
    config_warning(load, at, "known, but has no effect in this version");
}

static void read_coming_refused(struct config_load *load, const struct config_key *key,
                                const struct config_place *at, void *object)
{
    (void)object;
    if (find_word(key, at->value) || (key->off_allowed && json_is_false(at->value)))
        return;
    char got[CONFIG_GOT_MAX];
    struct config_text rule = {0};
    put_words(key, &rule);
    if (key->off_allowed)
        config_text_put(&rule, "false");
    if (rule.n)
        config_error(load, at, "known, but only %s is built in this version, got %s", rule.bytes,
                     config_got(at->value, got));
    else
        config_error(load, at, "known, but not built in this version");
}

static value_reader *const reader[] = {
    [KEY_NAME] = read_name,
    [KEY_FILE] = read_file,
    [KEY_LISTEN_ADDRESS] = read_listen_address,
    [KEY_NODE_ADDRESS] = read_node_address,
    [KEY_INTEGER] = read_integer,
    [KEY_WORD] = read_word,
    [KEY_WORD_LIST] = read_word_list,
    [KEY_CLUSTER] = read_cluster,
    [KEY_OBJECT] = read_object,
    [KEY_OPTIONAL] = read_optional,
    [KEY_LIST] = read_list,
    [KEY_COMING] = read_coming,
    [KEY_COMING_REFUSED] = read_coming_refused,
};
_Static_assert(ARRAY_LEN(reader) == CONFIG_KIND_COUNT, "every kind of key has a reader");

void config_read_value(struct config_load *load, const struct config_key *key,
                       const struct config_place *at, void *object)
{
    reader[key->kind](load, key, at, object);
}
