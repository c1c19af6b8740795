/*
 * text.c - format values and tables for a terminal.
 *
 * A column is as wide as its widest cell on the terminal: East Asian characters are two positions
 * wide, combining characters none.
 */
#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/escape.h"
#include "base/log.h"
#include "base/utf8.h"

#define COLUMNS_MAX 16u

struct table {
    const char *const *titles; /* borrowed */
    size_t columns;
    char **cells; /* row by row, without titles */
    size_t n, size;
    bool failed; /* out of memory */
};

const char *member_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

int64_t member_number(const json_t *object, const char *key)
{
    return (int64_t)json_number_value(json_object_get(object, key));
}

const char *format_bytes(int64_t bytes, char out[FORMAT_MAX])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 999.95 && unit + 1 < ARRAY_LEN(units); unit++)
        value /= 1024;
    if (bytes < 1024)
        (void)snprintf(out, FORMAT_MAX, "%" PRId64 " B", bytes);
    else
        (void)snprintf(out, FORMAT_MAX, "%.1f %s", value, units[unit]);
    return out;
}

const char *format_duration(int64_t seconds, char out[FORMAT_MAX])
{
    const int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (minutes == 0)
        (void)snprintf(out, FORMAT_MAX, "%" PRId64 " s", seconds);
    else if (hours == 0)
        (void)snprintf(out, FORMAT_MAX, "%" PRId64 " min", minutes);
    else if (days == 0)
        (void)snprintf(out, FORMAT_MAX, "%" PRId64 " h %" PRId64 " min", hours, minutes % 60);
    else
        (void)snprintf(out, FORMAT_MAX, "%" PRId64 " d %" PRId64 " h", days, hours % 24);
    return out;
}

const char *format_permille(int64_t permille, char out[FORMAT_MAX])
{
    (void)snprintf(out, FORMAT_MAX, "%" PRId64 ".%" PRId64 " %%", permille / 10, permille % 10);
    return out;
}

/* ---- tables ---- */

struct table *table_new(const char *const *titles)
{
    struct table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    table->titles = titles;
    while (titles[table->columns])
        table->columns++;
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->n; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

/* Return a copy, escaped and truncated like peer text in the log; null if out of memory. */
static char *shown(const char *text)
{
    const size_t n = strlen(text);
    char *copy = malloc(n * ESCAPE_MAX + sizeof("..."));
    size_t length = 0, i = 0;
    for (size_t used = 0; copy && i < n && i < LOG_PEER_TEXT_MAX; i += used)
        length += escape_char((const uint8_t *)text + i, n - i, true, copy + length, &used);
    if (copy)
        (void)strcpy(copy + length, i < n ? "..." : "");
    return copy;
}

void table_text(struct table *table, const char *text)
{
    if (!table || table->failed)
        return;
    if (table->n == table->size) {
        const size_t larger = size_max(64, 2 * table->size);
        char **cells = realloc(table->cells, larger * sizeof(*cells));
        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->size = larger;
    }
    char *cell = shown(text && *text ? text : "-");
    if (cell)
        table->cells[table->n++] = cell;
    table->failed = !cell;
}

void table_number(struct table *table, int64_t number)
{
    char text[FORMAT_MAX];
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    table_text(table, text);
}

/* Return the width of a text on a terminal. The current locale must be UTF-8. */
static int width_of(const char *text)
{
    const size_t n = strlen(text);
    int width = 0;
    mbstate_t state = {0};
    for (size_t i = 0; i < n;) {
        wchar_t c;
        size_t length = mbrtowc(&c, text + i, n - i, &state);
        int places = 1;
        if (length == 0 || length > n - i) {
            length = 1;
            state = (mbstate_t){0};
        } else {
            places = wcwidth(c);
        }
        width += places < 0 ? 1 : places;
        i += length;
    }
    return width;
}

static const char *title_of(const struct table *table, size_t column)
{
    const char *title = table->titles[column];
    return *title == '>' ? title + 1 : title;
}

static void print_row(const struct table *table, char *const *cells, const int *widths, FILE *out)
{
    for (size_t i = 0; i < table->columns; i++) {
        const char *text = cells ? cells[i] : title_of(table, i);
        const int pad = widths[i] - width_of(text);
        const bool right = table->titles[i][0] == '>', last = i + 1 == table->columns;
        (void)fprintf(out, "%s%*s%s%*s", i ? "  " : "", right ? pad : 0, "", text,
                      right || last ? 0 : pad, "");
    }
    (void)fputc('\n', out);
}

static void print_table(const struct table *table, FILE *out)
{
    int widths[COLUMNS_MAX] = {0};
    assert(table->columns > 0 && table->columns <= COLUMNS_MAX);
    for (size_t i = 0; i < table->columns; i++)
        widths[i] = width_of(title_of(table, i));
    for (size_t i = 0; i < table->n; i++) {
        const int width = width_of(table->cells[i]);
        int *most = &widths[i % table->columns];
        *most = width > *most ? width : *most;
    }
    print_row(table, NULL, widths, out);
    for (size_t i = 0; i + table->columns <= table->n; i += table->columns)
        print_row(table, table->cells + i, widths, out);
}

bool table_end(struct table *table, FILE *out, FILE *err)
{
    const bool whole = table && !table->failed;
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    if (whole)
        print_table(table, out);
    else
        (void)fprintf(err, "error: out of memory\n");
    if (utf8) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    table_free(table);
    return whole;
}
