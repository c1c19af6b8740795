/*
 * ports_watch.h - a word before the local ports towards a node run out.
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
 * Look at every TCP node: its sessions against the local ports there are, which is the size of
 * net.ipv4.ip_local_port_range for each source address that can dial it. From 80 % on an
 * event `ports.low` says so, once until it has been below 70 % again.
 */
void ports_watch_check(struct ports_watch *watch, const struct snapshot *snapshot, struct log *log);

/* Number of local ports for connections to a node, as last read; 0 = cannot be read, or a Unix
 * socket. Valid from ports_watch_new() on. */
uint64_t ports_watch_ports(const struct ports_watch *watch, const struct cluster *cluster,
                           const struct node *node);

/* Warnings so far. */
uint64_t ports_watch_warnings(const struct ports_watch *watch);

#endif
