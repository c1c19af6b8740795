/*
 * top.c - the keys at the top level of the configuration file, and of timeouts, log and admin.
 *
 * One table of rows per struct of model/config/config.h, inner structs first. The other tables are
 * in this folder too; ../table.c has the functions for them.
 */
#include "model/config/shape.h"
#include "rows.h"

static const struct config_choice auto_choices[] = {{"auto", 0}};
static const struct config_choice level_choices[] = {
#define X(suffix, name, label) {name, LOG_##suffix},
    LOG_LEVELS(X)
#undef X
};
static const struct config_choice format_choices[] = {{"json", LOG_JSON}, {"text", LOG_TEXT}};
static const struct config_choice target_choices[] = {
    {"stdout", LOG_TARGET_STDOUT}, {"file", LOG_TARGET_FILE}, {"syslog", LOG_TARGET_SYSLOG}};
static const struct config_choice facility_choices[] = {
    {"user", 1},    {"daemon", 3},  {"local0", 16}, {"local1", 17}, {"local2", 18},
    {"local3", 19}, {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23}};

_Static_assert(ARRAY_LEN(target_choices) == LOG_TARGET_COUNT, "every log target has a name");
_Static_assert(ARRAY_LEN(format_choices) == LOG_FORMAT_COUNT, "every log format has a name");

static const struct config_key timeouts_keys[] = {
    {.key = "proxy_header_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, proxy_header_ms),
     SHORT_MS,
     .default_value = 3000,
     .help = "Time limit for the PROXY protocol header, in milliseconds after the connection is "
             "accepted."},
    {.key = "tls_handshake_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, tls_handshake_ms),
     SHORT_MS,
     .default_value = 15000,
     .help = "Time limit for the TLS handshake, in milliseconds after the connection is accepted "
             "or the PROXY protocol header has arrived."},
    {.key = "websocket_upgrade_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, websocket_upgrade_ms),
     SHORT_MS,
     .default_value = 10000,
     .help = "Time limit for the WebSocket upgrade request to arrive, in milliseconds."},
    {.key = "connect_packet_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, connect_packet_ms),
     SHORT_MS,
     .default_value = 10000,
     .help = "Time limit for the whole CONNECT to arrive, in milliseconds."},
    {.key = "dial_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, dial_ms),
     SHORT_MS,
     .default_value = 3000,
     .help = "Time limit for connecting to one node, in milliseconds, after which the next node is "
             "tried."},
    {.key = "placement_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, placement_ms),
     SHORT_MS,
     .default_value = 45000,
     .help = "Time limit for finding a node for a device, in milliseconds, including all attempts "
             "and the wait for each CONNACK."},
    {.key = "connack_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, connack_ms),
     SHORT_MS,
     .default_value = 20000,
     .help = "Time limit for a node's first packet, in milliseconds, after which the next node is "
             "tried within `placement_ms`; for EMQX, use more than 15000, because it can delay a "
             "CONNECT for 15 s during a session takeover."},
    {.key = "half_closed_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, half_closed_ms),
     SHORT_MS,
     .default_value = 30000,
     .help = "Time limit for the next byte from one side of a session after the other side has "
             "closed, in milliseconds."},
    {.key = "farewell_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, farewell_ms),
     SHORT_MS,
     .default_value = 2000,
     .help = "Time limit for a refused device to read the refusal and close the connection, in "
             "milliseconds."},
    {.key = "shutdown_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, shutdown_ms),
     RANGE(0, 3600000),
     .default_value = 10000,
     .help = "Time over which all sessions are closed after SIGTERM, in milliseconds."},
    {.key = "idle",
     .kind = KEY_ENUM,
     FIELD(struct timeouts_conf, idle_ms),
     CHOICES(auto_choices),
     .help = "Idle timeout of sessions: `\"auto\"` is 1.5 times the session's keep alive plus 30 "
             "s, or two hours if the keep alive is 0."},
    {.key = "idle_ms",
     .kind = KEY_INTEGER,
     FIELD(struct timeouts_conf, idle_ms),
     RANGE(1000, 86400000),
     .default_text = "none",
     .help = "Fixed idle timeout of all sessions, in milliseconds, instead of `idle`."},
};
static const struct config_table timeouts_table = TABLE(struct timeouts_conf, timeouts_keys);

static const struct config_key log_keys[] = {
    {.key = "level",
     .kind = KEY_ENUM,
     FIELD(struct log_conf, level),
     CHOICES(level_choices),
     .default_value = LOG_INFO,
     .help = "Lowest severity that is logged; `\"info\"` includes one line per session."},
    {.key = "format",
     .kind = KEY_ENUM,
     FIELD(struct log_conf, format),
     CHOICES(format_choices),
     .default_value = LOG_JSON,
     .help = "Format of log lines: one JSON object per line, or human-readable text."},
    {.key = "max_lines_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct log_conf, max_lines_per_s),
     RANGE(0, 1000000),
     .default_value = 2000,
     .help = "Maximum number of log lines per second, with bursts of up to ten seconds' worth; any "
             "more are dropped and counted; 0 means no limit."},
    {.key = "target",
     .kind = KEY_ENUM,
     FIELD(struct log_conf, target),
     CHOICES(target_choices),
     .default_value = LOG_TARGET_STDOUT,
     .help = "Destination of log lines: standard output, `log.file`, or the system log."},
    {.key = "file",
     .kind = KEY_FILE,
     FIELD(struct log_conf, file),
     .default_text = "none",
     .help = "Log file for target `\"file\"`; lines are appended, and SIGUSR1 reopens the file "
             "after it was renamed."},
    {.key = "syslog_facility",
     .kind = KEY_ENUM,
     FIELD(struct log_conf, syslog_facility),
     CHOICES(facility_choices),
     .default_value = 3,
     .help = "Syslog facility of log lines with target `\"syslog\"`."},
    {.key = "sample_above_per_s",
     .kind = KEY_INTEGER,
     FIELD(struct log_conf, sample_above_per_s),
     RANGE(0, 1000000),
     .default_value = 0,
     .help = "Number of session ends per second above which the log lines of sessions that ended "
             "normally are sampled; 0 disables sampling."},
    {.key = "sample_one_in",
     .kind = KEY_INTEGER,
     FIELD(struct log_conf, sample_one_in),
     RANGE(2, 1000000),
     .default_value = 100,
     .help = "Sampling rate: of this number of sessions that ended normally, one is logged, and "
             "its field `sampled` contains the number."},
};
static const struct config_table log_table = TABLE(struct log_conf, log_keys);

