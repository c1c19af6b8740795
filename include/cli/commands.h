/*
 * commands.h - run the command given on the command line, or the server.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdio.h>

#include "base/util.h"

/* The server, provided by main.c. Both functions print errors to err and return an exit code. */
struct command_server {
    int (*run)(const char *config_path, FILE *err); /* serve until a signal */
    int (*check)(const char *config_path, FILE *err);
};

/*
 * Parse the command line and run the given command. Returns the exit code: 0 success, 1 failure, 2
 * invalid command line.
 */
MUST_USE int commands_run(int argc, char **argv, const struct command_server *server);

#endif
