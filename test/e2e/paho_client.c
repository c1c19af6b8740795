/*
 * paho_client.c - the Paho C client as a device, for the end-to-end tests.
 *
 *   paho_client URI CLIENT_ID VERSION TASK [CA_FILE]
 *
 *   VERSION  4 (MQTT 3.1.1) or 5
 *   TASK     echo     publish to itself with QoS 0, 1 and 2 and read it back
 *            leave    create a persistent session with one subscription, then disconnect
 *            return   resume it: expect session present, and the message stored in it
 *
 * Prints "ok" and exits 0, or prints an error and exits 1.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <MQTTClient.h>

#define WAIT_MS 10000

struct device {
    MQTTClient client;
    const char *id;
    const char *ca_file;
    int version;
    char topic[256];
};

static int fail(const char *what, int code)
{
    printf("%s: code %d\n", what, code);
    return 1;
}

static int device_open(struct device *d, const char *uri)
{
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    create.MQTTVersion = d->version;
    int code = MQTTClient_createWithOptions(&d->client, uri, d->id, MQTTCLIENT_PERSISTENCE_NONE,
                                            NULL, &create);
    return code == MQTTCLIENT_SUCCESS ? 0 : fail("create", code);
}

/* Return 0 and set *session_present, or 1 on failure. */
static int device_connect(struct device *d, bool clean, int *session_present)
{
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    MQTTClient_connectOptions options3 = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions *options = d->version == MQTTVERSION_5 ? &options5 : &options3;
    options->MQTTVersion = d->version;
    options->connectTimeout = WAIT_MS / 1000;
    options->cleansession = d->version != MQTTVERSION_5 && clean;
    options->cleanstart = d->version == MQTTVERSION_5 && clean;
    if (d->ca_file) {
        tls.trustStore = d->ca_file;
        tls.enableServerCertAuth = 1;
        tls.verify = 1;
        options->ssl = &tls;
    }
    if (d->version != MQTTVERSION_5) {
        int code = MQTTClient_connect(d->client, options);
        *session_present = options->returned.sessionPresent;
        return code == MQTTCLIENT_SUCCESS ? 0 : fail("connect", code);
    }
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = clean ? 0 : 3600;
    MQTTProperties_add(&properties, &expiry);
    MQTTResponse response = MQTTClient_connect5(d->client, options, &properties, NULL);
    int code = (int)response.reasonCode;
    *session_present = options->returned.sessionPresent;
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
    return code == MQTTREASONCODE_SUCCESS ? 0 : fail("connect", code);
}

static int device_subscribe(struct device *d, int qos)
{
    if (d->version != MQTTVERSION_5) {
        int code = MQTTClient_subscribe(d->client, d->topic, qos);
        return code == MQTTCLIENT_SUCCESS ? 0 : fail("subscribe", code);
    }
    MQTTResponse response = MQTTClient_subscribe5(d->client, d->topic, qos, NULL, NULL);
    int code = (int)response.reasonCode;
    MQTTResponse_free(response);
    return code == qos ? 0 : fail("subscribe", code);
}

static int device_publish(struct device *d, const char *text, int qos)
{
    MQTTClient_message message = MQTTClient_message_initializer;
    MQTTClient_deliveryToken token = 0;
    message.payload = (void *)text;
    message.payloadlen = (int)strlen(text);
    message.qos = qos;
    int code;
    if (d->version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_publishMessage5(d->client, d->topic, &message, &token);
        code = (int)response.reasonCode;
        MQTTResponse_free(response);
    } else {
        code = MQTTClient_publishMessage(d->client, d->topic, &message, &token);
    }
    if (code != MQTTCLIENT_SUCCESS)
        return fail("publish", code);
    code = MQTTClient_waitForCompletion(d->client, token, WAIT_MS);
    return code == MQTTCLIENT_SUCCESS ? 0 : fail("wait for completion", code);
}

static int device_receive(struct device *d, const char *text)
{
    char *topic = NULL;
    int topic_n = 0;
    MQTTClient_message *message = NULL;
    int code = MQTTClient_receive(d->client, &topic, &topic_n, &message, WAIT_MS);
    if (!message)
        return fail("nothing received", code);
    bool same = message->payloadlen == (int)strlen(text) &&
                memcmp(message->payload, text, strlen(text)) == 0;
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return same ? 0 : fail("the message differs from the sent one", code);
}

static int device_close(struct device *d)
{
    int code = d->version == MQTTVERSION_5
                   ? MQTTClient_disconnect5(d->client, WAIT_MS, MQTTREASONCODE_SUCCESS, NULL)
                   : MQTTClient_disconnect(d->client, WAIT_MS);
    MQTTClient_destroy(&d->client);
    return code == MQTTCLIENT_SUCCESS ? 0 : fail("disconnect", code);
}

static int task_echo(struct device *d)
{
    static const char *const texts[] = {"with QoS 0", "with QoS 1", "with QoS 2"};
    int present = 0;
    if (device_connect(d, true, &present) || device_subscribe(d, 2))
        return 1;
    for (int qos = 0; qos < 3; qos++) {
        if (device_publish(d, texts[qos], qos) || device_receive(d, texts[qos]))
            return 1;
    }
    return 0;
}

static int task_leave(struct device *d)
{
    int present = 0;
    if (device_connect(d, false, &present) || device_subscribe(d, 1))
        return 1;
    return present ? fail("the session already existed", present) : 0;
}

static int task_return(struct device *d)
{
    int present = 0;
    if (device_connect(d, false, &present))
        return 1;
    /* Paho 1.3.12 does not report the session present flag of MQTT 5.0; there the stored
     * message proves that the session existed. */
    if (!present && d->version != MQTTVERSION_5)
        return fail("no session was found", present);
    return device_receive(d, "while you slept");
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: paho_client URI CLIENT_ID VERSION echo|leave|return [CA_FILE]\n");
        return 2;
    }
    struct device d = {
        .id = argv[2], .version = atoi(argv[3]), .ca_file = argc > 5 ? argv[5] : NULL};
    snprintf(d.topic, sizeof(d.topic), "paho/%s", d.id);
    const char *task = argv[4];
    if (device_open(&d, argv[1]))
        return 1;
    int failed = strcmp(task, "echo") == 0    ? task_echo(&d)
                 : strcmp(task, "leave") == 0 ? task_leave(&d)
                                              : task_return(&d);
    failed |= device_close(&d);
    if (!failed)
        puts("ok");
    return failed;
}
