#!/bin/bash
# Compare the router with HAProxy and nginx on the same work: figures, tables, plots.
#
#   test/bench/run.sh            half an hour: figures and plots into test/bench/results, tables into
#                                test/bench/README.md
#   test/bench/run.sh --quick    four minutes: tables to the terminal, results are not kept
#
# Installs missing packages, and builds. Run nothing else on the machine: it would change the figures.
# bench.py can also be started directly (--help).
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
