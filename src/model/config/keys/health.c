/*
 * health.c - the keys of clusters[].health_check and clusters[].passive.
 */
#include "model/config/shape.h"
#include "rows.h"

static const struct config_choice check_choices[] = {
    {"tcp", CHECK_TYPE_TCP}, {"mqtt", CHECK_TYPE_MQTT}, {"http", CHECK_TYPE_HTTP}};

_Static_assert(ARRAY_LEN(check_choices) == CHECK_TYPE_COUNT, "every check has a name");

#define CHECK_MS    RANGE(100, 3600000)
#define IN_A_ROW    RANGE(1, 100)
#define HTTP_STATUS RANGE(100, 599)

static const struct config_key health_keys[] = {
    {.key = "type",
     .kind = KEY_ENUM,
     .required = true,
     FIELD(struct health_check_conf, type),
     CHOICES(check_choices),
     .default_value = CHECK_TYPE_COUNT, /* not set */
     .help = "Condition for a good check: the node accepts a connection (`\"tcp\"`), answers a "
             "CONNECT with a CONNACK (`\"mqtt\"`; return code 3 means that it takes no new "
             "sessions; not for EMQX, where one hung node delays every CONNECT), or answers a "
             "request with a status code in `expect` (`\"http\"`)."},
    {.key = "interval_ms",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, interval_ms),
     CHECK_MS,
     .default_value = 5000,
     .help = "Time from one check of a node to the next, in milliseconds, with jitter."},
    {.key = "fast_interval_ms",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, fast_interval_ms),
     CHECK_MS,
     .default_text = "`1000`, or `interval_ms` if less",
     .help = "Time from one check to the next while the results differ from the current verdict, "
             "in milliseconds."},
    {.key = "timeout_ms",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, timeout_ms),
     SHORT_MS,
     .default_text = "`3000`, or `interval_ms` if less",
     .help = "Time limit for one check, from its dial to its answer, in milliseconds."},
    {.key = "fall",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, fall),
     IN_A_ROW,
     .default_value = 2,
     .help = "Number of consecutive bad results that mark a node down; for a new node, and when "
             "the router starts, the first result decides."},
    {.key = "rise",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, rise),
     IN_A_ROW,
     .default_value = 2,
     .help = "Number of consecutive good results that mark a node up again."},
    {.key = "panic_percent",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, panic_percent),
     RANGE(0, 100),
     .default_value = 50,
     .help = "Panic threshold, in percent of the cluster's nodes: if timed-out checks would leave "
             "fewer nodes up, suspected nodes keep taking sessions (panic mode); `0` disables it."},
    {.key = "username",
     .kind = KEY_STRING,
     RANGE(1, 256),
     FIELD(struct health_check_conf, username),
     .default_text = "none",
     .help = "User name in the CONNECT of an `\"mqtt\"` check."},
    {.key = "password_file",
     .kind = KEY_FILE,
     FIELD(struct health_check_conf, password_file),
     .default_text = "none",
     .help = "File with the password in the CONNECT of an `\"mqtt\"` check, on its first line."},
    {.key = "method",
     .kind = KEY_STRING,
     .shape = &config_method_shape,
     FIELD(struct health_check_conf, method),
     .default_string = "GET",
     .help = "Method of the request of an `\"http\"` check."},
    {.key = "path",
     .kind = KEY_STRING,
     .shape = &config_target_shape,
     FIELD(struct health_check_conf, path),
     .default_string = "/status",
     .help = "URL path of the request of an `\"http\"` check."},
    {.key = "port",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, port),
     RANGE(1, 65535),
     .default_value = 18083,
     .help =
         "Port of an `\"http\"` check on the node's host; a node's `check_address` has priority."},
    {.key = "expect",
     .kind = KEY_INTEGER_LIST,
     FIELD(struct health_check_conf, expect),
     COUNT(struct health_check_conf, n_expect),
     HTTP_STATUS,
     COUNTS(1, 32),
     .default_value = 200,
     .help = "Status codes of an `\"http\"` check that mean that the node is healthy."},
    {.key = "no_new",
     .kind = KEY_INTEGER_LIST,
     FIELD(struct health_check_conf, no_new),
     COUNT(struct health_check_conf, n_no_new),
     HTTP_STATUS,
     COUNTS(0, 32),
     .default_value = 503,
     .help = "Status codes of an `\"http\"` check that mean that the node takes no new sessions "
             "but keeps those it has, as EMQX does during an evacuation; all codes that are "
             "neither here nor in `expect` are bad."},
};
const struct config_table config_health_table = TABLE(struct health_check_conf, health_keys);

/* Fields of struct cluster_conf, as is the flag for `"passive": false`. */
static const struct config_key passive_keys[] = {
    {.key = "failures",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.failures),
     RANGE(1, 1000000),
     .default_value = 5,
     .help = "Number of failed sessions within `window_ms` that eject a node."},
    {.key = "window_ms",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.window_ms),
     RANGE(1000, 3600000),
     .default_value = 10000,
     .help = "Time window of `failures`, in milliseconds."},
    {.key = "eject_ms",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.eject_ms),
     CHECK_MS,
     .default_value = 10000,
     .help = "Time that a node stays ejected, in milliseconds, doubled for each ejection that "
             "follows soon after another."},
    {.key = "max_ejected_percent",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.max_ejected_percent),
     RANGE(1, 100),
     .default_value = 50,
     .help =
         "Maximum share of the cluster's nodes that may be ejected at the same time, in percent."},
};
const struct config_table config_passive_table = TABLE(struct cluster_conf, passive_keys);
