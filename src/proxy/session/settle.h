/*
 * settle.h - release what the TLS connections of a session needed for their handshakes, about a
 * second after it is relayed.
 *
 * Not earlier: a device that publishes and quits never pays for it. Not much later: in a reconnect
 * storm, all the devices of a minute would have their handshake's memory together.
 */
#ifndef PROXY_SESSION_SETTLE_H
#define PROXY_SESSION_SETTLE_H

#include <stdbool.h>

struct session;

/* From the beginning of RELAY to the first try. */
#define SETTLE_FIRST_MS 1000.0

/* The session is relayed from now on. `node_is_tls`: so is its connection to the node. */
void settle_begin(struct session *s, bool node_is_tls);

/*
 * Try what is due. Returns in how many milliseconds to try again; 0 = there is nothing left to do.
 */
double settle(struct session *s);

/* The session is no longer relayed. */
void settle_end(struct session *s);

#endif
