/*
 * small_file.c - read a small file.
 *
 * O_NONBLOCK is set because open() of a FIFO blocks until there is a writer. The type is checked on
 * the open descriptor, so that the file cannot be replaced in between. Memory that held bytes of
 * the file is wiped before it is freed, including when the buffer grows.
 */
#include "base/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_PATIENCE_MS 5000
#define FIRST_SIZE       512u
#define LINE_END_MAX     2u /* carriage return, line feed */

static bool refuse(char error[SMALL_FILE_ERROR_MAX], const char *rule)
{
    (void)snprintf(error, SMALL_FILE_ERROR_MAX, "%s", rule);
    return false;
}

static bool refuse_errno(char error[SMALL_FILE_ERROR_MAX])
{
    return refuse(error, strerrordesc_np(errno));
}

static bool refuse_size(char error[SMALL_FILE_ERROR_MAX], size_t max)
{
    (void)snprintf(error, SMALL_FILE_ERROR_MAX, "must be at most %zu bytes long", max);
    return false;
}

static const char *type_word(mode_t mode)
{
    return S_ISDIR(mode)    ? "directory"
           : S_ISFIFO(mode) ? "FIFO"
           : S_ISSOCK(mode) ? "socket"
                            : "device";
}

static int open_as(const char *path, enum small_file_type type, struct stat *st,
                   char error[SMALL_FILE_ERROR_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENXIO) /* open(2) of a socket */
        (void)refuse(error, "must be a regular file, not a socket or a device");
    else if (fd < 0 || fstat(fd, st) < 0)
        (void)refuse_errno(error);
    else if (S_ISREG(st->st_mode) || (type == SMALL_FILE_OR_PIPE && S_ISFIFO(st->st_mode)))
        return fd;
    else
        (void)snprintf(error, SMALL_FILE_ERROR_MAX, "must be a regular file, not a %s",
                       type_word(st->st_mode));
    if (fd >= 0)
        close(fd);
    return -1;
}

int small_file_open(const char *path, char error[SMALL_FILE_ERROR_MAX])
{
    struct stat st;
    return open_as(path, SMALL_FILE_REGULAR, &st, error);
}

/* ---- reading ---- */

/* Make room for one more byte and a NUL. realloc() could leave a copy of a secret in memory. */
static bool grow(struct small_file *file, size_t *size)
{
    if (file->n + 1 < *size)
        return true;
    char *larger = malloc(*size * 2);
    if (!larger)
        return false;
    memcpy(larger, file->text, file->n);
    explicit_bzero(file->text, file->n);
    free(file->text);
    file->text = larger;
    *size *= 2;
    return true;
}

/* Returns false if the writers of the pipe pause for too long. A regular file is always ready. */
static bool wait_for_writer(int fd)
{
    struct pollfd pipe = {.fd = fd, .events = POLLIN};
    int n;
    do
        n = poll(&pipe, 1, PIPE_PATIENCE_MS);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Read up to max + 1 bytes, so that the caller can detect a file that is too long. */
static bool read_all(int fd, size_t max, struct small_file *file, char error[SMALL_FILE_ERROR_MAX])
{
    size_t size = FIRST_SIZE;
    file->text = malloc(size);
    while (file->text && file->n <= max) {
        if (!grow(file, &size))
            return refuse(error, SMALL_FILE_NO_MEMORY);
        if (!wait_for_writer(fd))
            return refuse(error, "no data from the pipe for 5 seconds");
        ssize_t n = read(fd, file->text + file->n, size_min(size - 1 - file->n, max + 1 - file->n));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return refuse_errno(error);
        if (n == 0)
            break;
        file->n += (size_t)n;
    }
    return file->text || refuse(error, SMALL_FILE_NO_MEMORY);
}

bool small_file_has_mark(const char *text, size_t n)
{
    return (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) ||
           (n >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0));
}

/* Like small_file_read(), but reads up to LINE_END_MAX + 1 bytes more than `max`. */
static bool read_more(const char *path, enum small_file_type type, size_t max,
                      struct small_file *out, char error[SMALL_FILE_ERROR_MAX])
{
    struct stat st;
    int fd = open_as(path, type, &st, error);
    if (fd < 0)
        return false;
    bool good = read_all(fd, max + LINE_END_MAX, out, error);
    close(fd);
    if (good && small_file_has_mark(out->text, out->n))
        good = refuse(error, "starts with a byte order mark: save the file as UTF-8 without it");
    if (good)
        out->text[out->n] = '\0';
    else
        small_file_free(out);
    return good;
}

bool small_file_read(const char *path, enum small_file_type type, size_t max,
                     struct small_file *out, char error[SMALL_FILE_ERROR_MAX])
{
    struct small_file file = {0};
    if (!read_more(path, type, max, &file, error))
        return false;
    if (file.n > max) {
        small_file_free(&file);
        return refuse_size(error, max);
    }
    *out = file;
    return true;
}

/* ---- secrets ---- */

/* Keep the first line, without its line end. */
static void cut_to_line(struct small_file *file)
{
    const char *feed = memchr(file->text, '\n', file->n);
    size_t n = feed ? (size_t)(feed - file->text) : file->n;
    if (feed && n > 0 && file->text[n - 1] == '\r')
        n--;
    explicit_bzero(file->text + n, file->n - n);
    file->n = n;
}

bool small_file_read_line(const char *path, enum small_file_type type, size_t max,
                          struct small_file *out, char error[SMALL_FILE_ERROR_MAX])
{
    struct small_file file = {0};
    if (!read_more(path, type, max, &file, error))
        return false;
    bool good = false;
    cut_to_line(&file);
    if (file.n == 0)
        (void)refuse(error, "must not be empty");
    else if (file.n > max)
        (void)refuse_size(error, max);
    else if (memchr(file.text, '\0', file.n))
        (void)refuse(error, "must not contain a NUL byte");
    else if (memchr(file.text, '\r', file.n))
        (void)refuse(error, "must not contain a carriage return");
    else
        good = true;
    if (good)
        *out = file;
    else
        small_file_free(&file);
    return good;
}

void small_file_free(struct small_file *file)
{
    if (file->text)
        explicit_bzero(file->text, file->n);
    free(file->text);
    *file = (struct small_file){0};
}
