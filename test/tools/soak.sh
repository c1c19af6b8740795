#!/bin/bash
# Run all end-to-end tests, then chaos for the rest of the time: memory and descriptors must not grow.
#
#   test/tools/soak.sh MINUTES [release|asan|tsan]   default: all three, MINUTES each
#   test/tools/soak.sh valgrind                      once, a short run under memcheck
#
# test/tools/soak.py defines the limits. The tests always run completely, and chaos for at least two
# minutes. On a bare Debian 12 it first installs missing packages.
set -euo pipefail

cd "$(dirname "$0")/../.."
source=$PWD
case ${1:-} in
valgrind) minutes=0 && kinds=release ;;
'' | *[!0-9]*) echo "usage: test/tools/soak.sh MINUTES [release|asan|tsan] | valgrind" >&2 && exit 2 ;;
*) minutes=$1 && kinds=${2:-release asan tsan} ;;
esac
docker/install-deps.sh build run test soak

soak() { # KIND: run the tests, then chaos until the minutes have passed
    local started=$SECONDS left devices=500 code=0
    [ "$1" = release ] || devices=200
    /usr/bin/python3 -m pytest -c test/e2e/pytest.ini -q test/e2e || code=1
    left=$((60 * minutes - (SECONDS - started)))
    [ $left -gt 120 ] || left=120
    /usr/bin/python3 test/tools/soak.py --seconds $left --round 5 --devices $devices || code=1
    return $code
}

# Memory that is still reachable at the exit, such as that of libraries, is not a leak.
memcheck() {
    local log=$source/build/logs/valgrind.log
    mkdir -p "${log%/*}"
    /usr/bin/python3 test/tools/soak.py --unjudged --seconds 1 --round 2 --devices 20 \
        --wrapper "valgrind -q --error-exitcode=99 --leak-check=full
                   --errors-for-leak-kinds=definite --log-file=$log" || {
        tail -100 "$log"
        return 1
    }
}

result=0
for kind in $kinds; do
    case $kind in
    release | asan | tsan) ;;
    *) echo "soak.sh: no such build: $kind" >&2 && exit 2 ;;
    esac
    cmake --preset "$kind" >/dev/null
    cmake --build --preset "$kind"
    export ROUTER=$source/build/$kind/mqtt-router ROUTER_BUILD=$kind
    PAHO_CLIENT=$(find "$source/build/$kind" -name paho_client -type f)
    export PAHO_CLIENT
    if [ "$1" = valgrind ]; then
        memcheck || result=1
    else
        soak "$kind" || { echo "soak.sh: $kind FAILED" && result=1; }
    fi
done
exit $result
