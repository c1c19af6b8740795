/*
 * commands.c - the table of commands, and how each runs.
 *
 * Responses go to standard output; messages about the command line and the configuration go to
 * standard error. main.c passes in how to serve, so this layer does not call the server by name.
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

/* No command: serve, or look at a configuration. */
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
        return usage_error(args, "--config FILE is missing");
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

/* By the configuration alone when that is all there is; else by the running router's health. */
static int run_route(const struct arguments *args)
{
    struct route_query query = {.client_id = args->value[OPTION_CLIENT_ID],
                                .username = args->value[OPTION_USERNAME],
                                .source_ip = args->value[OPTION_SOURCE_IP],
                                .tls_cn = args->value[OPTION_TLS_CN],
                                .sni = args->value[OPTION_SNI],
                                .cluster = args->value[OPTION_CLUSTER]};
    if (!query.client_id && !query.username && !query.source_ip && !query.tls_cn && !query.sni)
        return usage_error(args, "route wants --client-id, --username, --source-ip, --tls-cn or "
                                 "--sni");
    char source_ip[ADDRESS_TEXT_MAX];
    if (query.source_ip && !address_normalize(query.source_ip, source_ip))
        return usage_error(args, "--source-ip must be " ADDRESS_HOST_RULE);
    query.source_ip = query.source_ip ? source_ip : NULL;
    const struct client client = client_of(args);
    if (client.address || !client.config_path)
        return client_route(&client, &query);
    if (client.json || client.token_file)
        return usage_error(args, "--json and --token-file are of a running router: where is it? "
                                 "--admin ADDRESS");
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

/* The help of a command says what its options do not. */
static const struct command commands[] = {
    {.name = "",
     .operands = "",
     .options = BIT(CONFIG) | BIT(CHECK) | BIT(REFERENCE) | BIT(SCHEMA),
     .summary = "Serve by the configuration, until a signal ends it",
     .help = "",
     .run = run_serve},
    {.name = "route",
     .operands = "",
     .options = BIT(CLIENT_ID) | BIT(USERNAME) | BIT(SOURCE_IP) | BIT(TLS_CN) | BIT(SNI) |
                BIT(CLUSTER) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print the nodes a device is sent to, in order",
     .help = "With --config alone by the file, as if every node were up. With --admin, or without\n"
             "--config, by the health of a running router, and with each node's status.\n",
     .run = run_route},
    {.name = "status",
     .operands = "",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print how a running router is: one screen",
     .help = "Exit code 0 when it is ready for devices, 1 when it is not or cannot be reached.\n",
     .run = run_status},
    {.name = "nodes",
     .operands = "",
     .options = BIT(NAMES) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print the nodes: status and why, sessions, shares, weight, state",
     .help =
         "KEYS is the share of all keys that belong there now, OF ALL its share of the sessions.\n"
         "A star marks what differs from the configuration file.\n",
     .run = run_nodes},
    {.name = "drain",
     .operands = "NODE",
     .options = BIT(RATE) | BIT(DEADLINE) | BIT(WAIT) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Take a node out: no new sessions, and those it has are closed at a pace",
     .help = "NODE is NAME or CLUSTER/NAME. The devices come back by themselves, to other nodes.\n"
             "With --wait it ends when no session is left; Ctrl-C ends the watching, not the\n"
             "draining, with exit code 1.\n",
     .run = run_drain},
    {.name = "restore",
     .operands = "NODE",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Bring a node back in that was drained or set down",
     .help = "NODE is NAME or CLUSTER/NAME.\n",
     .run = run_restore},
    {.name = "sessions",
     .operands = "",
     .options = BIT(CLIENT_ID) | BIT(NODE) | BIT(SOURCE) | BIT(LIMIT) | BIT(JSON) | COMMAND_REMOTE,
     .summary = "Print sessions: who, from where, to which node, how far",
     .help = "What is asked for together has to be true together.\n",
     .run = run_sessions},
    {.name = "disconnect",
     .operands = "ID",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Close one session",
     .help = "ID is what `mqtt-router sessions` prints first. The device may come back at once.\n",
     .run = run_disconnect},
    {.name = "reload",
     .operands = "",
     .options = BIT(JSON) | COMMAND_REMOTE,
     .summary = "Have the configuration read anew, as SIGHUP does, and say what changed",
     .help = "When something is wrong with the file, it is said, nothing changes, and the exit\n"
             "code is 1.\n",
     .run = run_reload},
    {.name = "plan",
     .operands = "OLD NEW",
     .options = BIT(IDS) | BIT(CLUSTER) | BIT(JSON),
     .summary = "Print what share of the keys moves between two configuration files, and where to",
     .help =
         "With --ids, a file of client identifiers (\"-\" = standard input), one a line, the very\n"
         "ones that move: ID, FROM, TO, with tabs between. They stand for keys: what route_by\n"
         "takes. Nodes count whose state in the file is \"up\". Exit code 1 when the nodes of a\n"
         "cluster are found by DNS, and so not known here.\n",
     .run = run_plan},
    {.name = "help",
     .operands = "[COMMAND]",
     .options = 0,
     .summary = "Print what there is, or all about one command",
     .help = "",
     .run = run_help},
};

static const char more[] =
    "exit codes: 0  the router served until a signal, the check found no error, or the command\n"
    "               succeeded\n"
    "            1  the configuration is wrong, the router could not start, no node was found, or\n"
    "               the router refused the command, is not ready, or cannot be reached\n"
    "            2  the command line is wrong\n"
    "\n"
    "signals:    SIGTERM  stop accepting, close sessions paced within timeouts.shutdown_ms\n"
    "            SIGINT   close everything at once\n"
    "            SIGHUP   read the configuration, certificates and keys anew\n"
    "            SIGUSR1  open the log's file anew, after it was renamed\n"
    "            SIGUSR2  log what is counted now\n"
    "\n"
    "environment, where no option says it:\n"
    "            MQTT_ROUTER_ADMIN       the router's admin address\n"
    "            MQTT_ROUTER_TOKEN_FILE  the file of its token\n";

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
    return found ? print_help(found) : usage_error(args, "there is no such command");
}

/* What a command printed has to have arrived: a full disk is no success. */
static int finish(int code)
{
    const bool failed = fflush(stdout) != 0;
    if (!failed && !ferror(stdout))
        return code;
    (void)fprintf(stderr, "mqtt-router: standard output: %s\n",
                  failed ? strerror(errno) : "not everything could be written");
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
