/*
 * check_dialogue.h - build the request of a check, and evaluate the answer.
 *
 * Pure: no I/O, no clock. check.c sends and receives.
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
    bool accepted; /* mqtt: the node has accepted the session, which a DISCONNECT must end */
    char why[CHECK_WHY_MAX];
};

/* Number of bytes of an answer that are enough for a verdict. */
#define CHECK_ANSWER_MAX 16u

/* Return what a check of this type waits for: "CONNACK" or "HTTP status". Not for tcp. */
const char *check_awaited(enum check_type type);

/*
 * Write the PROXY header as configured for the cluster. Returns its length; 0 = no header.
 *
 *   local   local address of the connection; for a Unix socket, the header has 127.0.0.1 as both
 *           source and destination
 */
size_t check_proxy_header(const struct check_target *target, const struct address *local,
                          uint8_t out[PROXY_V2_MAX]);

/*
 * Write the request (none for tcp) into an empty buffer, after the PROXY header if the connection
 * does not use TLS. An HTTP request has no PROXY header. Returns false if out of memory.
 */
MUST_USE bool check_ask(const struct check_target *target, const struct address *local,
                        struct buffer *out);

/*
 * Evaluate the first bytes of an answer. Returns PARSE_MORE if there is no verdict yet; in.n is
 * then below CHECK_ANSWER_MAX. Otherwise, *out is set; PARSE_BAD means that the node uses another
 * protocol.
 */
MUST_USE enum parse_result check_judge(const struct check_target *target, struct span in,
                                       struct check_verdict *out);

#endif
