/*
 * main.c - the command line.
 *
 * Parses arguments and hands over; everything else lives in control/. Logs go to standard
 * output, words about the command line and the configuration to standard error.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "control/config_file.h"
#include "control/privileges.h"
#include "control/route_command.h"
#include "control/supervisor.h"
#include "control/tls_check.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] =
    "usage: mqtt-router --config FILE            serve\n"
    "       mqtt-router --config FILE --check    say everything that is wrong with FILE\n"
    "       mqtt-router route --config FILE [--client-id ID] [--username NAME] [--source-ip IP]\n"
    "                         [--tls-cn NAME] [--sni NAME] [--cluster NAME]\n"
    "                                            print the nodes a device is sent to, in order\n"
    "       mqtt-router --config-reference       print the configuration keys, as Markdown\n"
    "       mqtt-router --version | --help\n"
    "\n"
    "exit codes: 0  served until a signal; or the check found nothing; or printed\n"
    "            1  the configuration is wrong, or the router could not start; or no node\n"
    "            2  the command line is wrong\n"
    "\n"
    "signals:    SIGTERM  stop accepting, close sessions paced within timeouts.shutdown_ms\n"
    "            SIGINT   close everything at once\n"
    "            SIGHUP   read the configuration, certificates and keys anew\n"
    "            SIGUSR2  log what is counted now\n";

enum option_id {
    OPTION_CONFIG = 'c',
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_CHECK = 256,
    OPTION_REFERENCE,
    OPTION_CLIENT_ID,
    OPTION_USERNAME,
    OPTION_SOURCE_IP,
    OPTION_TLS_CN,
    OPTION_SNI,
    OPTION_CLUSTER
};

static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"config-reference", no_argument, NULL, OPTION_REFERENCE},
    {"client-id", required_argument, NULL, OPTION_CLIENT_ID},
    {"username", required_argument, NULL, OPTION_USERNAME},
    {"source-ip", required_argument, NULL, OPTION_SOURCE_IP},
    {"tls-cn", required_argument, NULL, OPTION_TLS_CN},
    {"sni", required_argument, NULL, OPTION_SNI},
    {"cluster", required_argument, NULL, OPTION_CLUSTER},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

struct arguments {
    bool route, check, reference, version, help;
    const char *config_path;
    struct route_query query;
};

/* False when getopt has already said what is wrong. */
static bool parse_options(int argc, char **argv, struct arguments *args)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (option) {
        case OPTION_CONFIG:
            args->config_path = optarg;
            break;
        case OPTION_CHECK:
            args->check = true;
            break;
        case OPTION_REFERENCE:
            args->reference = true;
            break;
        case OPTION_CLIENT_ID:
            args->query.client_id = optarg;
            break;
        case OPTION_USERNAME:
            args->query.username = optarg;
            break;
        case OPTION_SOURCE_IP:
            args->query.source_ip = optarg;
            break;
        case OPTION_TLS_CN:
            args->query.tls_cn = optarg;
            break;
        case OPTION_SNI:
            args->query.sni = optarg;
            break;
        case OPTION_CLUSTER:
            args->query.cluster = optarg;
            break;
        case OPTION_VERSION:
            args->version = true;
            break;
        case OPTION_HELP:
            args->help = true;
            break;
        default:
            return false;
        }
    }
    return true;
}

static int usage_error(const char *what)
{
    if (what)
        (void)fprintf(stderr, "mqtt-router: %s\n", what);
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
}

/* What is wrong with the combination of arguments; null = nothing. */
static const char *find_fault(const struct arguments *args)
{
    const struct route_query *q = &args->query;
    bool has_query = q->client_id || q->username || q->source_ip || q->tls_cn || q->sni;
    if (!args->config_path)
        return "--config FILE is missing";
    if (args->route && !has_query)
        return "route wants --client-id, --username, --source-ip, --tls-cn or --sni";
    if (!args->route && (has_query || q->cluster))
        return "what describes a device belongs to route";
    if (args->route && args->check)
        return "--check does not go with route";
    return NULL;
}

static int check(const char *path)
{
    struct config *config = config_file_load(path, stderr);
    bool good = config && tls_check(config, path, stderr);
    if (config)
        privileges_check(config, path, stderr);
    config_free(config);
    if (good)
        (void)printf("%s: good\n", path);
    return good ? EXIT_OK : EXIT_FAILED;
}

static int run(const struct arguments *args)
{
    if (args->check)
        return check(args->config_path);
    struct config *config = config_file_load(args->config_path, stderr);
    if (!config)
        return EXIT_FAILED;
    if (args->route)
        return route_command(config, &args->query, stdout, stderr);
    return supervisor_run(config, args->config_path, stderr);
}

/*
 * A daemon may be started with its standard descriptors closed. Then the first sockets opened
 * would get their numbers, and the log would be written to a device.
 */
static void occupy_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    occupy_standard_descriptors();
    struct arguments args = {.route = argc > 1 && strcmp(argv[1], "route") == 0};
    if (!parse_options(argc - args.route, argv + args.route, &args))
        return usage_error(NULL);
    if (args.help) {
        (void)fputs(usage, stdout);
        return EXIT_OK;
    }
    if (args.version) {
        (void)printf("mqtt-router %s\n", MQTT_ROUTER_VERSION);
        return EXIT_OK;
    }
    if (args.reference) {
        config_reference(stdout);
        return EXIT_OK;
    }
    if (optind + args.route < argc) /* getopt moved what is left to the end */
        return usage_error("there is a word too many");
    const char *fault = find_fault(&args);
    return fault ? usage_error(fault) : run(&args);
}
