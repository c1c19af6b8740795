/*
 * load.c - parse and check a configuration.
 *
 *    text --jansson--> JSON values --read, by the rows in keys/--> struct config --> check/
 *      `---- lines ---> line of each value
 *
 * jansson stops at the first syntax error. If there is none, all errors are reported.
 */
#include "load.h"

#include <jansson.h>
#include <stdlib.h>

#include "message.h"

static json_t *parse_json(struct config_load *load, const char *text, size_t n)
{
    char shown[CONFIG_SHOWN_MAX];
    json_error_t error;
    if (n > CONFIG_FILE_MAX) {
        config_fault(load, 0, "must be at most %u bytes long, got %zu", CONFIG_FILE_MAX, n);
        return NULL;
    }
    /* Allow NUL bytes here; the readers reject them, and report the key. */
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root)
        return root;
    /* Without a message from jansson, the cause is lack of memory. */
    if (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory)
        config_no_memory(load);
    else
        config_fault(load, error.line > 0 ? (uint32_t)error.line : 1, "invalid JSON: %s",
                     config_show(error.text, shown));
    return NULL;
}

static void load_whole(struct config_load *load, json_t *value, const char *text, size_t n)
{
    struct config_place root = {.value = value};
    if (config_lines_init(&load->lines, text, n) &&
        config_table_defaults(&config_top_table, load->config)) {
        config_load_object(load, &config_top_table, &root, load->config);
        if (!load->no_memory)
            config_check_whole(load, &root);
    } else {
        config_no_memory(load);
    }
    config_lines_fini(&load->lines);
}

struct config *config_parse(const char *text, size_t n, const char *file_name,
                            struct config_messages *messages)
{
    struct config_load load = {.file_name = file_name, .messages = messages};
    *messages = (struct config_messages){0};
    json_t *root = parse_json(&load, text, n);
    if (!root)
        return NULL;
    load.config = calloc(1, sizeof *load.config);
    if (load.config)
        load_whole(&load, root, text, n);
    else
        config_no_memory(&load);
    json_decref(root);
    if (messages->errors == 0)
        return load.config;
    config_free(load.config);
    return NULL;
}
