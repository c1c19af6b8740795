/*
 * command_line.c - parse the command line of `mqtt-router`, and print its help, from two tables.
 *
 * Uses getopt_long(): options may come before or after operands, and may be abbreviated if the
 * abbreviation is unique.
 */
#include "command_line.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row {
    const char *name, *value, *meaning;
} rows[] = {
#define X(suffix, name, value, meaning) {name, value, meaning},
    COMMAND_OPTIONS(X)
#undef X
};
_Static_assert(ARRAY_LEN(rows) == OPTION_COUNT, "every option has a row");

/* Options that take a number: its range, and its unit for error messages. */
static const struct number_row {
    enum command_option option;
    uint32_t min, max;
    const char *unit;
} numbers[] = {
    {OPTION_LIMIT, 1, 1000, "sessions"},
    {OPTION_RATE, 1, 1000000, "sessions per second"},
    {OPTION_DEADLINE, 1, 86400, "seconds"},
};

#define LINE_WIDTH   78
#define NUMBER_CHARS 9u /* a number of 9 digits always fits in 32 bits */

/* Options that also have a short form. */
static const struct {
    char letter;
    enum command_option option;
} letters[] = {{'c', OPTION_CONFIG}, {'h', OPTION_HELP}, {'V', OPTION_VERSION}};

/* For a long option, getopt_long() returns this plus the option. Above any letter. */
#define OPTION_BASE 256

static enum command_option option_of(int result)
{
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (result == letters[i].letter)
            return letters[i].option;
    return (enum command_option)(result - OPTION_BASE);
}

static bool takes(const struct command *command, enum command_option option)
{
    const uint32_t everywhere = COMMAND_OPTION_BIT(HELP) | COMMAND_OPTION_BIT(VERSION);
    return ((command->options | everywhere) >> option & 1u) != 0;
}

/* Return the maximum or minimum number of operands in "OLD NEW" or "[COMMAND]". */
static int count_operands(const char *text, bool most)
{
    int n = 0;
    for (char before = ' '; *text; before = *text++)
        n += before == ' ' && (most || *text != '[');
    return n;
}

/* ---- parsing ---- */

/* Returns false if an option is invalid; getopt has printed the error. */
static bool read_options(int argc, char **argv, struct arguments *out)
{
    struct option known[OPTION_COUNT + 1] = {0};
    for (int i = 0; i < OPTION_COUNT; i++)
        known[i] = (struct option){.name = rows[i].name,
                                   .has_arg = *rows[i].value ? required_argument : no_argument,
                                   .val = OPTION_BASE + i};
    int result;
    while ((result = getopt_long(argc, argv, "c:hV", known, NULL)) != -1) {
        if (result == '?')
            return false;
        out->value[option_of(result)] = optarg ? optarg : "";
    }
    return true;
}

const struct command *command_line_find(const struct command *commands, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Return the first given option that the command does not take, or OPTION_COUNT. */
static int find_foreign_option(const struct arguments *args)
{
    int i = 0;
    while (i < OPTION_COUNT && (!args->value[i] || takes(args->command, (enum command_option)i)))
        i++;
    return i;
}

static bool is_in_range(const struct number_row *row, const char *text)
{
    const size_t n = strspn(text, "0123456789");
    if (n == 0 || n > NUMBER_CHARS || text[n])
        return false;
    const unsigned long number = strtoul(text, NULL, 10);
    return number >= row->min && number <= row->max;
}

/* Return the first given option whose number is invalid or out of range, or null. */
static const struct number_row *find_bad_number(const struct arguments *args)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *value = args->value[numbers[i].option];
        if (value && !is_in_range(&numbers[i], value))
            return &numbers[i];
    }
    return NULL;
}

static bool check_arguments(const struct arguments *args, char **operands, int n)
{
    const struct command *command = args->command;
    const int most = count_operands(command->operands, true);
    const int least = count_operands(command->operands, false);
    int i = find_foreign_option(args);
    if (i < OPTION_COUNT) {
        (void)fprintf(stderr, "mqtt-router: --%s cannot be used with %s\n", rows[i].name,
                      *command->name ? command->name : "the server");
        return false;
    }
    const struct number_row *number = find_bad_number(args);
    if (number)
        (void)fprintf(stderr, "mqtt-router: --%s: must be between %u and %u %s, got \"%s\"\n",
                      rows[number->option].name, number->min, number->max, number->unit,
                      args->value[number->option]);
    else if (n > most)
        (void)fprintf(stderr, "mqtt-router: unexpected argument \"%s\"\n", operands[most]);
    else if (n < least)
        (void)fprintf(stderr, "mqtt-router: %s requires %s\n", command->name, command->operands);
    return !number && n >= least && n <= most;
}

