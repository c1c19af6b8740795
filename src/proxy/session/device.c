/*
 * device.c - facts about a device beyond its socket, and the PROXY header for its node.
 *
 * If two routers are chained, the first one terminates TLS and puts the facts into its PROXY
 * header. The second one copies them into its own header, so that the node sees the device and not
 * the first router.
 */
#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/socket.h"
#include "proxy/cluster_view.h"
#include "proxy/listener.h"
#include "session.h"

struct span session_client_id(const struct session *s)
{
    return s->names ? span_of(s->names->text, s->names->client_id_n) : (struct span){0};
}

struct span session_username(const struct session *s)
{
    if (!s->names || !s->names->has_username)
        return (struct span){0};
    return span_of(s->names->text + s->names->client_id_n, s->names->username_n);
}

void device_take_address(struct session *s)
{
    struct proxy_in *proxy_in = s->proxy_in;
    if (!proxy_in->header.has_address)
        return;
    s->source = address_from_proxy(&proxy_in->header.source);
    proxy_in->destination = address_from_proxy(&proxy_in->header.destination);
}

void proxy_in_free(struct proxy_in *proxy_in)
{
    if (!proxy_in)
        return;
    buffer_release(&proxy_in->bytes);
    free(proxy_in);
}

const char *session_id_text(const struct session *s, char text[SESSION_ID_TEXT_MAX])
{
    for (int i = 0; i < 16; i++) /* snprintf() would take 5 % of the CPU time of a session */
        text[i] = "0123456789abcdef"[s->id >> (60 - 4 * i) & 0xf];
    text[16] = '\0';
    return text;
}

static void facts_of_handshake(struct session *s, struct tls_facts *tls, struct proxy_facts *out)
{
    stream_tls_facts(s->tls, tls);
    out->has_tls = true;
    out->client_cert_conn = tls->client_certificate && !tls->resumed;
    out->client_cert_sess = tls->client_certificate;
    out->verified = tls->client_verified;
    out->tls_version = span_of_str(tls->version);
    out->tls_cipher = span_of_str(tls->cipher);
    out->tls_cn = tls->cn;
    out->tls_sig_alg = span_of_str(tls->sig_alg);
    out->tls_key_alg = tls->key_alg[0] ? span_of_str(tls->key_alg) : (struct span){0};
    out->alpn = tls->alpn ? span_of(tls->alpn, tls->alpn_n) : out->alpn;
    out->authority = tls->sni.p ? tls->sni : out->authority;
}

void device_facts(struct session *s, struct tls_facts *tls, struct proxy_facts *out)
{
    *out = s->proxy_in ? s->proxy_in->header.facts : (struct proxy_facts){0};
    out->crc32c = false; /* belongs to the received header */
    if (s->tls)
        facts_of_handshake(s, tls, out);
}

/* Remove the TLVs that the cluster is not configured for. */
static void keep_configured(struct proxy_facts *facts, unsigned tlvs)
{
    if (!(tlvs & PROXY_TLV_ALPN))
        facts->alpn = (struct span){0};
    if (!(tlvs & PROXY_TLV_AUTHORITY))
        facts->authority = (struct span){0};
    if (!(tlvs & PROXY_TLV_UNIQUE_ID))
        facts->unique_id = (struct span){0};
    facts->has_tls = facts->has_tls && (tlvs & PROXY_TLV_SSL);
    facts->crc32c = tlvs & PROXY_TLV_CRC32C;
}

/* Return the address that the device connected to, as far as known. */
static struct address destination_of(const struct session *s)
{
    struct address local = s->arrival->listener->local;
    if (s->proxy_in && s->proxy_in->header.has_address)
        return s->proxy_in->destination;
    if (s->arrival->listener->wildcard)
        (void)socket_local_address(s->client_io.fd, &local); /* on failure: the bound address */
    return local;
}

size_t device_proxy_header(struct session *s, uint8_t out[PROXY_V2_MAX])
{
    const struct cluster_conf *conf = s->arrival->cluster_view->cluster->conf;
    struct address local = destination_of(s);
    struct proxy_endpoint source = address_to_proxy(&s->source);
    struct proxy_endpoint destination = address_to_proxy(&local);
    if (conf->proxy_protocol == PROXY_PROTOCOL_NONE)
        return 0;
    if (conf->proxy_protocol == PROXY_PROTOCOL_V1)
        return proxy_v1_write(&source, &destination, out);
    char id[SESSION_ID_TEXT_MAX];
    struct tls_facts tls;
    struct proxy_facts facts;
    device_facts(s, &tls, &facts);
    if (!facts.unique_id.p)
        facts.unique_id = span_of_str(session_id_text(s, id));
    keep_configured(&facts, conf->proxy_protocol_tlvs);
    return proxy_v2_write(&source, &destination, &facts, out);
}
