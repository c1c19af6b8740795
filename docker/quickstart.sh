#!/bin/bash
# Run a demo of mqtt-router on this machine: three Mosquitto nodes behind the router.
#
#   quickstart.sh           start the demo and print commands to try; Ctrl-C stops it
#   quickstart.sh --check   use free ports, check that each device always reaches the same
#                           node over TCP and TLS, stop, and exit with 0 or 1
#
# First installs missing Debian 12 packages and builds the router. If MQTT_ROUTER contains the path
# of a binary, uses that binary, and installs and builds nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$here")
mode=demo
case "${1:-}" in
'') ;;
--check) mode=check ;;
--help | -h) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
*) echo "usage: quickstart.sh [--check]" >&2; exit 2 ;;
esac

work=$(mktemp -d -t mqtt-router-quickstart.XXXXXX)
pids=()

stop_all() {
    trap '' INT TERM
    # Stop the router first, so that it closes its sessions while the nodes are still running.
    local i
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill "${pids[i]}" 2>/dev/null || true
        wait_gone "${pids[i]}" || kill -9 "${pids[i]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
wait_gone() {
    local try
    for try in $(seq 100); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}
trap stop_all EXIT
trap 'echo; echo "Stopping."; exit 0' INT TERM

fail() {
    echo "quickstart: $*" >&2
    for log in "$work"/*.log; do
        [ -s "$log" ] && { echo "--- last lines of ${log##*/}" >&2; tail -20 "$log" >&2; }
    done
    exit 1
}

# is_free PORT: succeed if nothing listens on this port of 127.0.0.1.
is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
# wait_for SECONDS COMMAND...: wait until the command succeeds; fail after SECONDS.
wait_for() {
    local tries=$(($1 * 20))
    shift
    while ! "$@"; do
        ((tries-- > 0)) || return 1
        sleep 0.05
    done
}

build_router() {
    if [ -n "${MQTT_ROUTER:-}" ]; then
        router=$MQTT_ROUTER
        return
    fi
    bash "$here/install-deps.sh" build demo
    echo "Building mqtt-router."
    (cd "$source" && cmake --preset release && cmake --build --preset release \
        --target mqtt-router) >"$work/build.log" 2>&1 || fail "the build failed"
    router=$source/build/release/mqtt-router
}

# start_node NAME: start a Mosquitto broker on a free port and set ${NAME}_port. A retained message
# on the node contains the node's name, so that a device can find out which node it is connected to.
start_node() {
    local name=$1 port try
    for try in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000)) # below the range of ephemeral ports
        is_free $port || continue
        cat >"$work/$name.conf" <<EOF
listener $port 127.0.0.1
allow_anonymous true
log_dest stderr
EOF
        [ "$(id -u)" -ne 0 ] || echo "user root" >>"$work/$name.conf"
        "$mosquitto" -c "$work/$name.conf" >"$work/$name.log" 2>&1 &
        local pid=$!
        if wait_for 10 node_answers $pid $port && kill -0 $pid 2>/dev/null; then
            pids+=($pid)
            printf -v "${name}_port" %s $port
            mosquitto_pub -h 127.0.0.1 -p $port -q 1 -r -t node/name -m "$name" ||
                fail "cannot publish to $name"
            return
        fi
    done
    fail "cannot start Mosquitto for $name"
}
node_answers() {
    ! kill -0 "$1" 2>/dev/null || ! is_free "$2"
}

write_config() {
    local mqtt_port=0 mqtts_port=0 admin_port=0 # 0: any free port
    if [ $mode = demo ]; then
        ! is_free 1883 || mqtt_port=1883
        ! is_free 8883 || mqtts_port=8883
        ! is_free 9090 || admin_port=9090
    fi
    cat >"$work/config.json" <<EOF
{
  "listeners": [
    { "name": "mqtt", "address": "127.0.0.1:$mqtt_port", "cluster": "demo" },
    { "name": "mqtts", "address": "127.0.0.1:$mqtts_port", "cluster": "demo",
      "tls": { "certificates": [
        { "certificate_file": "server.pem", "private_key_file": "server.key" } ] } }
  ],
  "clusters": [
    { "name": "demo", "route_by": "client_id", "proxy_protocol": "none",
      "health_check": { "type": "mqtt" },
      "nodes": [ { "name": "node1", "address": "127.0.0.1:$node1_port" },
                 { "name": "node2", "address": "127.0.0.1:$node2_port" },
                 { "name": "node3", "address": "127.0.0.1:$node3_port" } ] }
  ],
  "admin": { "address": "127.0.0.1:$admin_port" },
  "log": { "level": "info", "format": "json" }
}
EOF
}

start_router() {
    : >"$work/router.log"
    "$router" --config "$work/config.json" >"$work/router.log" 2>&1 &
    router_pid=$!
    pids+=($router_pid)
    wait_for 10 router_answers || fail "the router did not start"
    kill -0 $router_pid 2>/dev/null || fail "the router did not start"
    mqtt_port=$(port_of mqtt)
    mqtts_port=$(port_of mqtts)
    admin=$(sed -n '/"event":"admin.open"/s/.*"address":"\([^"]*\)".*/\1/p' "$work/router.log")
    [ -n "$mqtt_port" ] && [ -n "$mqtts_port" ] && [ -n "$admin" ] ||
        fail "the router did not log its ports"
}
router_answers() {
    ! kill -0 $router_pid 2>/dev/null || grep -q '"event":"router.ready"' "$work/router.log"
}
port_of() {
    sed -n "/\"event\":\"listener.open\"/s/.*\"listener\":\"$1\".*\"address\":\"[^\"]*:\([0-9]*\)\".*/\1/p" \
        "$work/router.log" | head -1
}

