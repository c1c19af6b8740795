/* client.c */
#include "control/client.h"
int client_status(const struct client *client)
{
    fprintf(client->err, "not built yet\n");
    return 1;
}
int client_nodes(const struct client *client, bool names)
{
    (void)names;
    return client_status(client);
}
int client_drain(const struct client *client, const struct client_drain *drain)
{
    (void)drain;
    return client_status(client);
}
int client_restore(const struct client *client, const char *node)
{
    (void)node;
    return client_status(client);
}
int client_sessions(const struct client *client, const struct client_sessions *query)
{
    (void)query;
    return client_status(client);
}
int client_disconnect(const struct client *client, const char *id)
{
    (void)id;
    return client_status(client);
}
int client_reload(const struct client *client)
{
    return client_status(client);
}
int client_route(const struct client *client, const struct route_query *query)
{
    (void)query;
    return client_status(client);
}
