/*
 * read_ahead.h - read and store the data that a client sends between its CONNECT and the node's
 * answer.
 */
#ifndef PROXY_STAGES_READ_AHEAD_H
#define PROXY_STAGES_READ_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/util.h"
#include "net/stream.h"

struct session;

/*
 * Append n bytes of the scratch block to a buffer of the arrival. Returns false if out of memory.
 */
MUST_USE bool read_ahead_keep(struct session *s, struct buffer *b, size_t n);

/* Return true if more may be read: the stream has not ended, and the memory limits allow it. */
bool read_ahead_is_allowed(const struct session *s);

/*
 * Read at most one block from the client and store it. If the stream has ended or failed, sets
 * up.ended; all data before is still delivered. Returns false if out of memory.
 *
 *   result   result of stream_read()
 */
MUST_USE bool read_ahead_read(struct session *s, enum stream_result *result);

#endif
