/*
 * fuzz_mqtt_properties.c - compare our parser of MQTT 5.0 properties with Paho's reader.
 *
 * The input is a property list with its length, then the rest of the packet.
 *
 *   - splitting the input does not change the result, and lenient mode rejects only framing faults
 *   - Paho accepts everything that our parser accepts (as properties of CONNECT or of a will, in
 *     strict or lenient mode), with the same length and values
 *   - strict mode accepts exactly what Paho accepts and MQTT 5.0 allows; the rules of MQTT 5.0 are
 *     checked on the values that Paho has read, and jansson decides what UTF-8 is
 *   - Paho rejects what our parser rejects, or the difference is a row of the table below. The
 *     corpus replay fails if it does not cover a row
 *
 * Paho trusts its input: MQTTProperty_read() does not check the bounds of an identifier and of at
 * most five bytes of a value (it checks strings), and stops at an unknown identifier such as 0. So
 * zeros are added after the input, which end every read after at most five bytes, and a protected
 * page follows the zeros. The pointer that Paho advances shows how far it has read.
 */
#include <MQTTProperties.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/utf8.h"
#include "law.h"
#include "wire/mqtt/field.h"
#include "wire/mqtt/properties.h"

#define INPUT_MAX 4096u
#define ZEROS_N   8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
bool fuzz_corpus_is_complete(void);

/* Initializes Paho's allocator; exported by the static library, but not declared in a header. */
int Heap_initialize(void);

/* ---- differences: our parser rejects, Paho accepts -------------------------------------- */

/* Rows that depend on the property. */
#define EACH_ONCE(X)                                                                               \
    X(SESSION_EXPIRY_INTERVAL, "3.1.2.11.2")                                                       \
    X(RECEIVE_MAXIMUM, "3.1.2.11.3")                                                               \
    X(MAXIMUM_PACKET_SIZE, "3.1.2.11.4")                                                           \
    X(TOPIC_ALIAS_MAXIMUM, "3.1.2.11.5")                                                           \
    X(REQUEST_RESPONSE_INFORMATION, "3.1.2.11.6")                                                  \
    X(REQUEST_PROBLEM_INFORMATION, "3.1.2.11.7")                                                   \
    X(AUTHENTICATION_METHOD, "3.1.2.11.9")                                                         \
    X(AUTHENTICATION_DATA, "3.1.2.11.10")                                                          \
    X(WILL_DELAY_INTERVAL, "3.1.3.2.2")                                                            \
    X(PAYLOAD_FORMAT_INDICATOR, "3.1.3.2.3")                                                       \
    X(MESSAGE_EXPIRY_INTERVAL, "3.1.3.2.4")                                                        \
    X(CONTENT_TYPE, "3.1.3.2.5")                                                                   \
    X(RESPONSE_TOPIC, "3.1.3.2.6")                                                                 \
    X(CORRELATION_DATA, "3.1.3.2.7")
#define NOT_ANY_VALUE(X)                                                                           \
    X(PROPERTY_VALUE, RECEIVE_MAXIMUM, "3.1.2.11.3", "is 0")                                       \
    X(PROPERTY_VALUE, MAXIMUM_PACKET_SIZE, "3.1.2.11.4", "is 0")                                   \
    X(PROPERTY_VALUE, REQUEST_RESPONSE_INFORMATION, "3.1.2.11.6", "is neither 0 nor 1")            \
    X(PROPERTY_VALUE, REQUEST_PROBLEM_INFORMATION, "3.1.2.11.7", "is neither 0 nor 1")             \
    X(PAYLOAD_FORMAT, PAYLOAD_FORMAT_INDICATOR, "3.1.3.2.3", "is neither 0 nor 1")                 \
    X(AUTH_DATA_WITHOUT_METHOD, AUTHENTICATION_DATA, "3.1.2.11.10", "without a method")

/* Details of a difference that the fault does not contain. */
enum detail {
    DETAIL_NONE,
    DETAIL_LIST_LENGTH, /* the fault is in the length of the list, not in a property */
    DETAIL_OF_CONNECT,  /* which packet the property belongs to */
    DETAIL_OF_WILL,
    DETAIL_OF_OTHERS,
    DETAIL_NUL /* the first fault of the text is a zero byte */
};

struct difference {
    enum mqtt_fault fault;
    int id; /* identifier of the property; 0: any */
    enum detail detail;
    const char *clause; /* clause of MQTT 5.0 */
    const char *words;
};

