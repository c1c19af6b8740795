/*
 * socket.c - listen, accept, connect, and query the state of a socket.
 */
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_file.h"

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool set_no_delay(int fd)
{
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

bool socket_keep_alive(int fd)
{
    return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
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

static bool set_listen_options(int fd, sa_family_t family, const struct listen_options *options)
{
    bool ready = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
                 set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) && set_no_delay(fd) &&
                 socket_keep_alive(fd);
    if (family == AF_INET6)
        ready = ready && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !options->dual_stack);
    if (options->defer_accept_s > 0)
        ready = ready && set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept_s);
    if (options->fast_open > 0)
        ready = ready && set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, options->fast_open);
    return ready;
}

static int socket_for(const struct endpoint *endpoint)
{
    return socket(endpoint->address.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int socket_listen(const struct endpoint *endpoint, const struct listen_options *options)
{
    int fd = socket_for(endpoint);
    if (fd < 0)
        return -1;
    if (endpoint_is_unix(endpoint))
        return socket_file_listen(fd, endpoint, options) ? fd : close_keeping_errno(fd);
    if (!set_listen_options(fd, endpoint->address.sa.sa_family, options) ||
        bind(fd, &endpoint->address.sa, endpoint_len(endpoint)) < 0 ||
        listen(fd, options->backlog) < 0)
        return close_keeping_errno(fd);
    return fd;
}

int socket_check(const struct endpoint *endpoint, const struct listen_options *options)
{
    int fd = socket_for(endpoint);
    if (fd < 0)
        return -1;
    bool ready = endpoint_is_unix(endpoint)
                     ? socket_file_check(endpoint, options->rights)
                     : set_listen_options(fd, endpoint->address.sa.sa_family, options) &&
                           bind(fd, &endpoint->address.sa, endpoint_len(endpoint)) == 0;
    return ready ? fd : close_keeping_errno(fd);
}

int socket_share(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/*
 * With SO_REUSEPORT, any process of this user can share the address: a second router would silently
 * receive half of the clients. A bind() without SO_REUSEPORT detects this.
 */
bool socket_is_in_use(const struct endpoint *endpoint)
{
    bool taken = false;
    if (endpoint_is_unix(endpoint))
        return socket_file_is_in_use(endpoint);
    int fd = socket_for(endpoint);
    if (fd < 0)
        return false; /* socket_listen() reports the error */
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
        (endpoint->address.sa.sa_family != AF_INET6 ||
         set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))) {
        taken = bind(fd, &endpoint->address.sa, endpoint_len(endpoint)) < 0 && errno == EADDRINUSE;
    }
    close(fd);
    return taken;
}

/* accept(2): is this an error of the pending connection, not of the listening socket? */
static bool is_connection_error(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
        return true;
    default:
        return false;
    }
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
        if (!is_connection_error(errno))
            return -1;
    }
}

static bool bind_source(int fd, const struct address *source)
{
    return set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) &&
           bind(fd, &source->sa, address_len(source)) == 0;
}

int socket_dial(const struct endpoint *endpoint, const struct address *source)
{
    int fd = socket_for(endpoint);
    if (fd < 0)
        return -1;
    if (source && !bind_source(fd, source))
        return close_keeping_errno(fd);
    if (!endpoint_is_unix(endpoint) && !set_no_delay(fd))
        return close_keeping_errno(fd);
    if (connect(fd, &endpoint->address.sa, endpoint_len(endpoint)) < 0 && errno != EINPROGRESS &&
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

bool socket_peer_has_closed(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLRDHUP};
    return poll(&peer, 1, 0) == 1 && (peer.revents & (POLLRDHUP | POLLERR | POLLHUP));
}

bool socket_has_unread(int fd)
{
    int unread = 0;
    return ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
}

enum socket_peer socket_peer_state(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLRDHUP};
    int unread = 0;
    if (poll(&peer, 1, 0) != 1)
        return SOCKET_PEER_OPEN;
    if (peer.revents & (POLLERR | POLLHUP))
        return SOCKET_PEER_RESET;
    return (peer.revents & POLLRDHUP) && ioctl(fd, FIONREAD, &unread) == 0 && unread == 0
               ? SOCKET_PEER_ENDED
               : SOCKET_PEER_OPEN;
}
