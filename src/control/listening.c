/*
 * listening.c - open the listening sockets, and say so in words and in the log.
 */
#include "listening.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

/* Borrowed for the length of one listening_open(). */
struct opening {
    const struct config *config;
    struct log *log;
    FILE *out;
    unsigned workers;
};

static void announce(const struct opening *o, const struct listener_conf *conf,
                     const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    const char *cluster = o->config->clusters[conf->cluster].name;
    address_format(address, text);
    (void)fprintf(o->out, "listening on %s for MQTT over %s: listener \"%s\", cluster \"%s\"\n",
                  text, conf->tls ? "TLS" : "TCP", conf->name, cluster);
    struct log_line line;
    log_begin(&line, o->log, LOG_NOTICE, "listener.open");
    log_text(&line, "listener", conf->name);
    log_text(&line, "address", text);
    log_bool(&line, "tls", conf->tls);
    log_text(&line, "cluster", cluster);
    log_emit(&line);
}

/*
 * One listening socket for each worker on one address. A configured port of 0 is whatever the
 * first one gets.
 */
static bool open_listener(const struct opening *o, const struct listener_conf *conf, int *fds)
{
    struct address address;
    if (!address_parse(conf->addresses[0], true, &address)) {
        (void)fprintf(o->out, "error: listener %s: address %s cannot be read\n", conf->name,
                      conf->addresses[0]);
        return false;
    }
    for (unsigned i = 0; i < o->workers; i++) {
        int fd = socket_listen(&address);
        fds[i * o->config->n_listeners] = fd;
        if (fd < 0 || !socket_local_address(fd, &address)) {
            (void)fprintf(o->out, "error: listener %s: cannot listen on %s: %s\n", conf->name,
                          conf->addresses[0], strerror(errno));
            return false;
        }
    }
    announce(o, conf, &address);
    return true;
}

/*
 * SO_REUSEPORT lets any process of this user share an address: a second router would take half
 * of the devices in silence. A plain bind first finds out whether somebody is there.
 */
static bool is_free(const struct opening *o, const struct listener_conf *conf)
{
    struct address address;
    int on = 1;
    if (!address_parse(conf->addresses[0], true, &address) || address_port(&address) == 0)
        return true; /* open_listener() says what is wrong */
    int fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address.sa.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    bool bound = bind(fd, &address.sa, address_len(&address)) == 0;
    if (!bound)
        (void)fprintf(o->out, "error: listener %s: cannot listen on %s: %s\n", conf->name,
                      conf->addresses[0], strerror(errno));
    close(fd);
    return bound;
}

bool listening_open(const struct config *config, unsigned workers, int *fds, struct log *log,
                    FILE *out)
{
    const struct opening o = {.config = config, .log = log, .out = out, .workers = workers};
    size_t n = workers * config->n_listeners;
    for (size_t i = 0; i < n; i++)
        fds[i] = -1;
    bool ready = true;
    for (size_t i = 0; i < config->n_listeners; i++)
        ready = is_free(&o, &config->listeners[i]) &&
                open_listener(&o, &config->listeners[i], fds + i) && ready;
    if (!ready)
        listening_close(fds, n);
    return ready;
}

void listening_close(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
