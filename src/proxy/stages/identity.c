/*
 * identity.c - check that a device's certificate confirms its identity.
 *
 * Names are compared byte for byte: wildcards, or ignoring case, would let one device take over the
 * session of another.
 */
#include "identity.h"

#include <stdio.h>
#include <string.h>

#include "net/tls/context.h"
#include "proxy/listener.h"
#include "proxy/session/session.h"
#include "proxy/session/worker_core.h"

static const struct {
    enum tls_name_kind kind;
    const char *word;
} places[] = {
    [IDENTITY_CN] = {TLS_NAME_CN, "cn"},
    [IDENTITY_SAN_DNS] = {TLS_NAME_SAN_DNS, "san_dns"},
    [IDENTITY_SAN_URI] = {TLS_NAME_SAN_URI, "san_uri"},
    [IDENTITY_SAN_EMAIL] = {TLS_NAME_SAN_EMAIL, "san_email"},
};
_Static_assert(ARRAY_LEN(places) == IDENTITY_NAME_COUNT, "every name has its place");

static bool confirms(struct session *s, enum identity_name name, struct span claim,
                     struct span proxied_cn)
{
    if (s->tls)
        return stream_tls_peer_matches(s->tls, places[name].kind, claim);
    return name == IDENTITY_CN && proxied_cn.p && span_equal(proxied_cn, claim);
}

static void say_names(struct session *s, const struct identity_conf *rule, struct span proxied_cn,
                      char names[IDENTITY_NAMES_MAX])
{
    size_t n = (size_t)snprintf(names, IDENTITY_NAMES_MAX, "the certificate has");
    for (size_t i = 0; i < rule->n_names && n + 32 < IDENTITY_NAMES_MAX; i++) {
        enum identity_name name = rule->names[i];
        n += (size_t)snprintf(names + n, IDENTITY_NAMES_MAX - n, "%s %s: ", i ? ";" : "",
                              places[name].word);
        if (s->tls)
            n +=
                stream_tls_peer_names(s->tls, places[name].kind, names + n, IDENTITY_NAMES_MAX - n);
        else if (name == IDENTITY_CN && proxied_cn.n < IDENTITY_NAMES_MAX - n)
            n += (size_t)snprintf(names + n, IDENTITY_NAMES_MAX - n, "%.*s", (int)proxied_cn.n,
                                  (const char *)proxied_cn.p);
    }
}

bool identity_confirmed(struct session *s, const struct route_facts *claims,
                        char names[IDENTITY_NAMES_MAX])
{
    const struct identity_conf *rule = s->arrival->listener->conf->identity;
    if (!rule)
        return true;
    struct span claim = rule->claim == IDENTITY_USERNAME ? claims->username : claims->client_id;
    for (size_t i = 0; claim.n > 0 && i < rule->n_names; i++)
        if (confirms(s, rule->names[i], claim, claims->tls_cn))
            return true;
    say_names(s, rule, claims->tls_cn, names);
    return false;
}
