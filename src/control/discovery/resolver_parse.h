/*
 * resolver_parse.h - add the records of DNS messages to an answer.
 */
#ifndef CONTROL_DISCOVERY_RESOLVER_PARSE_H
#define CONTROL_DISCOVERY_RESOLVER_PARSE_H

#include "base/span.h"
#include "dns_answer.h"

/*
 * Parse a complete message, and add its records and its lowest TTL to the answer. Returns an ARES_
 * status: ARES_SUCCESS, ARES_ENODATA if there is no record of that type, or an error.
 */
int resolver_parse_services(struct span message, struct dns_answer *answer);
int resolver_parse_addresses(struct span message, struct dns_answer *answer, struct dns_host *host);

#endif
