/*
 * operate.c - POST reload and log_level.
 */
#include <stdlib.h>
#include <string.h>

#include "control/admin/context.h"
#include "control/reload/reload.h"
#include "nodes.h"
#include "routes.h"

/* List the lines of `messages` that begin with a prefix, without the prefix. */
static json_t *lines_of(const char *messages, const char *prefix)
{
    json_t *list = json_array();
    const size_t n = strlen(prefix);
    for (const char *line = messages; line && *line;) {
        const size_t length = strcspn(line, "\n");
        if (length >= n && strncmp(line, prefix, n) == 0)
            json_array_append_new(list, json_stringn(line + n, length - n));
        line += length + (line[length] == '\n');
    }
    return list;
}

/* Format the clusters. Returns a JSON null if there are no counts, because memory ran out. */
static json_t *clusters_json(const struct snapshot *snapshot, const struct reload_cluster *clusters)
{
    json_t *list = clusters ? json_array() : json_null();
    for (size_t i = 0; clusters && i < snapshot->config->n_clusters; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:i}", "name",
                                              snapshot->config->clusters[i].name, "nodes",
                                              (json_int_t)clusters[i].nodes, "added",
                                              (json_int_t)clusters[i].added, "removed",
                                              (json_int_t)clusters[i].removed, "moved_permille",
                                              (int)clusters[i].moved_permille));
    return list;
}

static void refuse(struct admin_call *call, const char *messages)
{
    admin_reply_problem(call, 409,
                        json_pack("{s:s, s:s, s:o}", "reason", "reload_failed", "detail",
                                  "nothing was changed; see \"faults\" for the errors", "faults",
                                  lines_of(messages, "error: ")));
}

void admin_reload(struct admin_call *call)
{
    struct admin_context *context = admin_call_context(call);
    struct reload_outcome outcome;
    if (!admin_body_has_only(call, ""))
        return;
    if (context->phase(context->arg) != ADMIN_SERVING) {
        admin_problem(call, 409, "not_serving", "the router is starting or draining");
        return;
    }
    if (reload(context->service, &outcome))
        admin_reply_json(call, 200,
                         json_pack("{s:o, s:o, s:i}", "warnings",
                                   lines_of(outcome.messages, "warning: "), "clusters",
                                   clusters_json(context->service->snapshot, outcome.clusters),
                                   "moved_permille", (int)outcome.moved_permille));
    else
        refuse(call, outcome.messages);
    free(outcome.clusters);
    free(outcome.messages);
}

static bool find_level(const char *text, enum log_level *out)
{
    for (int level = 0; text && level < LOG_LEVEL_COUNT; level++) {
        if (strcmp(text, log_level_name((enum log_level)level)) != 0)
            continue;
        *out = (enum log_level)level;
        return true;
    }
    return false;
}

void admin_log_level(struct admin_call *call)
{
    const struct service *service = admin_call_context(call)->service;
    const struct log_conf *conf = &service->snapshot->config->log;
    const char *text = NULL;
    enum log_level level;
    if (!admin_body_has_only(call, "level") || !admin_body_text(call, "level", &text))
        return;
    if (!find_level(text, &level)) {
        admin_problem(call, 400, "invalid_body",
                      "level: must be \"error\", \"warn\", \"notice\", \"info\" or \"debug\"");
        return;
    }
    log_set(service->log, level, conf->format);
    admin_reply_json(call, 200,
                     json_pack("{s:s, s:s, s:s?}", "log_level", log_level_name(level),
                               "log_level_in_file", log_level_name(conf->level), "undone_by",
                               level == conf->level ? NULL : ADMIN_UNDONE_LEVEL));
}
