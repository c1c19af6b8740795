/*
 * accept_key.c - the Sec-WebSocket-Accept that proves to a client that its request
 * was read by a WebSocket server. SHA-1 is no secret's guard here, only a handshake's mark.
 *
 * Source: RFC 6455 section 4.2.2, step 5.
 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "internal.h"

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */

bool ws_accept_key(const char key[WS_KEY_N + 1], char out[WS_ACCEPT_N + 1])
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