static const struct config_key admin_keys[] = {
    {.key = "address",
     .kind = KEY_LISTEN_ADDRESS,
     FIELD(struct admin_conf, address),
     .default_string = "127.0.0.1:9090",
     .help = "Address of the admin interface; an address that other hosts can reach requires "
             "`token_file`."},
    {.key = "socket_mode",
     .kind = KEY_STRING,
     .shape = &config_mode_shape,
     .of_host = true,
     FIELD(struct admin_conf, socket.mode),
     .default_string = "0660",
     .help = "Permissions of the Unix socket file, in octal, such as `\"0660\"`; clients need "
             "write permission."},
    {.key = "socket_owner",
     .kind = KEY_STRING,
     RANGE(1, 64),
     .of_host = true,
     FIELD(struct admin_conf, socket.owner),
     .default_text = "the router's user",
     .help = "Owner of the Unix socket file, as a user name or number; requires a start as root."},
    {.key = "socket_group",
     .kind = KEY_STRING,
     RANGE(1, 64),
     .of_host = true,
     FIELD(struct admin_conf, socket.group),
     .default_text = "the router's group",
     .help = "Group of the Unix socket file, as a group name or number; requires a start as root, "
             "or a group that the router's user is a member of."},
    {.key = "token_file",
     .kind = KEY_FILE,
     FIELD(struct admin_conf, token_file),
     .default_text = "none",
     .help = "File whose first line is the token that `Authorization: Bearer` must contain: 16 to "
             "512 visible ASCII characters."},
};
static const struct config_table admin_table = TABLE(struct admin_conf, admin_keys);

static const struct config_key top_keys[] = {
    {.key = "workers",
     .kind = KEY_INTEGER,
     FIELD(struct config, workers),
     RANGE(1, 256),
     .default_value = 0,
     .default_text = "one per core",
     .help = "Number of worker threads, which relay the sessions."},
    {.key = "listeners",
     .kind = KEY_LIST,
     .required = true,
     RANGE(1, 256),
     FIELD(struct config, listeners),
     COUNT(struct config, n_listeners),
     .table = &config_listener_table,
     .help = "Addresses that devices connect to, and the settings for their connections."},
    {.key = "clusters",
     .kind = KEY_LIST,
     .required = true,
     RANGE(1, 256),
     FIELD(struct config, clusters),
     COUNT(struct config, n_clusters),
     .table = &config_cluster_table,
     .help = "Groups of broker nodes that devices are routed to."},
    {.key = "timeouts",
     .kind = KEY_OBJECT,
     FIELD(struct config, timeouts),
     .table = &timeouts_table,
     .help = "Time limits of the stages of a connection, in milliseconds."},
    {.key = "limits",
     .kind = KEY_OBJECT,
     FIELD(struct config, limits),
     .table = &config_limits_table,
     .help = "Limits on connections, memory and request rates, in total and per source or client "
             "identifier."},
    {.key = "log",
     .kind = KEY_OBJECT,
     FIELD(struct config, log),
     .table = &log_table,
     .help = "Level, format and destination of the log."},
    {.key = "user",
     .kind = KEY_STRING,
     .of_host = true,
     RANGE(1, 64),
     FIELD(struct config, user),
     .default_text = "the starting user",
     .help = "User that the router switches to, without any capabilities, after it has opened "
             "listening sockets and key files; requires a start as root."},
    {.key = "group",
     .kind = KEY_STRING,
     .of_host = true,
     RANGE(1, 64),
     FIELD(struct config, group),
     .default_text = "that of `user`",
     .help = "Group that the router switches to together with `user`."},
    {.key = "sandbox",
     .kind = KEY_BOOL,
     FIELD(struct config, sandbox),
     .default_value = true,
     .help = "Restrict the router to the system calls that it needs; any other system call ends "
             "the process."},
    {.key = "admin",
     .kind = KEY_OPTIONAL_OBJECT,
     .off_allowed = true,
     FIELD(struct config, admin),
     .table = &admin_table,
     .default_text = "`false`",
     .help =
         "Admin interface with metrics, a dashboard and control over HTTP; `false` disables it."},
    {.key = "$schema",
     .kind = KEY_STRING,
     RANGE(1, 1024),
     FIELD(struct config, schema),
     .default_text = "none",
     .help =
         "Location of the JSON Schema that `--schema` prints, for editors; the router ignores it."},
};
const struct config_table config_top_table = TABLE(struct config, top_keys);
