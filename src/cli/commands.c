/*
 * commands.c - the table of commands, and the functions that run them.
 *
 * Responses go to standard output; messages about the command line and the configuration go to
 * standard error. main.c passes in the functions of the server, so this layer does not depend on
 * it.
 */
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command_line.h"
#include "model/config/file.h"
#include "net/address.h"
#include "plan.h"
#include "remote.h"
#include "route.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int usage_error(const struct arguments *args, const char *what)
{
    (void)fprintf(stderr, "mqtt-router: %s\n", what);
    command_line_usage(args->command, stderr);
    return EXIT_USAGE;
}

/* No command: run the router, check a configuration, or print the reference or schema. */
static int run_serve(const struct arguments *args)
{
    const char *path = args->value[OPTION_CONFIG];
    if (args->value[OPTION_REFERENCE]) {
        config_reference(stdout);
        return EXIT_OK;
    }
    if (args->value[OPTION_SCHEMA])
        return config_schema(stdout) ? EXIT_OK : EXIT_FAILED;
    if (!path)
        return usage_error(args, "--config FILE is required");
    if (!args->value[OPTION_CHECK])
        return args->server->run(path, stderr);
    const int code = args->server->check(path, stderr);
    if (code == EXIT_OK)
        (void)printf("%s: good\n", path);
    return code;
}

static struct client client_of(const struct arguments *args)
{
    return (struct client){.address = args->value[OPTION_ADMIN],
                           .token_file = args->value[OPTION_TOKEN_FILE],
                           .config_path = args->value[OPTION_CONFIG],
                           .json = args->value[OPTION_JSON],
                           .out = stdout,
                           .err = stderr};
}

/* Read the file if only --config is given, else query a running router. */
static int run_route(const struct arguments *args)
{
    struct route_query query = {.client_id = args->value[OPTION_CLIENT_ID],
                                .username = args->value[OPTION_USERNAME],
                                .source_ip = args->value[OPTION_SOURCE_IP],
                                .tls_cn = args->value[OPTION_TLS_CN],
                                .sni = args->value[OPTION_SNI],
                                .cluster = args->value[OPTION_CLUSTER]};
    if (!query.client_id && !query.username && !query.source_ip && !query.tls_cn && !query.sni)
        return usage_error(args, "route requires --client-id, --username, --source-ip, --tls-cn "
                                 "or --sni");
    char source_ip[ADDRESS_TEXT_MAX];
    if (query.source_ip && !address_normalize(query.source_ip, source_ip))
        return usage_error(args, "--source-ip must be " ADDRESS_HOST_RULE);
    query.source_ip = query.source_ip ? source_ip : NULL;
    const struct client client = client_of(args);
    if (client.address || !client.config_path)
        return client_route(&client, &query);
    if (client.json || client.token_file)
        return usage_error(args,
                           "--json and --token-file require a running router: add --admin ADDRESS");
    struct config *config = config_file_load(client.config_path, CONFIG_FILE_START, stderr);
    const int code = config ? route_command(config, &query, stdout, stderr) : EXIT_FAILED;
    config_free(config);
    return code;
}

static int run_status(const struct arguments *args)
{
    const struct client client = client_of(args);
    return client_status(&client);
}

static int run_nodes(const struct arguments *args)
{
    const struct client client = client_of(args);
    return client_nodes(&client, args->value[OPTION_NAMES]);
}

static int run_drain(const struct arguments *args)
{
    const struct client client = client_of(args);
    const struct client_drain drain = {.node = args->operands[0],
                                       .rate = args->value[OPTION_RATE],
                                       .deadline = args->value[OPTION_DEADLINE],
                                       .wait = args->value[OPTION_WAIT]};
    return client_drain(&client, &drain);
}

static int run_restore(const struct arguments *args)
{
    const struct client client = client_of(args);
    return client_restore(&client, args->operands[0]);
}

static int run_sessions(const struct arguments *args)
{
    const struct client client = client_of(args);
    const struct client_sessions query = {.client_id = args->value[OPTION_CLIENT_ID],
                                          .node = args->value[OPTION_NODE],
                                          .source = args->value[OPTION_SOURCE],
                                          .limit = args->value[OPTION_LIMIT]};
    return client_sessions(&client, &query);
}

static int run_disconnect(const struct arguments *args)
{
    const struct client client = client_of(args);
    return client_disconnect(&client, args->operands[0]);
}

static int run_reload(const struct arguments *args)
{
    const struct client client = client_of(args);
    return client_reload(&client);
}

static int run_plan(const struct arguments *args)
{
    const struct plan_query query = {.old_path = args->operands[0],
                                     .new_path = args->operands[1],
                                     .cluster = args->value[OPTION_CLUSTER],
                                     .ids_path = args->value[OPTION_IDS],
                                     .json = args->value[OPTION_JSON]};
    return plan_command(&query, stdout, stderr);
}

static int run_help(const struct arguments *args);

#define BIT(suffix) COMMAND_OPTION_BIT(suffix)

