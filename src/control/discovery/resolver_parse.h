/*
 * resolver_parse.h - DNS messages, as they come from a server, into the data of an answer.
 */
#ifndef CONTROL_DISCOVERY_RESOLVER_PARSE_H
#define CONTROL_DISCOVERY_RESOLVER_PARSE_H

#include "base/span.h"
#include "dns_answer.h"

/*
 * Each takes one whole message in, with its lowest TTL, and says with an ARES_ status what
 * became of it: ARES_SUCCESS, ARES_ENODATA without a record of that type, or what is wrong.
 */
int resolver_parse_services(struct span message, struct dns_answer *answer);
int resolver_parse_addresses(struct span message, struct dns_answer *answer, struct dns_host *host);

#endif
