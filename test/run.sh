#!/bin/bash
# Build everything every way and run every test. The last line says "N passed, M failed".
#
#   test/run.sh            all of it: about ten minutes on two cores
#
# On a bare Debian 12 it installs what is missing first (as root, or through sudo).
# Logs of all steps are in build/logs.
set -uo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
cd "$source" || exit 1
logs=$source/build/logs
mkdir -p "$logs"
passed=0
failed=0
started=$SECONDS

# step NAME COMMAND...: run it with its output in a file; the file is shown when it fails.
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

# The last numbers ctest or pytest gave in a step's log; a step without any is one test.
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

# A step begun early: in_background NAME COMMAND..., and later: step NAME finished NAME.
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
    cmake --preset "$1" && cmake --build --preset "$1"
}
unit() {
    ctest --preset "$1" --no-tests=error
}
end_to_end() {
    local kind=$1
    shift
    # Debian's Python, whatever else is on the path: its pytest and paho-mqtt are what we installed.
    ROUTER="$source/build/$kind/mqtt-router" ROUTER_BUILD=$kind PAHO_CLIENT="$source/build/$kind/test/e2e/paho_client" \
        timeout 3000 /usr/bin/python3 -m pytest test/e2e -c test/e2e/pytest.ini --durations=8 "$@"
}
# Most tests wait far more than they compute: several files of them go side by side. Those with
# thousands of connections count what they cost, and go alone.
at_once=(-n 4 --dist loadfile)
# The unit tests under way, if any: one kind at a time.
testing=
collect_unit() {
    [ -z "$testing" ] || step $testing finished $testing
    testing=
}
# The JavaScript clients of the tests: their own scripts at installation are not run.
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
# Unit tests wait for DNS and deadlines more than they compute: the next build goes on meanwhile.
for kind in release clang asan tsan; do
    if step build-$kind build $kind && [ $kind != clang ]; then
        collect_unit
        in_background unit-$kind unit $kind
        testing=unit-$kind
    fi
done
[ ! -x build/release/mqtt-router ] || {
    step quickstart quickstart
    step container bash test/container.sh
    step oss-fuzz bash fuzz/oss-fuzz/check.sh
    collect_unit
    step e2e-release end_to_end release "${at_once[@]}" -m "not scale"
    step e2e-scale end_to_end release -m scale
}
collect_unit
for kind in asan tsan; do
    [ ! -x build/$kind/mqtt-router ] || step e2e-$kind end_to_end $kind "${at_once[@]}" -m sanitized
done

echo "Took $((SECONDS - started)) s; logs are in build/logs."
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
