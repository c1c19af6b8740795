/*
 * command_line.c - the words behind `mqtt-router`: read by tables, and explained from them.
 *
 * Words are read by getopt_long, which lets options stand before and behind other words and takes
 * any beginning of an option's name that is no other's.
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
_Static_assert(ARRAY_LEN(rows) == OPTION_COUNT, "every option has its row");

/* Options that take a number: its range, and the unit to name in errors. */
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
#define NUMBER_CHARS 9u /* digits that fit 32 bits whatever they are */

/* One letter each; the others have none. */
static const struct {
    char letter;
    enum command_option option;
} letters[] = {{'c', OPTION_CONFIG}, {'h', OPTION_HELP}, {'V', OPTION_VERSION}};

/* What getopt_long answers for an option without a letter, so that it is no letter of its own. */
#define OPTION_BASE 256

static enum command_option option_of(int answer)
{
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (answer == letters[i].letter)
            return letters[i].option;
    return (enum command_option)(answer - OPTION_BASE);
}

static bool takes(const struct command *command, enum command_option option)
{
    const uint32_t everywhere = COMMAND_OPTION_BIT(HELP) | COMMAND_OPTION_BIT(VERSION);
    return ((command->options | everywhere) >> option & 1u) != 0;
}

/* In "OLD NEW" or "[COMMAND]": how many words there are, or how many there have to be. */
static int count_words(const char *text, bool all)
{
    int n = 0;
    for (char before = ' '; *text; before = *text++)
        n += before == ' ' && (all || *text != '[');
    return n;
}

/* ---- reading ---- */

/* False when getopt has already said what is wrong. */
static bool read_options(int argc, char **argv, struct arguments *out)
{
    struct option known[OPTION_COUNT + 1] = {0};
    for (int i = 0; i < OPTION_COUNT; i++)
        known[i] = (struct option){.name = rows[i].name,
                                   .has_arg = *rows[i].value ? required_argument : no_argument,
                                   .val = OPTION_BASE + i};
    int answer;
    while ((answer = getopt_long(argc, argv, "c:hV", known, NULL)) != -1) {
        if (answer == '?')
            return false;
        out->value[option_of(answer)] = optarg ? optarg : "";
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

/* The first option given that the command has no use for; OPTION_COUNT = none. */
static int find_stranger(const struct arguments *args)
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

/* The first given option whose value is no number in its range; null = there is none. */
static const struct number_row *find_bad_number(const struct arguments *args)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *value = args->value[numbers[i].option];
        if (value && !is_in_range(&numbers[i], value))
            return &numbers[i];
    }
    return NULL;
}

static bool check_items(const struct arguments *args, char **words, int n)
{
    const struct command *command = args->command;
    const int most = count_words(command->operands, true);
    const int least = count_words(command->operands, false);
    int i = find_stranger(args);
    if (i < OPTION_COUNT) {
        (void)fprintf(stderr, "mqtt-router: --%s does not go with %s\n", rows[i].name,
                      *command->name ? command->name : "serving");
        return false;
    }
    const struct number_row *number = find_bad_number(args);
    if (number)
        (void)fprintf(stderr, "mqtt-router: --%s: want %u to %u %s, got \"%s\"\n",
                      rows[number->option].name, number->min, number->max, number->unit,
                      args->value[number->option]);
    else if (n > most)
        (void)fprintf(stderr, "mqtt-router: \"%s\" is a word too many\n", words[most]);
    else if (n < least)
        (void)fprintf(stderr, "mqtt-router: %s wants %s\n", command->name, command->operands);
    return !number && n >= least && n <= most;
}

bool command_line_read(const struct command *commands, size_t n, int argc, char **argv,
                       struct arguments *out)
{
    *out = (struct arguments){.command = &commands[0]};
    if (!read_options(argc, argv, out)) {
        (void)fputs("`mqtt-router --help` says what there is.\n", stderr);
        return false;
    }
    char **words = argv + optind; /* getopt moved what is left to the end */
    int n_words = argc - optind;
    if (n_words > 0) {
        const struct command *found = command_line_find(commands, n, *words);
        if (!found) {
            (void)fprintf(stderr,
                          "mqtt-router: there is no command \"%s\"; `mqtt-router --help` says "
                          "which there are\n",
                          *words);
            return false;
        }
        out->command = found;
        words++;
        n_words--;
    }
    for (int i = 0; i < n_words && i < (int)COMMAND_OPERANDS_MAX; i++)
        out->operands[i] = words[i];
    if (out->value[OPTION_HELP] || out->value[OPTION_VERSION])
        return true;
    if (check_items(out, words, n_words))
        return true;
    command_line_usage(out->command, stderr);
    return false;
}

/* ---- explaining ---- */

/* "--rate N" or "--wait"; n = room. */
static int put_option(char *out, size_t n, int option)
{
    const struct option_row *row = &rows[option];
    return snprintf(out, n, "--%s%s%s", row->name, *row->value ? " " : "", row->value);
}

/* Those of `options`, each in brackets, in lines that begin at a column. */
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
    (void)fputs("\nwhere the router is, of each command that asks one:\n", out);
    put_meanings(COMMAND_REMOTE, out);
    (void)fputc('\n', out);
}
