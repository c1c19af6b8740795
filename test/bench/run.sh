#!/bin/bash
# Compare the router with HAProxy and nginx under the same load: figures, tables and plots.
#
#   test/bench/run.sh            takes half an hour; writes figures and plots to test/bench/results,
#                                and tables to test/bench/README.md
#   test/bench/run.sh --quick    takes four minutes; prints tables, and stores no results
#
# Installs missing packages, and builds. Do not run other programs at the same time: they affect the
# figures. bench.py can also be started directly (--help).
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1:-} in
"" | --quick) quick=${1:-} ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' test/bench/run.sh >&2
    exit 2
    ;;
esac

docker/install-deps.sh build bench
cmake --preset release >/dev/null
cmake --build --preset release --target mqtt-router bench_programs
ulimit -n "$(ulimit -H -n)"

figures=test/bench/results/figures.json
mkdir -p test/bench/results
if [ -n "$quick" ]; then
    figures=$(mktemp)
    trap 'rm -f "$figures"' EXIT
fi
/usr/bin/python3 test/bench/bench.py $quick --json "$figures"
if [ -n "$quick" ]; then
    /usr/bin/python3 test/bench/report.py "$figures"
else
    /usr/bin/python3 test/bench/report.py "$figures" --publish
fi
