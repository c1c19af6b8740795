#!/bin/bash
# Build with each preset and run all tests. The last line is "N passed, M failed".
#
#   test/run.sh            takes about 20 minutes on two cores
#
# First installs missing Debian 12 packages (as root, or with sudo). Writes the log of each step
# to build/logs.
set -uo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
cd "$source" || exit 1
logs=$source/build/logs
mkdir -p "$logs"
passed=0
failed=0
started=$SECONDS

# step NAME COMMAND...: run the command, write its output to a log file, and print the end of that
# file if the command fails.
step() {
    local name=$1 before=$SECONDS
    shift
    if "$@" >"$logs/$name.log" 2>&1; then
        count_tests "$name"
        printf 'ok    %-22s %4d s  %s\n' "$name" $((SECONDS - before)) "$(last_words "$name")"
        return 0
    fi
    count_tests "$name" failing
    printf 'FAIL  %-22s %4d s\n' "$name" $((SECONDS - before))
    tail -150 "$logs/$name.log" | cut -c 1-400
    return 1
}

# count_tests NAME [failing]: add the last totals of ctest or pytest in the log of a step. A step
# without totals counts as one test.
count_tests() {
    local log=$logs/$1.log good=0 bad=0 total skipped
    local ctest_line pytest_line
    ctest_line=$(grep -E '^[0-9]+% tests passed' "$log" | tail -1)
    pytest_line=$(grep -E '^(=+ )?[0-9]+ (passed|failed|error|skipped).* in [0-9.]+s' "$log" | tail -1)
    if [ -n "$ctest_line" ]; then
        bad=$(sed -E 's/.* ([0-9]+) tests? failed out of.*/\1/' <<<"$ctest_line")
        total=$(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$ctest_line")
        skipped=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*Skipped' "$log")
        good=$((total - bad - skipped))
    elif [ -n "$pytest_line" ]; then
        good=$(number_before passed "$pytest_line")
        bad=$(($(number_before failed "$pytest_line") + $(number_before error "$pytest_line")))
    elif [ "${2:-}" != failing ]; then
        good=1
    fi
    [ "${2:-}" != failing ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
}
number_before() {
    local n
    n=$(grep -oE "[0-9]+ $1" <<<"$2" | grep -oE '^[0-9]+')
    echo "${n:-0}"
}
last_words() {
    grep -E '^[0-9]+% tests passed|(passed|skipped).* in [0-9.]+s' "$logs/$1.log" | tail -1
}

# in_background NAME COMMAND...: start a step early. Later, `step NAME finished NAME` waits for it
# and reports its result.
in_background() {
    local name=$1
    shift
    { "$@" >"$logs/$name.running" 2>&1; echo $? >"$logs/$name.code"; } &
    background[$name]=$!
}
finished() {
    wait "${background[$1]}"
    cat "$logs/$1.running"
    return "$(cat "$logs/$1.code")"
}
declare -A background

build() {
    # Compile at low priority: running tests need the processor more.
    cmake --preset "$1" && nice cmake --build --preset "$1"
}
unit() {
    ctest --preset "$1" --no-tests=error
}
end_to_end() {
    local kind=$1
    shift
    # Use Debian's Python even if another one comes first in PATH: the installed pytest and paho-mqtt
    # packages belong to it.
    ROUTER="$source/build/$kind/mqtt-router" ROUTER_BUILD=$kind PAHO_CLIENT="$source/build/$kind/test/e2e/paho_client" \
        timeout 3000 /usr/bin/python3 -m pytest test/e2e -c test/e2e/pytest.ini --durations=8 "$@"
}
# Most tests spend their time waiting, so several files run in parallel, and compiling continues
# meanwhile. Tests with thousands of connections measure resource usage, and run alone.
side_by_side() { # processes
    echo "-n $1 --dist loadfile"
}
# Print the marker expression of a build. tsan runs only tests in which several threads do the work.
tests_for() { # kind
    [ "$1" = tsan ] && echo "sanitized and not one_thread" || echo sanitized
}
# The build whose unit tests are running; empty if none are. Only one build is tested at a time.
testing=
collect_unit() {
    [ -z "$testing" ] || step $testing finished $testing
    testing=
}
start_unit() { # kind
    collect_unit
    in_background unit-$1 unit $1
    testing=unit-$1
}
# Install the JavaScript clients for the tests, without running their installation scripts.
javascript() {
    local at=test/e2e/mqttjs
    [ $at/node_modules/.package-lock.json -nt $at/package-lock.json ] ||
        npm ci --prefix $at --no-audit --no-fund --ignore-scripts
}
quickstart() {
    MQTT_ROUTER="$source/build/release/mqtt-router" timeout 120 bash docker/quickstart.sh --check
}

step install bash docker/install-deps.sh build run demo test || { echo "0 passed, 1 failed"; exit 1; }
step javascript javascript
if step build-release build release; then
    start_unit release
    step quickstart quickstart
    in_background e2e-release end_to_end release $(side_by_side 4) -m "not scale"
fi
step build-clang build clang
for kind in asan tsan; do
    step build-$kind build $kind && start_unit $kind
done
step container nice bash test/container.sh
step oss-fuzz nice bash fuzz/oss-fuzz/check.sh
collect_unit
[ -z "${background[e2e-release]:-}" ] || {
    step e2e-release finished e2e-release
    step e2e-scale end_to_end release -m scale
}
for kind in asan tsan; do
    [ ! -x build/$kind/mqtt-router ] ||
        in_background e2e-$kind end_to_end $kind $(side_by_side 3) -m "$(tests_for $kind)"
done
for kind in asan tsan; do
    [ ! -x build/$kind/mqtt-router ] || step e2e-$kind finished e2e-$kind
done

echo "Took $((SECONDS - started)) s; logs are in build/logs."
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
