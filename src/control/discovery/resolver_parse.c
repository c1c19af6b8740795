/*
 * resolver_parse.c - add SRV, A and AAAA records, parsed by c-ares, to an answer.
 */
#include "resolver_parse.h"

#include <ares.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/dns_ttl.h"

/* Shortest address record: name pointer, type, class, TTL, length, and 4 bytes of data. */
#define ADDRESS_RECORD_MIN 16

static bool note_ttl(struct span message, struct dns_answer *answer)
{
    uint32_t ttl_s;
    if (!dns_lowest_ttl(message, &ttl_s))
        return false;
    if (ttl_s < answer->ttl_s)
        answer->ttl_s = ttl_s;
    return true;
}

/*
 * Whether a target is valid. It becomes the name of a node, so it may contain only letters, digits,
 * "-", "_" and ".". A target of "." (the root) means that the service does not exist.
 */
static bool is_host_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789-_.";
    size_t n = strlen(name);
    return n > 0 && n <= 254 && name[0] != '.' && strspn(name, good) == n;
}

static bool take_services(struct dns_answer *answer, const struct ares_srv_reply *list)
{
    size_t n = 0;
    for (const struct ares_srv_reply *r = list; r; r = r->next)
        n++;
    answer->services = calloc(n + 1, sizeof(struct dns_service));
    if (!answer->services)
        return false;
    for (const struct ares_srv_reply *r = list; r; r = r->next) {
        if (!is_host_name(r->host) || r->port == 0)
            continue;
        struct dns_service *service = &answer->services[answer->n_services];
        *service = (struct dns_service){.target = strdup(r->host),
                                        .port = r->port,
                                        .priority = r->priority,
                                        .weight = r->weight};
        if (!service->target)
            return false;
        answer->n_services++;
    }
    return true;
}

int resolver_parse_services(struct span message, struct dns_answer *answer)
{
    struct ares_srv_reply *list = NULL;
    int status = ares_parse_srv_reply(message.p, (int)message.n, &list);
    if (status != ARES_SUCCESS)
        return status;
    bool taken = take_services(answer, list);
    if (list)
        ares_free_data(list);
    if (!taken)
        return ARES_ENOMEM;
    if (!note_ttl(message, answer))
        return ARES_EBADRESP;
    return answer->n_services > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

static void add_address(struct dns_host *host, const void *address)
{
    (void)inet_ntop(host->family, address, host->addresses[host->n++], sizeof(dns_address_text));
}

static int parse_v4(struct span message, struct dns_host *host, int room)
{
    struct ares_addrttl *list = calloc((size_t)room, sizeof(*list));
    if (!list)
        return ARES_ENOMEM;
    int status = ares_parse_a_reply(message.p, (int)message.n, NULL, list, &room);
    for (int i = 0; status == ARES_SUCCESS && i < room; i++)
        add_address(host, &list[i].ipaddr);
    free(list);
    return status;
}

static int parse_v6(struct span message, struct dns_host *host, int room)
{
    struct ares_addr6ttl *list = calloc((size_t)room, sizeof(*list));
    if (!list)
        return ARES_ENOMEM;
    int status = ares_parse_aaaa_reply(message.p, (int)message.n, NULL, list, &room);
    for (int i = 0; status == ARES_SUCCESS && i < room; i++)
        add_address(host, &list[i].ip6addr);
    free(list);
    return status;
}

int resolver_parse_addresses(struct span message, struct dns_answer *answer, struct dns_host *host)
{
    int room = (int)(message.n / ADDRESS_RECORD_MIN) + 1;
    host->addresses = calloc((size_t)room, sizeof(*host->addresses));
    if (!host->addresses)
        return ARES_ENOMEM;
    int status =
        host->family == AF_INET ? parse_v4(message, host, room) : parse_v6(message, host, room);
    if (status != ARES_SUCCESS)
        return status;
    if (host->n == 0)
        return ARES_ENODATA;
    if (note_ttl(message, answer))
        return ARES_SUCCESS;
    host->n = 0;
    return ARES_EBADRESP;
}
