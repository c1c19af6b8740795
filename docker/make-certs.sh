#!/bin/bash
# Make a throw-away CA and an ECDSA P-256 server certificate for this machine.
#
#   make-certs.sh DIRECTORY
#
# Writes ca.pem, server.pem and server.key. For trying out and testing: the CA's key is
# thrown away, so nothing else can ever be signed with it.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: make-certs.sh DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
umask 077
ca_key=$(mktemp)
request=$(mktemp)
extensions=$(mktemp)
trap 'rm -f "$ca_key" "$request" "$extensions"' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj "/CN=mqtt-router throw-away CA" -keyout "$ca_key" -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj "/CN=localhost" -keyout server.key -out "$request" 2>/dev/null
cat > "$extensions" <<EOF
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
EOF
openssl x509 -req -in "$request" -CA ca.pem -CAkey "$ca_key" -CAcreateserial -days 30 \
    -extfile "$extensions" -out server.pem 2>/dev/null
rm -f ca.srl
chmod 644 ca.pem server.pem
