#!/bin/bash
# Test docker/Dockerfile without Docker: build the image's contents, and run the router in them.
#
#   test/container.sh [BINARY]
#
# Runs the RUN lines of the build stage on a copy of the tree, in the order of the Dockerfile. With
# BINARY, uses that program and skips the last RUN line, which compiles for two minutes. The root
# file system of the second stage is the binary and the libraries from the packages that this stage
# installs. It is owned by root. If the script runs as root, it mounts this file system read-only;
# otherwise it runs the router without a chroot.
set -euo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
binary=${1:-}
[ -z "$binary" ] || binary=$(realpath "$binary")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dockerfile=$source/docker/Dockerfile

fail() {
    echo "container: $*" >&2
    exit 1
}
# stage N: print the instructions of the N-th stage.
stage() {
    awk -v n="$1" '/^FROM /{at++} at == n' "$dockerfile"
}

# dpkg of Debian 12 lists libc under /lib, which is a link to /usr/lib.
package_of() {
    { dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "${1#/usr}" 2>/dev/null || echo nobody; } |
        head -1 | cut -d: -f1
}

echo "1. Run the RUN lines of the build stage"
mkdir -p "$work/src" "$work/out/bin"
(cd "$source" && git ls-files -z --cached --others --exclude-standard |
    xargs -0 cp --parents -t "$work/src")
mapfile -t runs < <(stage 1 | sed -n 's/^RUN //p')
[ ${#runs[@]} -eq 2 ] || fail "expected two RUN lines in the build stage, got ${#runs[@]}"
for run in "${runs[@]}"; do
    case $run in
    *"docker/build.sh /out")
        run=${run%/out}$work/out
        if [ -n "$binary" ]; then
            install -s "$binary" "$work/out/bin/mqtt-router"
            echo "   (skipped: uses ${binary#"$source"/})"
            continue
        fi
        ;;
    esac
    echo "   $run"
    (cd "$work/src" && bash -euo pipefail -c "$run") || fail "failed: $run"
done
router=$work/out/bin/mqtt-router
[ -x "$router" ] || fail "the build stage created no binary"

echo "2. Check that the run stage installs the package of every library"
stage 2 | grep -q '^RUN /tmp/install-deps.sh run ' || fail "the run stage does not call install-deps.sh run"
shipped=$(bash "$source/docker/install-deps.sh" --print run)
# Add the packages that they depend on, including libc, which the base image contains.
for round in 1 2 3; do
    shipped=$(printf '%s\n' $shipped $(dpkg-query -W -f '${Depends}, ${Pre-Depends}\n' $shipped 2>/dev/null |
        tr ',|' '\n\n' | sed -E 's/\(.*//; s/:any//; s/ //g' || true) | sort -u)
done
root=$work/root
mkdir -p "$root/usr/bin" "$root/etc/mqtt-router" "$root/usr/lib/ssl"
while read -r library; do
    package=$(package_of "$(realpath "$library")")
    grep -qx "$package" <<<"$shipped" || fail "$library is in package '$package', which the run stage does not install"
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
    echo "   ${library##*/} ($package)"
done < <(ldd "$router" | grep -oE '/[^ ]+')

echo "3. Run the router as an unprivileged user, on a read-only root file system"
cp "$router" "$root/usr/bin/mqtt-router"
cat >"$root/etc/mqtt-router/config.json" <<EOF
{ "workers": 1,
  "listeners": [ { "name": "mqtt", "address": "127.0.0.1:0", "cluster": "c" } ],
  "clusters": [ { "name": "c", "nodes": [ { "name": "n", "address": "127.0.0.1:9" } ] } ] }
EOF
chmod -R a-w,a+rX "$work"
chmod u+w "$work"
user=$(sed -n 's/^USER //p' "$dockerfile")
[ "$user" = 10001:10001 ] || fail "USER must be 10001:10001, got '$user'"
if [ "$(id -u)" -ne 0 ]; then
    echo "   (not root: runs without chroot)"
    "$router" --version
    "$router" --check --config "$root/etc/mqtt-router/config.json"
    exit 0
fi
# Apply the restrictions of compose.yaml: read_only, cap_drop ALL, no-new-privileges. setpriv is
# copied into the root file system and uses the router's libraries.
for rule in 'read_only: true' 'cap_drop: \[ALL\]' 'no-new-privileges:true'; do
    grep -q "$rule" "$source/docker/compose.yaml" || fail "compose.yaml must contain $rule"
done
chmod u+w "$root"
cp "$(command -v setpriv)" "$root/setpriv"
inside() {
    timeout 20 unshare --mount bash -euc '
        mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"
        exec chroot "$0" /setpriv --reuid "${1%:*}" --regid "${1#*:}" --clear-groups \
            --bounding-set=-all --inh-caps=-all --no-new-privs "${@:2}"' "$root" "$user" "$@"
}
inside /usr/bin/mqtt-router --version
inside /usr/bin/mqtt-router --check --config /etc/mqtt-router/config.json
mapfile -t entry < <(stage 2 | sed -n 's/^ENTRYPOINT //p' | tr -d '[]"' | tr ',' '\n' | sed 's/^ *//')
inside "${entry[@]}" >"$work/router.log" 2>&1 &
pid=$!
for ((try = 0; try < 200; try++)); do
    grep -q 'router.ready' "$work/router.log" && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
done
grep -q 'router.ready' "$work/router.log" || { cat "$work/router.log" >&2; fail "the router did not start"; }
# The router is the last descendant: find it below the subshell and timeout.
child=$pid
while next=$(pgrep -P "$child"); do
    child=$next
done
# Read the user from status: root owns /proc/PID if the process is not dumpable.
status=$(cat "/proc/$child/task/"*/status)
expect() { # field, value: fail unless every thread has this value
    [ "$(sed -n "s/^$1:[[:space:]]*//p" <<<"$status" | sort -u)" = "$2" ] || fail "$1 must be $2: $status"
}
expect Uid "$(printf '10001\t10001\t10001\t10001')"
for set in CapPrm CapEff CapBnd CapAmb; do
    expect $set 0000000000000000
done
expect NoNewPrivs 1
expect Seccomp 2
kill -TERM "$child"
wait $pid || { cat "$work/router.log" >&2; fail "the router did not exit with status 0 on SIGTERM"; }
echo "container: all checks passed."
