/*
 * ws_upgrade_respond.c - compose the answer to a WebSocket opening handshake.
 *
 * A refusal says in a line of text what was wrong, and closes. The words are ours and
 * static: nothing of the request is ever sent back.
 */
#include <assert.h>
#include <stdio.h>

#include "wire/http/ws_upgrade.h"

static const char *reason_phrase(unsigned status)
{
    switch (status) {
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Bad Request";
    }
}

/* The fields that a status brings along, and how the connection goes on. */
static const char *fields_of(unsigned status)
{
    switch (status) {
    case 405:
        return "Allow: GET\r\nConnection: close\r\n"; /* RFC 9110 section 15.5.6 */
    case 426:                                         /* sections 7.8 and 15.5.22; RFC 6455 4.4 */
        return "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n";
    default:
        return "Connection: close\r\n";
    }
}

static int respond_101(const struct ws_upgrade *u, const char *accept, char *text)
{
    return snprintf(text, WS_UPGRADE_RESPONSE_MAX,
                    "HTTP/1.1 101 Switching Protocols\r\n"
                    "Upgrade: websocket\r\n"
                    "Connection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: %.*s\r\n"
                    "Sec-WebSocket-Protocol: %s\r\n"
                    "\r\n",
                    (int)WS_ACCEPT_N, accept, u->subprotocol);
}

static int respond_refusal(const struct ws_upgrade *u, char *text)
{
    size_t fault_n = span_of_str(u->fault).n;
    return snprintf(text, WS_UPGRADE_RESPONSE_MAX,
                    "HTTP/1.1 %u %s\r\n"
                    "%s"
                    "Content-Type: text/plain\r\n"
                    "Content-Length: %zu\r\n"
                    "\r\n"
                    "%s%s",
                    u->status, reason_phrase(u->status), fields_of(u->status), fault_n + 1,
                    u->is_head ? "" : u->fault, u->is_head ? "" : "\n");
}

size_t ws_upgrade_respond(const struct ws_upgrade *u, const char *accept,
                          uint8_t out[WS_UPGRADE_RESPONSE_MAX])
{
    assert(u->status != 0);
    int n =
        u->status == 101 ? respond_101(u, accept, (char *)out) : respond_refusal(u, (char *)out);
    assert(n > 0 && (unsigned)n < WS_UPGRADE_RESPONSE_MAX);
    return (size_t)n;
}
