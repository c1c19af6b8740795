/*
 * dns_answer.c - collect the result of a DNS query, and convert it to members.
 */
#include "dns_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

struct dns_answer *dns_answer_new(void)
{
    struct dns_answer *answer = calloc(1, sizeof(*answer));
    if (answer)
        answer->ttl_s = UINT32_MAX;
    return answer;
}

void dns_answer_free(struct dns_answer *answer)
{
    if (!answer)
        return;
    for (size_t i = 0; i < answer->n_services; i++)
        free(answer->services[i].target);
    for (size_t i = 0; i < answer->n_hosts; i++) {
        free(answer->hosts[i].name);
        free(answer->hosts[i].addresses);
    }
    free(answer->services);
    free(answer->hosts);
    free(answer);
}

void dns_answer_note(struct dns_answer *answer, bool failed, const char *what, const char *why)
{
    if (answer->error[0] == '\0' || (failed && !answer->failed))
        (void)snprintf(answer->error, sizeof(answer->error), "%s: %s", what, why);
    answer->failed |= failed;
}

/* ---- hosts to query --------------------------------------------------------------------- */

static int by_priority(const void *left, const void *right)
{
    const struct dns_service *a = left, *b = right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    int order = strcasecmp(a->target, b->target);
    return order ? order : (int)a->port - (int)b->port;
}

static int by_target(const void *left, const void *right)
{
    const struct dns_service *a = left, *b = right;
    int order = strcasecmp(a->target, b->target);
    return order ? order : (int)a->port - (int)b->port;
}

static void leave_out(struct dns_answer *answer)
{
    qsort(answer->services, answer->n_services, sizeof(struct dns_service), by_priority);
    while (answer->n_services > MEMBERS_MAX) {
        free(answer->services[--answer->n_services].target);
        answer->left_out++;
    }
}

static bool add_host(struct dns_answer *answer, const char *name, int family)
{
    struct dns_host host = {.name = strdup(name), .family = family};
    if (!host.name)
        return false;
    answer->hosts[answer->n_hosts++] = host;
    return true;
}

bool dns_answer_add_targets(struct dns_answer *answer)
{
    if (answer->n_services == 0)
        return true;
    leave_out(answer);
    qsort(answer->services, answer->n_services, sizeof(struct dns_service), by_target);
    answer->hosts = calloc(2 * answer->n_services, sizeof(struct dns_host));
    if (!answer->hosts)
        return false;
    for (size_t i = 0; i < answer->n_services; i++) {
        struct dns_service *service = &answer->services[i];
        service->n_hosts = 2;
        if (i > 0 && strcasecmp(service->target, service[-1].target) == 0) {
            service->first_host = service[-1].first_host;
            continue;
        }
        service->first_host = answer->n_hosts;
        if (!add_host(answer, service->target, AF_INET) ||
            !add_host(answer, service->target, AF_INET6))
            return false;
    }
    return true;
}

bool dns_answer_add_name(struct dns_answer *answer, const struct discovery_conf *conf)
{
    answer->services = calloc(1, sizeof(struct dns_service));
    answer->hosts = calloc(2, sizeof(struct dns_host));
    if (!answer->services || !answer->hosts)
        return false;
    if (conf->record != DNS_RECORD_AAAA && !add_host(answer, conf->name, AF_INET))
        return false;
    if (conf->record != DNS_RECORD_A && !add_host(answer, conf->name, AF_INET6))
        return false;
    answer->services[0] =
        (struct dns_service){.port = (uint16_t)conf->port, .n_hosts = answer->n_hosts};
    answer->n_services = 1;
    return true;
}

/* ---- earlier answers -------------------------------------------------------------------- */

static const struct dns_host *find_host(const struct dns_answer *answer,
                                        const struct dns_host *like)
{
    for (size_t i = 0; i < answer->n_hosts; i++)
        if (answer->hosts[i].family == like->family &&
            strcasecmp(answer->hosts[i].name, like->name) == 0)
            return &answer->hosts[i];
    return NULL;
}

bool dns_answer_keep(struct dns_answer *answer, const struct dns_answer *before)
{
    for (size_t i = 0; i < answer->n_hosts; i++) {
        struct dns_host *host = &answer->hosts[i];
        const struct dns_host *old =
            host->state == DNS_HOST_FAILED ? find_host(before, host) : NULL;
        if (!old || old->n == 0 || host->n > 0)
            continue;
        host->addresses = calloc(old->n, sizeof(*host->addresses));
        if (!host->addresses)
            return false;
        memcpy(host->addresses, old->addresses, old->n * sizeof(*host->addresses));
        host->n = old->n;
    }
    return true;
}

/* ---- members --------------------------------------------------------------------------- */

static size_t count_addresses(const struct dns_answer *answer, const struct dns_service *service)
{
    size_t n = 0;
    for (size_t i = 0; i < service->n_hosts; i++)
        n += answer->hosts[service->first_host + i].n;
    return n;
}

bool dns_service_has_address(const struct dns_answer *answer, const struct dns_service *service)
{
    return count_addresses(answer, service) > 0;
}

static size_t fill_records(const struct dns_answer *answer, const struct dns_service *service,
                           struct member_record *records)
{
    size_t n = 0;
    for (size_t i = 0; i < service->n_hosts; i++) {
        const struct dns_host *host = &answer->hosts[service->first_host + i];
        for (size_t k = 0; k < host->n; k++)
            records[n++] = (struct member_record){.target = service->target,
                                                  .address = host->addresses[k],
                                                  .port = service->port,
                                                  .priority = service->priority,
                                                  .weight = service->weight};
    }
    return n;
}

bool dns_answer_members(const struct dns_answer *answer, const struct discovery_conf *conf,
                        struct members *out)
{
    size_t n = 0;
    for (size_t i = 0; i < answer->n_services; i++)
        n += count_addresses(answer, &answer->services[i]);
    struct member_record *records = calloc(n + 1, sizeof(*records));
    if (!records)
        return false;
    n = 0;
    for (size_t i = 0; i < answer->n_services; i++)
        n += fill_records(answer, &answer->services[i], &records[n]);
    bool made = members_make(conf, records, n, out);
    free(records);
    if (made)
        out->left_out += answer->left_out;
    return made;
}
