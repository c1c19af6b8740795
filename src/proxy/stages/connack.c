/*
 * connack.c - the stage CONNACK: wait for the node's first packet, then relay or try the next
 * candidate.
 *
 *    the node ...                                      the session
 *    closes, resets, sends nothing for connack_ms  ->  next candidate, else refused by us
 *    refuses because of its own state (rc 3; 5.0:
 *    0x88, 0x89, 0x9C, 0x9D)                       ->  next candidate, else the node's refusal;
 *                                                      a busy home gets one more try before
 *    sends anything else, AUTH too                 ->  RELAY
 *
 * Data that the device sends meanwhile is forwarded to the node, and stored after the CONNECT so
 * that the next node gets it too. The device does not notice a failed attempt.
 */
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "admit.h"
#include "base/reader.h"
#include "candidates.h"
#include "proxy/session/worker_core.h"
#include "read_ahead.h"
#include "stages.h"
#include "wire/mqtt/connack.h"

/* Do not wait for more of a CONNACK than this; the rest would be properties for the device. */
#define CONNACK_LOOK_MAX 4096u

#define CONNACK_TYPE 0x20u
#define AUTH_TYPE    0xf0u

/* ---- client to node ---- */

static enum stream_result send_kept(struct session *s)
{
    while (s->arrival->first_sent < buffer_len(&s->arrival->first)) {
        size_t put = 0;
        enum stream_result r =
            stream_write(s->node_stream, buffer_bytes(&s->arrival->first) + s->arrival->first_sent,
                         buffer_len(&s->arrival->first) - s->arrival->first_sent, &put);
        if (r != STREAM_OK)
            return r;
        s->arrival->first_sent += (uint32_t)put;
    }
    return STREAM_OK;
}

/*
 * Forward the device's data to the node. Returns STEP_WAIT if the masks of `up` are set, STEP_MOVED
 * if the session is closed. If the node accepts no more data, its side is read, because it may have
 * sent a reason.
 */
static enum step pass_up(struct session *s)
{
    s->up.due = false;
    s->up.read_wait = s->up.write_wait = 0;
    for (;;) {
        enum stream_result r = send_kept(s);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->up.write_wait = flow_wait_mask(r);
            return STEP_WAIT;
        }
        if (r != STREAM_OK) {
            s->down.due = true;
            return STEP_WAIT;
        }
        if (!read_ahead_is_allowed(s))
            return STEP_WAIT;
        if (!read_ahead_read(s, &r))
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->up.read_wait = flow_wait_mask(r);
            return STEP_WAIT;
        }
    }
}

/* ---- node to client ---- */

/*
 * Return true if the part of a CONNACK received so far shows that the node accepts the CONNECT. The
 * session then exists there.
 */
static bool accepts_in_part(struct span answer)
{
    struct reader rd = reader_from(answer, 0);
    if (answer.n == 0 || reader_u8(&rd) != CONNACK_TYPE)
        return false;
    while (reader_u8(&rd) & 0x80) /* remaining length */
        continue;
    (void)reader_u8(&rd); /* flags */
    return reader_u8(&rd) == 0 && !rd.cut;
}

/* Return the part of an incomplete answer received so far. */
static struct span answer_so_far(const struct session *s)
{
    const struct buffer *answer = &s->arrival->answer;
    return answer->mem ? span_of(buffer_bytes(answer), buffer_len(answer)) : (struct span){0};
}

/* Return the close reason for a session whose client has left. */
static enum close_reason client_end(const struct session *s)
{
    return s->failed ? s->reason : CLOSE_CLIENT_CLOSED;
}

/*
 * Handle a node that closed or timed out without an answer. If the client left first, only close.
 */
static enum step unanswered(struct session *s, enum close_reason reason, const char *why)
{
    if (s->up.ended && reason == CLOSE_NODE_CLOSED_EARLY)
        return session_close(s, client_end(s), s->failed ? NULL : why);
    if (accepts_in_part(answer_so_far(s)))
        return session_close(s, reason, why);
    if (!s->arrival->answer.mem)
        node_live_note_unanswered(s->node);
    s->arrival->unanswered |= (uint8_t)(1u << (s->tries - 1));
    return stage_dial_again(s, reason, why);
}

/* Return true if the node refuses because of its own state, so that another node may accept. */
static bool refuses_for_itself(const struct session *s)
{
    return s->connack_seen && mqtt_connack_subject(s->arrival->connect.version, s->connack.code) ==
                                  MQTT_CONNACK_ABOUT_NODE;
}

