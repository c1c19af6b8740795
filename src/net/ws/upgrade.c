/*
 * upgrade.c - open a WebSocket stream: read the upgrade request and send the response.
 *
 *    OPENING --inner open--> REQUEST --complete or invalid--> RESPONSE --written--> OPEN
 *                                                                \--rejection written--> REFUSED
 *
 * The request buffer grows as bytes arrive, so that silent clients cost little memory. It is freed
 * after the response, or when all frames received with the request have been read.
 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define HEAD_ROOM_FIRST 1024u /* a browser's request has 500 to 800 bytes */

void ws_handshake_free(struct stream_ws *ws)
{
    if (ws->handshake)
        free(ws->handshake->head);
    free(ws->handshake);
    ws->handshake = NULL;
}

bool ws_read_after_request(struct stream_ws *ws, void *p, size_t n, size_t *got)
{
    struct ws_handshake *hs = ws->handshake;
    if (!hs)
        return false;
    size_t most = size_min(n, hs->head_n - hs->head_at);
    if (most > 0) {
        memcpy(p, hs->head + hs->head_at, most);
        hs->head_at += (uint32_t)most;
        *got = most;
    }
    if (hs->head_at == hs->head_n)
        ws_handshake_free(ws);
    return most > 0;
}

static enum stream_result fail(struct stream_ws *ws, const char *fault)
{
    ws->fault = fault;
    ws->state = WS_REFUSED;
    ws_handshake_free(ws);
    return STREAM_ERR;
}

/* Make room for at least one more byte. The parser limits the length of the request. */
static bool make_room(struct ws_handshake *hs)
{
    if (hs->head_n < hs->room)
        return true;
    uint32_t room = hs->room ? hs->room * 2 : HEAD_ROOM_FIRST;
    uint8_t *longer = realloc(hs->head, room);
    if (!longer)
        return false;
    hs->head = longer;
    hs->room = room;
    return true;
}

/* Copy the forwarded addresses, because the request is freed. */
static bool keep_forwarded(struct stream_ws *ws)
{
    struct span list = ws_upgrade_forwarded(&ws->handshake->upgrade);
    if (!list.p)
        return true;
    ws->forwarded = malloc(list.n > 0 ? list.n : 1);
    if (!ws->forwarded)
        return false;
    memcpy(ws->forwarded, list.p, list.n);
    ws->forwarded_n = (uint16_t)list.n;
    return true;
}

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */

static bool accept_key(const char key[WS_KEY_N + 1], char out[WS_ACCEPT_N + 1])
{
    uint8_t text[WS_KEY_N + sizeof(guid) - 1];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_n;
    memcpy(text, key, WS_KEY_N);
    memcpy(text + WS_KEY_N, guid, sizeof(guid) - 1);
    if (EVP_Digest(text, sizeof(text), digest, &digest_n, EVP_sha1(), NULL) != 1)
        return false;
    return EVP_EncodeBlock((uint8_t *)out, digest, SHA_DIGEST_LENGTH) == (int)WS_ACCEPT_N;
}

static enum stream_result compose_response(struct stream_ws *ws)
{
    struct ws_handshake *hs = ws->handshake;
    char accept[WS_ACCEPT_N + 1] = "";
    if (hs->upgrade.status == 101) {
        if (!accept_key(hs->upgrade.key, accept))
            return fail(ws, "SHA-1 is not available");
        if (!keep_forwarded(ws))
            return fail(ws, "out of memory");
        hs->head_at = hs->upgrade.head_n;
        ws->subprotocol = hs->upgrade.subprotocol;
    }
    ws->status = (uint16_t)hs->upgrade.status;
    ws->plain_http = hs->upgrade.plain_http;
    hs->response_n = (uint16_t)ws_upgrade_respond(&hs->upgrade, accept, hs->response);
    ws->state = WS_RESPONSE;
    return STREAM_OK;
}

static enum stream_result read_request(struct stream_ws *ws)
{
    struct ws_handshake *hs = ws->handshake;
    for (;;) {
        size_t got = 0;
        if (!make_room(hs))
            return fail(ws, "out of memory");
        enum stream_result r =
            ws_inner_read(ws, hs->head + hs->head_n, hs->room - hs->head_n, &got);
        if (r == STREAM_EOF)
            return fail(ws, "the client closed the connection during the upgrade");
        if (r != STREAM_OK)
            return r;
        hs->head_n += (uint32_t)got;
        if (ws_upgrade_read(&hs->upgrade, hs->head, hs->head_n) != PARSE_MORE)
            return compose_response(ws);
    }
}

static enum stream_result write_response(struct stream_ws *ws)
{
    struct ws_handshake *hs = ws->handshake;
    while (hs->response_at < hs->response_n) {
        size_t put = 0;
        enum stream_result r = ws_inner_write(ws, hs->response + hs->response_at,
                                              (size_t)hs->response_n - hs->response_at, &put);
        if (r != STREAM_OK)
            return r;
        hs->response_at = (uint16_t)(hs->response_at + put);
    }
    if (ws->status != 101) {
        snprintf(ws->words, sizeof(ws->words), "http %u: %s", (unsigned)ws->status,
                 hs->upgrade.fault);
        return fail(ws, ws->words);
    }
    ws->state = WS_OPEN;
    if (hs->head_at == hs->head_n)
        ws_handshake_free(ws);
    return STREAM_OK;
}

static enum stream_result open_inner(struct stream_ws *ws)
{
    enum stream_result r = stream_open(ws->inner);
    ws->dead = r == STREAM_ERR;
    if (r == STREAM_OK)
        ws->state = WS_REQUEST;
    return r;
}

enum stream_result ws_upgrade_step(struct stream_ws *ws)
{
    enum stream_result r = STREAM_OK;
    if (ws->state == WS_OPENING)
        r = open_inner(ws);
    if (r == STREAM_OK && ws->state == WS_REQUEST)
        r = read_request(ws);
    if (r == STREAM_OK && ws->state == WS_RESPONSE)
        r = write_response(ws);
    return r;
}
