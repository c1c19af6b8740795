/*
 * log_line.c - format a line: in the configured format, and as JSON for log_recent().
 *
 * A field that does not fit is removed entirely. Room is reserved for the end of the line. Lines
 * that are neither written nor kept are not formatted.
 *
 * The text format adds units to milliseconds and bytes, which it recognizes by their keys.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "base/utf8.h"
#include "log_internal.h"

/* Room for the end of a line: `"cut":true}` and the line feed. */
#define LINE_END_ROOM 32u
#define NUMBER_MAX    32u

static void put(struct log_form *form, const void *p, size_t n)
{
    if (form->n + n > sizeof(form->text) - LINE_END_ROOM) {
        form->cut = true;
        return;
    }
    memcpy(form->text + form->n, p, n);
    form->n += n;
}

static void put_str(struct log_form *form, const char *s)
{
    put(form, s, strlen(s));
}

/* Append a decimal number of at least `digits` digits. snprintf() takes ten times as long. */
static void put_number(struct log_form *form, uint64_t value, size_t digits)
{
    char text[NUMBER_MAX];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || sizeof(text) - at < digits);
    put(form, text + at, sizeof(text) - at);
}

/* Number of leading characters that need no escape; usually all of them. */
static size_t plain(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

/* Both formats use JSON escapes inside quotes. */
static void put_escaped(struct log_form *form, const uint8_t *p, size_t n)
{
    char shown[ESCAPE_MAX];
    for (size_t i = 0, used = 0; i < n; i += used) {
        used = plain(p + i, n - i);
        if (used > 0)
            put(form, p + i, used);
        else
            put(form, shown, escape_char(p + i, n - i, true, shown, &used));
    }
}

/* State before a field was added, to undo this if the field does not fit. */
struct field {
    size_t mark;
    bool cut_before;
};

static struct field field_begin(struct log_form *form, const char *key)
{
    struct field field = {.mark = form->n, .cut_before = form->cut};
    form->cut = false;
    put_str(form, form->json ? ",\"" : " ");
    put_str(form, key);
    put_str(form, form->json ? "\":" : "=");
    return field;
}

static void field_end(struct log_form *form, struct field field)
{
    if (form->cut)
        form->n = field.mark;
    form->cut |= field.cut_before;
}

static void put_quoted(struct log_line *line, const char *key, struct span value, bool more)
{
    for (unsigned i = 0; value.p && i < line->n_forms; i++) {
        struct log_form *form = &line->forms[i];
        struct field field = field_begin(form, key);
        put_str(form, "\"");
        put_escaped(form, value.p, value.n);
        put_str(form, more ? "...\"" : "\"");
        field_end(form, field);
    }
}

static void put_bare(struct log_form *form, const char *key, const char *value)
{
    struct field field = field_begin(form, key);
    put_str(form, value);
    field_end(form, field);
}

/* ---- numbers with units ---- */

static bool has_word(const char *key, const char *word)
{
    const size_t n = strlen(word), length = strlen(key);
    return strncmp(key, word, n) == 0 || (length > n && strcmp(key + length - n, word) == 0);
}

static void format_ms(uint64_t ms, char out[NUMBER_MAX])
{
    if (ms < 1000)
        (void)snprintf(out, NUMBER_MAX, "%" PRIu64 "ms", ms);
    else if (ms < 60000)
        (void)snprintf(out, NUMBER_MAX, "%.1fs", (double)ms / 1000);
    else if (ms < 3600000)
        (void)snprintf(out, NUMBER_MAX, "%" PRIu64 "m%02" PRIu64 "s", ms / 60000, ms / 1000 % 60);
    else
        (void)snprintf(out, NUMBER_MAX, "%" PRIu64 "h%02" PRIu64 "m", ms / 3600000,
                       ms / 60000 % 60);
}

static void format_bytes(uint64_t bytes, char out[NUMBER_MAX])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double scaled = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        (void)snprintf(out, NUMBER_MAX, "%" PRIu64 "B", bytes);
        return;
    }
    for (; scaled >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        scaled /= 1024;
    (void)snprintf(out, NUMBER_MAX, "%.1f%s", scaled, units[unit]);
}

static void put_for_people(struct log_form *form, const char *key, uint64_t value)
{
    char number[NUMBER_MAX];
    if (has_word(key, "ms_") || has_word(key, "_ms"))
        format_ms(value, number);
    else if (has_word(key, "bytes_") || has_word(key, "_bytes"))
        format_bytes(value, number);
    else
        (void)snprintf(number, NUMBER_MAX, "%" PRIu64, value);
    put_str(form, number);
}

/* ---- a line ---- */

