/*
 * fuzz_http_head.c - check invariants of the HTTP head parser.
 *
 * The input is what a client sends (captures can be seeds).
 *
 *   - splitting the input does not change the result, even if each call gets the bytes at another
 *     address
 *   - an invalid prefix stays invalid; an incomplete head can be completed to a valid one
 *   - a simple parser that splits lines finds the same items, and no further lines
 *   - the result is the same after it is written and parsed again
 *   - the elements of a list are those between its commas
 */
#include <strings.h>

#include "law.h"
#include "wire/http/head.h"

#define HEAD_MAX  2048u
#define INPUT_MAX (2 * HEAD_MAX)
#define ITEMS_MAX (HEAD_MAX / 4)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A span of bytes, stored by offset, because the address differs in each call. */
struct piece {
    size_t at, n;
};

struct said {
    enum http_item_kind kind;
    unsigned minor;
    struct piece name, value;
};

struct outcome {
    enum parse_result result;
    struct http_head h;
    size_t n_items;
    struct said items[ITEMS_MAX];
};

static struct piece piece_of(struct span value, const uint8_t *from, size_t n)
{
    LAW(value.p >= from && value.p + value.n <= from + n);
    return (struct piece){(size_t)(value.p - from), value.n};
}

static void note_item(struct outcome *o, const struct http_item *item, const uint8_t *p, size_t n)
{
    LAW(o->n_items < ITEMS_MAX);
    struct said *said = &o->items[o->n_items];

    *said = (struct said){.kind = item->kind, .minor = item->minor};
    LAW((o->n_items == 0) == (item->kind == HTTP_REQUEST_LINE));
    if (item->kind != HTTP_END) {
        said->name = piece_of(item->name, p, n);
        said->value = piece_of(item->value, p, n);
        LAW(item->name.n > 0 && (item->kind == HTTP_FIELD || item->value.n > 0));
    }
    o->n_items++;
}

/* Parse a copy of exactly the first n bytes. */
static void feed(struct outcome *o, const uint8_t *data, size_t n)
{
    uint8_t *exact = exact_copy(data, n);
    struct http_item item = {.kind = HTTP_FIELD};

    do {
        o->result = http_head_next(&o->h, exact, n, &item);
        if (o->result == PARSE_DONE)
            note_item(o, &item, exact, n);
    } while (o->result == PARSE_DONE && item.kind != HTTP_END);
    LAW((o->result == PARSE_BAD) == (o->h.fault != NULL));
    LAW(o->result == PARSE_BAD ? o->h.status == 400 || o->h.status == 431 : o->h.status == 0);
    LAW((o->result == PARSE_DONE) == (o->h.head_n > 0));
    LAW(o->result != PARSE_MORE || n < HEAD_MAX);
    LAW(o->h.head_n <= size_min(n, HEAD_MAX));
    free(exact);
}

static void begin(struct outcome *o)
{
    o->result = PARSE_MORE;
    o->n_items = 0;
    http_head_init(&o->h, HEAD_MAX);
}

static void read_whole(struct outcome *o, const uint8_t *data, size_t n)
{
    begin(o);
    feed(o, data, n);
}

static void same_answer(const struct outcome *a, const struct outcome *b)
{
    LAW(a->result == b->result && a->h.status == b->h.status && a->h.head_n == b->h.head_n);
    LAW(a->h.fault == b->h.fault || strcmp(a->h.fault, b->h.fault) == 0);
    LAW(a->n_items == b->n_items);
    for (size_t i = 0; i < a->n_items; i++) {
        const struct said *s = &a->items[i], *t = &b->items[i];
        LAW(s->kind == t->kind && s->minor == t->minor);
        LAW(s->name.at == t->name.at && s->name.n == t->name.n);
        LAW(s->value.at == t->value.at && s->value.n == t->value.n);
    }
}

static void split_equals_whole(const struct outcome *whole, const uint8_t *data, size_t size,
                               struct dice *dice)
{
    static struct outcome o; /* static because it is large; used by this call only */
    size_t step_max = dice_roll(dice, 4) == 0 && size < 512 ? 1 : size / 4 + 1;

    begin(&o);
    for (size_t n = 0; o.result == PARSE_MORE && n < size;) {
        n = size_min(size, n + 1 + dice_roll(dice, step_max));
        feed(&o, data, n);
    }
    if (size == 0)
        feed(&o, data, 0);
    same_answer(&o, whole);
}

