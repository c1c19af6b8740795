/*
 * fuzz_http_status.c - check invariants of the parser of an HTTP/1.x status code.
 *
 * The input is what a server sends.
 *
 *   - the result agrees with a writer of status lines: BAD if no status line begins like the input,
 *     DONE once the code is complete, MORE before that
 *   - splitting the input or adding bytes does not change the result
 *   - the code is the one in the line, and is set only on DONE
 */
#include "law.h"
#include "wire/http/status.h"

#define INPUT_MAX 256u
#define UNTOUCHED 12345u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum parse_result result;
    unsigned code;
};

static struct outcome read_copy(const uint8_t *data, size_t n)
{
    struct outcome o = {.code = UNTOUCHED};
    uint8_t *bytes = exact_copy(data, n);

    o.result = http_status_read(span_of(bytes, n), &o.code);
    LAW(o.result == PARSE_DONE ? o.code >= 100 && o.code <= 999 : o.code == UNTOUCHED);
    LAW(o.result != PARSE_MORE || n < HTTP_STATUS_MAX);
    LAW(o.result != PARSE_DONE || n >= HTTP_STATUS_MAX);
    free(bytes);
    return o;
}

static bool same_answer(struct outcome a, struct outcome b)
{
    return a.result == b.result && a.code == b.code;
}

static unsigned digit_at(const uint8_t *data, size_t size, size_t at, unsigned otherwise)
{
    return at < size && data[at] >= '0' && data[at] <= '9' ? data[at] - (unsigned)'0' : otherwise;
}

/* Write the status line that begins like the input, if there is one. Return its code. */
static unsigned write_nearest(const uint8_t *data, size_t size, char line[HTTP_STATUS_MAX + 1])
{
    static const char ends[] = " \r\n";
    unsigned hundreds = digit_at(data, size, 9, 2);
    unsigned code = (hundreds > 0 ? hundreds : 1) * 100 + digit_at(data, size, 10, 0) * 10 +
                    digit_at(data, size, 11, 0);
    char end = ' ';

    if (size >= HTTP_STATUS_MAX && data[12] != '\0' && strchr(ends, data[12]))
        end = (char)data[12];
    int n = snprintf(line, HTTP_STATUS_MAX + 1, "HTTP/1.%u %u%c", digit_at(data, size, 7, 1), code,
                     end);
    LAW(n == HTTP_STATUS_MAX);
    return code;
}

static void answer_is_that_of_a_writer(struct outcome o, const uint8_t *data, size_t size)
{
    char line[HTTP_STATUS_MAX + 1];
    unsigned code = write_nearest(data, size, line);
    size_t n = size < HTTP_STATUS_MAX ? size : HTTP_STATUS_MAX;

    if (n > 0 && memcmp(line, data, n) != 0)
        LAW(o.result == PARSE_BAD);
    else if (n < HTTP_STATUS_MAX)
        LAW(o.result == PARSE_MORE);
    else
        LAW(o.result == PARSE_DONE && o.code == code);
}

static void split_equals_whole(struct outcome whole, const uint8_t *data, size_t size)
{
    bool decided = false;

    for (size_t n = 0; n < size; n++) {
        struct outcome o = read_copy(data, n);
        answer_is_that_of_a_writer(o, data, n);
        LAW(!decided || o.result != PARSE_MORE);
        decided = o.result != PARSE_MORE;
        LAW(!decided || same_answer(o, whole));
    }
}

static void what_follows_changes_nothing(struct outcome whole, const uint8_t *data, size_t size,
                                         struct dice *dice)
{
    size_t extra = 1 + dice_roll(dice, 32);
    uint8_t *longer = exact_new(size + extra);

    memcpy(longer, data, size);
    for (size_t i = 0; i < extra; i++)
        longer[size + i] = (uint8_t)dice_roll(dice, 256);
    LAW(same_answer(read_copy(longer, size + extra), whole));
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);

    if (size > INPUT_MAX)
        return 0;
    struct outcome whole = read_copy(data, size);
    answer_is_that_of_a_writer(whole, data, size);
    split_equals_whole(whole, data, size);
    if (whole.result != PARSE_MORE)
        what_follows_changes_nothing(whole, data, size, &dice);
    return 0;
}
