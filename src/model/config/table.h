/*
 * table.h - tables with one row for each key of the configuration file.
 *
 * Loading, defaults, config_dump(), freeing, the search for the nearest key, the reference and the
 * schema all use these rows. src/README.md lists the steps for a new key.
 */
#ifndef MODEL_CONFIG_TABLE_H
#define MODEL_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum config_kind {
    KEY_STRING,          /* char *: text of min..max bytes, or of a shape */
    KEY_FILE,            /* char *: a path, resolved against the configuration file's directory */
    KEY_LISTEN_ADDRESS,  /* char *: an address to listen on */
    KEY_NODE_ADDRESS,    /* char *: an address to connect to */
    KEY_SERVER_ADDRESS,  /* char *: numeric "IP:PORT"; default_value is the default port */
    KEY_STRING_LIST,     /* char ** and size_t: one string, or a list of min..max */
    KEY_NETWORK_LIST,    /* struct cidr * and size_t: one network, or a list of min..max */
    KEY_BOOL,            /* bool */
    KEY_INTEGER,         /* uint32_t: an integer in min..max */
    KEY_INTEGER_LIST,    /* uint32_t * and size_t: one integer in min..max, or a list of them */
    KEY_FACTOR,          /* uint32_t: a number with decimals, stored in thousandths in min..max */
    KEY_ENUM,            /* bool, enum or uint32_t: one of `choices` */
    KEY_ENUM_LIST,       /* array of enums and size_t: one of `choices`, or a list of them */
    KEY_ENUM_SET,        /* unsigned: a list of `choices`, whose values are bits */
    KEY_CLUSTER,         /* size_t: the name of a cluster; replaced by its index at the end */
    KEY_OBJECT,          /* an embedded struct with its own table */
    KEY_OPTIONAL_OBJECT, /* a pointer to a struct with its own table; null if not set */
    KEY_FALSE_OR_OBJECT, /* bool: set by `false`; an object sets more fields of the same struct */
    KEY_LIST,            /* a pointer and size_t: a list of min..max objects */
    KEY_SHORTHAND_LIST,  /* the same, or one element without brackets; an element can be a string,
                            which is the value of its first key; default: one default element */
    CONFIG_KIND_COUNT
};

struct config_choice {
    const char *name;
    uint32_t value;
};

/* The syntax of a string. */
struct config_shape {
    bool (*fits)(const char *text);
    uint32_t max;          /* maximum length in bytes; the minimum is 1 */
    const char *want;      /* for messages: "must be the name of an HTTP header, got ..." */
    const char *reference; /* for the reference: "header name" */
};

struct config_table;

struct config_key {
    const char *key;
    enum config_kind kind;
    enum config_kind element; /* KEY_STRING_LIST: the kind of its elements */
    bool required;
    bool of_host;        /* KEY_STRING: only the host can validate it; see config_line() */
    bool unique;         /* duplicates within a list are an error */
    bool unique_advised; /* duplicates within a list cause a warning */
    bool off_allowed;    /* KEY_OPTIONAL_OBJECT: `false` is the same as not set */
    size_t offset;       /* offset of the field in the table's struct */
    size_t size;         /* size of the field */
    size_t count_offset; /* lists except KEY_ENUM_SET: offset of the number of elements */
    uint32_t min;        /* minimum of an integer, a length, or a number of elements */
    uint32_t max;
    uint32_t count_min; /* KEY_INTEGER_LIST: minimum number of elements */
    uint32_t count_max;
    uint32_t default_value;
    const char *default_string; /* KEY_STRING */
    const char *default_text;   /* default as text, for the reference */
    const struct config_shape
        *shape; /* KEY_STRING: used instead of min and max; null = no control characters */
    const struct config_choice *choices;
    size_t n_choices;
    const struct config_table *table; /* objects and lists of objects: their keys */
    const char *help;                 /* one sentence for the reference */
};

struct config_table {
    size_t struct_size;
    const struct config_key *keys;
    size_t n_keys;
};

extern const struct config_table config_top_table;

/* Return whether the row's field is a list of structs. */
static inline bool config_is_list(const struct config_key *key)
{
    return key->kind == KEY_LIST || key->kind == KEY_SHORTHAND_LIST;
}

/* Return the row of a key, or null if the table has none. */
const struct config_key *config_table_find(const struct config_table *table, const char *key);

/* Return the known key that is most similar to `key`, or null if none is similar enough. */
const char *config_table_nearest(const struct config_table *table, const char *key);

/*
 * Return whether `candidate` is similar to `text`, and more similar than earlier candidates. The
 * caller sets *best to SIZE_MAX before the first call.
 */
bool config_nearer(const char *text, const char *candidate, size_t *best);

/* Set all defaults in a zeroed struct. Returns false if out of memory. */
MUST_USE bool config_table_defaults(const struct config_table *table, void *object);

/* Free everything that the struct's fields own. The struct can be incomplete. */
void config_table_release(const struct config_table *table, void *object);

/* Free the list in one field, with its elements. */
void config_release_list(const struct config_key *key, void *object);

#endif
