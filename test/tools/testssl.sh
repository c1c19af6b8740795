#!/bin/bash
# Run testssl.sh against a TLS listener of the router: no finding may be worse than LOW.
#
#   test/tools/testssl.sh [ROUTER]     the binary; default: build/release/mqtt-router
#
# Not part of CI because it takes minutes. Installs Debian's testssl.sh if it is missing. Prints the
# summary and keeps the complete report in build/logs/testssl.json. Findings about the temporary test
# certificate (its authority, its age, no revocation) are ignored.
set -euo pipefail

source=$(cd "$(dirname "$0")/../.." && pwd)
router=${1:-$source/build/release/mqtt-router}
logs=$source/build/logs
report=$logs/testssl.json
[ -x "$router" ] || { echo "testssl.sh: no router at $router" >&2; exit 2; }

if ! command -v testssl >/dev/null; then
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        testssl.sh bsdextrautils dnsutils >/dev/null
fi

work=$(mktemp -d -t mqtt-router-testssl.XXXXXX)
pid=
stop() {
    [ -z "$pid" ] || { kill "$pid" && wait "$pid"; } || true
    rm -rf "$work"
}
trap stop EXIT

bash "$source/docker/make-certs.sh" "$work"
cat >"$work/config.json" <<EOF
{
  "listeners": [ { "name": "mqtts", "address": "127.0.0.1:0", "cluster": "c",
    "tls": { "certificates": [
      { "certificate_file": "server.pem", "private_key_file": "server.key" } ] } } ],
  "clusters": [ { "name": "c", "nodes": [ { "name": "n", "address": "127.0.0.1:1" } ] } ]
}
EOF
"$router" --config "$work/config.json" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 200); do
    grep -q '"event":"router.ready"' "$work/log" && break
    kill -0 $pid || { cat "$work/log" >&2; exit 1; }
    sleep 0.05
done
port=$(sed -n '/"event":"listener.open"/s/.*"address":"[^"]*:\([0-9]*\)".*/\1/p' "$work/log" | head -1)

mkdir -p "$logs"
rm -f "$report"
testssl --quiet --color 0 --warnings batch --ip one --add-ca "$work/ca.pem" \
    --protocols --server-defaults --server-preference --fs --vulnerable --each-cipher \
    --jsonfile "$report" "localhost:$port" >"$logs/testssl.txt" 2>&1 </dev/null || true

/usr/bin/python3 - "$report" <<'EOF'
import collections, json, sys

OURS = ("cert_chain_of_trust", "cert_trust", "cert_revocation", "cert_caIssuers", "cert_ocsp",
        "cert_crl", "DNS_CAArecord", "certificate_transparency", "OCSP_stapling", "cert_notAfter",
        "cert_expirationStatus", "cert_extlifeSpan", "cert_validityPeriod")
findings = [f for f in json.load(open(sys.argv[1]))
            if not f["id"].split(" ")[0].startswith(OURS)]
count = collections.Counter(f["severity"] for f in findings)
bad = [f for f in findings if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")]
for finding in findings:
    if finding["severity"] not in ("OK", "INFO"):
        print(f"{finding['severity']:9} {finding['id']}: {finding['finding']}")
print("testssl.sh:", ", ".join(f"{n} {s}" for s, n in sorted(count.items())))
if count["OK"] < 20 or not any(f["id"] == "RC4" for f in findings):
    sys.exit("testssl.sh did not come to its end: see build/logs/testssl.txt")
sys.exit(1 if bad else 0)
EOF