bool command_line_read(const struct command *commands, size_t n, int argc, char **argv,
                       struct arguments *out)
{
    *out = (struct arguments){.command = &commands[0]};
    if (!read_options(argc, argv, out)) {
        (void)fputs("See `mqtt-router --help`.\n", stderr);
        return false;
    }
    char **operands = argv + optind; /* getopt has moved the operands to the end */
    int n_operands = argc - optind;
    if (n_operands > 0) {
        const struct command *found = command_line_find(commands, n, *operands);
        if (!found) {
            (void)fprintf(stderr, "mqtt-router: unknown command \"%s\"; see `mqtt-router --help`\n",
                          *operands);
            return false;
        }
        out->command = found;
        operands++;
        n_operands--;
    }
    for (int i = 0; i < n_operands && i < (int)COMMAND_OPERANDS_MAX; i++)
        out->operands[i] = operands[i];
    if (out->value[OPTION_HELP] || out->value[OPTION_VERSION])
        return true;
    if (check_arguments(out, operands, n_operands))
        return true;
    command_line_usage(out->command, stderr);
    return false;
}

/* ---- help ---- */

/* Write "--rate N" or "--wait"; n is the size of out. */
static int put_option(char *out, size_t n, int option)
{
    const struct option_row *row = &rows[option];
    return snprintf(out, n, "--%s%s%s", row->name, *row->value ? " " : "", row->value);
}

/* Print `options`, each in brackets. The first line starts at `column`, others are indented. */
static void put_options(uint32_t options, int column, int indent, FILE *out)
{
    char text[64];
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((options >> i & 1u) == 0)
            continue;
        int width = put_option(text, sizeof(text), i) + (int)strlen(" []");
        if (column + width > LINE_WIDTH) {
            (void)fprintf(out, "\n%*s", indent - 1, "");
            column = indent - 1;
        }
        column += fprintf(out, " [%s]", text);
    }
    (void)fputc('\n', out);
}

static int put_name(const char *prefix, const struct command *command, FILE *out)
{
    return fprintf(out, "%s%s%s%s%s", prefix, *command->name ? " " : "", command->name,
                   *command->operands ? " " : "", command->operands);
}

static void put_meanings(uint32_t options, FILE *out)
{
    char text[64];
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((options >> i & 1u) == 0)
            continue;
        (void)put_option(text, sizeof(text), i);
        (void)fprintf(out, "  %-19s %s\n", text, rows[i].meaning);
    }
}

void command_line_usage(const struct command *command, FILE *out)
{
    const int column = put_name("usage: mqtt-router", command, out);
    put_options(command->options, column, (int)strlen("usage: mqtt-router "), out);
}

void command_line_help(const struct command *command, FILE *out)
{
    command_line_usage(command, out);
    (void)fprintf(out, "\n%s.\n%s", command->summary, command->help);
    if (command->options) {
        (void)fputc('\n', out);
        put_meanings(command->options, out);
    }
}

void command_line_overview(const struct command *commands, size_t n, FILE *out)
{
    command_line_usage(&commands[0], out);
    (void)fputs("       mqtt-router COMMAND ...\n"
                "       mqtt-router --help | --version | COMMAND --help\n\n",
                out);
    put_meanings(commands[0].options, out);
    (void)fputs("\ncommands:\n", out);
    for (size_t i = 1; i < n; i++) {
        const int column = put_name(" ", &commands[i], out);
        put_options(commands[i].options & ~COMMAND_REMOTE, column, (int)strlen("      "), out);
        (void)fprintf(out, "      %s.\n", commands[i].summary);
    }
    (void)fputs("\noptions of all commands that connect to a running router:\n", out);
    put_meanings(COMMAND_REMOTE, out);
    (void)fputc('\n', out);
}
