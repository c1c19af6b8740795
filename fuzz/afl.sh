#!/bin/bash
# Run the fuzz targets with AFL++, which finds other inputs than libFuzzer.
#
#   fuzz/afl.sh SECONDS [TARGET]     TARGET: mqtt_connect, ...; default: all, one after another,
#                                    SECONDS each
#
# The targets are compiled with afl-clang-fast, ASan and UBSan, and run in persistent mode by AFL's
# driver for libFuzzer targets. Inputs that reach new code are kept in
# build/afl/out/TARGET/default/queue for the next run. If there is a finding, it is saved in
# fuzz/findings/TARGET, and the exit code is 1.
set -euo pipefail

usage() {
    echo "usage: fuzz/afl.sh SECONDS [TARGET]" >&2
    exit 2
}
case ${1:-} in '' | *[!0-9]*) usage ;; esac
[ $# -le 2 ] || usage
seconds=$1

cd "$(dirname "$0")/.."
all=$(basename -s .c fuzz/targets/fuzz_*.c | sed 's/^fuzz_//')
targets=${2:-$all}
for target in $targets; do
    [ -f "fuzz/targets/fuzz_$target.c" ] || {
        echo "fuzz/afl.sh: no target $target; targets are:" $all >&2
        exit 2
    }
done
docker/install-deps.sh build fuzz

# Do not require changes to the core pattern or the CPU governor of the machine.
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_NO_UI=1
export AFL_AUTORESUME=1 AFL_QUIET=1
# Set it for the configuration as well; otherwise CMake detects a changed compiler in the next run.
export AFL_USE_ASAN=1 AFL_USE_UBSAN=1

cmake --preset afl >/dev/null
cmake --build --preset afl --target $(printf 'fuzz_%s ' $targets) >build/afl/build.log ||
    { tail -40 build/afl/build.log && exit 1; }

option() {
    [ ! -f "fuzz/options/$1.options" ] || sed -n "s/^$2 = //p" "fuzz/options/$1.options"
}
# stat FILE KEY: print a value of AFL's fuzzer_stats.
stat() {
    sed -n "s/^$2 *: *//p" "$1"
}

found=0
for target in $targets; do
    out=build/afl/out/$target
    log=build/afl/$target.log
    max_len=$(option "$target" max_len)
    dict=$(option "$target" dict)
    mkdir -p "$out" "fuzz/findings/$target"
    # AFL rejects empty inputs, and inputs above the maximum size.
    rm -rf "build/afl/in/$target" && mkdir -p "build/afl/in/$target"
    find "fuzz/corpus/$target" -type f -size +0 -size "-${max_len:-4096}c" \
        -exec cp -t "build/afl/in/$target" {} +
    afl-fuzz -V "$seconds" -i "build/afl/in/$target" -o "$out" -G "${max_len:-4096}" -t 5000 -m none \
        ${dict:+-x "fuzz/dict/$dict"} -- "build/afl/fuzz/fuzz_$target" >"$log" 2>&1 ||
        { tail -40 "$log" && exit 1; }
    stats=$out/default/fuzzer_stats
    crashes=$(stat "$stats" saved_crashes)
    hangs=$(stat "$stats" saved_hangs)
    echo "$target: $(stat "$stats" execs_done) runs, $(stat "$stats" execs_per_sec) per second," \
        "$(stat "$stats" corpus_count) inputs kept, $(stat "$stats" bitmap_cvg) of edges," \
        "$crashes crashes, $hangs hangs"
    if [ "$crashes" -gt 0 ] || [ "$hangs" -gt 0 ]; then
        found=1
        find "$out/default/crashes" "$out/default/hangs" -name 'id*' \
            -exec cp -t "fuzz/findings/$target" {} +
        echo "$target: found a failure, saved in fuzz/findings/$target" >&2
    fi
done
exit $found