# node_over_tcp CLIENT_ID, node_over_tls CLIENT_ID: connect, and print the name of the node.
node_over_tcp() {
    mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -i "$1" -t node/name -C 1 -W 5
}
node_over_tls() {
    mosquitto_sub -h localhost -p "$mqtts_port" --cafile "$work/ca.pem" -i "$1" \
        -t node/name -C 1 -W 5
}
# neighbour_of CLIENT_ID: print another client ID with the same home node. Devices can exchange
# messages only on the same node, because the Mosquitto nodes do not form a cluster.
neighbour_of() {
    local i home
    home=$(home_of "$1")
    for i in $(seq 100); do
        [ "$(home_of "neighbour-$i")" != "$home" ] || { echo "neighbour-$i"; return; }
    done
    return 1
}
home_of() {
    "$router" route --config "$work/config.json" --client-id "$1" |
        awk '$1 == 1 { print $2 }'
}

check_devices() {
    local i first again tls homes=
    for i in $(seq 20); do
        first=$(node_over_tcp "device-$i") || fail "device-$i received no message over TCP"
        again=$(node_over_tcp "device-$i") || fail "device-$i received no message over its second TCP connection"
        tls=$(node_over_tls "device-$i") || fail "device-$i received no message over TLS"
        [ "$first" = "$again" ] || fail "device-$i reached $first, then $again"
        [ "$first" = "$tls" ] || fail "device-$i reached $first over TCP, but $tls over TLS"
        [ "$first" = "$(home_of "device-$i")" ] || fail "'route' prints another node than $first for device-$i"
        homes="$homes $first"
    done
    homes=$(printf '%s\n' $homes | sort -u | wc -l)
    [ "$homes" -ge 2 ] || fail "all 20 devices reached the same node"
    echo "20 devices connected twice over TCP, once over TLS: each always reached the same node ($homes nodes used)."
}

check_session() {
    local neighbour got
    neighbour=$(neighbour_of sleeper) || fail "no neighbour found for 'sleeper'"
    mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -i sleeper -c -q 1 -t letters -E ||
        fail "cannot create a persistent session for 'sleeper'"
    mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -i "$neighbour" -q 1 -t letters -m "while you slept" ||
        fail "'$neighbour' could not publish"
    got=$(mosquitto_sub -h localhost -p "$mqtts_port" --cafile "$work/ca.pem" -i sleeper -c -q 1 \
        -t letters -C 1 -W 5) || fail "'sleeper' received no message from its session"
    [ "$got" = "while you slept" ] || fail "'sleeper' received '$got'"
    echo "A persistent session created over TCP was resumed over TLS, and its queued message was delivered."
}

explain() {
    local neighbour
    neighbour=$(neighbour_of sleeper) || fail "no neighbour found for 'sleeper'"
    cat <<EOF

mqtt-router is running: MQTT on 127.0.0.1:$mqtt_port, MQTT over TLS on localhost:$mqtts_port.
The backend nodes are node1 on port $node1_port, node2 on port $node2_port and node3 on port $node3_port:
three separate Mosquitto brokers. Each has a retained message with its name.
(This Mosquitto version does not support the PROXY protocol, so the router does not send it, and
the nodes only see the router's address. EMQX and RabbitMQ can receive the device's address.)

In another terminal, find out which node a device reaches. Repeat a command: the same client
ID always reaches the same node.

    mosquitto_sub -p $mqtt_port -i my-device -t node/name -C 1
    mosquitto_sub -p $mqtt_port -i your-device -t node/name -C 1

Over TLS, the device reaches the same node:

    mosquitto_sub -h localhost -p $mqtts_port --cafile $work/ca.pem -i my-device -t node/name -C 1

A device can resume its persistent session, because it returns to the same node. The first
command creates the session, the second one publishes as another device on the same node, and
the third one resumes the session and receives the message.

    mosquitto_sub -p $mqtt_port -i sleeper -c -q 1 -t letters -E
    mosquitto_pub -p $mqtt_port -i $neighbour -q 1 -t letters -m "while you slept"
    mosquitto_sub -p $mqtt_port -i sleeper -c -q 1 -t letters -C 1

Print the node that a device would be routed to:

    $router route --config $work/config.json --client-id my-device

The dashboard is at http://$admin/ - drain a node there or on the command line, and check again
which node your device reaches:

    $router drain node1 --admin $admin --wait
    $router restore node1 --admin $admin

The router logs one line per session to $work/router.log
Ctrl-C stops the router and the three nodes.
EOF
}

build_router
mosquitto=$(command -v mosquitto || echo /usr/sbin/mosquitto)
bash "$here/make-certs.sh" "$work"
for name in node1 node2 node3; do
    start_node $name
done
write_config
start_router
if [ $mode = check ]; then
    check_devices
    check_session
    echo "quickstart: all checks passed."
else
    explain
    # Runs until the router exits, or until Ctrl-C.
    wait $router_pid || fail "the router exited unexpectedly"
    fail "the router exited unexpectedly"
fi
