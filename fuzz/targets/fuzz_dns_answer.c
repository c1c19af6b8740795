/*
 * fuzz_dns_answer.c - check invariants of DNS answers, from a server's bytes to the nodes of a
 * cluster.
 *
 * The input is a DNS message (UDP payloads from captures can be seeds). It is parsed as the answer
 * to an SRV, an A and an AAAA query.
 *
 *   - on success, there is a result with the lowest TTL of the message; otherwise there is no
 *     result
 *   - addresses, priority, weight and port are those in the message; a target is a host name
 *   - there are at most as many results as the header announces, and parsing is repeatable
 *   - results do not point into the message
 *   - the members have sorted unique names, usable addresses and a weight, and at least one is a
 *     primary; the number of omitted members is reported
 *   - addresses of an earlier answer are used only after a failure
 */
#include <ares.h>
#include <sys/socket.h>

#include "control/discovery/resolver_parse.h"
#include "law.h"
#include "net/address.h"
#include "wire/dns_ttl.h"

#define INPUT_MAX 65535u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned answers_of(const uint8_t *data, size_t size)
{
    return size < 8 ? 0 : (unsigned)data[6] << 8 | data[7];
}

static bool stands_in(const uint8_t *data, size_t size, const void *bytes, size_t n)
{
    return memmem(data, size, bytes, n) != NULL;
}

/* The TTL is that of this message, as found by dns_ttl, or that of an earlier message. */
static void ttl_is_the_lowest(const struct dns_answer *answer, uint32_t before_s,
                              const uint8_t *data, size_t size)
{
    uint32_t ttl_s = 0;

    LAW(dns_lowest_ttl(span_of(data, size), &ttl_s));
    LAW(answer->ttl_s == (ttl_s < before_s ? ttl_s : before_s));
}

/* ---- addresses -------------------------------------------------------------------------- */

static int parse_addresses(const uint8_t *data, size_t size, struct dns_answer *answer,
                           struct dns_host *host)
{
    uint8_t *exact = exact_copy(data, size);
    int status = resolver_parse_addresses(span_of(exact, size), answer, host);

    free(exact);
    return status;
}

static void addresses_are_lawful(int family, const uint8_t *data, size_t size, uint32_t before_s)
{
    struct dns_answer *answer = dns_answer_new(), *again = dns_answer_new();
    struct dns_host host = {.family = family}, twice = {.family = family};
    uint8_t ip[16];

    LAW(answer && again);
    answer->ttl_s = again->ttl_s = before_s;
    int status = parse_addresses(data, size, answer, &host);
    LAW(status != ARES_ENOMEM && (status == ARES_SUCCESS) == (host.n > 0));
    LAW(host.n <= answers_of(data, size));
    LAW(parse_addresses(data, size, again, &twice) == status && twice.n == host.n);
    if (status == ARES_SUCCESS)
        ttl_is_the_lowest(answer, before_s, data, size);
    for (size_t i = 0; i < host.n; i++) {
        LAW(inet_pton(family, host.addresses[i], ip) == 1);
        LAW(stands_in(data, size, ip, family == AF_INET ? 4 : 16));
        LAW(strcmp(host.addresses[i], twice.addresses[i]) == 0);
    }
    free(host.addresses);
    free(twice.addresses);
    dns_answer_free(answer);
    dns_answer_free(again);
}

/* ---- services --------------------------------------------------------------------------- */

