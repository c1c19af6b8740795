/*
 * parse_bench.c - measure the cost of a device between system calls, in nanoseconds: parsing its
 * CONNECT, selecting its node, composing the PROXY header, writing its log line.
 *
 *    parse_bench [BATCHES]
 *
 * A batch repeats each operation so often that the resolution of the clock does not matter. Prints
 * the medians of the batches as a JSON object. The input is always the same, so branches are
 * predicted and caches are warm, as in a storm of devices of one kind.
 */
#include <assert.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "model/rendezvous.h"
#include "samples.h"
#include "wire/mqtt/connect.h"
#include "wire/proxy/protocol.h"

#define BATCH_NS    2e6
#define BATCHES_MAX 1000u
#define NODES_MAX   1000u
#define PICKED      3 /* a home and two alternatives */
#define LARGE_BYTES 16000u
#define KEY         "device-00000000042"

struct bench {
    uint8_t packet[LARGE_BYTES + 64];
    size_t packet_n;
    struct rendezvous_node nodes[NODES_MAX];
    char names[NODES_MAX][16];
    size_t n_nodes;
    struct log *log;
    uint64_t sum; /* sum of results, so that no call is optimized away */
};

/* ---- CONNECT packets ---- */

static void put(struct bench *b, const void *p, size_t n)
{
    assert(b->packet_n + n <= sizeof(b->packet));
    memcpy(b->packet + b->packet_n, p, n);
    b->packet_n += n;
}

static void put_string(struct bench *b, const char *text, size_t n)
{
    const uint8_t length[] = {(uint8_t)(n >> 8), (uint8_t)n};
    put(b, length, sizeof(length));
    put(b, text, n);
}

/* Prepend the packet's type and length. */
static void close_packet(struct bench *b)
{
    uint8_t head[5] = {0x10};
    size_t n = 1, left = b->packet_n;
    do {
        head[n++] = (uint8_t)(left % 128 | (left >= 128 ? 128 : 0));
        left /= 128;
    } while (left > 0);
    assert(b->packet_n + n <= sizeof(b->packet));
    memmove(b->packet + n, b->packet, b->packet_n);
    memcpy(b->packet, head, n);
    b->packet_n += n;
}

static void begin_packet(struct bench *b, uint8_t level, uint8_t flags)
{
    const uint8_t rest[] = {level, flags, 0, 60};
    b->packet_n = 0;
    put_string(b, "MQTT", 4);
    put(b, rest, sizeof(rest));
}

static void put_credentials(struct bench *b)
{
    put_string(b, "fleet-7/user", 12);
    put_string(b, "correct horse battery staple", 28);
}

static void make_v311(struct bench *b)
{
    begin_packet(b, 4, 0xc2);
    put_string(b, KEY, strlen(KEY));
    put_credentials(b);
    close_packet(b);
}

/* A CONNECT with session expiry and receive maximum, like those of client libraries. */
static void make_v5(struct bench *b)
{
    static const uint8_t properties[] = {8, 0x11, 0, 0, 14, 16, 0x21, 0, 100};
    begin_packet(b, 5, 0xc2);
    put(b, properties, sizeof(properties));
    put_string(b, KEY, strlen(KEY));
    put_credentials(b);
    close_packet(b);
}

/* A CONNECT that also has a user property, and a will with delay and format. */
static void make_v5_will(struct bench *b)
{
    static const uint8_t properties[] = {21, 0x11, 0,   0,   14,  16,  0x21, 0, 100, 0x26, 0,
                                         5,  'm',  'o', 'd', 'e', 'l', 0,    3, 'x', '2',  '0'};
    static const uint8_t will[] = {7, 0x18, 0, 0, 0, 30, 0x01, 1};
    begin_packet(b, 5, 0xc6);
    put(b, properties, sizeof(properties));
    put_string(b, KEY, strlen(KEY));
    put(b, will, sizeof(will));
    put_string(b, "fleet-7/" KEY "/state", 14 + strlen(KEY));
    put_string(b, "{\"online\":false}", 16);
    put_credentials(b);
    close_packet(b);
}

/* A CONNECT with a token of n bytes as user name, as required by some cloud services. */
static void make_large(struct bench *b)
{
    static char token[LARGE_BYTES - 100];
    memset(token, 'x', sizeof(token));
    begin_packet(b, 4, 0xc2);
    put_string(b, KEY, strlen(KEY));
    put_string(b, token, sizeof(token));
    put_string(b, "secret", 6);
    close_packet(b);
}

static void read_connect(struct bench *b)
{
    struct mqtt_connect connect;
    mqtt_connect_init(&connect, false, 65536);
    enum parse_result result = mqtt_connect_read(&connect, b->packet, b->packet_n);
    assert(result == PARSE_DONE && connect.packet_n == b->packet_n);
    b->sum += mqtt_connect_client_id(&connect, b->packet).n;
}

