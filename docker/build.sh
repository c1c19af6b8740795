#!/bin/bash
# Build the release and install it below a prefix.
#
#   build.sh PREFIX     PREFIX/bin/mqtt-router
#
# The Dockerfile's build stage, as a script, so that it is tested without Docker too.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: build.sh PREFIX" >&2; exit 2; }
source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -S "$source" -B "$work" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work" --target mqtt-router
mkdir -p "$1/bin"
install -m 755 -s "$work/mqtt-router" "$1/bin/mqtt-router"