static void what_follows_changes_nothing(const struct outcome *whole, const uint8_t *data,
                                         size_t size, struct dice *dice)
{
    static struct outcome o; /* static because it is large; used by this call only */
    size_t extra = 1 + dice_roll(dice, 64);
    uint8_t *longer = exact_new(size + extra);

    memcpy(longer, data, size);
    for (size_t i = 0; i < extra; i++)
        longer[size + i] = (uint8_t)dice_roll(dice, 256);
    read_whole(&o, longer, size + extra);
    same_answer(&o, whole);
    if (whole->result == PARSE_BAD) {
        o = *whole;
        feed(&o, longer, size + extra);
        same_answer(&o, whole);
    }
    free(longer);
}

/* The end of a valid head completes the prefix, unless it does not fit. */
static void it_can_still_end_well(const uint8_t *data, size_t size)
{
    static const char rest[] = "\nGET / HTTP/1.1\r\na:\r\n\r\n";
    static struct outcome o; /* static because it is large; used by this call only */
    bool ended = size + sizeof(rest) > HEAD_MAX;
    uint8_t *longer = exact_new(size + sizeof(rest));

    memcpy(longer, data, size);
    for (size_t i = sizeof(rest) - 1; i-- > 0 && !ended;) {
        size_t n = sizeof(rest) - 1 - i;
        memcpy(longer + size, rest + i, n);
        read_whole(&o, longer, size + n);
        ended = o.result == PARSE_DONE;
    }
    LAW(ended);
    free(longer);
}

/* ---- a second parser -------------------------------------------------------------------- */

/* Take the next line from `left`. It ends with CR LF and contains no other CR or LF. */
static struct span next_line(struct span *left)
{
    const uint8_t *end = memmem(left->p, left->n, "\r\n", 2);

    LAW(end != NULL);
    struct span line = span_of(left->p, (size_t)(end - left->p));
    LAW(!memchr(line.p, '\n', line.n) && !memchr(line.p, '\r', line.n));
    LAW(!memchr(line.p, '\0', line.n));
    *left = span_of(end + 2, left->n - line.n - 2);
    return line;
}

static bool is_piece(const struct piece *piece, const uint8_t *data, const uint8_t *p, size_t n)
{
    return piece->n == n && piece->at == (size_t)(p - data);
}

static void request_line_is(const struct said *said, struct span line, const uint8_t *data)
{
    const uint8_t *first = memchr(line.p, ' ', line.n), *end = line.p + line.n;

    LAW(first != NULL);
    const uint8_t *second = memchr(first + 1, ' ', (size_t)(end - first - 1));
    LAW(second != NULL && end - second == 9 && memcmp(second, " HTTP/1.", 8) == 0);
    LAW(is_piece(&said->name, data, line.p, (size_t)(first - line.p)));
    LAW(is_piece(&said->value, data, first + 1, (size_t)(second - first - 1)));
    for (const uint8_t *p = line.p; p < second; p++)
        LAW((*p > ' ' && *p < 0x7f) || p == first);
    LAW(said->minor == second[8] - (unsigned)'0' && said->minor <= 9);
}

static void field_is(const struct said *said, struct span line, const uint8_t *data)
{
    const uint8_t *colon = memchr(line.p, ':', line.n), *end = line.p + line.n;

    LAW(said->kind == HTTP_FIELD && colon != NULL && colon > line.p);
    LAW(is_piece(&said->name, data, line.p, (size_t)(colon - line.p)));
    for (const uint8_t *p = line.p; p < colon; p++)
        LAW(*p > ' ' && *p < 0x7f);
    const uint8_t *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (const uint8_t *p = value; p < end; p++) /* RFC 9110 section 5.5 */
        LAW(*p == '\t' || (*p >= ' ' && *p != 0x7f));
    LAW(said->value.n == (size_t)(end - value));
    LAW(said->value.n == 0 || said->value.at == (size_t)(value - data));
}

static void second_reader_agrees(const struct outcome *o, const uint8_t *data)
{
    struct span left = span_of(data, o->h.head_n), line;
    size_t i = 0;

    while ((line = next_line(&left)).n == 0)
        ; /* empty lines may precede the request line */
    request_line_is(&o->items[i++], line, data);
    while ((line = next_line(&left)).n > 0)
        field_is(&o->items[i++], line, data);
    LAW(left.n == 0 && i + 1 == o->n_items && o->items[i].kind == HTTP_END);
}