/*
 * Return true if the answer proves that a healthy node answers this CONNECT. The nodes that were
 * tried before and did not answer were then at fault. A refusal because the node is busy, or
 * without a reason, proves nothing.
 */
static bool proves_the_connect(const struct session *s, struct span answer)
{
    const uint8_t version = s->arrival->connect.version;
    if (!s->connack_seen)
        return accepts_in_part(answer) || (version == 5 && answer.p[0] == AUTH_TYPE);
    const enum mqtt_connack_subject subject = mqtt_connack_subject(version, s->connack.code);
    return subject == MQTT_CONNACK_ACCEPTED || subject == MQTT_CONNACK_ABOUT_DEVICE;
}

/*
 * Parse the node's answer so far. Returns true if there is nothing more to wait for: the CONNACK is
 * complete, the answer is not a CONNACK, or it has reached the size limit.
 */
static bool look(struct session *s, struct span said)
{
    enum parse_result result = mqtt_connack_read(said, s->arrival->connect.version, &s->connack);
    s->connack_seen = result == PARSE_DONE;
    return result != PARSE_MORE || said.n >= size_min(CONNACK_LOOK_MAX, s->w->relay_pool.size);
}

static void count_connack(const struct session *s)
{
    struct connack_counters *c = &s->w->counters.connacks[s->connack.code];
    counter_add(s->connack.session_present ? &c->present : &c->absent, 1);
}

/*
 * Settle the session at its node: forward the answer, which is in the scratch block, to the client.
 * If that fails, data that the client sent after its CONNECT is still delivered.
 */
static enum step settle(struct session *s, size_t n)
{
    const struct flow_room room = {.scratch = s->w->scratch, .pool = &s->w->relay_pool};
    buffer_release(&s->arrival->answer);
    s->down.bytes += n;
    if (s->connack_seen)
        count_connack(s);
    if (s->connack_seen && s->connack.code == 0)
        admit_accepted(s);
    enum flow_result down = flow_forward(&s->down, s->client, n, &room);
    if (down == FLOW_NO_MEMORY)
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    if (down == FLOW_WRITE_ERROR) {
        if (!s->up.ended)
            session_note_fault(s, CLOSE_CLIENT_ERROR, stream_error(s->client));
        flow_discard(&s->down, &s->w->relay_pool);
    }
    return stage_relay_begin(s);
}

/* Handle n bytes from the node, which are in the scratch block. */
static enum step node_spoke(struct session *s, size_t n)
{
    struct span said = span_of(s->w->scratch, n);
    bool in_pieces = s->arrival->answer.mem;
    if (in_pieces) {
        if (!read_ahead_keep(s, &s->arrival->answer, n))
            return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
        said = span_of(buffer_bytes(&s->arrival->answer), buffer_len(&s->arrival->answer));
    }
    if (!look(s, said)) {
        s->down.due = true; /* to read the rest */
        return in_pieces || read_ahead_keep(s, &s->arrival->answer, n)
                   ? STEP_YIELD
                   : session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    }
    if (proves_the_connect(s, said))
        candidates_prove(s);
    if (s->connack_seen)
        candidate_note_answer(s);
    if (refuses_for_itself(s) && candidates_may_replay(s)) {
        char code[24];
        (void)snprintf(code, sizeof(code), "CONNACK 0x%02x", s->connack.code);
        s->connack_seen = false;
        if (stage_dial_again_at_home(s))
            return STEP_MOVED;
        return stage_dial_again(s, CLOSE_NO_NODE, code);
    }
    if (in_pieces)
        memcpy(s->w->scratch, said.p, said.n);
    return settle(s, said.n);
}

enum step stage_connack(struct session *s)
{
    if (s->up.due && pass_up(s) == STEP_MOVED)
        return STEP_MOVED;
    if (!s->down.due)
        return STEP_WAIT;
    s->down.due = false;
    size_t room = s->w->relay_pool.size - buffer_len(&s->arrival->answer), got = 0;
    enum stream_result r = stream_read(s->node_stream, s->w->scratch, room, &got);
    if (r == STREAM_OK)
        return node_spoke(s, got);
    if (r == STREAM_EOF || r == STREAM_ERR)
        return unanswered(s, CLOSE_NODE_CLOSED_EARLY,
                          r == STREAM_ERR ? stream_error(s->node_stream) : NULL);
    s->down.read_wait = flow_wait_mask(r);
    return STEP_WAIT;
}

enum step stage_connack_timed_out(struct session *s)
{
    return unanswered(s, CLOSE_CONNACK_TIMEOUT, NULL);
}
