/*
 * ground.h - shared by the tests of health and draining: a configuration of one cluster, a log that
 * can be searched, and a clock that is controlled by the test.
 *
 * This program overrides clock_gettime(), also for libev. So an hour takes no time, and no result
 * depends on the load of the machine.
 */
#ifndef TEST_GROUND_H
#define TEST_GROUND_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/snapshot.h"
#include "unit.h"

#define GROUND_STEP_US 2000u

static uint64_t ground_now_us = UINT64_C(5000) * 1000000;

int clock_gettime(clockid_t id, struct timespec *ts)
{
    (void)id;
    ts->tv_sec = (time_t)(ground_now_us / 1000000u);
    ts->tv_nsec = (long)(ground_now_us % 1000000u) * 1000;
    return 0;
}

struct ground {
    struct ev_loop *loop;
    struct node_registry registry;
    struct snapshot *snapshot;
    struct log *log;
    int log_fd;
};

static inline void ground_init(struct ground *g)
{
    *g = (struct ground){.loop = ev_loop_new(EVFLAG_NOENV), .log_fd = memfd_create("log", 0)};
    g->log = log_new(g->log_fd, LOG_DEBUG, LOG_TEXT);
    assert_true(g->loop && g->log && g->log_fd >= 0);
    node_registry_init(&g->registry, 1);
}

static inline void ground_fini(struct ground *g)
{
    snapshot_unref(g->snapshot);
    node_registry_fini(&g->registry);
    log_free(g->log);
    close(g->log_fd);
    ev_loop_destroy(g->loop);
}

/* Parse a configuration. Returns a snapshot, owned by the caller. */
static inline struct snapshot *ground_parse(struct ground *g, const char *text)
{
    struct config_messages messages;
    struct config *config = config_parse(text, strlen(text), "config.json", &messages);
    for (size_t i = 0; i < messages.n; i++)
        print_message("%s\n", messages.list[i].text);
    config_messages_fini(&messages);
    assert_non_null(config);
    struct snapshot *snapshot = snapshot_new(config, &g->registry, NULL, g->snapshot);
    assert_non_null(snapshot);
    return snapshot;
}

/*
 * Make a snapshot of one cluster "c", owned by the caller.
 *
 *   more    further keys of the cluster, each with a comma: "\"drain_rate_per_s\": 5, "
 *   nodes   nodes of the cluster, in JSON
 */
static inline struct snapshot *ground_snapshot(struct ground *g, const char *more,
                                               const char *nodes)
{
    char text[16384];
    int n = snprintf(text, sizeof(text),
                     "{\"listeners\":[{\"name\":\"l\",\"address\":\"127.0.0.1:1883\","
                     "\"cluster\":\"c\"}],\"clusters\":[{\"name\":\"c\",%s\"nodes\":[%s]}]}",
                     more, nodes);
    assert_in_range(n, 1, sizeof(text) - 1);
    return ground_parse(g, text);
}

/* Return nodes "n0", "n1" ... at 192.0.2.1:1883, 192.0.2.2:1883 ...; freed by the caller. */
static inline char *ground_nodes(size_t n)
{
    char *text = malloc(n * 64 + 1);
    size_t at = 0;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(text + at, "%s{\"name\":\"n%zu\",\"address\":\"192.0.2.%zu:1883\"}",
                              i ? "," : "", i, i + 1);
    return text;
}

/* Return the live record of node i in the current snapshot. */
static inline struct node_live *ground_live(const struct ground *g, size_t i)
{
    return g->snapshot->clusters[0].nodes[i].live;
}

/* Called after each time step; may be null. */
typedef void ground_step(void *arg);

static inline void ground_pass(struct ground *g, uint64_t ms, ground_step *step, void *arg)
{
    for (uint64_t us = 0; us < ms * 1000u; us += GROUND_STEP_US) {
        ground_now_us += GROUND_STEP_US;
        ev_run(g->loop, EVRUN_NOWAIT);
        if (step)
            step(arg);
    }
}

/*
 * Return the number of log lines that contain the event and up to two more strings; a null string
 * matches any line.
 */
static inline unsigned ground_logged(const struct ground *g, const char *event, const char *a,
                                     const char *b)
{
    off_t size = lseek(g->log_fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1), *rest = NULL;
    unsigned n = 0;
    assert_non_null(text);
    assert_int_equal(pread(g->log_fd, text, (size_t)size, 0), size);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        n += strstr(line, event) && (!a || strstr(line, a)) && (!b || strstr(line, b));
    free(text);
    return n;
}

static inline void ground_show_log(const struct ground *g)
{
    off_t size = lseek(g->log_fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(g->log_fd, text, (size_t)size, 0), size);
    print_message("%s", text);
    free(text);
}

static inline void ground_forget_log(struct ground *g)
{
    assert_int_equal(ftruncate(g->log_fd, 0), 0);
    assert_int_equal(lseek(g->log_fd, 0, SEEK_SET), 0);
}

#endif
