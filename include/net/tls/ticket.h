/*
 * ticket.h - the keys that session tickets are sealed with, shared by all workers.
 *
 * A set is immutable: the first key seals, all of them open, and a ticket that an older key
 * opened is replaced. To rotate, make another set and give it to every context. The tickets of
 * a set open wherever the same keys are: on another worker, in another router process.
 */
#ifndef NET_TLS_TICKET_H
#define NET_TLS_TICKET_H

#include <stddef.h>

#include "base/util.h"
#include "net/tls/cert/report.h"

#define TLS_TICKET_KEYS_MAX 8u

struct tls_ticket_keys;

/*
 * A new random key in front of at most `keep` keys of `previous` (null = none).
 * Null when memory is short or the random generator fails.
 */
MUST_USE struct tls_ticket_keys *tls_ticket_keys_generate(const struct tls_ticket_keys *previous,
                                                          size_t keep);

/*
 * Read a file in the format of HAProxy's tls-ticket-keys: on each line one key in base64, 1 to
 * 8 of them. A key is 48 bytes (name 16, AES-128 key 16, HMAC key 16) or 80 bytes (name 16,
 * AES-256 key 32, HMAC key 32), as `openssl rand -base64 48` and `openssl rand 80 | openssl
 * base64 -A` make them. The FIRST line seals, where HAProxy takes the last but one.
 *
 *   error   on failure, one line: "/etc/keys:3: want a base64 key of 48 or 80 bytes"
 *
 * Null on failure.
 */
MUST_USE struct tls_ticket_keys *tls_ticket_keys_load(const char *file, char error[TLS_ERROR_MAX]);

/* How many keys are in the set, 1..TLS_TICKET_KEYS_MAX. */
size_t tls_ticket_keys_count(const struct tls_ticket_keys *keys);

/* Another reference, and its end; from any thread. The last one wipes the keys. Null is allowed. */
struct tls_ticket_keys *tls_ticket_keys_ref(struct tls_ticket_keys *keys);
void tls_ticket_keys_unref(struct tls_ticket_keys *keys);

#endif
