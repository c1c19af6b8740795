/*
 * tls.c - the keys of listeners[].tls and clusters[].tls.
 *
 * Only the syntax is checked here. Whether OpenSSL supports a cipher or can read a file is checked
 * when it is loaded.
 */
#include "model/config/shape.h"
#include "rows.h"

static const struct config_choice min_version_choices[] = {{"1.2", 0x0303}, {"1.3", 0x0304}};
static const struct config_choice client_auth_choices[] = {
    {"none", CLIENT_AUTH_NONE}, {"request", CLIENT_AUTH_REQUEST}, {"require", CLIENT_AUTH_REQUIRE}};
static const struct config_choice crl_check_choices[] = {{"leaf", CRL_CHECK_LEAF},
                                                         {"chain", CRL_CHECK_CHAIN}};

_Static_assert(ARRAY_LEN(client_auth_choices) == CLIENT_AUTH_COUNT, "every client_auth has a name");
_Static_assert(ARRAY_LEN(crl_check_choices) == CRL_CHECK_COUNT, "every CRL check has a name");

static const struct config_key certificate_keys[] = {
    {.key = "certificate_file",
     .kind = KEY_FILE,
     .required = true,
     FIELD(struct certificate_conf, certificate_file),
     .help = "PEM file with the certificate, followed by its chain."},
    {.key = "private_key_file",
     .kind = KEY_FILE,
     .required = true,
     FIELD(struct certificate_conf, private_key_file),
     .help = "PEM file with the private key, which may be the same file as `certificate_file`."},
    {.key = "private_key_passphrase_file",
     .kind = KEY_FILE,
     FIELD(struct certificate_conf, private_key_passphrase_file),
     .default_text = "none",
     .help = "File whose first line is the passphrase of the private key."},
    {.key = "ocsp_response_file",
     .kind = KEY_FILE,
     FIELD(struct certificate_conf, ocsp_response_file),
     .default_text = "none",
     .help = "File with the OCSP response, in DER or PEM, that is stapled to the certificate; "
             "reread when it changes."},
};
static const struct config_table certificate_table =
    TABLE(struct certificate_conf, certificate_keys);

/* Fields of struct tls_conf, as is the flag for `"session_tickets": false`. */
static const struct config_key session_tickets_keys[] = {
    {.key = "key_file",
     .kind = KEY_FILE,
     FIELD(struct tls_conf, session_ticket_key_file),
     .default_text = "generated, changed every 12 hours",
     .help = "File with session ticket keys, one per line, each 48 or 80 bytes in base64 (`openssl "
             "rand -base64 48`): the first key encrypts, all keys decrypt, and routers with the "
             "same file can resume each other's TLS sessions; reread when it changes."},
};
static const struct config_table session_tickets_table =
    TABLE(struct tls_conf, session_tickets_keys);

