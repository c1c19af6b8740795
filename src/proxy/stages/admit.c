/*
 * admit.c - admit or reject a session by the address and limits of its source, and by its client
 * identifier.
 *
 * The source is checked before any TLS work. If a trusted proxy sends the device's address, that
 * address is checked instead, as soon as it is known.
 *
 *    ACCEPT       router full? listener full? --------------------+
 *       |         if the source is known:                         |
 *    PROXY_IN     source denied? too many, too often? ------------+--> closed
 *       |
 *    WEBSOCKET    the same, if its header has the source ---------+
 *       |                                                         +--> rejected with a CONNACK
 *    ROUTE        client identifier flapping? --------------------+
 */
#include "admit.h"

#include "base/cidr.h"
#include "base/clock.h"
#include "net/address.h"
#include "proxy/admission/admission.h"
#include "proxy/listener.h"
#include "proxy/session/access_log.h"
#include "proxy/session/device.h"
#include "proxy/session/session.h"
#include "proxy/session/worker_core.h"
#include "wire/proxy/protocol.h"

bool admit_trusts_peer(const struct session *s)
{
    const struct listener_conf *conf = s->arrival->listener->conf;
    if (s->source.sa.sa_family == AF_UNIX)
        return true; /* file permissions control access to the socket */
    struct proxy_endpoint peer = address_to_proxy(&s->source);
    return cidr_contains(conf->trusted_proxies, conf->n_trusted_proxies, peer.ip, peer.is_ipv6);
}

/* ---- the source ---- */

/* Apply the listener's `deny` and `allow`, but not to Unix peers, which have no address. */
static bool is_denied(const struct session *s)
{
    const struct listener_conf *conf = s->arrival->listener->conf;
    if (s->source.sa.sa_family == AF_UNIX)
        return false;
    struct proxy_endpoint source = address_to_proxy(&s->source);
    if (cidr_contains(conf->deny, conf->n_deny, source.ip, source.is_ipv6))
        return true;
    return conf->n_allow > 0 &&
           !cidr_contains(conf->allow, conf->n_allow, source.ip, source.is_ipv6);
}

static bool reject(struct session *s, enum close_reason reason)
{
    s->arrival->reject_reason = (uint8_t)reason;
    return false;
}

bool admit_source(struct session *s)
{
    const struct per_source_conf *conf = &s->w->snapshot->config->limits.per_source;
    if (s->arrival->source_checked)
        return true;
    s->arrival->source_checked = true;
    if (is_denied(s))
        return reject(s, CLOSE_SOURCE_DENIED);
    switch (admission_enter(s->w->shared->admission, conf, &s->source, clock_monotonic_us(),
                            &s->place)) {
    case ADMISSION_TOO_MANY:
        return reject(s, CLOSE_SOURCE_CONNECTIONS);
    case ADMISSION_TOO_FAST:
        return reject(s, CLOSE_SOURCE_RATE);
    case ADMISSION_GRANTED:
        break;
    }
    return true;
}

void admit_leave(struct session *s)
{
    admission_leave(s->w->shared->admission, s->place);
    s->place = 0;
}

/* ---- the client identifier ---- */

/* In `first`, the CONNECT always follows room for a PROXY header. */
static struct span client_id_of(const struct session *s)
{
    return mqtt_connect_client_id(&s->arrival->connect, s->arrival->first.mem + PROXY_V2_MAX);
}

static void begin_event(struct log_line *line, struct session *s, const char *event)
{
    char text[ADDRESS_TEXT_MAX], id[SESSION_ID_TEXT_MAX];
    log_begin(line, s->w->log, LOG_WARN, event);
    log_text(line, "session", session_id_text(s, id));
    log_peer(line, "client_id", client_id_of(s));
    log_text(line, "listener", s->tag->name);
    log_text(line, "source", address_format(&s->source, text));
}

static void log_contested(struct session *s, const struct address *rival)
{
    struct log_line line;
    char text[ADDRESS_TEXT_MAX];
    begin_event(&line, s, "client_id.contested");
    log_text(&line, "rival", address_format_host(rival, text));
    log_emit(&line);
}

/*
 * Count and log a penalty that begins with this CONNECT. If CONNECTs are not refused during
 * penalties, a CONNECT in the penalty of its pair can also begin that of its identifier; this is
 * not logged again.
 */
static void note_flapping(struct session *s, uint32_t penalty_ms)
{
    struct log_line line;
    if (s->arrival->is_flapping)
        return;
    s->arrival->is_flapping = true;
    counter_add(&s->w->counters.flapping, 1);
    begin_event(&line, s, "client_id.flapping");
    log_u64(&line, "penalty_ms", penalty_ms);
    log_bool(&line, "refuse", s->w->snapshot->config->limits.flapping.refuse);
    log_emit(&line);
}

bool admit_client(struct session *s)
{
    struct arrival *arrival = s->arrival;
    struct proxy_facts device = {0};
    struct tls_facts tls; /* memory that `device` points into */
    if (s->w->snapshot->config->limits.flapping.off || client_id_of(s).n == 0)
        return true;
    if (s->tls || s->proxy_in)
        device_facts(s, &tls, &device);
    const struct admission_client client = {
        .id = client_id_of(s),
        .certificate = device.verified ? device.tls_cn : (struct span){0},
        .source = &s->source,
    };
    struct admission *admission = s->w->shared->admission;
    arrival->key = admission_key(admission, &client);
    arrival->has_key = true;
    if (admission_connect(admission, &arrival->key, clock_monotonic_us()) == 0)
        return true;
    arrival->is_flapping = true;
    counter_add(&s->w->counters.flapping, 1);
    return !s->w->snapshot->config->limits.flapping.refuse || reject(s, CLOSE_FLAPPING);
}

/*
 * Return true if CONNECTs of this client are counted. limits.flapping may have changed since ROUTE.
 */
static bool is_counted(const struct session *s)
{
    return s->arrival->has_key && !s->w->snapshot->config->limits.flapping.off;
}

void admit_placed(struct session *s)
{
    if (!is_counted(s))
        return;
    const uint32_t penalty_ms =
        admission_placed(s->w->shared->admission, &s->w->snapshot->config->limits.flapping,
                         &s->arrival->key, clock_monotonic_us());
    if (penalty_ms > 0)
        note_flapping(s, penalty_ms);
}

void admit_accepted(struct session *s)
{
    if (!is_counted(s))
        return;
    const struct admission_news outcome =
        admission_accepted(s->w->shared->admission, &s->w->snapshot->config->limits.flapping,
                           &s->arrival->key, &s->source, clock_monotonic_us());
    if (outcome.contested)
        log_contested(s, &outcome.rival);
    if (outcome.penalised)
        note_flapping(s, outcome.penalty_ms);
}