static void service_is_lawful(const struct dns_service *service, const uint8_t *data, size_t size)
{
    const uint8_t said[6] = {(uint8_t)(service->priority >> 8), (uint8_t)service->priority,
                             (uint8_t)(service->weight >> 8),   (uint8_t)service->weight,
                             (uint8_t)(service->port >> 8),     (uint8_t)service->port};
    size_t n = strlen(service->target);

    LAW(service->port != 0 && n > 0 && n <= 254 && service->target[0] != '.');
    LAW(stands_in(data, size, said, sizeof(said)));
    for (size_t i = 0; i < n; i++) {
        char c = service->target[i];
        LAW((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.');
    }
}

static struct dns_answer *parse_services(const uint8_t *data, size_t size, int *status)
{
    struct dns_answer *answer = dns_answer_new();
    uint8_t *exact = exact_copy(data, size);

    LAW(answer != NULL);
    *status = resolver_parse_services(span_of(exact, size), answer);
    free(exact);
    LAW(*status != ARES_ENOMEM);
    LAW((*status == ARES_SUCCESS) == (answer->n_services > 0));
    LAW(*status == ARES_SUCCESS || *status == ARES_ENODATA || answer->ttl_s == UINT32_MAX);
    LAW(answer->n_services <= answers_of(data, size));
    if (*status == ARES_SUCCESS)
        ttl_is_the_lowest(answer, UINT32_MAX, data, size);
    for (size_t i = 0; i < answer->n_services; i++)
        service_is_lawful(&answer->services[i], data, size);
    return answer;
}

/* ---- members ---------------------------------------------------------------------------- */

/* Remove one member of the copy `other`, and alter another one. */
static void changes_are_counted(const struct members *members, struct members *other)
{
    struct members_change change = members_compare(members, other);

    LAW(change.added == 0 && change.removed == 0 && change.altered == 0);
    if (members->n == 0)
        return;
    other->nodes[0].weight = other->nodes[0].weight % 65535 + 1;
    change = members_compare(members, other);
    LAW(change.added == 0 && change.removed == 0);
    LAW(change.altered == (other->nodes[0].weight != members->nodes[0].weight));
    LAW(members_equal(members, other) == (change.altered == 0));
    free(other->nodes[other->n - 1].name);
    free(other->nodes[other->n - 1].address);
    other->n--;
    LAW(members_compare(members, other).removed == 1 && members_compare(other, members).added == 1);
    LAW(!members_equal(members, other));
}

static void members_are_lawful(const struct dns_answer *answer, const struct discovery_conf *conf)
{
    struct members members, again;
    bool primary = false;

    LAW(dns_answer_members(answer, conf, &members) && dns_answer_members(answer, conf, &again));
    LAW(members_equal(&members, &again) && members.n <= MEMBERS_MAX);
    for (size_t i = 0; i < members.n; i++) {
        const struct node_conf *node = &members.nodes[i];
        struct address address;
        LAW(node->name[0] != '\0' && (i == 0 || strcmp(node[-1].name, node->name) < 0));
        LAW(address_parse(node->address, false, &address));
        LAW(node->weight > 0 && node->weight <= 65535 && node->state == NODE_STATE_UP);
        primary = primary || !node->backup;
    }
    LAW(primary || members.n == 0 || conf->node_name == NODE_NAME_TARGET);
    members_fini(&again);
    LAW(members_copy(&members, &again) && members_equal(&members, &again));
    changes_are_counted(&members, &again);
    members_fini(&members);
    members_fini(&again);
}

/*
 * The host of each service has an address, or none, in which case an earlier answer may provide it.
 */
static void fill_hosts(struct dns_answer *answer, struct dice *dice)
{
    for (size_t i = 0; i < answer->n_hosts; i++) {
        struct dns_host *host = &answer->hosts[i];
        host->state = dice_roll(dice, 3) == 0 ? DNS_HOST_FAILED : DNS_HOST_FOUND;
        if (host->state == DNS_HOST_FAILED && dice_roll(dice, 2))
            continue;
        host->addresses = calloc(1, sizeof(*host->addresses));
        LAW(host->addresses != NULL);
        (void)snprintf(host->addresses[0], sizeof(host->addresses[0]),
                       host->family == AF_INET ? "10.0.0.%u" : "2001:db8::%x",
                       (unsigned)dice_roll(dice, 8));
        host->n = 1;
    }
}

static void an_earlier_answer_stands_in(struct dns_answer *answer, const struct dns_answer *before)
{
    size_t *had = calloc(answer->n_hosts + 1, sizeof(*had));

    LAW(had != NULL);
    for (size_t i = 0; i < answer->n_hosts; i++)
        had[i] = answer->hosts[i].n;
    const dns_address_text *first = answer->n_hosts > 0 ? answer->hosts[0].addresses : NULL;
    LAW(dns_answer_keep(answer, before));
    LAW(answer->n_hosts == 0 || had[0] == 0 || answer->hosts[0].addresses == first);
    for (size_t i = 0; i < answer->n_hosts; i++)
        LAW(answer->hosts[i].n == had[i] ||
            (answer->hosts[i].state == DNS_HOST_FAILED && had[i] == 0));
    free(had);
}

static void services_become_members(const uint8_t *data, size_t size, struct dice *dice)
{
    struct discovery_conf conf = {.record = DNS_RECORD_SRV, .name = (char *)"_mqtt._tcp.example"};
    int status, status_before;
    struct dns_answer *answer = parse_services(data, size, &status);
    struct dns_answer *before = parse_services(data, size, &status_before);

    if (status != ARES_SUCCESS) {
        dns_answer_note(answer, status != ARES_ENODATA, conf.name, ares_strerror(status));
        LAW(answer->error[0] != '\0' && answer->failed == (status != ARES_ENODATA));
    }
    LAW(status == status_before && answer->n_services == before->n_services);
    const size_t found = answer->n_services;
    LAW(dns_answer_add_targets(answer) && dns_answer_add_targets(before));
    LAW(answer->n_services + answer->left_out == found && answer->n_services <= MEMBERS_MAX);
    LAW(answer->n_hosts <= 2 * answer->n_services && answer->n_hosts % 2 == 0);
    fill_hosts(answer, dice);
    fill_hosts(before, dice);
    an_earlier_answer_stands_in(answer, before);
    for (size_t i = 0; i < answer->n_services; i++)
        LAW(answer->services[i].first_host + answer->services[i].n_hosts <= answer->n_hosts);
    conf.node_name = NODE_NAME_TARGET;
    members_are_lawful(answer, &conf);
    conf.node_name = NODE_NAME_ADDRESS;
    members_are_lawful(answer, &conf);
    dns_answer_free(answer);
    dns_answer_free(before);
}

/* Parse the same message for a cluster that queries the addresses of a name. */
static void addresses_become_members(const uint8_t *data, size_t size)
{
    const struct discovery_conf conf = {.record = DNS_RECORD_A_AAAA,
                                        .name = (char *)"emqx.example",
                                        .port = 1883,
                                        .node_name = NODE_NAME_ADDRESS};
    struct dns_answer *answer = dns_answer_new();

    LAW(answer && dns_answer_add_name(answer, &conf) && answer->n_hosts == 2);
    for (size_t i = 0; i < answer->n_hosts; i++)
        (void)parse_addresses(data, size, answer, &answer->hosts[i]);
    LAW(dns_service_has_address(answer, &answer->services[0]) ==
        (answer->hosts[0].n + answer->hosts[1].n > 0));
    members_are_lawful(answer, &conf);
    dns_answer_free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);

    if (size > INPUT_MAX)
        return 0;
    addresses_are_lawful(AF_INET, data, size, UINT32_MAX);
    addresses_are_lawful(AF_INET6, data, size, (uint32_t)dice_roll(&dice, 100));
    services_become_members(data, size, &dice);
    addresses_become_members(data, size);
    return 0;
}
