/*
 * fuzz_log_text.c - check invariants of peer text in log lines.
 *
 * The input is text from a peer: a client identifier, a user name, a server name.
 *
 *   - each event is one line of printable characters, and not longer than the maximum
 *   - jansson accepts the JSON line, and the decoded text equals the input, except that each byte
 *     that is not UTF-8 is replaced by U+FFFD and a truncated end by "..."; a character is never
 *     split
 *   - a line in text format has the same escapes, and the input cannot forge the fields that follow
 *   - a field that does not fit is omitted, and the line contains a mark for it
 */
#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"
#include "law.h"

#define INPUT_MAX 8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The output of the log, an anonymous file that is emptied after each read. */
struct paper {
    int fd;
    struct log *log[LOG_FORMAT_COUNT];
    char line[LOG_LINE_MAX + 1]; /* the last line, without its line feed */
};

static struct paper *paper(void)
{
    static struct paper paper; /* opened once */

    if (!paper.log[0]) {
        paper.fd = memfd_create("log", MFD_CLOEXEC);
        LAW(paper.fd >= 0);
        for (int format = 0; format < LOG_FORMAT_COUNT; format++) {
            paper.log[format] = log_new(paper.fd, LOG_INFO, (enum log_format)format);
            LAW(paper.log[format] != NULL);
        }
    }
    return &paper;
}

/* Read the output, which must be one line without control characters. */
static void take_line(struct paper *p)
{
    ssize_t n = pread(p->fd, p->line, sizeof(p->line), 0);

    LAW(n > 1 && n <= (ssize_t)LOG_LINE_MAX && p->line[n - 1] == '\n');
    LAW(ftruncate(p->fd, 0) == 0 && lseek(p->fd, 0, SEEK_SET) == 0);
    p->line[n - 1] = '\0';
    LAW(strlen(p->line) == (size_t)n - 1);
    for (const uint8_t *c = (const uint8_t *)p->line; *c; c++)
        LAW(*c >= ' ' && *c != 0x7f && !(c[0] == 0xc2 && c[1] < 0xa0));
}

/* Return the expected text, with invalid bytes replaced, but not truncated. */
static uint8_t *second_opinion(const uint8_t *data, size_t n, size_t *out_n)
{
    uint8_t *out = exact_new(3 * n + 1);

    *out_n = 0;
    for (size_t i = 0; i < n;) {
        /* jansson decides whether the next 1 to 4 bytes are one UTF-8 character. */
        size_t step = 0;
        for (size_t length = 1; length <= 4 && i + length <= n && step == 0; length++) {
            json_t *one = json_stringn((const char *)data + i, length);
            step = one ? length : 0;
            json_decref(one);
        }
        memcpy(out + *out_n, step ? data + i : (const uint8_t *)"\xef\xbf\xbd", step ? step : 3);
        *out_n += step ? step : 3;
        i += step ? step : 1;
    }
    return out;
}

/* `got` must be the expected text, or a part of it that ends with dots. */
static void it_says_what_came(const uint8_t *got, size_t got_n, const uint8_t *data, size_t size,
                              size_t max)
{
    size_t want_n, kept = size;
    bool cut = size > max;

    if (cut) {
        LAW(got_n >= 3 && memcmp(got + got_n - 3, "...", 3) == 0);
        got_n -= 3;
        for (kept = max; kept > max - 4 && (data[kept] & 0xc0) == 0x80; kept--)
            ;
    }
    uint8_t *want = second_opinion(data, kept, &want_n);
    LAW(got_n == want_n && (got_n == 0 || memcmp(got, want, want_n) == 0));
    free(want);
}

static void json_decodes_to_what_came(struct paper *p, const uint8_t *data, size_t size)
{
    struct log_line line;
    struct span exact = span_of(exact_copy(data, size), size);

    log_begin(&line, p->log[LOG_JSON], LOG_INFO, "session.end");
    log_peer(&line, "client_id", exact);
    log_u64(&line, "bytes_up", 17);
    log_emit(&line);
    take_line(p);
    json_t *object = json_loads(p->line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    LAW(object != NULL && json_object_size(object) == 5);
    LAW(json_integer_value(json_object_get(object, "bytes_up")) == 17);
    const json_t *got = json_object_get(object, "client_id");
    LAW(json_is_string(got));
    it_says_what_came((const uint8_t *)json_string_value(got), json_string_length(got), data, size,
                      LOG_PEER_TEXT_MAX);
    json_decref(object);
    free((void *)exact.p);
}

/* Quotes are balanced, and the fields that follow are the router's. */
static void text_cannot_be_forged(struct paper *p, const uint8_t *data, size_t size)
{
    struct log_line line;
    struct span exact = span_of(exact_copy(data, size), size);

    log_begin(&line, p->log[LOG_TEXT], LOG_INFO, "session.end");
    log_peer(&line, "client_id", exact);
    log_bool(&line, "ours", true);
    log_emit(&line);
    take_line(p);
    const char *start = strstr(p->line, " client_id=\"");
    LAW(start != NULL);
    start += strlen(" client_id=");
    const char *end = start + 1;
    while (*end != '"' && *end != '\0')
        end += *end == '\\' ? 2 : 1;
    LAW(strcmp(end, "\" ours=true") == 0);
    json_t *got =
        json_loadb(start, (size_t)(end + 1 - start), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    LAW(json_is_string(got));
    it_says_what_came((const uint8_t *)json_string_value(got), json_string_length(got), data, size,
                      LOG_PEER_TEXT_MAX);
    json_decref(got);
    free((void *)exact.p);
}

/* The router's own text is never truncated; it is written completely or omitted. */
static void what_does_not_fit_is_left_out(struct paper *p, const uint8_t *data, size_t size)
{
    size_t n = strnlen((const char *)data, size);
    char *text = (char *)exact_new(n + 1);
    struct log_line line;

    memcpy(text, data, n);
    text[n] = '\0';
    log_begin(&line, p->log[LOG_JSON], LOG_INFO, "config.error");
    log_text(&line, "text", text);
    log_text(&line, "again", text);
    log_bool(&line, "after", true);
    log_emit(&line);
    take_line(p);
    json_t *object = json_loads(p->line, JSON_REJECT_DUPLICATES, NULL);
    LAW(object != NULL);
    const char *const keys[] = {"text", "again"};
    bool all = json_is_true(json_object_get(object, "after"));
    for (size_t i = 0; i < 2; i++) {
        const json_t *got = json_object_get(object, keys[i]);
        all = all && got;
        if (got)
            it_says_what_came((const uint8_t *)json_string_value(got), json_string_length(got),
                              data, n, n);
    }
    LAW(json_is_true(json_object_get(object, "cut")) == !all);
    LAW(all || n > LOG_LINE_MAX / 16);
    json_decref(object);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct paper *p = paper();

    if (size == 0 || size > INPUT_MAX)
        return 0;
    json_decodes_to_what_came(p, data, size);
    text_cannot_be_forged(p, data, size);
    what_does_not_fit_is_left_out(p, data, size);
    return 0;
}
