/*
 * ports_watch.h - warn before the local ports for connections to a node run out.
 */
#ifndef CONTROL_HEALTH_PORTS_WATCH_H
#define CONTROL_HEALTH_PORTS_WATCH_H

#include <stdint.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/snapshot.h"

struct ports_watch;

MUST_USE struct ports_watch *ports_watch_new(void);
void ports_watch_free(struct ports_watch *watch); /* null is allowed */

/*
 * Compare the number of sessions of every TCP node with the number of local ports: the size of
 * net.ipv4.ip_local_port_range per source address of the right family. Logs `ports.low` when 80 %
 * are in use, and again only after the use has dropped below 70 %.
 */
void ports_watch_check(struct ports_watch *watch, const struct snapshot *snapshot, struct log *log);

/* Number of local ports for connections to a node, as last read; 0 = cannot be read, or a Unix
 * socket. Valid from ports_watch_new() on. */
uint64_t ports_watch_ports(const struct ports_watch *watch, const struct cluster *cluster,
                           const struct node *node);

/* Number of warnings so far. */
uint64_t ports_watch_warnings(const struct ports_watch *watch);

#endif
