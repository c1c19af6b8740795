/*
 * log_output.c - write lines to a borrowed descriptor, a file or syslog.
 *
 * A line is written by one write(2) or sendmsg(2), which never blocks: if the reader of a pipe or
 * terminal, or the syslog daemon, is stuck, the line is lost and counted. syslog(3) would block.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log_internal.h"

#define SYSLOG_PATH     "/dev/log"
#define SYSLOG_HEAD_MAX 64u

/*
 * Open a terminal again, non-blocking. A stopped terminal (Ctrl-S) polls as writable while any byte
 * fits, but then write(2) blocks. O_NONBLOCK on `fd` itself would affect all processes that share
 * it, such as the shell. Returns -1 if fd is not a terminal or cannot be opened again.
 */
static int open_terminal(int fd)
{
    char path[32];
    if (!isatty(fd))
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static struct log_output *output_new(enum log_target target)
{
    struct log_output *output = calloc(1, sizeof(*output));
    if (!output)
        return NULL;
    output->target = target;
    output->fd = -1;
    return output;
}

static bool is_no_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
}

struct log_output *log_output_borrow(int fd)
{
    struct log_output *output = output_new(LOG_TARGET_STDOUT);
    if (!output)
        return NULL;
    output->may_block = is_no_file(fd);
    output->fd = open_terminal(fd);
    output->own = output->fd >= 0;
    if (!output->own)
        output->fd = fd;
    return output;
}

void log_output_free(struct log_output *output)
{
    if (!output)
        return;
    if (output->own && output->fd >= 0)
        close(output->fd);
    free(output->path);
    free(output);
}

/* ---- a file ---- */

/*
 * sandbox.c allows exactly these flags. Opening a FIFO without a reader fails instead of blocking.
 * The directory may belong to the user that root switches to later, so links are rejected: they
 * could make root write to another file.
 */
static int open_file(const char *path, int flags)
{
    struct stat st;
    int fd = open(path, flags, 0640);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink <= 1)
        return fd;
    close(fd);
    errno = EMLINK;
    return -1;
}

bool log_output_reopen(struct log_output *output)
{
    if (output->target != LOG_TARGET_FILE)
        return true;
    int fd = open_file(output->path, LOG_FILE_FLAGS);
    if (fd < 0)
        return false;
    close(output->fd);
    output->fd = fd;
    output->may_block = is_no_file(fd);
    output->torn = false;
    return true;
}

/* ---- syslog ---- */

static int connect_syslog(void)
{
    const struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = SYSLOG_PATH};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* RFC 5424 table 2. */
static unsigned severity(enum log_level level)
{
    static const unsigned numbers[] = {
        [LOG_ERROR] = 3, [LOG_WARN] = 4, [LOG_NOTICE] = 5, [LOG_INFO] = 6, [LOG_DEBUG] = 7};
    return numbers[level];
}

/* Write the same header as syslog(3): RFC 3164 section 4.1, in the host's local time. */
static size_t put_syslog_head(unsigned priority, char head[SYSLOG_HEAD_MAX])
{
    struct tm local;
    const time_t now = time(NULL);
    char date[32];
    localtime_r(&now, &local);
    (void)strftime(date, sizeof(date), "%b %e %T", &local);
    int n =
        snprintf(head, SYSLOG_HEAD_MAX, "<%u>%s mqtt-router[%d]: ", priority, date, (int)getpid());
    return (size_t)n;
}

static bool send_syslog(struct log_output *output, enum log_level level, const char *line, size_t n)
{
    char head[SYSLOG_HEAD_MAX];
    struct iovec parts[] = {{head, put_syslog_head(output->facility << 3 | severity(level), head)},
                            {(void *)(uintptr_t)line, n - 1}}; /* without the line feed */
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts)};
    for (int try = 0; try < 2; try++) {
        if (output->fd < 0)
            output->fd = connect_syslog();
        if (output->fd < 0 || sendmsg(output->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return output->fd >= 0;
        if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE)
            return false;
        close(output->fd); /* the daemon was restarted: try again */
        output->fd = -1;
    }
    return false;
}

/* ---- all targets ---- */

/* Whether the process is allowed to create this file. */
static bool can_make(const char *path)
{
    char folder[PATH_MAX] = ".";
    const char *end = strrchr(path, '/');
    if (end)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(end == path ? 1 : end - path), path);
    return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
}

bool log_output_try(const struct log_output_conf *conf)
{
    if (conf->target == LOG_TARGET_STDOUT)
        return true;
    int fd = conf->target == LOG_TARGET_FILE ? open_file(conf->path, LOG_FILE_FLAGS & ~O_CREAT)
                                             : connect_syslog();
    if (fd < 0)
        return errno == ENOENT && conf->target == LOG_TARGET_FILE && can_make(conf->path);
    close(fd);
    return true;
}

struct log_output *log_output_open(const struct log_output_conf *conf)
{
    struct log_output *output = output_new(conf->target);
    if (!output || conf->target == LOG_TARGET_STDOUT)
        return output; /* log_direct() switches back to the first output */
    output->own = true;
    output->facility = conf->facility;
    output->fd =
        conf->target == LOG_TARGET_FILE ? open_file(conf->path, LOG_FILE_FLAGS) : connect_syslog();
    if (conf->target == LOG_TARGET_FILE)
        output->path = strdup(conf->path);
    if (output->fd >= 0 && (output->path || conf->target != LOG_TARGET_FILE)) {
        output->may_block = is_no_file(output->fd);
        return output;
    }
    int error = errno;
    log_output_free(output);
    errno = error;
    return NULL;
}

/* Whether there is room for a whole line. A pipe is writable if PIPE_BUF bytes fit. */
static bool has_room(const struct log_output *output)
{
    struct pollfd poll_fd = {.fd = output->fd, .events = POLLOUT};
    return !output->may_block || (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT));
}

bool log_output_write(struct log_output *output, enum log_level level, const char *line, size_t n)
{
    if (output->target == LOG_TARGET_SYSLOG)
        return send_syslog(output, level, line, n);
    if (!has_room(output) || (output->torn && write(output->fd, "\n", 1) != 1))
        return false;
    ssize_t put = write(output->fd, line, n);
    output->torn = put > 0 && (size_t)put < n;
    return put == (ssize_t)n;
}
