/*
 * log_recent.c - keep the last important lines in memory.
 *
 * The lines are JSON, stored one after the other in one block. When the block is full, the older
 * half is dropped. A reader copies the lines, so that it holds the lock only briefly.
 */
#include <stdlib.h>
#include <string.h>

#include "log_internal.h"

#define LOG_RECENT_BYTES (64u << 10)

bool log_recent_init(struct log_recent *recent)
{
    recent->text = malloc(LOG_RECENT_BYTES);
    if (recent->text && pthread_mutex_init(&recent->lock, NULL) == 0)
        return true;
    free(recent->text);
    return false;
}

void log_recent_fini(struct log_recent *recent)
{
    pthread_mutex_destroy(&recent->lock);
    free(recent->text);
}

/* Offset of the line after the first `lines` lines. */
static size_t skip(const struct log_recent *recent, unsigned lines)
{
    size_t at = 0;
    for (; lines > 0; lines--)
        at = (size_t)((char *)memchr(recent->text + at, '\n', recent->n - at) - recent->text) + 1;
    return at;
}

static void drop(struct log_recent *recent, unsigned lines)
{
    const size_t at = skip(recent, lines);
    recent->n -= at;
    recent->lines -= lines;
    memmove(recent->text, recent->text + at, recent->n);
}

void log_recent_keep(struct log_recent *recent, const char *json, size_t n)
{
    pthread_mutex_lock(&recent->lock);
    while (recent->lines > 0 &&
           (recent->n + n + 1 > LOG_RECENT_BYTES || recent->lines == 2 * LOG_RECENT_MAX))
        drop(recent, (recent->lines + 1) / 2);
    memcpy(recent->text + recent->n, json, n);
    recent->text[recent->n + n] = '\n';
    recent->n += n + 1;
    recent->lines++;
    pthread_mutex_unlock(&recent->lock);
}

bool log_recent(struct log *log, void (*each)(void *arg, const char *json, size_t n), void *arg)
{
    struct log_recent *recent = &log->recent;
    char *copy = malloc(LOG_RECENT_BYTES);
    if (!copy)
        return false;
    pthread_mutex_lock(&recent->lock);
    const size_t from =
        skip(recent, recent->lines > LOG_RECENT_MAX ? recent->lines - LOG_RECENT_MAX : 0);
    const size_t n = recent->n - from;
    memcpy(copy, recent->text + from, n);
    pthread_mutex_unlock(&recent->lock);
    for (size_t at = 0; at < n;) {
        const size_t length = (size_t)((char *)memchr(copy + at, '\n', n - at) - (copy + at));
        each(arg, copy + at, length);
        at += length + 1;
    }
    free(copy);
    return true;
}
