/*
 * testing.h - shared by the tests of the configuration: read files, and parse from an allocation of
 * exactly the text's size, so that the sanitizer detects a read past it.
 */
#ifndef UNIT_MODEL_CONFIG_TESTING_H
#define UNIT_MODEL_CONFIG_TESTING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config/config.h"
#include "unit.h"

/* Read a whole file, terminated; freed by the caller. */
static inline char *read_whole(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s\n", path);
        abort();
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    assert_in_range(size, 0, CONFIG_FILE_MAX);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    *n = fread(text, 1, (size_t)size, file);
    assert_int_equal(*n, size);
    fclose(file);
    return text;
}

static inline struct config *parse_exactly(const char *text, size_t n,
                                           struct config_messages *messages)
{
    char *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, text, n);
    struct config *config = config_parse(copy, n, "config.json", messages);
    free(copy);
    return config;
}

/* Join all messages, one per line, warnings marked; freed by the caller. */
static inline char *join_messages(const struct config_messages *messages)
{
    char *joined = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&joined, &n);
    for (size_t i = 0; i < messages->n; i++)
        fprintf(out, "%s%s\n", messages->list[i].warning ? "warning: " : "",
                messages->list[i].text);
    fclose(out);
    return joined;
}

/* Parse a text that must have no error and no warning. */
static inline struct config *parse_good(const char *text, const char *file_name)
{
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), file_name, &messages);
    char *said = join_messages(&messages);
    if (!config || messages.n > 0)
        fail_msg("%s", said);
    free(said);
    config_messages_fini(&messages);
    return config;
}

static inline struct config *parse_every_key(void)
{
    size_t n;
    char *text = read_whole(SOURCE_DIR "/config/every-key.json", &n);
    struct config *config = parse_good(text, "every-key.json");
    free(text);
    return config;
}

#endif
