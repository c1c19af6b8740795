#!/bin/bash
# Check C format, includes, copied code and script syntax. Takes seconds: run it before each commit.
#
#   test/check.sh                                     check the tree; exit 1 if a check fails
#   ln -s ../../test/check.sh .git/hooks/pre-commit   make git run it before each commit
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.." || exit 2
bad=0
check() { # name, command...
    local output
    if output=$("${@:2}" 2>&1); then
        echo "ok    $1"
    else
        echo "FAIL  $1"
        echo "$output"
        bad=1
    fi
}
python_syntax() {
    git ls-files -z '*.py' test/bench/storm | xargs -0 /usr/bin/python3 -c '
import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, encoding="utf-8").read(), name)'
}
shell_syntax() {
    local file bad=0
    while read -r file; do
        bash -n "$file" || bad=1
    done < <(git ls-files '*.sh' .ci/run)
    return $bad
}
c_format() {
    git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run --Werror
}
# Only the changed files, because each takes seconds. Needs the compile commands of a build.
clang_tidy() {
    local build files
    mapfile -t files < <(git diff --name-only --diff-filter=d HEAD -- 'src/*.c')
    [ ${#files[@]} -gt 0 ] || return 0
    for build in clang-tidy release debug; do
        if [ -f "build/$build/compile_commands.json" ]; then
            clang-tidy --quiet -p "build/$build" "${files[@]}"
            return
        fi
    done
}
check "C format" c_format
check "shell syntax" shell_syntax
check "Python syntax" python_syntax
check "layers" bash test/layers.sh "${CC:-cc}"
check "duplicates" /usr/bin/python3 test/tools/duplicates.py
if command -v clang-tidy >/dev/null; then
    check "clang-tidy" clang_tidy
fi
exit $bad
