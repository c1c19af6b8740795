#!/bin/bash
# Build a release and install it below a prefix.
#
#   build.sh PREFIX     install PREFIX/bin/mqtt-router
#
# The build stage of the Dockerfile calls this script, so that it can be tested without Docker.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: build.sh PREFIX" >&2; exit 2; }
source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -S "$source" -B "$work" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work" --target mqtt-router
mkdir -p "$1/bin"
install -m 755 -s "$work/mqtt-router" "$1/bin/mqtt-router"
