/*
 * storm_load.c - N devices that connect simultaneously over TLS, in one thread.
 *
 *    storm_load PORT N TIMEOUT_S LIMIT_S TLS     devices of 127.0.0.1:PORT; TLS is 1.2 or 1.3
 *
 * Reads commands from standard input and answers each with a line of JSON:
 *
 *    full       start a storm without tickets; the answer comes when all are connected, or after
 *    LIMIT_S
 *    resumed    start a storm in which each device uses its ticket
 *    cut        simulate a power cut: reset all connections
 *
 * Exits at the end of its input.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "tls_client.h"

struct load {
    struct storm storm;
    struct ev_io input;
    struct ev_timer limit;
    double limit_s;
};

static double cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

static void report(struct storm *storm)
{
    static const char *const words[] = {
#define WORD(id, word) word,
        FAILURES(WORD)
#undef WORD
    };
    printf("{\"devices\": %u, \"back\": %u, \"tries\": %u, \"resumed\": %u, \"elapsed_ms\": %.1f, "
           "\"load_cpu_ms\": %.1f, \"failures\": {",
           storm->n_devices, storm->n_back, storm->tries, storm->resumed,
           now_ms() - storm->started_ms, cpu_ms() - storm->cpu_ms);
    const char *comma = "";
    for (size_t i = 0; i < FAILURE_COUNT; i++) {
        if (!storm->failures[i])
            continue;
        printf("%s\"%s\": %u", comma, words[i], storm->failures[i]);
        comma = ", ";
    }
    printf("}, ");
    samples_print(&storm->connect, "connect_ms", stdout);
    printf(", ");
    samples_print(&storm->back, "back_ms", stdout);
    puts("}");
    fflush(stdout);
}

static void on_all_back(struct storm *storm)
{
    struct load *load = (struct load *)storm; /* its first member */
    if (!ev_is_active(&load->limit))
        return; /* a device reconnected after the report */
    ev_timer_stop(storm->loop, &load->limit);
    report(storm);
}

static void on_limit(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    report(timer->data);
}

static void begin_storm(struct load *load, bool resume)
{
    struct storm *storm = &load->storm;
    storm->resume = resume;
    storm->n_back = storm->tries = storm->resumed = 0;
    memset(storm->failures, 0, sizeof(storm->failures));
    samples_clear(&storm->connect);
    samples_clear(&storm->back);
    for (unsigned i = 0; i < storm->n_devices; i++)
        device_prepare(&storm->devices[i]);
    ev_now_update(storm->loop);
    ev_timer_set(&load->limit, load->limit_s, 0);
    ev_timer_start(storm->loop, &load->limit);
    storm->cpu_ms = cpu_ms();
    storm->started_ms = now_ms();
    for (unsigned i = 0; i < storm->n_devices; i++)
        device_start(&storm->devices[i]);
}

static void cut(struct load *load)
{
    ev_timer_stop(load->storm.loop, &load->limit);
    for (unsigned i = 0; i < load->storm.n_devices; i++)
        device_cut(&load->storm.devices[i]);
    puts("{}");
    fflush(stdout);
}

/* Read one line at a time, because the caller waits for each answer. */
static void on_input(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    struct load *load = io->data;
    char line[32] = "";
    if (read(io->fd, line, sizeof(line) - 1) <= 0)
        ev_break(loop, EVBREAK_ALL);
    else if (strcmp(line, "full\n") == 0 || strcmp(line, "resumed\n") == 0)
        begin_storm(load, line[0] == 'r');
    else if (strcmp(line, "cut\n") == 0)
        cut(load);
    else
        errx(2, "must be full, resumed or cut, got \"%s\"", line);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        errx(2, "usage: storm_load PORT N TIMEOUT_S LIMIT_S TLS");
    signal(SIGPIPE, SIG_IGN);
    struct load load = {.limit_s = number_between(argv[4], 1, 3600)};
    struct storm *storm = &load.storm;
    storm->loop = ev_default_loop(0);
    device_begin_turns(storm);
    storm->tls = tls_client_new(strcmp(argv[5], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    storm->proxy.sin_family = AF_INET;
    storm->proxy.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    storm->proxy.sin_port = htons((uint16_t)number_between(argv[1], 1, 65535));
    storm->n_devices = number_between(argv[2], 1, 100000);
    storm->connect_timeout_ms = 1000 * number_between(argv[3], 1, 600);
    storm->all_back = on_all_back;
    storm->devices = calloc(storm->n_devices, sizeof(struct device));
    if (!storm->devices)
        err(1, "devices");
    for (unsigned i = 0; i < storm->n_devices; i++)
        device_init(&storm->devices[i], storm, i);
    ev_timer_init(&load.limit, on_limit, 0, 0);
    load.limit.data = storm;
    ev_io_init(&load.input, on_input, STDIN_FILENO, EV_READ);
    load.input.data = &load;
    ev_io_start(storm->loop, &load.input);
    ev_run(storm->loop, 0);

    for (unsigned i = 0; i < storm->n_devices; i++)
        device_fini(&storm->devices[i]);
    free(storm->devices);
    SSL_CTX_free(storm->tls);
    samples_fini(&storm->connect);
    samples_fini(&storm->back);
    ev_loop_destroy(storm->loop);
    return 0;
}