static const struct difference differences[] = {
    {MQTT_FAULT_LENGTH_MALFORMED, 0, DETAIL_LIST_LENGTH, "1.5.5",
     "the list length has more than four bytes (Paho: reads five bytes)"},
    {MQTT_FAULT_LENGTH_NOT_MINIMAL, 0, DETAIL_LIST_LENGTH, "MQTT-1.5.5-1",
     "the list length is not encoded in the fewest bytes"},
    {MQTT_FAULT_FIELD_OVERRUN, 0, DETAIL_LIST_LENGTH, "2.2.2.1",
     "the list is longer than its packet (Paho: reads beyond the packet)"},
    {MQTT_FAULT_LENGTH_MALFORMED, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER, DETAIL_NONE, "1.5.5",
     "SUBSCRIPTION_IDENTIFIER has more than four bytes (lenient mode; Paho: reads five "
     "bytes)"},
    {MQTT_FAULT_PROPERTY_NOT_ALLOWED, 0, DETAIL_OF_CONNECT, "2.2.2.2",
     "a CONNECT property in a will"},
    {MQTT_FAULT_PROPERTY_NOT_ALLOWED, 0, DETAIL_OF_WILL, "2.2.2.2", "a will property in CONNECT"},
    {MQTT_FAULT_PROPERTY_NOT_ALLOWED, 0, DETAIL_OF_OTHERS, "2.2.2.2",
     "a property of another packet"},
    {MQTT_FAULT_PROPERTY_UTF8, 0, DETAIL_NONE, "MQTT-1.5.4-1", "text is not UTF-8"},
    {MQTT_FAULT_PROPERTY_UTF8, 0, DETAIL_NUL, "MQTT-1.5.4-2", "text contains U+0000"},
#define X(fault, name, clause, words)                                                              \
    {MQTT_FAULT_##fault, MQTTPROPERTY_CODE_##name, DETAIL_NONE, clause, #name " " words},
    NOT_ANY_VALUE(X)
#undef X
#define X(name, clause)                                                                            \
    {MQTT_FAULT_PROPERTY_DUPLICATE, MQTTPROPERTY_CODE_##name, DETAIL_NONE, clause,                 \
     #name " is repeated"},
        EACH_ONCE(X)
#undef X
};

static size_t hits[ARRAY_LEN(
    differences)]; /* number of results for each row; an input is parsed four times */

/* ---- our parser ------------------------------------------------------------------------ */

struct mode {
    bool in_will, lenient;
};

struct verdict {
    enum mqtt_fault fault; /* MQTT_FAULT_NONE: accepted */
    int id;                /* identifier of the faulty property; 0: none */
    enum detail detail;
    size_t end;               /* if accepted: the first byte after the list */
    struct mqtt_properties w; /* if accepted: the values */
};

static struct verdict refused(enum mqtt_fault fault, int id, enum detail detail)
{
    return (struct verdict){.fault = fault, .id = id, .detail = detail};
}

static enum detail owner_of(int id)
{
    static const uint8_t of_will[] = {0x01, 0x02, 0x03, 0x08, 0x09, 0x18};
    static const uint8_t of_connect[] = {0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x27};

    if (memchr(of_will, id, sizeof(of_will)))
        return DETAIL_OF_WILL;
    return memchr(of_connect, id, sizeof(of_connect)) ? DETAIL_OF_CONNECT : DETAIL_OF_OTHERS;
}

/* Whether a zero byte is the first fault in the text. */
static enum detail text_detail(const uint8_t *p, size_t n)
{
    int step;

    for (size_t i = 0; i < n; i += (size_t)step) {
        step = utf8_char(p + i, n - i, n - i);
        if (step == UTF8_BAD)
            return DETAIL_NONE;
        if (p[i] == 0)
            return DETAIL_NUL;
    }
    law_broken("the text is invalid", __FILE__, __LINE__);
}

static struct verdict explain(const struct mqtt_properties *w, const uint8_t *data)
{
    int id = w->id ? w->id : data[w->at];
    enum detail detail = DETAIL_NONE;

    if (w->fault == MQTT_FAULT_PROPERTY_NOT_ALLOWED)
        detail = owner_of(id);
    if (w->fault == MQTT_FAULT_PROPERTY_UTF8)
        detail = text_detail(data + w->at, w->value_end - w->at);
    /* The fault is reported at the length of the data, which can be the last value of the list. */
    if (w->fault == MQTT_FAULT_AUTH_DATA_WITHOUT_METHOD)
        id = MQTTPROPERTY_CODE_AUTHENTICATION_DATA;
    return refused(w->fault, id, detail);
}

/* Parse every prefix, in memory of exactly its size, so that the parser gets a growing list. */
static void split_equals_whole(const struct mqtt_properties *start,
                               const struct mqtt_properties *whole, enum parse_result result,
                               struct span in, struct dice *dice)
{
    size_t step_max = dice_roll(dice, 4) == 0 && in.n < 512 ? 1 : in.n / 4 + 1, n = start->at;
    struct mqtt_properties w = *start;
    enum parse_result r = PARSE_MORE;

    while (r == PARSE_MORE) {
        uint8_t *exact = exact_copy(in.p, n);
        r = mqtt_properties_read(&w, span_of(exact, n));
        free(exact);
        LAW(r != PARSE_MORE || n < in.n);
        n = size_min(in.n, n + 1 + dice_roll(dice, step_max));
    }
    LAW(r == result && w.fault == whole->fault);
    LAW(r == PARSE_BAD || w.at == w.end);
    LAW(w.session_expiry_s == whole->session_expiry_s);
    LAW(w.max_packet_size == whole->max_packet_size);
    LAW(w.server_keep_alive_s == whole->server_keep_alive_s);
}

static struct verdict walk(struct mode mode, struct span in, size_t at, size_t end,
                           struct dice *dice)
{
    struct mqtt_properties start, w;

    mqtt_properties_init(&start, mode.in_will, mode.lenient, (uint32_t)at, (uint32_t)end);
    w = start;
    enum parse_result result = mqtt_properties_read(&w, in);
    LAW(result != PARSE_MORE && (result == PARSE_BAD) == (w.fault != MQTT_FAULT_NONE));
    LAW(!mode.lenient || result == PARSE_DONE || mqtt_fault_is_framing(w.fault));
    split_equals_whole(&start, &w, result, span_of(in.p, end), dice);
    return result == PARSE_BAD ? explain(&w, in.p) : (struct verdict){.end = end, .w = w};
}

/* Parse in the same way as the CONNECT parser parses a list of a complete packet. */
static struct verdict our_verdict(struct mode mode, struct span in, struct dice *dice)
{
    struct mqtt_varint length;
    enum parse_result result = mqtt_varint_read(reader_from(in, 0), &length);

    if (result == PARSE_BAD)
        return refused(MQTT_FAULT_LENGTH_MALFORMED, 0, DETAIL_LIST_LENGTH);
    if (result == PARSE_MORE || length.value > in.n - length.n)
        return refused(MQTT_FAULT_FIELD_OVERRUN, 0, DETAIL_LIST_LENGTH);
    if (!length.minimal && !mode.lenient)
        return refused(MQTT_FAULT_LENGTH_NOT_MINIMAL, 0, DETAIL_LIST_LENGTH);
    if (!mqtt_properties_fit(length.value))
        return refused(MQTT_FAULT_PROPERTY_OVERRUN, 0, DETAIL_LIST_LENGTH);
    return walk(mode, in, length.n, length.n + length.value, dice);
}

/* ---- Paho's parser --------------------------------------------------------------------- */

/* Memory that ends at a protected page. */
static char *guarded_end(void)
{
    static char *end; /* mapped once */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 2 * page + INPUT_MAX / page * page;

    if (!end) {
        char *base =
            mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        LAW(base != MAP_FAILED && mprotect(base + room, page, PROT_NONE) == 0);
        end = base + room;
    }
    return end;
}

/* Return true if Paho accepts; *end is then where Paho stopped. */
static bool paho_reads(struct span in, MQTTProperties *properties, size_t *end)
{
    char *packet_end = guarded_end() - ZEROS_N, *packet = packet_end - in.n, *p = packet;

    if (in.n > 0)
        memcpy(packet, in.p, in.n);
    memset(packet_end, 0, ZEROS_N);
    bool accepted = MQTTProperties_read(properties, &p, packet_end) == 1;
    *end = (size_t)(p - packet);
    return accepted;
}

static bool says(MQTTProperties *properties, enum MQTTPropertyCodes id, uint32_t *value)
{
    bool has = MQTTProperties_hasProperty(properties, id);

    *value = has ? (uint32_t)MQTTProperties_getNumericValue(properties, id) : 0;
    return has;
}

static void same_values(const struct mqtt_properties *w, MQTTProperties *properties)
{
    uint32_t value;

    if (w->in_will) {
        LAW(w->session_expiry_s == 0 && w->max_packet_size == 0 && !w->has_server_keep_alive);
        return;
    }
    (void)says(properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, &value);
    LAW(value == w->session_expiry_s);
    (void)says(properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, &value);
    LAW(value == w->max_packet_size);
    LAW(says(properties, MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, &value) == w->has_server_keep_alive);
    LAW(value == w->server_keep_alive_s);
}

/* ---- the rules of MQTT 5.0, checked on Paho's values ------------------------------------ */

static bool is_text(MQTTLenString text)
{
    json_t *decoded = json_stringn(text.data, (size_t)text.len);
    bool good = decoded != NULL && !memchr(text.data, '\0', (size_t)text.len);

    json_decref(decoded);
    return good;
}

static bool value_is_good(const MQTTProperty *property)
{
    switch (property->identifier) {
    case MQTTPROPERTY_CODE_REQUEST_PROBLEM_INFORMATION:
    case MQTTPROPERTY_CODE_REQUEST_RESPONSE_INFORMATION:
    case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
        return property->value.byte <= 1;
    case MQTTPROPERTY_CODE_RECEIVE_MAXIMUM:
        return property->value.integer2 > 0;
    case MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE:
        return property->value.integer4 > 0;
    default:
        break;
    }
    switch (MQTTProperty_getType(property->identifier)) {
    case MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR:
        return is_text(property->value.data) && is_text(property->value.value);
    case MQTTPROPERTY_TYPE_UTF_8_ENCODED_STRING:
        return is_text(property->value.data);
    default:
        return true;
    }
}

static bool keeps_the_rules(const MQTTProperties *properties, bool in_will)
{
    bool has_method = false, has_data = false;
    unsigned seen[64] = {0};

    for (int i = 0; i < properties->count; i++) {
        const MQTTProperty *property = &properties->array[i];
        int id = (int)property->identifier;
        bool is_user = id == MQTTPROPERTY_CODE_USER_PROPERTY;
        enum detail here = in_will ? DETAIL_OF_WILL : DETAIL_OF_CONNECT;
        if (!is_user && (owner_of(id) != here || seen[id]++ > 0))
            return false;
        if (!value_is_good(property))
            return false;
        has_method = has_method || id == MQTTPROPERTY_CODE_AUTHENTICATION_METHOD;
        has_data = has_data || id == MQTTPROPERTY_CODE_AUTHENTICATION_DATA;
    }
    return has_method || !has_data;
}

/* ---- both ------------------------------------------------------------------------------- */

static void note_difference(const struct verdict *ours)
{
    for (size_t i = 0; i < ARRAY_LEN(differences); i++) {
        const struct difference *d = &differences[i];
        if (d->fault == ours->fault && d->detail == ours->detail &&
            (d->id == 0 || d->id == ours->id)) {
            hits[i]++;
            return;
        }
    }
    (void)fprintf(stderr, "%s (property %#x)\n", mqtt_fault_name(ours->fault), (unsigned)ours->id);
    law_broken("every difference is a row of the table", __FILE__, __LINE__);
}

/* Print the table after the whole corpus was run. Return false if no input covered a row. */
bool fuzz_corpus_is_complete(void)
{
    bool complete = true;

    for (size_t i = 0; i < ARRAY_LEN(differences); i++) {
        const struct difference *d = &differences[i];
        printf("%6zu  %-24s %-13s %s\n", hits[i], mqtt_fault_name(d->fault), d->clause, d->words);
        complete = complete && hits[i] > 0;
    }
    return complete;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    Heap_initialize();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mode modes[] = {{false, false}, {false, true}, {true, false}, {true, true}};
    struct dice dice = dice_from(data, size);
    MQTTProperties properties = MQTTProperties_initializer;
    size_t paho_end;

    if (size > INPUT_MAX)
        return 0;
    uint8_t *exact = exact_copy(data, size);
    bool paho_accepts = paho_reads(span_of(data, size), &properties, &paho_end);
    LAW(!paho_accepts || paho_end <= size + 5);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct verdict ours = our_verdict(modes[i], span_of(exact, size), &dice);
        if (!modes[i].lenient && ours.detail != DETAIL_LIST_LENGTH)
            LAW((ours.fault == MQTT_FAULT_NONE) ==
                (paho_accepts && keeps_the_rules(&properties, modes[i].in_will)));
        if (ours.fault == MQTT_FAULT_NONE) {
            LAW(paho_accepts && paho_end == ours.end);
            same_values(&ours.w, &properties);
        } else if (paho_accepts) {
            note_difference(&ours);
        }
    }
    MQTTProperties_free(&properties);
    free(exact);
    return 0;
}
