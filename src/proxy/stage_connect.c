/*
 * stage_connect.c - read the CONNECT, bounded, and keep what came with it.
 */
#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listener.h"
#include "memory.h"
#include "model/route_key.h"
#include "session.h"
#include "wire/proxy_protocol.h"
#include "worker.h"

static void keep_name(struct name *name, struct span text)
{
    if (!text.p)
        return;
    size_t n = size_min(text.n, SESSION_NAME_MAX + 1);
    name->p = malloc(n + 1); /* + 1: present and empty is not absent */
    if (!name->p)
        return;
    memcpy(name->p, text.p, n);
    name->n = (uint32_t)n;
}

static enum step connect_done(struct session *s)
{
    const uint8_t *p = buffer_bytes(&s->first);
    keep_name(&s->client_id, mqtt_connect_client_id(&s->connect, p));
    if (route_key_asks(s->listener->roster->cluster->conf, ROUTE_USERNAME)) /* else not logged */
        keep_name(&s->username, mqtt_connect_username(&s->connect, p));
    s->up.bytes = buffer_len(&s->first);
    s->up.read_wait = 0;
    session_goto(s, SESSION_ROUTE);
    return MOVED;
}

static enum step connect_bad(struct session *s)
{
    char detail[96];
    (void)snprintf(detail, sizeof(detail), "%s [%s]", mqtt_fault_word(s->connect.fault),
                   mqtt_fault_clause(s->connect.fault));
    return session_close(s, CLOSE_CONNECT_REFUSED, detail);
}

/*
 * Room for what is still missing, at most doubling: a client that announces a large packet
 * and sends nothing holds no more than twice what it has sent. 0: there is some.
 */
static size_t room_wanted(const struct session *s)
{
    size_t have = buffer_len(&s->first);
    if (s->first.mem && buffer_room(&s->first) > 0)
        return 0;
    if (have > 0 && s->connect.packet_n > have)
        return size_min(s->connect.packet_n - have, size_max(have, SESSION_FIRST_READ_BYTES));
    return SESSION_FIRST_READ_BYTES;
}

enum step stage_connect(struct session *s)
{
    for (;;) {
        size_t want = room_wanted(s);
        if (want > 0 && s->first.mem && !memory_allows(s, want))
            return session_close(s, CLOSE_RELAY_MEMORY, NULL);
        if (want > 0 && !buffer_reserve(&s->first, PROXY_V2_MAX, want))
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        memory_note_held(s);
        size_t got = 0;
        enum stream_result r =
            stream_read(s->client, s->first.mem + s->first.tail, buffer_room(&s->first), &got);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->up.read_wait = flow_wait_mask(r);
            return WAIT;
        }
        if (r == STREAM_EOF)
            return session_close(s, CLOSE_CLIENT_CLOSED_EARLY, NULL);
        if (r != STREAM_OK)
            return session_close(s, CLOSE_CLIENT_ERROR, stream_error(s->client));
        buffer_grew(&s->first, got);

        switch (mqtt_connect_read(&s->connect, buffer_bytes(&s->first), buffer_len(&s->first))) {
        case PARSE_DONE:
            return connect_done(s);
        case PARSE_BAD:
            return connect_bad(s);
        case PARSE_MORE:
            break;
        }
    }
}