/* The help of a command adds only what the help of its options does not cover. */
static const struct command commands[] = {
    {.name = "",
     .operands = "",
     .options = BIT(CONFIG) | BIT(CHECK) | BIT(REFERENCE) | BIT(SCHEMA),
     .summary = "Run the router until a signal stops it",
     .help = "",
     .run = run_serve},
    {.name = "route",
     .operands = "",
     .options = BIT(CLIENT_ID) | BIT(USERNAME) | BIT(SOURCE_IP) | BIT(TLS_CN) | BIT(SNI) |
                BIT(CLUSTER) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print the nodes that a device is routed to, in order of preference",
     .help = "With --config alone, the command reads the file and assumes that every node is up.\n"
             "With --admin, or without --config, it queries a running router and also prints the\n"
             "status of each node. The default cluster is the first one.\n",
     .run = run_route},
    {.name = "status",
     .operands = "",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print the state of a running router on one screen",
     .help = "The exit code is 0 if the router is ready for devices, and 1 if it is not ready or\n"
             "cannot be reached.\n",
     .run = run_status},
    {.name = "nodes",
     .operands = "",
     .options = BIT(NAMES) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print the status, state, weight, sessions and shares of all nodes",
     .help =
         "KEYS is the share of all keys whose home is currently the node; OF ALL is the node's\n"
         "share of all sessions. An asterisk marks a value that differs from the configuration\n"
         "file.\n",
     .run = run_nodes},
    {.name = "drain",
     .operands = "NODE",
     .options = BIT(RATE) | BIT(DEADLINE) | BIT(WAIT) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Drain a node: send it no new sessions, and close its sessions at a limited rate",
     .help =
         "NODE is NAME or CLUSTER/NAME. The devices reconnect to other nodes. With --wait, the\n"
         "command exits when the node has no sessions left. Ctrl-C stops the command with exit\n"
         "code 1; the drain continues.\n",
     .run = run_drain},
    {.name = "restore",
     .operands = "NODE",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Put a node that was drained or set to \"down\" back into service",
     .help = "NODE is NAME or CLUSTER/NAME.\n",
     .run = run_restore},
    {.name = "sessions",
     .operands = "",
     .options = BIT(CLIENT_ID) | BIT(NODE) | BIT(SOURCE) | BIT(LIMIT) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print sessions with their device, source, node, stage, age and bytes",
     .help = "If several filters are given, sessions must match all of them.\n",
     .run = run_sessions},
    {.name = "disconnect",
     .operands = "ID",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Close one session",
     .help = "ID is the first column of `mqtt-router sessions`. The device may reconnect "
             "immediately.\n",
     .run = run_disconnect},
    {.name = "reload",
     .operands = "",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Reload the configuration, as SIGHUP does, and print the result",
     .help =
         "If the file has errors, the command prints them, the router keeps its configuration,\n"
         "and the exit code is 1.\n",
     .run = run_reload},
    {.name = "plan",
     .operands = "OLD NEW",
     .options = BIT(IDS) | BIT(CLUSTER) | BIT(JSON),
     .summary = "Print the share of keys whose home node differs between two configuration files",
     .help =
         "With --ids, the command reads keys from a file (\"-\": standard input), one per line,\n"
         "and prints those that move as ID, FROM and TO, separated by tabs. A key is the value\n"
         "that route_by selects, usually a client identifier. Only nodes whose state in the file\n"
         "is \"up\" count. By default, all clusters are compared, or with --ids the first one.\n"
         "The exit code is 1 if the nodes of a cluster are discovered by DNS.\n",
     .run = run_plan},
    {.name = "help",
     .operands = "[COMMAND]",
     .options = 0,
     .summary = "Print all commands, or the help for one command",
     .help = "",
     .run = run_help},
};

static const char more[] =
    "exit codes: 0  the router ran until a signal stopped it, the check found no errors, or the\n"
    "               command succeeded\n"
    "            1  the configuration is invalid, the router could not start, no node was found,\n"
    "               or the router rejected the command, is not ready, or cannot be reached\n"
    "            2  the command line is invalid\n"
    "\n"
    "signals:    SIGTERM  stop accepting, and close all sessions within timeouts.shutdown_ms\n"
    "            SIGINT   close all sessions immediately\n"
    "            SIGHUP   reload the configuration, certificates and keys\n"
    "            SIGUSR1  reopen the log file after it was renamed\n"
    "            SIGUSR2  log all counters\n"
    "\n"
    "environment, used if the option is not given:\n"
    "            MQTT_ROUTER_ADMIN       for --admin\n"
    "            MQTT_ROUTER_TOKEN_FILE  for --token-file\n";

static int print_help(const struct command *command)
{
    if (*command->name) {
        command_line_help(command, stdout);
        return EXIT_OK;
    }
    command_line_overview(commands, ARRAY_LEN(commands), stdout);
    (void)fputs(more, stdout);
    return EXIT_OK;
}

static int run_help(const struct arguments *args)
{
    const char *name = args->operands[0];
    const struct command *found =
        command_line_find(commands, ARRAY_LEN(commands), name ? name : "");
    return found ? print_help(found) : usage_error(args, "unknown command");
}

/* Fail if the output could not be written, for example because the disk is full. */
static int finish(int code)
{
    const bool failed = fflush(stdout) != 0;
    if (!failed && !ferror(stdout))
        return code;
    (void)fprintf(stderr, "mqtt-router: standard output: %s\n",
                  failed ? strerror(errno) : "write error");
    return code == EXIT_OK ? EXIT_FAILED : code;
}

int commands_run(int argc, char **argv, const struct command_server *server)
{
    struct arguments args;
    if (!command_line_read(commands, ARRAY_LEN(commands), argc, argv, &args))
        return EXIT_USAGE;
    args.server = server;
    if (args.value[OPTION_HELP])
        return finish(print_help(args.command));
    if (!args.value[OPTION_VERSION])
        return finish(args.command->run(&args));
    (void)printf("mqtt-router %s\n", MQTT_ROUTER_VERSION);
    return finish(EXIT_OK);
}