static const struct config_key tls_keys[] = {
    {.key = "certificates",
     .kind = KEY_LIST,
     .required = true,
     RANGE(1, 64),
     FIELD(struct tls_conf, certificates),
     COUNT(struct tls_conf, n_certificates),
     .table = &certificate_table,
     .help = "Certificates of the listener, selected by the server name that the device sends, the "
             "first one by default; a name may have both an ECDSA and an RSA certificate."},
    {.key = "strict_sni",
     .kind = KEY_BOOL,
     FIELD(struct tls_conf, strict_sni),
     .help = "Refuse devices that send no server name, or one that no certificate contains."},
    {.key = "min_version",
     .kind = KEY_ENUM,
     FIELD(struct tls_conf, min_version),
     CHOICES(min_version_choices),
     .default_value = 0x0303,
     .help = "Minimum TLS version for devices."},
    {.key = "client_auth",
     .kind = KEY_ENUM,
     FIELD(struct tls_conf, client_auth),
     CHOICES(client_auth_choices),
     .default_value = CLIENT_AUTH_NONE,
     .help = "Authentication of devices by certificate: `\"request\"` accepts devices without a "
             "certificate but refuses invalid ones, and `\"require\"` also refuses devices without "
             "one."},
    {.key = "client_ca_file",
     .kind = KEY_FILE,
     FIELD(struct tls_conf, client_ca_file),
     .default_text = "none",
     .help = "PEM file with the certificate authorities whose device certificates are accepted; "
             "required with `client_auth`."},
    {.key = "client_crl_files",
     .kind = KEY_STRING_LIST,
     .element = KEY_FILE,
     RANGE(1, 64),
     FIELD(struct tls_conf, client_crl_files),
     COUNT(struct tls_conf, n_client_crl_files),
     .default_text = "none",
     .help = "PEM files with the revocation lists of the authorities in `client_ca_file`; reread "
             "when they change."},
    {.key = "client_crl_check",
     .kind = KEY_ENUM,
     FIELD(struct tls_conf, client_crl_check),
     CHOICES(crl_check_choices),
     .default_value = CRL_CHECK_LEAF,
     .help = "Certificates that are checked for revocation: only the device's own (`\"leaf\"`), or "
             "its whole chain (`\"chain\"`), which requires a revocation list of every authority "
             "in the chain."},
    {.key = "client_verify_depth",
     .kind = KEY_INTEGER,
     FIELD(struct tls_conf, client_verify_depth),
     RANGE(1, 32),
     .default_value = 8,
     .help = "Maximum number of intermediate certificates between a device certificate and an "
             "authority in `client_ca_file`."},
    {.key = "ciphers",
     .kind = KEY_STRING,
     .shape = &config_suite_shape,
     FIELD(struct tls_conf, ciphers),
     .default_text = "ECDHE with AES-GCM, ChaCha20 or AES-CCM",
     .help = "TLS 1.2 cipher suites in OpenSSL's notation, such as `\"ECDHE+AESGCM:DHE+AESGCM\"`; "
             "at least one of them must work with the key of each certificate."},
    {.key = "ciphersuites",
     .kind = KEY_STRING,
     .shape = &config_suite_shape,
     FIELD(struct tls_conf, ciphersuites),
     .default_text = "all three, AES-128 first",
     .help = "TLS 1.3 cipher suites, such as `\"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384\"`."},
    {.key = "groups",
     .kind = KEY_STRING,
     .shape = &config_suite_shape,
     FIELD(struct tls_conf, groups),
     .default_text = "X25519, then P-256, P-384",
     .help = "Groups for the key exchange, such as `\"X25519:P-256\"`; they do not restrict the "
             "curves of device certificates."},
    {.key = "alpn",
     .kind = KEY_STRING_LIST,
     .element = KEY_STRING,
     RANGE(1, 16),
     .shape = &config_protocol_shape,
     FIELD(struct tls_conf, alpn),
     COUNT(struct tls_conf, n_alpn),
     .default_text = "`\"mqtt\"`, `\"x-amzn-mqtt-ca\"`",
     .help = "Protocols accepted in ALPN, in order of preference; a device that offers none of "
             "them is also accepted."},
    {.key = "session_tickets",
     .kind = KEY_FALSE_OR_OBJECT,
     FIELD(struct tls_conf, session_tickets_off),
     .table = &session_tickets_table,
     .default_text = "on",
     .help = "Settings for session tickets, with which devices resume a TLS session without a full "
             "handshake; `false` disables them."},
    {.key = "detach",
     .kind = KEY_BOOL,
     FIELD(struct tls_conf, detach),
     .default_value = true,
     .help = "Free OpenSSL's connection object about one second after relaying has started, so "
             "that an idle TLS session uses about 1 KiB of memory instead of 15 to 30 KiB."},
};
const struct config_table config_tls_table = TABLE(struct tls_conf, tls_keys);

static const struct config_key upstream_tls_keys[] = {
    {.key = "ca_file",
     .kind = KEY_FILE,
     FIELD(struct upstream_tls_conf, ca_file),
     .default_text = "the system's",
     .help = "PEM file with the certificate authorities whose node certificates are accepted."},
    {.key = "verify",
     .kind = KEY_BOOL,
     FIELD(struct upstream_tls_conf, verify),
     .default_value = true,
     .help = "Verify the certificates of nodes; `false` accepts any certificate, and so any server "
             "that responds at a node's address."},
    {.key = "server_name",
     .kind = KEY_STRING,
     .shape = &config_host_shape,
     FIELD(struct upstream_tls_conf, server_name),
     .default_text = "none",
     .help = "Server name that is sent to the nodes (SNI) and that their certificates must "
             "contain; without this key, a node's certificate must contain its IP address."},
    {.key = "certificate_file",
     .kind = KEY_FILE,
     FIELD(struct upstream_tls_conf, certificate_file),
     .default_text = "none",
     .help = "PEM file with the certificate that is sent to nodes, followed by its chain."},
    {.key = "private_key_file",
     .kind = KEY_FILE,
     FIELD(struct upstream_tls_conf, private_key_file),
     .default_text = "none",
     .help = "PEM file with the private key of `certificate_file`."},
    {.key = "private_key_passphrase_file",
     .kind = KEY_FILE,
     FIELD(struct upstream_tls_conf, private_key_passphrase_file),
     .default_text = "none",
     .help = "File whose first line is the passphrase of the private key."},
    {.key = "min_version",
     .kind = KEY_ENUM,
     FIELD(struct upstream_tls_conf, min_version),
     CHOICES(min_version_choices),
     .default_value = 0x0303,
     .help = "Minimum TLS version for nodes."},
    {.key = "alpn",
     .kind = KEY_STRING_LIST,
     .element = KEY_STRING,
     RANGE(1, 16),
     .shape = &config_protocol_shape,
     FIELD(struct upstream_tls_conf, alpn),
     COUNT(struct upstream_tls_conf, n_alpn),
     .default_text = "none",
     .help = "Protocols offered to nodes in ALPN."},
    {.key = "detach",
     .kind = KEY_BOOL,
     FIELD(struct upstream_tls_conf, detach),
     .default_value = true,
     .help = "Free OpenSSL's connection object about one second after relaying has started, so "
             "that an idle TLS session uses about 1 KiB of memory instead of 15 to 30 KiB."},
};
const struct config_table config_upstream_tls_table =
    TABLE(struct upstream_tls_conf, upstream_tls_keys);
