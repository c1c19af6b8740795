/*
 * command_line.h - the words behind `mqtt-router`: read by tables, and explained from them.
 *
 * One table of options, here; one of commands, main.c's. A command names the options it takes, so
 * that what is read, what is refused and what --help says cannot drift apart.
 */
#ifndef CLI_COMMAND_LINE_H
#define CLI_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

/* Option, its name, what its value is called ("" = it has none, "N" = a number), its meaning. */
#define COMMAND_OPTIONS(X)                                                                         \
    X(CONFIG, "config", "FILE", "the configuration; of a command: that of the router to ask")      \
    X(CHECK, "check", "", "say everything that is wrong with FILE, and end")                       \
    X(REFERENCE, "config-reference", "", "print the configuration keys, as Markdown")              \
    X(SCHEMA, "schema", "", "print a JSON Schema of the configuration")                            \
    X(CLIENT_ID, "client-id", "ID", "a client identifier")                                         \
    X(USERNAME, "username", "NAME", "a user name")                                                 \
    X(SOURCE_IP, "source-ip", "IP", "the device's address, IPv4 or IPv6")                          \
    X(TLS_CN, "tls-cn", "NAME", "the common name of its certificate")                              \
    X(SNI, "sni", "NAME", "the server name it asks for")                                           \
    X(CLUSTER, "cluster", "NAME", "the cluster; the first one unless given")                       \
    X(IDS, "ids", "FILE", "a file of keys, one a line: say which of them move")                    \
    X(NODE, "node", "NODE", "only those at this node: NAME or CLUSTER/NAME")                       \
    X(SOURCE, "source", "CIDR", "only those from there: an address, or 192.0.2.0/24")              \
    X(LIMIT, "limit", "N", "print at most N sessions, 1 to 1000 (default: 100)")                   \
    X(RATE, "rate", "N", "close N sessions per second (default: the cluster's drain_rate_per_s)")  \
    X(DEADLINE, "deadline", "S",                                                                   \
      "close the rest after S seconds (default: the cluster's drain_deadline_ms)")                 \
    X(WAIT, "wait", "", "watch until no session is left")                                          \
    X(NAMES, "names", "", "only names, CLUSTER/NAME, one a line")                                  \
    X(JSON, "json", "", "print the router's answer as it is")                                      \
    X(ADMIN, "admin", "ADDRESS", "the router's admin address: 127.0.0.1:9090, unix:/run/x.sock")   \
    X(TOKEN_FILE, "token-file", "FILE", "file with the admin token on its first line")             \
    X(VERSION, "version", "", "print the version")                                                 \
    X(HELP, "help", "", "print help; of a command, when one is named")

enum command_option {
#define X(suffix, name, value, meaning) OPTION_##suffix,
    COMMAND_OPTIONS(X)
#undef X
        OPTION_COUNT
};

#define COMMAND_OPTION_BIT(suffix) (UINT32_C(1) << OPTION_##suffix)
_Static_assert(OPTION_COUNT <= 32, "one bit for each option");

/* What every command needs that talks to a running router. */
#define COMMAND_REMOTE                                                                             \
    (COMMAND_OPTION_BIT(ADMIN) | COMMAND_OPTION_BIT(CONFIG) | COMMAND_OPTION_BIT(TOKEN_FILE))

#define COMMAND_OPERANDS_MAX 2u

struct command_server;

struct arguments {
    const struct command *command;
    const char *value[OPTION_COUNT]; /* null = not given; "" for an option without a value */
    const char *operands[COMMAND_OPERANDS_MAX];
    const struct command_server *server; /* borrowed; set by commands_run() */
};

struct command {
    const char *name;     /* "" = no word: serve */
    const char *operands; /* "NODE", "[COMMAND]" when it may be missing; "" = none */
    uint32_t options;     /* COMMAND_OPTION_BITs; --help and --version go with any */
    const char *summary;  /* a line, without a full stop */
    const char *help;     /* what else there is to know: lines of up to 78 columns, "" = nothing */
    int (*run)(const struct arguments *args);
};

/*
 * Read the command line by a table of commands, the one without a name first.
 *
 * False, with the fault and the command's usage on standard error: an unknown word or option, one
 * that the command does not take, a number out of its range, a word too few or too many. With
 * --help or --version nothing else has to be there.
 */
MUST_USE bool command_line_read(const struct command *commands, size_t n, int argc, char **argv,
                                struct arguments *out);

/* The command of that name; null = there is none. */
const struct command *command_line_find(const struct command *commands, size_t n, const char *name);

/* "usage: mqtt-router drain NODE [--rate N] ...", lines of up to 78 columns. */
void command_line_usage(const struct command *command, FILE *out);

/* All of a command: usage, meaning, options. */
void command_line_help(const struct command *command, FILE *out);

/* Every command with its own options and its summary. */
void command_line_overview(const struct command *commands, size_t n, FILE *out);

#endif
