/*
 * watch.c - use inotify to find out when a path may lead to another file.
 *
 * A path is resolved as the kernel resolves it. Each directory on the way is watched for the one
 * name that is looked up in it:
 *
 *    live/a/cert.pem   where cert.pem -> ../../archive/a/cert2.pem
 *
 *    /: live    /live: a    /live/a: cert.pem    /: archive    /archive: a    /archive/a: cert2.pem
 *
 * Directories are watched, not files, because editors and certificate tools replace a file by
 * renaming a new one over it, certbot changes a link to a file, and Kubernetes changes a link to a
 * directory.
 *
 * The keeper also compares the files, to find changes that inotify does not report: a mount over a
 * directory, changes on network file systems, writes through another hard link.
 */
#include "watch.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40u  /* the kernel's limit */
#define NAMES_MAX 256u /* names in one path, including those of its links */
#define READS_MAX 64u  /* reads of 8 KiB of events each */

/*
 * Events when a name appears or disappears, or when the directory itself is moved, removed or made
 * inaccessible.
 */
#define MASK_ON_THE_WAY                                                                            \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |         \
     IN_ATTRIB | IN_ONLYDIR | IN_MASK_ADD)
#define MASK_AT_THE_END (MASK_ON_THE_WAY | IN_CLOSE_WRITE)

/* A name that is looked up in a watched directory. */
struct spot {
    int wd;
    char *name; /* owned */
};

struct spots {
    struct spot *list;
    size_t n;
};

struct tls_watch {
    int fd;
    struct spots spots; /* sorted, each once */
};

static void spots_fini(struct spots *spots)
{
    for (size_t i = 0; i < spots->n; i++)
        free(spots->list[i].name);
    free(spots->list);
    *spots = (struct spots){0};
}

static bool spots_add(struct spots *spots, int wd, const char *name)
{
    struct spot *longer = realloc(spots->list, (spots->n + 1) * sizeof(*longer));
    if (!longer)
        return false;
    spots->list = longer;
    char *copy = strdup(name);
    if (copy)
        longer[spots->n++] = (struct spot){.wd = wd, .name = copy};
    return copy;
}

static int compare_spots(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    return x->wd != y->wd ? (x->wd > y->wd) - (x->wd < y->wd) : strcmp(x->name, y->name);
}

static void spots_sort(struct spots *spots)
{
    size_t kept = 0;
    if (spots->n > 0)
        qsort(spots->list, spots->n, sizeof(*spots->list), compare_spots);
    for (size_t i = 0; i < spots->n; i++) {
        if (kept > 0 && compare_spots(&spots->list[i], &spots->list[kept - 1]) == 0)
            free(spots->list[i].name);
        else
            spots->list[kept++] = spots->list[i];
    }
    spots->n = kept;
}

static bool watches_directory(const struct spots *spots, int wd)
{
    size_t low = 0, high = spots->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spots->list[middle].wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spots->n && spots->list[low].wd == wd;
}

/* ---- walking a path -------------------------------------------------------------------- */

struct walk {
    const struct tls_watch *watch;
    struct spots *spots;
    struct tls_watch_fault *fault;
    bool short_of_memory;
    unsigned links;
    char at[PATH_MAX];   /* the directory reached so far, without links */
    char rest[PATH_MAX]; /* the rest of the path */
    char next[PATH_MAX]; /* at/name */
};

/* Join two paths. Returns false if the result is too long. */
static bool join(char out[PATH_MAX], const char *a, const char *b)
{
    const char *slash = a[0] == '\0' || a[strlen(a) - 1] == '/' ? "" : "/";
    int n = snprintf(out, PATH_MAX, "%s%s%s", a, slash, b);
    return n >= 0 && n < PATH_MAX;
}

/* Remove the next name from the rest. Returns false at the end, or if the name is too long. */
static bool take_name(struct walk *walk, char name[NAME_MAX + 1])
{
    const char *from = walk->rest + strspn(walk->rest, "/");
    size_t n = strcspn(from, "/");
    if (n == 0 || n > NAME_MAX)
        return false;
    memcpy(name, from, n);
    name[n] = '\0';
    from += n;
    from += strspn(from, "/");
    memmove(walk->rest, from, strlen(from) + 1);
    return true;
}

