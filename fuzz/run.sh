#!/bin/bash
# Fuzz for a while.
#
#   fuzz/run.sh SECONDS [TARGET]     TARGET: mqtt_connect, ...; default: all, one after another
#
# On a bare Debian 12 it installs what is missing first. Inputs that reach new code are kept
# in build/fuzz/corpus/TARGET for the next run; a finding goes to fuzz/findings/TARGET, and
# the exit code is 1. What a finding teaches goes into fuzz/corpus/TARGET with the cure.
set -euo pipefail

usage() {
    echo "usage: fuzz/run.sh SECONDS [TARGET]" >&2
    exit 2
}
case ${1:-} in '' | *[!0-9]*) usage ;; esac
[ $# -le 2 ] || usage
seconds=$1

cd "$(dirname "$0")/.."
targets=${2:-$(basename -s .c fuzz/fuzz_*.c | sed 's/^fuzz_//')}
for target in $targets; do
    [ -f "fuzz/fuzz_$target.c" ] || {
        echo "fuzz/run.sh: no target $target; there is:" $(basename -s .c fuzz/fuzz_*.c | sed 's/^fuzz_//') >&2
        exit 2
    }
done

docker/install-deps.sh build fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target $(printf 'fuzz_%s ' $targets)

found=0
for target in $targets; do
    kept=build/fuzz/corpus/$target
    findings=fuzz/findings/$target
    log=build/fuzz/$target.log
    mkdir -p "$kept" "$findings"
    echo "$target: $seconds s, log in $log"
    # -max_len: a CONNECT with everything in it is some 300 bytes; beyond 4 KiB only lengths grow.
    if build/fuzz/fuzz/fuzz_"$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -print_final_stats=1 -artifact_prefix="$findings/" "$kept" "fuzz/corpus/$target" \
        >"$log" 2>&1; then
        grep -E 'DONE|^Done|exec_per_sec|new_units' "$log" | tail -4
    else
        found=1
        tail -40 "$log"
        echo "$target: a finding, in $findings" >&2
    fi
done
exit $found
