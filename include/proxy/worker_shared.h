/*
 * worker_shared.h - the data that all workers share, besides the snapshot.
 */
#ifndef PROXY_WORKER_SHARED_H
#define PROXY_WORKER_SHARED_H

#include <stdatomic.h>
#include <stdint.h>

struct admission;
struct log;
struct node_registry;

struct worker_shared {
    struct log *log;                  /* borrowed */
    struct node_registry *registry;   /* borrowed */
    struct admission *admission;      /* borrowed */
    uint64_t boot_id;                 /* upper bits of all session ids */
    _Atomic uint32_t max_connections; /* limit of the whole process; relaxed */
    _Atomic uint64_t pause_logged_us; /* when `accept.paused` was last logged; relaxed */
    _Atomic uint32_t connections;     /* open client connections; relaxed, it orders nothing */
    void (*ended)(void *arg);         /* called by a worker's thread as its last act */
    void (*freed_memory)(void *arg);  /* called by a worker that has freed much memory */
    void (*failing)(void *arg);       /* called by a worker when a session has failed on a node */
    void *arg;                        /* argument of the callbacks above */
};

#endif
