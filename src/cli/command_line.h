/*
 * command_line.h - parse the command line of `mqtt-router`, and print its help, from two tables.
 *
 * The options are here; the commands are in commands.c. A command lists the options it takes, so
 * parsing, errors and --help always agree.
 */
#ifndef CLI_COMMAND_LINE_H
#define CLI_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

/* Enum suffix, name, name of its value ("": no value, "N": a number), help text. */
#define COMMAND_OPTIONS(X)                                                                         \
    X(CONFIG, "config", "FILE", "configuration file; commands read the admin address from it")     \
    X(CHECK, "check", "", "check FILE, report all errors and exit")                                \
    X(REFERENCE, "config-reference", "", "print all configuration keys as a Markdown table")       \
    X(SCHEMA, "schema", "", "print a JSON Schema of the configuration")                            \
    X(CLIENT_ID, "client-id", "ID", "client identifier of the device")                             \
    X(USERNAME, "username", "NAME", "user name of the device")                                     \
    X(SOURCE_IP, "source-ip", "IP", "IP address of the device, IPv4 or IPv6")                      \
    X(TLS_CN, "tls-cn", "NAME", "common name in the device's certificate")                         \
    X(SNI, "sni", "NAME", "TLS server name (SNI) that the device sends")                           \
    X(CLUSTER, "cluster", "NAME", "name of the cluster (default: see COMMAND --help)")             \
    X(IDS, "ids", "FILE", "print which of the keys in FILE, one per line, move")                   \
    X(NODE, "node", "NODE", "print only sessions on this node: NAME or CLUSTER/NAME")              \
    X(SOURCE, "source", "CIDR", "print only sessions from this address or network")                \
    X(LIMIT, "limit", "N", "print at most N sessions, 1 to 1000 (default: 100)")                   \
    X(RATE, "rate", "N", "close N sessions per second (default: drain_rate_per_s)")                \
    X(DEADLINE, "deadline", "S", "close the rest after S seconds (default: drain_deadline_ms)")    \
    X(WAIT, "wait", "", "wait until the node has no sessions left")                                \
    X(NAMES, "names", "", "print only the names, as one CLUSTER/NAME per line")                    \
    X(JSON, "json", "", "print JSON instead of text")                                              \
    X(ADMIN, "admin", "ADDRESS", "the router's admin address: HOST:PORT or unix:PATH")             \
    X(TOKEN_FILE, "token-file", "FILE", "file whose first line is the admin token")                \
    X(VERSION, "version", "", "print the version")                                                 \
    X(HELP, "help", "", "print this help, or the help for a command")

enum command_option {
#define X(suffix, name, value, meaning) OPTION_##suffix,
    COMMAND_OPTIONS(X)
#undef X
        OPTION_COUNT
};

#define COMMAND_OPTION_BIT(suffix) (UINT32_C(1) << OPTION_##suffix)
_Static_assert(OPTION_COUNT <= 32, "one bit for each option");

/* The options of all commands that send requests to a running router. */
#define COMMAND_REMOTE                                                                             \
    (COMMAND_OPTION_BIT(ADMIN) | COMMAND_OPTION_BIT(CONFIG) | COMMAND_OPTION_BIT(TOKEN_FILE))

#define COMMAND_OPERANDS_MAX 2u

struct command_server;

struct arguments {
    const struct command *command;
    const char *value[OPTION_COUNT]; /* null: not given; "": given, without a value */
    const char *operands[COMMAND_OPERANDS_MAX];
    const struct command_server *server; /* borrowed; set by commands_run() */
};

struct command {
    const char *name;     /* "": no command, serve */
    const char *operands; /* "NODE", "[COMMAND]" if optional; "": none */
    uint32_t options;     /* COMMAND_OPTION_BITs; --help and --version are always allowed */
    const char *summary;  /* one line, without a full stop */
    const char *help;     /* details, in lines of up to 78 columns; "": none */
    int (*run)(const struct arguments *args);
};

/*
 * Parse the command line. The first command of the table has no name; it is used by default.
 *
 * Returns false if the command line is invalid; the error and the usage have been printed to
 * standard error. With --help or --version, required operands may be missing.
 */
MUST_USE bool command_line_read(const struct command *commands, size_t n, int argc, char **argv,
                                struct arguments *out);

/* Find a command by name; null if there is none. */
const struct command *command_line_find(const struct command *commands, size_t n, const char *name);

/* Print "usage: mqtt-router drain NODE [--rate N] ...", in lines of up to 78 columns. */
void command_line_usage(const struct command *command, FILE *out);

/* Print the help of one command: usage, summary, details, options. */
void command_line_help(const struct command *command, FILE *out);

/* Print the usage and summary of every command. */
void command_line_overview(const struct command *commands, size_t n, FILE *out);

#endif
