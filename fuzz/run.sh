#!/bin/bash
# Run the fuzz targets, or print how much of the parsers the corpora cover.
#
#   fuzz/run.sh SECONDS [TARGET]             TARGET: mqtt_connect, ...; default: all, one after
#                                            another, SECONDS each
#   fuzz/run.sh --coverage [--show] [TARGET] a line per parser in fuzz/parsers; --show: also
#                                            every line that no input reaches
#
# On Debian 12 it installs missing packages first. Inputs that reach new code are kept in
# build/fuzz/corpus/TARGET for the next run; a finding is saved in fuzz/findings/TARGET, and
# the exit code is 1. Add the input to fuzz/corpus/TARGET with the fix.
# fuzz/options/TARGET.options has the maximum input size and the dictionary of a target.
set -euo pipefail

usage() {
    echo "usage: fuzz/run.sh SECONDS [TARGET]" >&2
    echo "       fuzz/run.sh --coverage [--show] [TARGET]" >&2
    exit 2
}
cd "$(dirname "$0")/.."
seconds=
show=no
case ${1:-} in
--coverage) shift && if [ "${1:-}" = --show ]; then show=yes && shift; fi ;;
'' | *[!0-9]*) usage ;;
*) seconds=$1 && shift ;;
esac
[ $# -le 1 ] || usage
all=$(basename -s .c fuzz/targets/fuzz_*.c | sed 's/^fuzz_//')
targets=${1:-$all}
for target in $targets; do
    [ -f "fuzz/targets/fuzz_$target.c" ] || {
        echo "fuzz/run.sh: no target $target; targets are:" $all >&2
        exit 2
    }
done

# option TARGET KEY: print the value in TARGET.options, if there is one.
option() {
    [ ! -f "fuzz/options/$1.options" ] || sed -n "s/^$2 = //p" "fuzz/options/$1.options"
}

fuzz() {
    local target=$1 kept=build/fuzz/corpus/$1 findings=fuzz/findings/$1 log=build/fuzz/$1.log
    local max_len dict
    max_len=$(option "$target" max_len)
    dict=$(option "$target" dict)
    mkdir -p "$kept" "$findings"
    echo "$target: $seconds s, log in $log"
    if build/fuzz/fuzz/fuzz_"$target" -max_total_time="$seconds" -max_len="${max_len:-4096}" \
        ${dict:+-dict="fuzz/dict/$dict"} -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$findings/" "$kept" "fuzz/corpus/$target" >"$log" 2>&1; then
        grep -E 'DONE|^Done|exec_per_sec|new_units' "$log" | tail -4
    else
        tail -40 "$log"
        echo "$target: found a failure, saved in $findings" >&2
        return 1
    fi
}

run_all() {
    local found=0 runs=0 n
    cmake --preset fuzz >/dev/null
    cmake --build --preset fuzz --target $(printf 'fuzz_%s ' $targets)
    for target in $targets; do
        fuzz "$target" || found=$((found + 1))
        n=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "build/fuzz/$target.log")
        runs=$((runs + ${n:-0}))
    done
    n=$(wc -w <<<"$targets")
    echo "$n targets, $seconds s each, $((n * seconds)) s in all: $runs runs, $found targets failed"
    [ "$found" -eq 0 ]
}

# Replay the corpora in programs that measure coverage. They are built without UBSan and ASan, whose
# branches would be counted too.
coverage() {
    local at=build/coverage programs=() sources target
    cmake --preset coverage >/dev/null
    cmake --build --preset coverage --target $(printf 'fuzz_%s ' $targets) >"$at/build.log" ||
        { tail -40 "$at/build.log" && return 1; }
    rm -f "$at"/*.profraw
    for target in $targets; do
        mkdir -p "build/fuzz/corpus/$target"
        LLVM_PROFILE_FILE=$at/$target.profraw "$at/fuzz/fuzz_$target" "fuzz/corpus/$target" \
            "build/fuzz/corpus/$target" >"$at/$target.log"
        programs+=(-object "$at/fuzz/fuzz_$target")
    done
    llvm-profdata merge -o "$at/all.profdata" "$at"/*.profraw
    sources=$(for target in $targets; do
        sed -n "s/^$target  *\([^#]\)/\1/p" fuzz/parsers
    done | tr ' ' '\n' | sort -u)
    [ -n "$sources" ] || { echo "fuzz/parsers: no source file for" $targets >&2 && return 1; }
    # llvm-cov strips the common prefix of all names, but not of a single name.
    llvm-cov report "${programs[@]:1}" -instr-profile="$at/all.profdata" $sources |
        awk -v sources="$(echo $sources)" -v root="$PWD/" 'BEGIN { n = split(sources, name, " ")
                form = "%-36s %9s %9s %9s  %s\n"
                printf form, "parser", "lines", "regions", "branches", "lines never reached" }
            $1 ~ /\.c$|^TOTAL$/ {
                sub("^" root, "", $1)
                for (i = 1; i <= n; i++)
                    if (substr("/" name[i], length(name[i]) - length($1) + 1) == "/" $1) $1 = name[i]
                printf form, $1, $10, $4, $13, $9 }'
    [ $show = no ] || never_reached "$at/all.profdata" $sources
}

never_reached() {
    local profile=$1 source
    shift
    for source in "$@"; do
        llvm-cov show "${programs[@]:1}" -instr-profile="$profile" "$source" |
            awk -v source="$source" -F'|' '$2 ~ /^ *0$/ { gsub(/ /, "", $1)
                line = $0; sub(/^[^|]*\|[^|]*\|/, "", line); print source ":" $1 ":" line }'
    done
}

docker/install-deps.sh build fuzz
if [ -n "$seconds" ]; then run_all; else coverage; fi
