/*
 * vectors.h - load the test vectors derived from the standards (test/vectors/README.md).
 *
 * VECTORS_DIR is the CMake option of that name. A missing or invalid file fails the test program.
 */
#ifndef TEST_VECTORS_H
#define TEST_VECTORS_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* Return the lines of a vectors file ("connect.jsonl") as a JSON array, which is never empty. */
static inline json_t *vectors_load(const char *name)
{
    char path[4096], *line = NULL;
    size_t room = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    json_t *list = json_array();
    while (getline(&line, &room, file) > 0)
        if (json_array_append_new(list, json_loads(line, JSON_ALLOW_NUL, NULL)) != 0) {
            (void)fprintf(stderr, "%s: bad JSON after %zu lines\n", path, json_array_size(list));
            exit(1);
        }
    free(line);
    (void)fclose(file);
    if (json_array_size(list) == 0) {
        (void)fprintf(stderr, "%s is empty\n", path);
        exit(1);
    }
    return list;
}

#endif
