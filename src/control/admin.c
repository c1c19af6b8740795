/*
 * admin.c - the admin interface's life: its socket, its token, its start and its end.
 */
#include "admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin_http.h"
#include "admin_token.h"
#include "net/endpoint.h"
#include "net/socket.h"

#define BACKLOG          256
#define UNIX_SOCKET_MODE 0660 /* whose users may steer */

struct admin {
    struct admin_house *house; /* borrowed */
    char *address;             /* owned; as the configuration had it at the start */
    struct endpoint endpoint;  /* as bound: a port of 0 has become one */
    int fd;                    /* owned */
    struct admin_token token, prepared;
    struct admin_http *http; /* owned; null until it serves */
};

static void say_fault(FILE *out, const char *key, const char *what, const char *why)
{
    (void)fprintf(out, "error: %s: %s: %s\n", key, what, why);
}

static bool listen_on(struct admin *admin, const char *address, FILE *out)
{
    const struct listen_options options = {.backlog = BACKLOG};
    errno = EINVAL;
    if (endpoint_parse(address, true, &admin->endpoint)) {
        bool any_port =
            !endpoint_is_unix(&admin->endpoint) && address_port(&admin->endpoint.address) == 0;
        bool taken = !any_port && socket_is_taken(&admin->endpoint);
        const mode_t before = umask(~UNIX_SOCKET_MODE & 0777);
        admin->fd = taken ? -1 : socket_listen(&admin->endpoint, &options);
        errno = taken ? EADDRINUSE : errno;
        (void)umask(before);
    }
    if (admin->fd >= 0 && (endpoint_is_unix(&admin->endpoint) ||
                           socket_local_address(admin->fd, &admin->endpoint.address)))
        return true;
    say_fault(out, "admin.address: cannot listen on", address, strerror(errno));
    return false;
}

struct admin *admin_new(const struct admin_conf *conf, struct admin_house *house, FILE *out)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    if (!admin) {
        (void)fprintf(out, "error: out of memory\n");
        return NULL;
    }
    admin->house = house;
    admin->fd = -1;
    admin->address = strdup(conf->address);
    if (!admin->address) {
        (void)fprintf(out, "error: out of memory\n");
        admin_free(admin);
        return NULL;
    }
    const char *why = admin_token_read(conf->token_file, &admin->token);
    if (why)
        say_fault(out, "admin.token_file", conf->token_file, why);
    if (!why && listen_on(admin, conf->address, out))
        return admin;
    admin_free(admin);
    return NULL;
}

int admin_fd(const struct admin *admin)
{
    return admin->fd;
}

const char *admin_unix_path(const struct admin *admin)
{
    return endpoint_is_unix(&admin->endpoint) ? admin->endpoint.un.sun_path : NULL;
}

bool admin_start(struct admin *admin, struct ev_loop *loop, struct log *log, FILE *out)
{
    char text[ENDPOINT_TEXT_MAX];
    const struct admin_http_conf conf = {.listen_fd = admin->fd,
                                         .loop = loop,
                                         .log = log,
                                         .house = admin->house,
                                         .token = &admin->token};
    admin->http = admin_http_new(&conf);
    if (!admin->http) {
        (void)fprintf(out, "error: the admin interface cannot be started: out of memory, or of "
                           "descriptors\n");
        return false;
    }
    endpoint_format(&admin->endpoint, text);
    log_event(log, LOG_NOTICE, "admin.open", "address", text);
    (void)fprintf(out, "admin interface on %s\n", text);
    return true;
}

bool admin_prepare(struct admin *admin, const struct admin_conf *conf, FILE *out)
{
    /* Where it listens stays until a restart, and so does who may use it: a token that is not
     * wanted at the new address is still wanted at this one. */
    if (!conf || strcmp(conf->address, admin->address) != 0) {
        admin->prepared = admin->token;
        return true;
    }
    const char *why = admin_token_read(conf->token_file, &admin->prepared);
    if (why)
        say_fault(out, "admin.token_file", conf->token_file, why);
    return !why;
}

void admin_commit(struct admin *admin)
{
    admin->token = admin->prepared;
    admin_token_wipe(&admin->prepared);
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    admin_http_free(admin->http);
    if (admin->fd >= 0) {
        close(admin->fd);
        if (endpoint_is_unix(&admin->endpoint))
            unlink(admin->endpoint.un.sun_path);
    }
    admin_token_wipe(&admin->token);
    admin_token_wipe(&admin->prepared);
    free(admin->address);
    free(admin);
}
