/*
 * storm_ping.c - connected devices that ping during the storm.
 *
 *    storm_ping PORT N EVERY_MS     plain MQTT, through the proxy at 127.0.0.1:PORT
 *
 * Each device sends a PINGREQ every EVERY_MS and waits for the node's PINGRESP. A round trip is
 * measured from the moment when the ping was due, not from when it was sent: while an answer is
 * missing, further pings become due. Commands on standard input: "begin" discards the results so
 * far, "end" prints them as a line of JSON. This is a separate program, because the program of the
 * devices is busy during a storm.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "samples.h"

struct ping;

struct bystander {
    struct ev_io io;
    struct ev_timer timer;
    struct ping *ping;
    double due_ms; /* due time of the pending ping, or of the next one */
    bool waits;
};

struct ping {
    struct ev_loop *loop;
    struct ev_io input;
    double every_ms;
    unsigned lost;
    struct samples samples;
};

static void lose(struct bystander *b)
{
    ev_io_stop(b->ping->loop, &b->io);
    ev_timer_stop(b->ping->loop, &b->timer);
    close(b->io.fd);
    b->ping->lost++;
}

static void on_due(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct bystander *b = timer->data;
    static const unsigned char pingreq[] = {0xc0, 0};
    b->waits = true;
    if (write(b->io.fd, pingreq, sizeof(pingreq)) != (ssize_t)sizeof(pingreq))
        lose(b);
}

static void await_next(struct bystander *b)
{
    double in_ms = b->due_ms - now_ms();
    ev_now_update(b->ping->loop);
    ev_timer_set(&b->timer, in_ms > 0 ? in_ms / 1e3 : 0, 0);
    ev_timer_start(b->ping->loop, &b->timer);
}

static void on_answer(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop, (void)events;
    struct bystander *b = io->data;
    unsigned char bytes[64];
    ssize_t n = read(io->fd, bytes, sizeof(bytes));
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !b->waits) {
        lose(b);
        return;
    }
    double now = now_ms();
    for (; b->due_ms <= now; b->due_ms += b->ping->every_ms)
        samples_add(&b->ping->samples, now - b->due_ms);
    b->waits = false;
    await_next(b);
}

/* Connect the devices one after another, blocking; this runs before the storm. */
static int connect_one(unsigned port, unsigned index)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    unsigned char packet[32] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x02, 0x0e, 0, 0, 0};
    int n = snprintf((char *)packet + 14, sizeof(packet) - 14, "bystander-%u", index);
    packet[1] = (unsigned char)(12 + n);
    packet[13] = (unsigned char)n;
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        err(1, "bystander");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (write(fd, packet, (size_t)(14 + n)) != 14 + n || recv(fd, packet, 4, MSG_WAITALL) != 4 ||
        packet[0] != 0x20 || packet[3] != 0)
        errx(1, "device %u got no CONNACK", index);
    return fd;
}

static void begin(struct bystander *b, struct ping *ping, int fd, double offset_ms)
{
    b->ping = ping;
    b->due_ms = now_ms() + offset_ms;
    ev_io_init(&b->io, on_answer, fd, EV_READ);
    ev_timer_init(&b->timer, on_due, 0, 0);
    b->io.data = b->timer.data = b;
    ev_io_start(ping->loop, &b->io);
    await_next(b);
}

static void on_input(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)events;
    struct ping *ping = io->data;
    char line[32] = "";
    if (read(io->fd, line, sizeof(line) - 1) <= 0) {
        ev_break(loop, EVBREAK_ALL);
    } else if (strcmp(line, "begin\n") == 0) {
        samples_clear(&ping->samples);
        puts("{}");
    } else {
        printf("{\"lost\": %u, ", ping->lost);
        samples_print(&ping->samples, "round_trip_ms", stdout);
        puts("}");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(2, "usage: storm_ping PORT N EVERY_MS");
    signal(SIGPIPE, SIG_IGN);
    unsigned port = number_between(argv[1], 1, 65535), n = number_between(argv[2], 1, 1000);
    struct ping ping = {.loop = ev_default_loop(0), .every_ms = number_between(argv[3], 1, 60000)};
    struct bystander *bystanders = calloc(n, sizeof(*bystanders));
    if (!bystanders)
        err(1, "bystanders");
    for (unsigned i = 0; i < n; i++)
        begin(&bystanders[i], &ping, connect_one(port, i), ping.every_ms * i / n);
    ev_io_init(&ping.input, on_input, STDIN_FILENO, EV_READ);
    ping.input.data = &ping;
    ev_io_start(ping.loop, &ping.input);
    ev_run(ping.loop, 0);
    free(bystanders);
    samples_fini(&ping.samples);
    ev_loop_destroy(ping.loop);
    return 0;
}
