/*
 * check_dialogue.h - the request that a check sends, and the verdict on the answer.
 *
 * No connection, no clock: check.c sends and receives.
 */
#ifndef CONTROL_HEALTH_CHECK_DIALOGUE_H
#define CONTROL_HEALTH_CHECK_DIALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"
#include "check.h"
#include "net/address.h"
#include "wire/proxy/protocol.h"

#define CHECK_WHY_MAX 160u

struct check_verdict {
    enum check_result result;
    bool accepted; /* mqtt: the node has opened a session, which DISCONNECT has to end */
    char why[CHECK_WHY_MAX];
};

/* This many bytes of an answer are enough for a verdict. */
#define CHECK_ANSWER_MAX 16u

/* What a check of this type waits for: "CONNACK", "HTTP status". Not for tcp. */
const char *check_awaited(enum check_type type);

/*
 * Write the PROXY header of the cluster's nodes. Returns its length; 0 = none.
 *
 *   local   local address of the connection; a Unix socket, which a header cannot express, is
 *           sent as 127.0.0.1, and so is its peer
 */
size_t check_proxy_header(const struct check_target *target, const struct address *local,
                          uint8_t out[PROXY_V2_MAX]);

/*
 * Write the request into an empty buffer (nothing for tcp), with the PROXY header before it if the
 * connection is plain. No header before an HTTP request, which goes to another port. False when
 * memory is short.
 */
MUST_USE bool check_ask(const struct check_target *target, const struct address *local,
                        struct buffer *out);

/*
 * Judge the first bytes that came. PARSE_MORE: no verdict yet, in.n is below CHECK_ANSWER_MAX.
 * Otherwise *out is filled; PARSE_BAD means that the node uses another protocol.
 */
MUST_USE enum parse_result check_judge(const struct check_target *target, struct span in,
                                       struct check_verdict *out);

#endif
