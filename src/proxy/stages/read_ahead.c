/*
 * read_ahead.c - read and store the data that a client sends between its CONNECT and the node's
 * answer.
 *
 * The data is sent to the node after the CONNECT, and stored with it so that another node can be
 * tried. read_ahead_is_allowed() limits its size.
 */
#include "read_ahead.h"

#include <string.h>

#include "proxy/session/memory.h"
#include "proxy/session/session.h"
#include "proxy/session/worker_core.h"

bool read_ahead_keep(struct session *s, struct buffer *b, size_t n)
{
    if (!buffer_reserve(b, 0, n))
        return false;
    memcpy(b->mem + b->tail, s->w->scratch, n);
    buffer_grew(b, n);
    memory_note_held(s);
    return true;
}

bool read_ahead_is_allowed(const struct session *s)
{
    const uint64_t kept = s->up.bytes - s->arrival->connect.packet_n;
    return !s->up.ended && kept < s->w->relay_pool.size && memory_allows(s, s->w->relay_pool.size);
}

bool read_ahead_read(struct session *s, enum stream_result *result)
{
    size_t got = 0;
    *result = stream_read(s->client, s->w->scratch, s->w->relay_pool.size, &got);
    if (*result == STREAM_WANT_READ || *result == STREAM_WANT_WRITE)
        return true;
    if (*result == STREAM_ERR)
        session_note_fault(s, CLOSE_CLIENT_ERROR, stream_error(s->client));
    s->up.ended = *result != STREAM_OK;
    if (s->up.ended)
        return true;
    s->up.bytes += got;
    return read_ahead_keep(s, &s->arrival->first, got);
}
