/*
 * listeners.c - GET listeners and certificates.
 */
#include <time.h>

#include "control/admin/context.h"
#include "control/tls/calendar.h"
#include "control/tls/keeper.h"
#include "routes.h"

#define DAY_S 86400

/* List the configured addresses. Port 0 is not replaced by the actual port. */
static json_t *addresses_json(const struct snapshot *snapshot, const struct listener_conf *conf)
{
    char text[ENDPOINT_TEXT_MAX];
    json_t *list = json_array();
    for (size_t i = 0; i < snapshot->n_bindings; i++)
        if (snapshot->bindings[i].conf == conf)
            json_array_append_new(
                list, json_string(endpoint_format(&snapshot->bindings[i].endpoint, text)));
    return list;
}

static json_t *listener_json(const struct snapshot *snapshot, size_t i)
{
    const struct listener_conf *conf = &snapshot->config->listeners[i];
    const struct listener_live *live = snapshot->listeners[i];
    return json_pack("{s:s, s:o, s:b, s:b, s:b, s:s, s:I, s:I, s:I}", "name", conf->name,
                     "addresses", addresses_json(snapshot, conf), "tls", conf->tls != NULL,
                     "websocket", conf->websocket != NULL, "proxy_protocol",
                     conf->accept_proxy_protocol, "cluster",
                     snapshot->config->clusters[conf->cluster].name, "connections",
                     (json_int_t)atomic_load_explicit(&live->connections, memory_order_relaxed),
                     "max_connections", (json_int_t)conf->max_connections, "accepted_total",
                     (json_int_t)atomic_load_explicit(&live->accepted, memory_order_relaxed));
}

void admin_listeners(struct admin_call *call)
{
    const struct snapshot *snapshot = admin_call_context(call)->service->snapshot;
    json_t *list = json_array();
    for (size_t i = 0; i < snapshot->config->n_listeners; i++)
        json_array_append_new(list, listener_json(snapshot, i));
    admin_reply_json(call, 200, json_pack("{s:o}", "listeners", list));
}

static void add_certificate(void *arg, const struct tls_calendar_entry *entry)
{
    json_t *list = arg;
    const time_t left_s = entry->not_after - time(NULL);
    json_array_append_new(
        list, json_pack("{s:s?, s:s?, s:s, s:s, s:s, s:o, s:I}", "listener", entry->listener,
                        "cluster", entry->cluster, "kind", tls_validity_name(entry->kind), "file",
                        entry->file, "subject", entry->name, "not_after",
                        admin_time((uint64_t)entry->not_after * 1000), "days_left",
                        (json_int_t)(left_s < 0 ? (left_s - DAY_S + 1) / DAY_S : left_s / DAY_S)));
}

void admin_certificates(struct admin_call *call)
{
    json_t *list = json_array();
    tls_keeper_walk(admin_call_context(call)->service->tls, add_certificate, list);
    admin_reply_json(call, 200, json_pack("{s:o}", "certificates", list));
}
