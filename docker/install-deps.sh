#!/bin/bash
# Install the missing Debian 12 packages of one or more sets.
#
#   install-deps.sh SET...           sets: build, run, demo, test, fuzz, soak, bench
#   install-deps.sh --print SET...   print the packages of the sets, install nothing
#
# Needs root or sudo if packages are missing. Brokers and other servers that this script installs
# are not started as services, because the tests and the demo start their own. It does not change
# services that were already installed.
set -euo pipefail

build="gcc libc6-dev cmake ninja-build pkg-config libev-dev libssl-dev libjansson-dev
       libxxhash-dev libpaho-mqtt-dev libwslay-dev libc-ares-dev libcap-ng-dev libseccomp-dev
       libmicrohttpd-dev libcurl4-openssl-dev"
run="libev4 libssl3 libjansson4 libxxhash0 libpaho-mqtt1.3 libwslay1 libc-ares2
     libcap-ng0 libseccomp2 libmicrohttpd12"
demo="mosquitto mosquitto-clients openssl"
fuzz="clang libclang-rt-14-dev llvm afl++ zip"
soak="valgrind"
bench="haproxy nginx libnginx-mod-stream libnginx-mod-stream-js openssl strace python3
       python3-matplotlib linux-perf"
test="$demo $fuzz clang-format libcmocka-dev rabbitmq-server strace procps util-linux mandoc
      haproxy nginx libnginx-mod-stream prometheus chromium iproute2 dnsmasq-base systemd libfaketime
      python3 python3-pytest python3-pytest-xdist python3-paho-mqtt python3-xxhash python3-jsonschema"

# Node.js may be installed from another source, which would conflict with Debian's packages.
command -v node >/dev/null && command -v npm >/dev/null || test="$test nodejs npm"

usage() {
    echo "usage: install-deps.sh [--print] build|run|demo|test|fuzz|soak|bench ..." >&2
    exit 2
}

print=no
if [ "${1:-}" = --print ]; then
    print=yes
    shift
fi
[ $# -gt 0 ] || usage

wanted=
for set in "$@"; do
    case $set in
    build | run | demo | test | fuzz | soak | bench) wanted="$wanted ${!set}" ;;
    *) usage ;;
    esac
done
if [ $print = yes ]; then
    printf '%s\n' $wanted | sort -u
    exit 0
fi

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $(printf '%s\n' $wanted | sort -u); do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "install-deps.sh: must run as root, because sudo is not installed; missing packages:$missing" >&2
        exit 1
    }
    as_root="sudo"
fi

# invoke-rc.d runs policy-rc.d before it starts a newly installed service; exit status 101 prevents
# the start.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
fi

echo "Installing:$missing"
quiet="-qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300"
log=$(mktemp)
if ! { $as_root apt-get $quiet update &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get $quiet install -y \
        --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"

# Disable the services that this script installed, so that they do not start at the next boot.
if [ -d /run/systemd/system ]; then
    for service in mosquitto rabbitmq-server epmd haproxy nginx prometheus prometheus-node-exporter; do
        case " $missing " in
        *" $service "*) $as_root systemctl disable --now --quiet $service || true ;;
        esac
    done
fi
