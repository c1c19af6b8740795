#!/bin/bash
# Create a temporary CA, an ECDSA P-256 server certificate for localhost, and device certificates.
#
#   make-certs.sh DIRECTORY [DEVICE...]
#
# Writes ca.pem, server.pem and server.key, and for each device DEVICE.pem and DEVICE.key. DEVICE is
# the common name of the certificate; the default is one device, "client". For demos and tests only:
# the CA key is deleted, so the CA cannot sign further certificates.
set -euo pipefail

usage() {
    echo "usage: make-certs.sh DIRECTORY [DEVICE...]" >&2
    exit 2
}
[ $# -ge 1 ] || usage
mkdir -p "$1"
cd "$1"
shift
for device in "$@"; do
    # The name is used as a file name and as a certificate subject.
    [[ $device =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ && ! $device =~ ^(ca|server)$ ]] || usage
done
umask 077
ca_key=$(mktemp)
request=$(mktemp)
extensions=$(mktemp)
trap 'rm -f "$ca_key" "$request" "$extensions"' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj "/CN=mqtt-router throw-away CA" -keyout "$ca_key" -out ca.pem 2>/dev/null

# issue FILE COMMON_NAME USAGE [ALTERNATIVE_NAMES]: write FILE.key and FILE.pem.
issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -subj "/CN=$2" -keyout "$1.key" -out "$request" 2>/dev/null
    cat > "$extensions" <<EOF
${4:+subjectAltName = $4}
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = $3
EOF
    openssl x509 -req -in "$request" -CA ca.pem -CAkey "$ca_key" -CAcreateserial -days 30 \
        -extfile "$extensions" -out "$1.pem" 2>/dev/null
    chmod 644 "$1.pem"
}

issue server localhost serverAuth "DNS:localhost, IP:127.0.0.1, IP:::1"
for device in "${@:-client}"; do
    issue "$device" "$device" clientAuth
done
rm -f ca.srl
chmod 644 ca.pem