/* ---- other operations ---- */

static void make_nodes(struct bench *b, size_t n)
{
    assert(n <= NODES_MAX);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(b->names[i], sizeof(b->names[i]), "node-%zu", i);
        b->nodes[i] = (struct rendezvous_node){
            .name = b->names[i], .seed = rendezvous_seed(b->names[i]), .weight = 1};
    }
    b->n_nodes = n;
}

static void make_2(struct bench *b)
{
    make_nodes(b, 2);
}
static void make_10(struct bench *b)
{
    make_nodes(b, 10);
}
static void make_100(struct bench *b)
{
    make_nodes(b, 100);
}
static void make_1000(struct bench *b)
{
    make_nodes(b, 1000);
}

static void pick(struct bench *b)
{
    uint32_t picked[PICKED];
    b->sum += rendezvous_pick(b->nodes, b->n_nodes, span_of_str(KEY), PICKED, picked) + picked[0];
}

static void compose_header(struct bench *b)
{
    static const struct proxy_endpoint from = {.ip = {192, 0, 2, 1}, .port_be = 0x1234},
                                       to = {.ip = {198, 51, 100, 7}, .port_be = 0x5b07};
    static const struct proxy_facts facts = {0};
    uint8_t out[PROXY_V2_MAX];
    b->sum += proxy_v2_write(&from, &to, &facts, out);
}

/* Write a line like access_log.c to /dev/null, including the system call. */
static void write_line(struct bench *b)
{
    static const char *const stages[] = {"ms_proxy_in", "ms_tls",      "ms_websocket",
                                         "ms_connect",  "ms_dial",     "ms_connack",
                                         "ms_relay",    "ms_farewell", "ms_total"};
    struct log_line line;
    log_begin(&line, b->log, LOG_INFO, "session.end");
    log_text(&line, "session", "0123456789abcdef");
    log_text(&line, "listener", "mqtts");
    log_text(&line, "source", "192.0.2.1:51234");
    log_peer(&line, "client_id", span_of_str(KEY));
    log_text(&line, "mqtt_version", "3.1.1");
    log_u64(&line, "keep_alive_s", 60);
    log_text(&line, "node", "node-1");
    log_u64(&line, "tries", 1);
    log_text(&line, "placement", "home");
    log_u64(&line, "connack_code", 0);
    log_bool(&line, "session_present", false);
    log_u64(&line, "bytes_up", 1234567);
    log_u64(&line, "bytes_down", 7654321);
    for (size_t i = 0; i < ARRAY_LEN(stages); i++)
        log_u64(&line, stages[i], i);
    log_text(&line, "reason", "client_closed");
    log_text(&line, "closed_by", "device");
    log_emit(&line);
    b->sum += line.forms[0].n;
}

/* ---- measuring ---- */

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double batch_ns(struct bench *b, void (*work)(struct bench *b), unsigned n)
{
    double began = now_ns();
    for (unsigned i = 0; i < n; i++)
        work(b);
    return now_ns() - began;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ns(struct bench *b, void (*work)(struct bench *b), unsigned batches)
{
    double each[BATCHES_MAX];
    unsigned n = 16;
    while (batch_ns(b, work, n) < BATCH_NS)
        n *= 2;
    for (unsigned i = 0; i < batches; i++)
        each[i] = batch_ns(b, work, n) / n;
    qsort(each, batches, sizeof(each[0]), by_size);
    return each[batches / 2];
}

static const struct {
    const char *name;
    void (*make)(struct bench *b); /* null: no preparation */
    void (*work)(struct bench *b);
} rows[] = {
    {"connect_v3_1_1", make_v311, read_connect},
    {"connect_v5", make_v5, read_connect},
    {"connect_v5_will", make_v5_will, read_connect},
    {"connect_16_kb", make_large, read_connect},
    {"pick_of_2", make_2, pick},
    {"pick_of_10", make_10, pick},
    {"pick_of_100", make_100, pick},
    {"pick_of_1000", make_1000, pick},
    {"proxy_v2", NULL, compose_header},
    {"log_line", NULL, write_line},
};

int main(int argc, char **argv)
{
    const unsigned batches = argc > 1 ? number_between(argv[1], 1, BATCHES_MAX) : 51;
    struct bench *b = calloc(1, sizeof(*b));
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!b || fd < 0 || !(b->log = log_new(fd, LOG_INFO, LOG_JSON)))
        err(1, "bench");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].make)
            rows[i].make(b);
        printf("%s\"%s_ns\": %.1f", i ? ", " : "{", rows[i].name,
               median_ns(b, rows[i].work, batches));
    }
    printf("}\n");
    log_free(b->log);
    close(fd);
    const bool done = b->sum > 0;
    free(b);
    return done ? 0 : 1;
}
