/*
 * table.h - every key of the configuration file as a row of a table.
 *
 * Loading, defaults, --dump, freeing, the search for the nearest key, the reference and the schema
 * all work from these rows. src/README.md lists the steps for a new key.
 */
#ifndef MODEL_CONFIG_TABLE_H
#define MODEL_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum config_kind {
    KEY_STRING,          /* char *: min..max bytes for logs, metrics or a library */
    KEY_FILE,            /* char *: a path, from the configuration file's directory */
    KEY_LISTEN_ADDRESS,  /* char *: an address to listen on */
    KEY_NODE_ADDRESS,    /* char *: an address to connect to */
    KEY_SERVER_ADDRESS,  /* char *: numeric "IP:PORT"; the port default_value where it has none */
    KEY_STRING_LIST,     /* one text of the row's element kind, or min..max; char ** and size_t */
    KEY_NETWORK_LIST,    /* the same of networks; an array of struct cidr and its size_t */
    KEY_BOOL,            /* bool */
    KEY_INTEGER,         /* uint32_t in min..max */
    KEY_INTEGER_LIST,    /* one of these, or a list of them; uint32_t * and size_t */
    KEY_FACTOR,          /* uint32_t: a number with a fraction, in thousandths, in min..max */
    KEY_ENUM,            /* one of words; its value goes into a bool, an enum or a uint32_t */
    KEY_ENUM_LIST,       /* one of words, or a list of them; an array of enums and its size_t */
    KEY_ENUM_SET,        /* a list of words; an unsigned with the bits of their values */
    KEY_CLUSTER,         /* size_t: the name of a cluster, resolved when all are known */
    KEY_OBJECT,          /* a struct in place, with keys of its own */
    KEY_OPTIONAL_OBJECT, /* a pointer to such a struct; null when the key is not there */
    KEY_FALSE_OR_OBJECT, /* bool, true for `false`; or an object with more keys of this struct */
    KEY_LIST,            /* a pointer to min..max such structs, and their size_t */
    KEY_SHORTHAND_LIST,  /* ... each of which may be written as the word of its first key alone,
                        and a list of one as that one; by default one with its defaults */
    CONFIG_KIND_COUNT
};

struct config_choice {
    const char *name;
    uint32_t value;
};

/* What a text must look like, where its length alone does not say it. */
struct config_shape {
    bool (*fits)(const char *text);
    uint32_t max;          /* bytes; one at least */
    const char *want;      /* in a message: "must be the name of an HTTP header, got ..." */
    const char *reference; /* in the reference: "header name" */
};

struct config_table;

struct config_key {
    const char *key;
    enum config_kind kind;
    enum config_kind element; /* KEY_STRING_LIST: the kind of each text */
    bool required;
    bool of_host;        /* KEY_STRING: only the host can validate it; see config_line() */
    bool unique;         /* no two siblings in the list may have the same */
    bool unique_advised; /* ... or at least it is worth a warning */
    bool off_allowed;    /* KEY_OPTIONAL_OBJECT: `false` is as if the key were not there */
    size_t offset;       /* of the field in the struct of its table */
    size_t size;         /* of the field */
    size_t count_offset; /* of the number of elements: all lists, but KEY_ENUM_SET */
    uint32_t min;        /* the smallest integer, the shortest text, the fewest elements */
    uint32_t max;
    uint32_t count_min; /* KEY_INTEGER_LIST: the fewest elements */
    uint32_t count_max;
    uint32_t default_value;
    const char *default_string; /* KEY_STRING */
    const char *default_text;   /* what the reference says instead of either */
    const struct config_shape
        *shape; /* KEY_STRING, in place of min and max; null = any without controls */
    const struct config_choice *choices;
    size_t n_choices;
    const struct config_table *table; /* objects and lists of them: the keys inside */
    const char *help;                 /* one line of the reference */
};

struct config_table {
    size_t struct_size;
    const struct config_key *keys;
    size_t n_keys;
};

extern const struct config_table config_top_table;

/* Whether the row's field is a list of structs. */
static inline bool config_is_list(const struct config_key *key)
{
    return key->kind == KEY_LIST || key->kind == KEY_SHORTHAND_LIST;
}

/* The row of a key; null when the table has none. */
const struct config_key *config_table_find(const struct config_table *table, const char *key);

/* The known key that `key` is probably a misspelling of; null when none comes close. */
const char *config_table_nearest(const struct config_table *table, const char *key);

/* Whether `candidate` comes closer to `text` than anything before; *best starts at SIZE_MAX. */
bool config_nearer(const char *text, const char *candidate, size_t *best);

/* The default of every row into a zeroed struct of that table. False when memory is short. */
MUST_USE bool config_table_defaults(const struct config_table *table, void *object);

/* Free everything the struct's fields own; half-filled structs are fine. */
void config_table_release(const struct config_table *table, void *object);

/* Free the list in one field, be it of texts or of structs. */
void config_release_list(const struct config_key *key, void *object);

#endif