/* Watch a name before looking it up, so that every later change causes an event. */
static void watch_name(struct walk *walk, const char *name)
{
    uint32_t mask = walk->rest[0] ? MASK_ON_THE_WAY : MASK_AT_THE_END;
    int wd = inotify_add_watch(walk->watch->fd, walk->at, mask);
    if (wd < 0) {
        if (walk->fault->error == 0) {
            walk->fault->error = errno;
            (void)snprintf(walk->fault->directory, PATH_MAX, "%s", walk->at);
        }
        return;
    }
    if (!spots_add(walk->spots, wd, name))
        walk->short_of_memory = true;
}

/* Insert the link's target before the rest. Returns false if it cannot be resolved. */
static bool follow_link(struct walk *walk)
{
    char target[PATH_MAX], longer[PATH_MAX];
    ssize_t n = readlink(walk->next, target, sizeof(target) - 1);
    if (n <= 0 || ++walk->links > LINKS_MAX)
        return false;
    target[n] = '\0';
    if (!join(longer, target, walk->rest))
        return false;
    memcpy(walk->rest, longer, sizeof(longer));
    if (target[0] == '/')
        (void)snprintf(walk->at, sizeof(walk->at), "/");
    return true;
}

/* Resolve one more name. Returns false at the end. */
static bool step(struct walk *walk)
{
    char name[NAME_MAX + 1];
    struct stat found;
    if (!take_name(walk, name))
        return false;
    if (strcmp(name, ".") == 0)
        return true;
    if (strcmp(name, "..") != 0)
        watch_name(walk, name);
    if (!join(walk->next, walk->at, name) || lstat(walk->next, &found) < 0)
        return false;
    if (S_ISLNK(found.st_mode))
        return follow_link(walk);
    memcpy(walk->at, walk->next, sizeof(walk->at));
    return true;
}

static void walk_path(struct walk *walk, const char *path)
{
    walk->links = 0;
    (void)snprintf(walk->at, sizeof(walk->at), "%s", path[0] == '/' ? "/" : ".");
    if (!join(walk->rest, "", path))
        return;
    for (unsigned i = 0; i < NAMES_MAX && step(walk); i++)
        continue;
}

/* ---- the watch ------------------------------------------------------------------------- */

struct tls_watch *tls_watch_new(void)
{
    struct tls_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd >= 0)
        return watch;
    int error = errno;
    free(watch);
    errno = error;
    return NULL;
}

void tls_watch_free(struct tls_watch *watch)
{
    if (!watch)
        return;
    close(watch->fd);
    spots_fini(&watch->spots);
    free(watch);
}

int tls_watch_fd(const struct tls_watch *watch)
{
    return watch->fd;
}

bool tls_watch_set(struct tls_watch *watch, const char *const *paths, size_t n,
                   struct tls_watch_fault *fault)
{
    struct spots now = {0};
    struct walk walk = {.watch = watch, .spots = &now, .fault = fault};
    fault->error = 0;
    for (size_t i = 0; i < n; i++)
        walk_path(&walk, paths[i]);
    spots_sort(&now);
    /* A directory that was watched before has kept its watch descriptor. */
    for (size_t i = 0; i < watch->spots.n; i++) {
        int wd = watch->spots.list[i].wd;
        bool is_last = i + 1 == watch->spots.n || watch->spots.list[i + 1].wd != wd;
        if (is_last && !watches_directory(&now, wd))
            (void)inotify_rm_watch(watch->fd, wd); /* fails if the directory was removed */
    }
    spots_fini(&watch->spots);
    watch->spots = now;
    return !walk.short_of_memory;
}

static bool concerns(const struct tls_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    if (event->len == 0) /* an event of the directory itself */
        return watches_directory(&watch->spots, event->wd);
    const struct spot key = {.wd = event->wd, .name = (char *)(uintptr_t)event->name};
    return watch->spots.n > 0 && bsearch(&key, watch->spots.list, watch->spots.n,
                                         sizeof(*watch->spots.list), compare_spots);
}

bool tls_watch_read(struct tls_watch *watch)
{
    _Alignas(struct inotify_event) char events[8192];
    bool any = false;
    /*
     * The number of reads is limited, because a busy directory may always have more events. The
     * loop calls this function again.
     */
    for (unsigned reads = 0; reads < READS_MAX; reads++) {
        ssize_t n = read(watch->fd, events, sizeof(events));
        if (n <= 0)
            break;
        for (const char *at = events; at < events + n;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            any = concerns(watch, event) || any;
            at += sizeof(*event) + event->len;
        }
    }
    return any;
}
