#!/bin/bash
# Test build.sh without the OSS-Fuzz image. Runs it with clang, libFuzzer and the variables that
# OSS-Fuzz sets. Then runs each target from another directory, on its corpus and on RUNS new inputs.
#
#   fuzz/oss-fuzz/check.sh [RUNS]      default: 100
set -euo pipefail
runs=${1:-100}
cd "$(dirname "$0")/../.."
at=$PWD/build/oss-fuzz
rm -rf "$at/out" "$at/src"
mkdir -p "$at/out" "$at/src" "$at/work"
ln -s "$PWD" "$at/src/mqtt-router"
flags="-O1 -fno-omit-frame-pointer -gline-tables-only -fsanitize=address,undefined \
-fno-sanitize-recover=all -fsanitize=fuzzer-no-link"
env SRC="$at/src" WORK="$at/work" OUT="$at/out" CC=clang CXX=clang++ CFLAGS="$flags" \
    CXXFLAGS="$flags" LIB_FUZZING_ENGINE=-fsanitize=fuzzer \
    bash fuzz/oss-fuzz/build.sh >"$at/build.log" 2>&1 || { tail -40 "$at/build.log" && exit 1; }

cd "$at/out"
fault() {
    echo "fuzz/oss-fuzz/check.sh: $*" >&2
    exit 1
}
n=0
for target in fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    corpus=$at/corpus/$target
    rm -rf "$corpus" && mkdir -p "$corpus"
    python3 -m zipfile -e "${target}_seed_corpus.zip" "$corpus"
    [ -n "$(ls "$corpus")" ] || fault "the corpus of $target is empty"
    max_len=$(sed -n 's/^max_len = //p' "$target.options" 2>/dev/null || true)
    dict=$(sed -n 's/^dict = //p' "$target.options" 2>/dev/null || true)
    # Run the whole corpus, and RUNS more inputs.
    "./$target" "-runs=$(($(ls "$corpus" | wc -l) + runs))" "-max_len=${max_len:-4096}" \
        ${dict:+"-dict=$dict"} -artifact_prefix="$at/" "$corpus" >"$at/$target.log" 2>&1 ||
        { tail -30 "$at/$target.log" && fault "$target failed"; }
    n=$((n + 1))
done
[ "$n" -gt 0 ] || fault "build.sh built no targets"
echo "$n targets passed, with their corpora, options and dictionaries"
