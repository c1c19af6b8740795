#!/bin/bash
# Check that every target and source file in fuzz/parsers exists, and that every target is listed.
set -u
cd "$(dirname "$0")/.." || exit 2
faults=0
fault() {
    echo "fuzz/parsers: $*"
    faults=1
}
while read -r target sources; do
    [ -f "fuzz/targets/fuzz_$target.c" ] || fault "no target $target"
    for source in $sources; do
        [ -f "$source" ] || fault "$target: no file $source"
    done
done < <(grep -v '^#' fuzz/parsers)
for file in fuzz/targets/fuzz_*.c; do
    target=$(basename -s .c "$file")
    grep -q "^${target#fuzz_} " fuzz/parsers || fault "${target#fuzz_} is not listed"
done
exit $faults
