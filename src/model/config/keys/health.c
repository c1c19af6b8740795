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
     .help = "Type of the checks: a node must accept a connection (`\"tcp\"`), answer a CONNECT "
             "with a CONNACK (`\"mqtt\"`, where return code 3 means that it accepts no new "
             "sessions; not for EMQX, where one hung node delays every CONNECT), or answer a "
             "request with a status code in `expect` (`\"http\"`)."},
    {.key = "interval_ms",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, interval_ms),
     CHECK_MS,
     .default_value = 5000,
     .help = "Time between two checks of a node, in milliseconds, with jitter."},
    {.key = "fast_interval_ms",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, fast_interval_ms),
     CHECK_MS,
     .default_text = "`1000`, or `interval_ms` if less",
     .help = "Time between two checks of a node while the results differ from the current verdict, "
             "in milliseconds."},
    {.key = "timeout_ms",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, timeout_ms),
     SHORT_MS,
     .default_text = "`3000`, or `interval_ms` if less",
     .help = "Time limit for one check, from the dial to the response, in milliseconds."},
    {.key = "fall",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, fall),
     IN_A_ROW,
     .default_value = 2,
     .help = "Number of consecutive bad results after which a node is marked down; for a new node, "
             "and when the router starts, the first result decides."},
    {.key = "rise",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, rise),
     IN_A_ROW,
     .default_value = 2,
     .help = "Number of consecutive good results after which a node is marked up again."},
    {.key = "panic_percent",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, panic_percent),
     RANGE(0, 100),
     .default_value = 50,
     .help = "Panic threshold, in percent of the cluster's nodes: if timed-out checks would leave "
             "fewer nodes up, the suspected nodes still accept sessions (panic mode); `0` disables "
             "panic mode."},
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
     .help = "File whose first line is the password in the CONNECT of an `\"mqtt\"` check."},
    {.key = "method",
     .kind = KEY_STRING,
     .shape = &config_method_shape,
     FIELD(struct health_check_conf, method),
     .default_string = "GET",
     .help = "HTTP method of an `\"http\"` check."},
    {.key = "path",
     .kind = KEY_STRING,
     .shape = &config_target_shape,
     FIELD(struct health_check_conf, path),
     .default_string = "/status",
     .help = "URL path that an `\"http\"` check requests."},
    {.key = "port",
     .kind = KEY_INTEGER,
     FIELD(struct health_check_conf, port),
     RANGE(1, 65535),
     .default_value = 18083,
     .help = "Port on the node's host that an `\"http\"` check connects to, unless the node has a "
             "`check_address`."},
    {.key = "expect",
     .kind = KEY_INTEGER_LIST,
     FIELD(struct health_check_conf, expect),
     COUNT(struct health_check_conf, n_expect),
     HTTP_STATUS,
     COUNTS(1, 32),
     .default_value = 200,
     .help = "Status codes that count as a good result of an `\"http\"` check."},
    {.key = "no_new",
     .kind = KEY_INTEGER_LIST,
     FIELD(struct health_check_conf, no_new),
     COUNT(struct health_check_conf, n_no_new),
     HTTP_STATUS,
     COUNTS(0, 32),
     .default_value = 503,
     .help = "Status codes of an `\"http\"` check which mean that the node accepts no new sessions "
             "but keeps its existing ones, as EMQX does during an evacuation; any code that is "
             "neither here nor in `expect` is a bad result."},
};
const struct config_table config_health_table = TABLE(struct health_check_conf, health_keys);

/* Fields of struct cluster_conf, as is the flag for `"passive": false`. */
static const struct config_key passive_keys[] = {
    {.key = "failures",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.failures),
     RANGE(1, 1000000),
     .default_value = 5,
     .help = "Number of failed sessions within `window_ms` after which a node is ejected."},
    {.key = "window_ms",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.window_ms),
     RANGE(1000, 3600000),
     .default_value = 10000,
     .help = "Time window in which `failures` are counted, in milliseconds."},
    {.key = "eject_ms",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.eject_ms),
     CHECK_MS,
     .default_value = 10000,
     .help = "Duration of an ejection, in milliseconds, which doubles with each ejection that soon "
             "follows another."},
    {.key = "max_ejected_percent",
     .kind = KEY_INTEGER,
     FIELD(struct cluster_conf, passive.max_ejected_percent),
     RANGE(1, 100),
     .default_value = 50,
     .help =
         "Maximum share of the cluster's nodes that may be ejected at the same time, in percent."},
};
const struct config_table config_passive_table = TABLE(struct cluster_conf, passive_keys);
