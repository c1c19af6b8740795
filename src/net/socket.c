/*
 * socket.c - listening, accepting and dialling.
 */
#include "net/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool set_tcp_options(int fd)
{
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
           set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, SOCKET_KEEPALIVE_IDLE_S) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, SOCKET_KEEPALIVE_INTERVAL_S) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, SOCKET_KEEPALIVE_PROBES);
}

static int close_keeping_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int socket_listen(const struct address *address)
{
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool ready = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
                 set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) && set_tcp_options(fd);
    if (address->sa.sa_family == AF_INET6)
        ready = ready && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!ready || bind(fd, &address->sa, address_len(address)) < 0 ||
        listen(fd, SOCKET_BACKLOG) < 0)
        return close_keeping_errno(fd);
    return fd;
}

int socket_accept(int listen_fd, struct address *peer)
{
    for (;;) {
        struct address from = {0};
        socklen_t n = sizeof(from);
        int fd = accept4(listen_fd, &from.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            *peer = from;
            return fd;
        }
        /* accept(2): errors of the connection that waited, not of the listener */
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO)
            continue;
        return -1;
    }
}

int socket_dial(const struct address *address)
{
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (!set_tcp_options(fd))
        return close_keeping_errno(fd);
    if (connect(fd, &address->sa, address_len(address)) < 0 && errno != EINPROGRESS &&
        errno != EINTR)
        return close_keeping_errno(fd);
    return fd;
}

bool socket_local_address(int fd, struct address *out)
{
    struct address local = {0};
    socklen_t n = sizeof(local);
    if (getsockname(fd, &local.sa, &n) < 0)
        return false;
    *out = local;
    return true;
}
