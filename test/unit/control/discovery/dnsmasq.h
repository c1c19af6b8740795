/*
 * dnsmasq.h - a real DNS server for a test: dnsmasq on a free port of 127.0.0.1, authoritative for
 * "test." only.
 *
 * Records are lines of its configuration ("srv-host=...") and of a hosts file ("127.0.0.2
 * a.test"). A signal reloads the hosts file; other changes require a restart.
 */
#ifndef UNIT_CONTROL_DISCOVERY_DNSMASQ_H
#define UNIT_CONTROL_DISCOVERY_DNSMASQ_H

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DNSMASQ    "/usr/sbin/dnsmasq"
#define PATIENCE_S 120

struct dnsmasq {
    char directory[64];
    uint16_t port;
    pid_t pid;        /* 0 = not running */
    char address[32]; /* "127.0.0.1:5353" */
};

static inline void dnsmasq_path(const struct dnsmasq *d, const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", d->directory, name);
}

static inline void dnsmasq_write(const struct dnsmasq *d, const char *name, const char *text)
{
    char path[128];
    dnsmasq_path(d, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/*
 * True if the server answers a query (TXT of "ready.test", which no test counts). An accepted
 * connection is not enough: the server may still be reading its files.
 */
static inline bool dnsmasq_answers(const struct dnsmasq *d)
{
    static const char query[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0"
                                "\5ready\4test\0\0\x10\0\1";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(d->port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const struct timeval wait = {.tv_sec = 1};
    char answer[512];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool answers = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
                   connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
                   send(fd, query, sizeof(query) - 1, 0) == sizeof(query) - 1 &&
                   recv(fd, answer, sizeof(answer), 0) > 0;
    close(fd);
    return answers;
}

static inline bool dnsmasq_can_bind(int type, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, type, 0);
    bool bound = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return bound;
}

/*
 * Return a port that is free for UDP and TCP. It is below the ephemeral ports, so that other
 * processes do not take it while the server is not running.
 */
static inline uint16_t dnsmasq_free_port(void)
{
    enum { LOWEST = 10000, COUNT = 20000 };
    static unsigned next;
    next = next ? next + 1 : (unsigned)getpid() * 131;
    for (unsigned tries = 0; tries < 1000; tries++, next++) {
        uint16_t port = (uint16_t)(LOWEST + next % COUNT);
        if (dnsmasq_can_bind(SOCK_DGRAM, port) && dnsmasq_can_bind(SOCK_STREAM, port))
            return port;
    }
    fail_msg("no free port");
    return 0;
}

static inline void dnsmasq_init(struct dnsmasq *d)
{
    *d = (struct dnsmasq){.directory = "/tmp/mqtt-router-dns-XXXXXX"};
    assert_non_null(mkdtemp(d->directory));
    d->port = dnsmasq_free_port();
    (void)snprintf(d->address, sizeof(d->address), "127.0.0.1:%u", d->port);
    dnsmasq_write(d, "hosts", "");
    dnsmasq_write(d, "log", "");
}

static inline void dnsmasq_exec(const struct dnsmasq *d)
{
    char conf[128], log[128];
    dnsmasq_path(d, "conf", conf);
    dnsmasq_path(d, "log", log);
    if (!freopen(log, "a", stderr) || !freopen("/dev/null", "a", stdout))
        _exit(126);
    char conf_option[160];
    (void)snprintf(conf_option, sizeof(conf_option), "--conf-file=%s", conf);
    execl(DNSMASQ, DNSMASQ, "--keep-in-foreground", conf_option, (char *)NULL);
    _exit(127);
}

/* Start with these lines and the hosts set last. Returns once the server answers queries. */
static inline void dnsmasq_start(struct dnsmasq *d, unsigned ttl_s, const char *lines)
{
    size_t size = strlen(lines) + 1024;
    char *conf = malloc(size);
    assert_non_null(conf);
    (void)snprintf(conf, size,
                   "port=%u\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\n"
                   "pid-file=\nlocal=/test/\nlocal-ttl=%u\nlog-queries\nlog-facility=-\n"
                   "addn-hosts=%s/hosts\n%s%s",
                   d->port, ttl_s, d->directory, geteuid() == 0 ? "user=root\n" : "", lines);
    dnsmasq_write(d, "conf", conf);
    free(conf);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0)
        dnsmasq_exec(d);
    time_t deadline = time(NULL) + PATIENCE_S;
    while (!dnsmasq_answers(d)) {
        assert_int_equal(waitpid(d->pid, NULL, WNOHANG), 0);
        assert_true(time(NULL) < deadline);
        usleep(5000);
    }
}

static inline void dnsmasq_stop(struct dnsmasq *d)
{
    if (d->pid > 0) {
        kill(d->pid, SIGKILL);
        waitpid(d->pid, NULL, 0);
    }
    d->pid = 0;
}

static inline void dnsmasq_set_hosts(struct dnsmasq *d, const char *text)
{
    dnsmasq_write(d, "hosts", text);
    if (d->pid > 0)
        kill(d->pid, SIGHUP);
}

/* Return the number of queries in its log, such as "query[SRV] _mqtt._tcp.test ". */
static inline unsigned dnsmasq_count(const struct dnsmasq *d, const char *words)
{
    char path[128], line[1024];
    unsigned n = 0;
    dnsmasq_path(d, "log", path);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        n += strstr(line, words) != NULL;
    (void)fclose(f);
    return n;
}

static inline void dnsmasq_fini(struct dnsmasq *d)
{
    dnsmasq_stop(d);
    const char *files[] = {"conf", "hosts", "log"};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        dnsmasq_path(d, files[i], path);
        unlink(path);
    }
    rmdir(d->directory);
}

#endif
