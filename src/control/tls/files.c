/*
 * files.c - find out which files of the TLS contexts have changed.
 *
 * Each file has two marks: its state at the last check, and the state in use. They differ while a
 * new file cannot be loaded.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/key_hash.h"
#include "net/tls/client.h"
#include "net/tls/context.h"

#define CONTENT_MAX (16u << 20) /* the limit of the loader */
#define COARSE_S    2           /* coarsest timestamp resolution of a file system */

/* The state of a file. */
struct mark {
    int error;               /* errno of open(); 0 = readable */
    struct stat facts;       /* all zero on error */
    struct key_hash content; /* all zero on error */
    bool is_young;           /* changed so recently that another change may have the same times */
};

struct tls_file {
    struct mark seen, served;
    bool is_reported;
};

struct tls_files {
    struct tls_file *list;
    char **paths; /* owned; sorted, each once */
    size_t n;
    bool failed; /* out of memory while collecting */
};

/* ---- marks ----------------------------------------------------------------------------- */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_facts(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static bool same_content(const struct mark *a, const struct mark *b)
{
    return a->error == b->error && a->content.low == b->content.low &&
           a->content.high == b->content.high;
}

/* Hash the contents of a file, which may be a private key. */
static bool hash_content(int fd, struct key_hash *out)
{
    char chunk[4096];
    struct key_hash hash = {0};
    ssize_t n;
    for (size_t done = 0; (n = read(fd, chunk, sizeof(chunk))) != 0 && done < CONTENT_MAX;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        hash = key_hash(chunk, (size_t)n, hash.low ^ hash.high);
        done += (size_t)n;
    }
    explicit_bzero(chunk, sizeof(chunk));
    *out = hash;
    return n >= 0;
}

static bool is_young(const struct stat *facts)
{
    time_t last = facts->st_mtim.tv_sec > facts->st_ctim.tv_sec ? facts->st_mtim.tv_sec
                                                                : facts->st_ctim.tv_sec;
    return time(NULL) - last < COARSE_S;
}

/* Record the state of a file. O_NONBLOCK prevents open() from blocking on a FIFO. */
static void take_mark(const char *path, struct mark *out)
{
    struct mark mark = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool read_whole = fd >= 0 && fstat(fd, &mark.facts) == 0 &&
                      (!S_ISREG(mark.facts.st_mode) || hash_content(fd, &mark.content));
    if (!read_whole)
        mark = (struct mark){.error = errno};
    if (fd >= 0)
        close(fd);
    mark.is_young = read_whole && is_young(&mark.facts);
    *out = mark;
}

/* Whether the contents have changed. If not, the mark is updated with a new inode or time. */
static bool differs(const char *path, struct mark *seen)
{
    struct stat facts;
    struct mark now;
    if (stat(path, &facts) == 0 && seen->error == 0 && !seen->is_young &&
        same_facts(&facts, &seen->facts))
        return false;
    take_mark(path, &now);
    if (!same_content(&now, seen))
        return true;
    *seen = now;
    return false;
}

/* ---- the files of a snapshot ----------------------------------------------------------- */

static void add(void *arg, const char *path)
{
    struct tls_files *files = arg;
    char **longer = realloc(files->paths, (files->n + 1) * sizeof(*longer));
    if (longer)
        files->paths = longer;
    char *copy = longer ? strdup(path) : NULL;
    if (copy)
        files->paths[files->n++] = copy;
    else
        files->failed = true;
}

static void add_all(struct tls_files *files, const struct config *config)
{
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].tls)
            tls_context_files(config->listeners[i].tls, add, files);
    for (size_t i = 0; i < config->n_clusters; i++)
        if (config->clusters[i].tls)
            tls_client_context_files(config->clusters[i].tls, add, files);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct tls_files *files)
{
    size_t kept = 0;
    if (files->n > 0)
        qsort(files->paths, files->n, sizeof(*files->paths), compare_paths);
    for (size_t i = 0; i < files->n; i++) {
        if (kept > 0 && strcmp(files->paths[i], files->paths[kept - 1]) == 0)
            free(files->paths[i]);
        else
            files->paths[kept++] = files->paths[i];
    }
    files->n = kept;
}

struct tls_files *tls_files_new(const struct snapshot *snapshot)
{
    struct tls_files *files = calloc(1, sizeof(*files));
    if (!files)
        return NULL;
    add_all(files, snapshot->config);
    sort(files);
    files->list = calloc(files->n + 1, sizeof(*files->list));
    if (files->failed || !files->list) {
        tls_files_free(files);
        return NULL;
    }
    tls_files_note(files);
    tls_files_note_served(files);
    return files;
}

void tls_files_free(struct tls_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->n; i++)
        free(files->paths[i]);
    free(files->paths);
    free(files->list);
    free(files);
}

const char *const *tls_files_paths(const struct tls_files *files, size_t *n)
{
    *n = files->n;
    return (const char *const *)files->paths;
}

bool tls_files_changed(struct tls_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        if (differs(files->paths[i], &files->list[i].seen))
            return true;
    return false;
}

void tls_files_note(struct tls_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        struct tls_file *file = &files->list[i];
        struct mark before = file->seen;
        take_mark(files->paths[i], &file->seen);
        if (!same_content(&before, &file->seen))
            file->is_reported = false;
    }
}

void tls_files_note_served(struct tls_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        files->list[i].served = files->list[i].seen;
}

size_t tls_files_walk_unserved(const struct tls_files *files, tls_files_each *each, void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < files->n; i++) {
        const struct tls_file *file = &files->list[i];
        if (same_content(&file->seen, &file->served))
            continue;
        n++;
        const struct tls_files_unserved facts = {.path = files->paths[i],
                                                 .exists = file->seen.error == 0,
                                                 .is_reported = file->is_reported,
                                                 .modified = file->seen.facts.st_mtim.tv_sec,
                                                 .served_modified =
                                                     file->served.facts.st_mtim.tv_sec};
        if (each)
            each(arg, &facts);
    }
    return n;
}

void tls_files_note_reported(struct tls_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        files->list[i].is_reported = !same_content(&files->list[i].seen, &files->list[i].served);
}
