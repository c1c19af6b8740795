/*
 * access_log.c - log one line when a session ends: client, source, node, time in each stage, bytes,
 * and the reason.
 *
 * Passwords and payloads are never logged. log_peer() escapes and truncates text from peers.
 */
#include "access_log.h"

#include <stdio.h>
#include <string.h>

#include "attempts.h"
#include "device.h"
#include "proxy/listener.h"
#include "session.h"
#include "worker_core.h"

static const char *mqtt_version_name(uint8_t version)
{
    switch (version) {
    case 3:
        return "3.1";
    case 4:
        return "3.1.1";
    case 5:
        return "5.0";
    default:
        return NULL;
    }
}

/* Log the facts of our own TLS handshake, or those in the load balancer's PROXY header. */
static void log_tls(struct log_line *line, const struct session *s)
{
    struct tls_facts tls = {0};
    struct proxy_facts facts;
    device_facts((struct session *)s, &tls, &facts);
    if (s->proxy_in)
        log_peer(line, "unique_id", facts.unique_id);
    log_peer(line, "sni", facts.authority);
    if (!facts.has_tls)
        return;
    log_peer(line, "tls_version", facts.tls_version);
    log_peer(line, "tls_cipher", facts.tls_cipher);
    if (s->tls) {
        log_bool(line, "tls_resumed", tls.resumed);
        log_bool(line, "tls_detached", tls.detached);
    }
    if (facts.verified)
        log_peer(line, "tls_cn", facts.tls_cn);
}

static void log_who(struct log_line *line, const struct session *s)
{
    char text[ADDRESS_TEXT_MAX];
    log_text(line, "listener", s->tag->name);
    log_text(line, "source", address_format(&s->source, text));
    log_peer(line, "client_id", session_client_id(s));
    log_peer(line, "username", session_username(s));
    log_text(line, "mqtt_version", mqtt_version_name(s->mqtt_version));
    if (s->mqtt_version)
        log_u64(line, "keep_alive_s", s->keep_alive_s);
    log_tls(line, s);
}

static void log_node(struct log_line *line, const struct session *s)
{
    char tried[ATTEMPTS_TEXT_MAX];
    log_text(line, "node", s->node ? s->node->name : NULL);
    log_u64(line, "tries", s->tries);
    log_text(line, "tried", attempts_text(s, tried));
    log_text(line, "placement", s->node ? placement_kind_name(s->kind) : NULL);
}

static void log_stages(struct log_line *line, const struct session *s)
{
    static const struct {
        enum session_state state;
        const char *key;
    } shown[] = {
        {SESSION_PROXY_IN, "ms_proxy_in"},   {SESSION_TLS, "ms_tls"},
        {SESSION_WEBSOCKET, "ms_websocket"}, {SESSION_CONNECT, "ms_connect"},
        {SESSION_DIAL, "ms_dial"},           {SESSION_CONNACK, "ms_connack"},
        {SESSION_RELAY, "ms_relay"},         {SESSION_CLOSING, "ms_farewell"},
    };
    uint64_t total = 0;
    for (int state = 0; state < SESSION_STATE_COUNT; state++)
        total += session_spent_ms(s, (enum session_state)state);
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        log_u64(line, shown[i].key, session_spent_ms(s, shown[i].state));
    log_u64(line, "ms_total", total);
}

void access_log_placed(const struct session *s)
{
    if (!log_enabled(s->w->log, LOG_DEBUG))
        return;
    struct log_line line;
    char id[SESSION_ID_TEXT_MAX];
    log_begin(&line, s->w->log, LOG_DEBUG, "session.placed");
    log_text(&line, "session", session_id_text(s, id));
    log_who(&line, s);
    log_node(&line, s);
    log_emit(&line);
}

/* Normal ends can be sampled: the node accepted the session and the device closed it. */
static bool ended_well(const struct session *s)
{
    return s->reason == CLOSE_CLIENT_CLOSED && s->connack_seen && s->connack.code == 0;
}

/*
 * Return the number of session ends that this line represents; 0 = write no line. In each second, a
 * worker logs its share of log.sample_above_per_s in full; beyond that, it logs one of
 * sample_one_in normal ends.
 */
static uint32_t stands_for(const struct session *s)
{
    struct worker_core *w = s->w;
    const struct log_conf *conf = &w->snapshot->config->log;
    const uint64_t second = s->entered_us / 1000000u;
    if (conf->sample_above_per_s == 0 || s->probe)
        return 1;
    if (w->ends.second != second)
        w->ends = (struct worker_ends){.second = second, .sampled_n = w->ends.sampled_n};
    const uint32_t share = (conf->sample_above_per_s + w->n_workers - 1) / w->n_workers;
    if (w->ends.n++ < share || !ended_well(s))
        return 1;
    if (++w->ends.sampled_n < conf->sample_one_in) {
        counter_add(&w->counters.sampled_out, 1);
        return 0;
    }
    w->ends.sampled_n = 0;
    return conf->sample_one_in;
}

void access_log_session(const struct session *s)
{
    const enum log_level level = s->probe ? LOG_DEBUG : LOG_INFO;
    const uint32_t sampled = log_enabled(s->w->log, level) ? stands_for(s) : 0;
    if (sampled == 0)
        return;
    const struct close_reason_row *row = close_reason_row(s->reason);
    struct log_line line;
    char id[SESSION_ID_TEXT_MAX];
    log_begin(&line, s->w->log, level, "session.end");
    log_text(&line, "session", session_id_text(s, id));
    log_who(&line, s);
    log_node(&line, s);
    if (s->connack_seen) {
        log_u64(&line, "connack_code", s->connack.code);
        log_bool(&line, "session_present", s->connack.session_present);
    }
    log_u64(&line, "bytes_up", s->up.bytes);
    log_u64(&line, "bytes_down", s->down.bytes);
    log_stages(&line, s);
    log_text(&line, "reason", row->name);
    log_text(&line, "closed_by", closed_by_name(row->by));
    log_text(&line, "detail", s->detail);
    if (sampled > 1)
        log_u64(&line, "sampled", sampled);
    log_emit(&line);
}
