/*
 * test_close_reason.c - the table of close reasons: names that are valid in the log and in metrics,
 * and packets that can be sent.
 */
#include <string.h>

#include "model/close_reason.h"
#include "unit.h"

static void every_reason_has_a_unique_name(void **state)
{
    (void)state;
    for (enum close_reason a = 0; a < CLOSE_REASON_COUNT; a++) {
        const char *word = close_reason_row(a)->name;
        assert_true(strlen(word) > 0);
        assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz_"), strlen(word));
        for (enum close_reason b = 0; b < a; b++)
            assert_string_not_equal(word, close_reason_row(b)->name);
    }
}

static void every_reason_has_a_help_sentence(void **state)
{
    (void)state;
    for (enum close_reason reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        const char *help = close_reason_row(reason)->help;
        assert_true(strlen(help) > 0);
        assert_int_equal(help[strlen(help) - 1], '.');
        assert_null(strpbrk(help, "\n\\")); /* it is used as the help line of a metric */
    }
}

static void the_closing_side_has_one_of_three_names(void **state)
{
    (void)state;
    assert_string_equal(closed_by_name(CLOSED_BY_CLIENT), "client");
    assert_string_equal(closed_by_name(CLOSED_BY_NODE), "node");
    assert_string_equal(closed_by_name(CLOSED_BY_ROUTER), "router");
    for (enum close_reason reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        assert_in_range(close_reason_row(reason)->by, 0, CLOSED_BY_COUNT - 1);
}

/* Each row that sends a rejection has a code for it in all three versions of MQTT. */
static void every_rejection_has_a_connack_in_every_version(void **state)
{
    (void)state;
    unsigned refusals = 0;
    for (enum close_reason reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        const struct close_reason_row *row = close_reason_row(reason);
        if (row->farewell != FAREWELL_REFUSAL)
            continue;
        for (uint8_t version = 3; version <= 5; version++) {
            struct mqtt_connect connect;
            uint8_t out[MQTT_CONNACK_REFUSAL_MAX];
            mqtt_connect_init(&connect, false, MQTT_CONNECT_MAX_BYTES_DEFAULT);
            connect.version = version;
            assert_int_equal(mqtt_connack_refuse(&connect, row->refusal, out),
                             version == 5 ? 5 : 4);
            assert_int_equal(out[0], 0x20);
            assert_int_not_equal(out[3], 0);
        }
        refusals++;
    }
    assert_true(refusals > 0);
}

/* A closed connection gets no packet; a rejected device gets the reason. */
static void close_reasons_send_the_right_packet(void **state)
{
    (void)state;
    static const struct {
        enum close_reason reason;
        const char *name;
        enum closed_by by;
        enum farewell farewell;
        enum mqtt_refusal refusal;
    } rows[] = {
        {CLOSE_CLIENT_CLOSED, "client_closed", CLOSED_BY_CLIENT, FAREWELL_SILENT, 0},
        {CLOSE_CLIENT_ERROR, "client_error", CLOSED_BY_CLIENT, FAREWELL_SILENT, 0},
        {CLOSE_NODE_CLOSED, "node_closed", CLOSED_BY_NODE, FAREWELL_SILENT, 0},
        {CLOSE_CONNECT_REFUSED, "connect_refused", CLOSED_BY_ROUTER, FAREWELL_FAULT, 0},
        {CLOSE_CLIENT_ID_REFUSED, "client_id_refused", CLOSED_BY_ROUTER, FAREWELL_REFUSAL,
         MQTT_REFUSAL_CLIENT_ID_INVALID},
        {CLOSE_NO_NODE, "no_node", CLOSED_BY_ROUTER, FAREWELL_REFUSAL,
         MQTT_REFUSAL_SERVER_UNAVAILABLE},
        {CLOSE_OUT_OF_MEMORY, "out_of_memory", CLOSED_BY_ROUTER, FAREWELL_REFUSAL,
         MQTT_REFUSAL_SERVER_BUSY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct close_reason_row *row = close_reason_row(rows[i].reason);
        assert_string_equal(row->name, rows[i].name);
        assert_int_equal(row->by, rows[i].by);
        assert_int_equal(row->farewell, rows[i].farewell);
        if (row->farewell == FAREWELL_REFUSAL)
            assert_int_equal(row->refusal, rows[i].refusal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_unique_name),
        cmocka_unit_test(every_reason_has_a_help_sentence),
        cmocka_unit_test(the_closing_side_has_one_of_three_names),
        cmocka_unit_test(every_rejection_has_a_connack_in_every_version),
        cmocka_unit_test(close_reasons_send_the_right_packet),
    };
    return cmocka_run_group_tests_name("close_reason", tests, NULL, NULL);
}
