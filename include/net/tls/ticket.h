/*
 * ticket.h - the keys that encrypt session tickets, shared by all workers.
 *
 * A set of keys is immutable. The first key encrypts, and all keys decrypt. A ticket that was not
 * encrypted with the first key is replaced. To rotate the keys, create a new set and pass it to
 * every context. Other workers and routers with the same keys can decrypt the tickets.
 */
#ifndef NET_TLS_TICKET_H
#define NET_TLS_TICKET_H

#include <stddef.h>

#include "base/util.h"
#include "net/tls/cert/report.h"

#define TLS_TICKET_KEYS_MAX 8u

struct tls_ticket_keys;

/*
 * Create a set with a new random key, followed by the first `keep` keys of `previous` (null =
 * none). Null if out of memory or if the random number generator fails.
 */
MUST_USE struct tls_ticket_keys *tls_ticket_keys_generate(const struct tls_ticket_keys *previous,
                                                          size_t keep);

/*
 * Read a file in the format of HAProxy's tls-ticket-keys: 1 to 8 keys in base64, one per line. A
 * key has 48 bytes (name 16, AES-128 key 16, HMAC key 16) or 80 bytes (name 16, AES-256 key 32,
 * HMAC key 32), as created by `openssl rand -base64 48` and `openssl rand 80 | openssl base64 -A`.
 * The FIRST key encrypts; HAProxy uses the second to last.
 *
 *   error   on failure, one line such as "/etc/keys:3: must be a base64 key of 48 or 80 bytes"
 *
 * Null on failure.
 */
MUST_USE struct tls_ticket_keys *tls_ticket_keys_load(const char *file, char error[TLS_ERROR_MAX]);

/* Number of keys in the set, 1..TLS_TICKET_KEYS_MAX. */
size_t tls_ticket_keys_count(const struct tls_ticket_keys *keys);

/* Take or drop a reference, on any thread. The last one wipes the keys. Null is allowed. */
struct tls_ticket_keys *tls_ticket_keys_ref(struct tls_ticket_keys *keys);
void tls_ticket_keys_unref(struct tls_ticket_keys *keys);

#endif