static void put_time(struct log_form *form, const struct timespec *now)
{
    struct tm utc;
    gmtime_r(&now->tv_sec, &utc);
    const struct {
        long value;
        size_t digits;
        const char *behind;
    } parts[] = {{utc.tm_year + 1900L, 4, "-"},   {utc.tm_mon + 1, 2, "-"}, {utc.tm_mday, 2, "T"},
                 {utc.tm_hour, 2, ":"},           {utc.tm_min, 2, ":"},     {utc.tm_sec, 2, "."},
                 {now->tv_nsec / 1000000, 3, "Z"}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        put_number(form, (uint64_t)parts[i].value, parts[i].digits);
        put_str(form, parts[i].behind);
    }
}

/* Start a line with its time, level and event. The text format pads levels to equal width. */
static void put_head(struct log_form *form, bool json, const struct log_line *line,
                     const char *event, const struct timespec *now)
{
    form->json = json;
    form->cut = false;
    form->n = 0;
    put_str(form, json ? "{\"time\":\"" : "");
    put_time(form, now);
    if (json) {
        put_str(form, "\",\"level\":\"");
        put_str(form, log_level_name(line->level));
        put_str(form, "\",\"event\":\"");
    } else {
        char loud[16];
        (void)snprintf(loud, sizeof(loud), " %6s ", log_level_loud(line->level));
        put_str(form, loud);
    }
    put_str(form, event);
    put_str(form, json ? "\"" : "");
}

/* Start the form to write, the form to keep, or both. If both are JSON, one form is enough. */
static void begin(struct log_line *line, const char *event)
{
    struct timespec now;
    const bool json = atomic_load_explicit(&line->log->format, memory_order_relaxed) == LOG_JSON;
    clock_gettime(CLOCK_REALTIME, &now);
    if (line->written)
        put_head(&line->forms[line->n_forms++], json, line, event, &now);
    if (line->kept && (!line->written || !json))
        put_head(&line->forms[line->n_forms++], true, line, event, &now);
}

void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event)
{
    line->log = log;
    line->level = level;
    line->n_forms = 0;
    line->written = log_enabled(log, level);
    line->kept = level <= LOG_NOTICE;
    line->enabled = (line->written || line->kept) && log_takes(log, level);
    if (line->enabled)
        begin(line, event);
}

void log_tell_suppressed(struct log *log)
{
    const uint64_t now = log_suppressed(log);
    if (now == log->told)
        return;
    /* log_limit() does not apply to this line */
    struct log_line line = {.log = log,
                            .level = LOG_WARN,
                            .enabled = true,
                            .written = log_enabled(log, LOG_WARN),
                            .kept = true};
    begin(&line, "log.suppressed");
    log_u64(&line, "lines", now - log->told);
    log_emit(&line);
    log->told = now;
}

void log_text(struct log_line *line, const char *key, const char *value)
{
    put_quoted(line, key, span_of_str(value), false);
}

void log_peer(struct log_line *line, const char *key, struct span value)
{
    bool more = value.n > LOG_PEER_TEXT_MAX;
    if (more)
        value.n = utf8_whole(value.p, value.n, LOG_PEER_TEXT_MAX);
    put_quoted(line, key, value, more);
}

void log_u64(struct log_line *line, const char *key, uint64_t value)
{
    for (unsigned i = 0; i < line->n_forms; i++) {
        struct log_form *form = &line->forms[i];
        struct field field = field_begin(form, key);
        if (form->json)
            put_number(form, value, 1);
        else
            put_for_people(form, key, value);
        field_end(form, field);
    }
}

void log_bool(struct log_line *line, const char *key, bool value)
{
    for (unsigned i = 0; i < line->n_forms; i++)
        put_bare(&line->forms[i], key, value ? "true" : "false");
}

/* End the line, for which there is always room. Returns its length with the line feed. */
static size_t end(struct log_form *form)
{
    const char *end =
        form->json ? (form->cut ? ",\"cut\":true}\n" : "}\n") : (form->cut ? " cut=true\n" : "\n");
    const size_t n = strlen(end);
    assert(n <= LINE_END_ROOM);
    memcpy(form->text + form->n, end, n);
    return form->n + n;
}

void log_emit(struct log_line *line)
{
    struct log *log = line->log;
    for (unsigned i = 0; i < line->n_forms; i++) {
        struct log_form *form = &line->forms[i];
        const size_t n = end(form);
        if (line->written && i == 0) {
            pthread_mutex_lock(&log->lock);
            bool sent = log_output_write(log->output, line->level, form->text, n);
            pthread_mutex_unlock(&log->lock);
            if (!sent)
                atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
        }
        if (line->kept && i + 1 == line->n_forms)
            log_recent_keep(&log->recent, form->text, n - 1);
    }
}

void log_event(struct log *log, enum log_level level, const char *event, const char *key,
               const char *value)
{
    struct log_line line;
    log_begin(&line, log, level, event);
    log_text(&line, key, value);
    log_emit(&line);
}
