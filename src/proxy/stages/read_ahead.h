/*
 * read_ahead.h - what a client sends after its CONNECT, before its node has answered.
 */
#ifndef PROXY_STAGES_READ_AHEAD_H
#define PROXY_STAGES_READ_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/util.h"
#include "net/stream.h"

struct session;

/* Append n bytes of the scratch block to a buffer of the arrival. False if memory is short. */
MUST_USE bool read_ahead_keep(struct session *s, struct buffer *b, size_t n);

/* Whether more may be read: not after the end of the client's stream, nor at the memory limit. */
bool read_ahead_is_allowed(const struct session *s);

/*
 * Read what the client has sent, at most one block, and keep it. At its end, or if its stream is
 * dead, up.ended is set; all that came before is still delivered. False if memory is short.
 *
 *   result   what stream_read() returned
 */
MUST_USE bool read_ahead_read(struct session *s, enum stream_result *result);

#endif
