/*
 * tls_files.c - the files that TLS is made of: have they changed?
 */
#include "tls_files.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "net/tls_client.h"
#include "net/tls_context.h"

struct tls_file {
    char *path;       /* owned */
    struct stat seen; /* all zero = was not there */
};

struct tls_files {
    struct tls_file *list;
    size_t n;
    bool failed; /* memory was short while collecting */
};

static void note(struct tls_file *file)
{
    if (stat(file->path, &file->seen) < 0)
        memset(&file->seen, 0, sizeof(file->seen));
}

static void add(void *arg, const char *path)
{
    struct tls_files *files = arg;
    struct tls_file *list = realloc(files->list, (files->n + 1) * sizeof(*list));
    if (list)
        files->list = list;
    char *copy = list ? strdup(path) : NULL;
    if (!copy) {
        files->failed = true;
        return;
    }
    files->list[files->n].path = copy;
    note(&files->list[files->n++]);
}

struct tls_files *tls_files_new(const struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    struct tls_files *files = calloc(1, sizeof(*files));
    if (!files)
        return NULL;
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].tls)
            tls_context_files(config->listeners[i].tls, add, files);
    for (size_t i = 0; i < config->n_clusters; i++)
        if (config->clusters[i].tls)
            tls_client_context_files(config->clusters[i].tls, add, files);
    if (!files->failed)
        return files;
    tls_files_free(files);
    return NULL;
}

void tls_files_free(struct tls_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->n; i++)
        free(files->list[i].path);
    free(files->list);
    free(files);
}

size_t tls_files_count(const struct tls_files *files)
{
    return files->n;
}

bool tls_files_watch(const struct tls_files *files, int inotify_fd)
{
    for (size_t i = 0; i < files->n; i++) {
        char path[PATH_MAX]; /* dirname() writes into it */
        (void)snprintf(path, sizeof(path), "%s", files->list[i].path);
        /* watching a directory twice is one watch */
        if (inotify_add_watch(inotify_fd, dirname(path),
                              IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO) < 0)
            return false;
    }
    return true;
}

static bool differs(const struct stat *a, const struct stat *b)
{
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

bool tls_files_changed(const struct tls_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        struct tls_file now = {.path = files->list[i].path};
        note(&now);
        if (differs(&now.seen, &files->list[i].seen))
            return true;
    }
    return false;
}

void tls_files_note(struct tls_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        note(&files->list[i]);
}