/* ---- formatted again ---------------------------------------------------------------------- */

static size_t put(uint8_t *out, size_t at, const void *p, size_t n)
{
    memcpy(out + at, p, n);
    return at + n;
}

static size_t write_again(const struct outcome *o, const uint8_t *data, uint8_t *out)
{
    const struct said *line = &o->items[0];
    size_t n = put(out, 0, data + line->name.at, line->name.n);
    uint8_t minor = (uint8_t)('0' + line->minor);

    n = put(out, n, " ", 1);
    n = put(out, n, data + line->value.at, line->value.n);
    n = put(out, n, " HTTP/1.", 8);
    n = put(out, n, &minor, 1);
    n = put(out, n, "\r\n", 2);
    for (size_t i = 1; o->items[i].kind == HTTP_FIELD; i++) {
        n = put(out, n, data + o->items[i].name.at, o->items[i].name.n);
        n = put(out, n, ":", 1);
        n = put(out, n, data + o->items[i].value.at, o->items[i].value.n);
        n = put(out, n, "\r\n", 2);
    }
    return put(out, n, "\r\n", 2);
}

static void it_reads_the_same_again(const struct outcome *o, const uint8_t *data)
{
    static struct outcome again; /* static because it is large; used by this call only */
    uint8_t *out = exact_new(HEAD_MAX);
    size_t n = write_again(o, data, out);

    LAW(n <= o->h.head_n);
    read_whole(&again, out, n);
    LAW(again.result == PARSE_DONE && again.h.head_n == n && again.n_items == o->n_items);
    for (size_t i = 0; i < o->n_items; i++) {
        const struct said *s = &o->items[i], *t = &again.items[i];
        LAW(s->kind == t->kind && s->minor == t->minor);
        LAW(span_equal(span_of(data + s->name.at, s->name.n),
                       span_of(out + t->name.at, t->name.n)));
        LAW(span_equal(span_of(data + s->value.at, s->value.n),
                       span_of(out + t->value.at, t->value.n)));
    }
    free(out);
}

/* ---- lists and words -------------------------------------------------------------------- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Every comma ends an element; elements that contain only blanks are skipped. */
static void elements_are_between_commas(const uint8_t *p, size_t n)
{
    uint8_t *exact = exact_copy(p, n);
    struct span list = span_of(exact, n), element;
    size_t start = 0;

    for (size_t at = 0; at <= n; at++) {
        if (at < n && exact[at] != ',')
            continue;
        size_t from = start, to = at;
        while (from < to && is_blank(exact[from]))
            from++;
        while (to > from && is_blank(exact[to - 1]))
            to--;
        if (to > from) {
            element = http_list_next(&list);
            LAW(element.p == exact + from && element.n == to - from);
        }
        start = at + 1;
    }
    element = http_list_next(&list);
    LAW(element.p == NULL && element.n == 0);
    list = (struct span){0};
    LAW(http_list_next(&list).p == NULL);
    free(exact);
}

static void words_are_the_same_but_for_case(const struct outcome *o, const uint8_t *data)
{
    for (size_t i = 1; i + 1 < o->n_items; i++) {
        struct span a = span_of(data + o->items[i - 1].name.at, o->items[i - 1].name.n);
        struct span b = span_of(data + o->items[i].name.at, o->items[i].name.n);
        bool same = a.n == b.n && strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0;
        LAW(http_same_word(a, b) == same);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole; /* static because it is large; used by this call only */
    struct dice dice = dice_from(data, size);

    if (size == 0 || size > INPUT_MAX)
        return 0;
    read_whole(&whole, data, size);
    split_equals_whole(&whole, data, size, &dice);
    elements_are_between_commas(data, size_min(size, 256));
    if (whole.result == PARSE_MORE) {
        it_can_still_end_well(data, size);
        return 0;
    }
    what_follows_changes_nothing(&whole, data, size, &dice);
    if (whole.result == PARSE_BAD)
        return 0;
    second_reader_agrees(&whole, data);
    it_reads_the_same_again(&whole, data);
    words_are_the_same_but_for_case(&whole, data);
    for (size_t i = 1; i + 1 < whole.n_items; i++)
        elements_are_between_commas(data + whole.items[i].value.at, whole.items[i].value.n);
    return 0;
}
