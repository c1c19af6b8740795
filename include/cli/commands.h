/*
 * commands.h - run the command that the command line names, or the server.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdio.h>

#include "base/util.h"

/* The server, passed in by main.c. Both return an exit code and print errors to err. */
struct command_server {
    int (*run)(const char *config_path, FILE *err); /* serve until a signal */
    int (*check)(const char *config_path, FILE *err);
};

/*
 * Read the command line and run what it names. Returns the exit code: 0 success, 1 failure,
 * 2 the command line is wrong.
 */
MUST_USE int commands_run(int argc, char **argv, const struct command_server *server);

#endif
