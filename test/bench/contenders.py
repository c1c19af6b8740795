"""The proxies of the benchmarks, each configured as an expert would configure it for this work.

All use consistent hashing of the client identifier, and send the device's address
with PROXY protocol v2 (nginx: v1, the only version it supports). They have the same threads, certificate, backlog
and nodes, prefer the same cipher and group, and issue one ticket (HAProxy: always two in TLS 1.3).
None of them writes a log line per session. All other settings have their default values.
"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
# pylint: disable=wrong-import-position
import harness  # noqa: E402
from nodes import Process  # noqa: E402

BACKLOG = 4096  # nginx: 511 by default
CIPHER_13 = "TLS_AES_128_GCM_SHA256"
CIPHER_12 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
MODULES = "/usr/lib/nginx/modules"


class Setting:
    """The common settings of all proxies: nodes, certificate and sizes."""

    def __init__(self, node_ports, certificates, threads, sessions):
        self.node_ports, self.certificates, self.threads = node_ports, certificates, threads
        self.sessions = sessions
        both = (certificates / "server.pem").read_bytes() + (certificates / "server.key").read_bytes()
        self.pem = certificates / "both.pem"
        self.pem.write_bytes(both)


def fields_of(path, *names):
    """Return the sum of these lines of a file in the format of smaps_rollup, in bytes."""
    return sum(int(line.split()[1]) * 1024 for line in path.read_text().splitlines()
               if line.split(":")[0] in names)


class Proxy(Process):
    """A running proxy, with the ports `plain`, `tls` and `ws`; 0: no such listener."""

    def __init__(self, name):
        super().__init__(name)
        self.plain, self.tls, self.ws = (harness.free_port() for _ in range(3))

    def begin(self, command):
        self.start(command)
        for port in (self.plain, self.tls, self.ws):
            if port:
                self.wait_open(port, 15)

    # -- resource usage -------------------------------------------------------------------

    def pids(self):
        """Return the proxy's process and its children, which do the work in nginx."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]

    def tasks(self):
        return [task for pid in self.pids() for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]

    def cpu(self):
        """Return the CPU seconds with nanosecond resolution, split into user mode and kernel by clock
        ticks, and the voluntary and involuntary context switches."""
        cpu = user = system = wanted = forced = 0
        for task in self.tasks():
            cpu += int((task / "schedstat").read_text().split()[0])
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            user, system = user + int(fields[11]), system + int(fields[12])
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt"):
                    wanted += int(line.split()[1])
                elif line.startswith("nonvoluntary_ctxt"):
                    forced += int(line.split()[1])
        tick = os.sysconf("SC_CLK_TCK")
        return {"cpu_s": cpu / 1e9, "user_s": user / tick, "system_s": system / tick,
                "switches": wanted, "preemptions": forced}

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def sockets(self):
        """Return the number of descriptors without pipes, which HAProxy keeps for the next splice."""
        found = 0
        for pid in self.pids():
            for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                try:
                    found += os.readlink(link).startswith("socket:")
                except FileNotFoundError:
                    pass  # was closed in the meantime
        return found

    def memory_mb(self):
        """Return proportional memory, which counts pages that nginx's processes share only once."""
        return sum(fields_of(pathlib.Path(f"/proc/{pid}/smaps_rollup"), "Pss")
                   for pid in self.pids()) / 2**20

    def user_bytes(self):
        """Return private memory: pages that the processes have written and do not share."""
        return sum(fields_of(pathlib.Path(f"/proc/{pid}/smaps_rollup"), "Private_Dirty")
                   for pid in self.pids())


class Router(Proxy):
    """Start the router. more: additional keys of the configuration."""

    def __init__(self, setting, build, **more):
        super().__init__("router")
        config = harness.one_cluster(
            {f"n{i}": port for i, port in enumerate(setting.node_ports)}, setting.certificates,
            proxy_protocol="v2")
        config["workers"] = setting.threads
        config["log"] = {"level": "notice"}
        harness.add_listener(config, "ws", websocket={"path": "/mqtt"})
        for listener, port in zip(config["listeners"], (self.plain, self.tls, self.ws)):
            listener["address"], listener["backlog"] = f"127.0.0.1:{port}", BACKLOG
        config.update(more)
        self.begin([str(build / "mqtt-router"), "--config",
                    str(harness.write_config(config, self.directory))])


class HAProxy(Proxy):
    """Start HAProxy as on the vendor's page about MQTT: validate the CONNECT and hash its client identifier. A
    variable is used because "balance hash" with the whole expression silently does round robin in 2.6.
    Over WebSocket, HAProxy cannot read the CONNECT; the vendor recommends a tunnel by source address.
    """

    def __init__(self, setting, _build):
        super().__init__("haproxy")
        servers = "".join(f"  server n{i} 127.0.0.1:{port} send-proxy-v2\n"
                          for i, port in enumerate(setting.node_ports))
        config = self.directory / "haproxy.cfg"
        config.write_text(
            f"global\n  maxconn {setting.sessions + 200}\n  maxpipes 200\n  nbthread {setting.threads}\n"
            f"  ssl-default-bind-ciphersuites {CIPHER_13}\n  ssl-default-bind-ciphers {CIPHER_12}\n"
            "  ssl-default-bind-curves X25519:P-256\n"
            "  ssl-default-bind-options ssl-min-ver TLSv1.2\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 600s\n"
            "  timeout server 600s\n  timeout tunnel 600s\n  option splice-auto\n"
            "frontend mqtt\n"
            f"  bind 127.0.0.1:{self.plain} backlog {BACKLOG} shards by-thread\n"
            f"  bind 127.0.0.1:{self.tls} ssl crt {setting.pem} backlog {BACKLOG} "
            "shards by-thread\n"
            "  tcp-request inspect-delay 10s\n"
            "  tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }\n"
            "  tcp-request content set-var(sess.client_id) "
            "req.payload(0,0),mqtt_field_value(connect,client_identifier)\n"
            "  default_backend nodes\n"
            "backend nodes\n"
            "  balance hash var(sess.client_id)\n"
            "  hash-type consistent\n" + servers +
            "frontend ws\n  mode http\n"
            f"  bind 127.0.0.1:{self.ws} backlog {BACKLOG} shards by-thread\n"
            "  default_backend ws_nodes\n"
            "backend ws_nodes\n  mode http\n  balance source\n  hash-type consistent\n" + servers)
        self.begin(["/usr/sbin/haproxy", "-db", "-f", str(config)])


# Reads the client identifier of a CONNECT that arrives in one piece; otherwise the identifier is
# empty.
CLIENT_ID_JS = """
var client_id = '';

function read_connect(s) {
    s.on('upstream', function (data) {
        if (data.length == 0)
            return;
        if (data[0] >> 4 != 1) {
            s.deny();
            return;
        }
        var at = 1, length = 0, shift = 0;
        for (; at < data.length; shift += 7) {
            length += (data[at] & 127) << shift;
            if (!(data[at++] & 128))
                break;
        }
        if (data.length < at + length)
            return;
        var version = data[at + 2 + data.readUInt16BE(at)];
        at += 2 + data.readUInt16BE(at) + 4;
        if (version == 5) {
            for (length = shift = 0; ; shift += 7) {
                length += (data[at] & 127) << shift;
                if (!(data[at++] & 128))
                    break;
            }
            at += length;
        }
        client_id = data.toString('utf8', at + 2, at + 2 + data.readUInt16BE(at));
        s.off('upstream');
        s.allow();
    });
}

function get_client_id(s) {
    return client_id;
}

export default {read_connect, get_client_id};
"""


class Nginx(Proxy):
    """Start nginx as a stream proxy whose script reads the CONNECT, as on the vendor's page about MQTT.

    Over WebSocket, its http proxy relays by source address and without a PROXY header.
    """

    def __init__(self, setting, _build):
        super().__init__("nginx")
        servers = "".join(f"    server 127.0.0.1:{port} max_fails=0;\n"
                          for port in setting.node_ports)
        (self.directory / "mqtt.js").write_text(CLIENT_ID_JS)
        config = self.directory / "nginx.conf"
        config.write_text(
            f"load_module {MODULES}/ngx_stream_module.so;\n"
            f"load_module {MODULES}/ngx_stream_js_module.so;\n"
            f"daemon off;\nworker_processes {setting.threads};\nworker_rlimit_nofile 20000;\n"
            "error_log stderr error;\n" + ("user root;\n" if os.geteuid() == 0 else "")
            + f"pid {self.directory}/pid;\n"
            f"events {{ worker_connections {2 * setting.sessions + 400}; multi_accept on; }}\n"
            "stream {\n"
            "  js_import mqtt from mqtt.js;\n  js_set $mqtt_client_id mqtt.get_client_id;\n"
            f"  js_path {self.directory};\n"
            "  upstream nodes {\n    hash $mqtt_client_id consistent;\n" + servers + "  }\n"
            f"  ssl_certificate {setting.certificates}/server.pem;\n"
            f"  ssl_certificate_key {setting.certificates}/server.key;\n"
            "  ssl_protocols TLSv1.2 TLSv1.3;\n  ssl_ecdh_curve X25519:prime256v1;\n"
            f"  ssl_ciphers {CIPHER_12};\n  ssl_conf_command Ciphersuites {CIPHER_13};\n"
            "  ssl_session_tickets on;\n  ssl_conf_command NumTickets 1;\n"
            "  tcp_nodelay on;\n  proxy_timeout 600s;\n  proxy_protocol on;\n"
            "  js_preread mqtt.read_connect;\n"
            f"  server {{ listen 127.0.0.1:{self.tls} ssl reuseport backlog={BACKLOG};\n"
            "    proxy_pass nodes; }\n"
            f"  server {{ listen 127.0.0.1:{self.plain} reuseport backlog={BACKLOG};\n"
            "    proxy_pass nodes; }\n"
            "}\n"
            "http {\n  access_log off;\n"
            "  upstream ws_nodes {\n    hash $remote_addr consistent;\n" + servers + "  }\n"
            f"  server {{ listen 127.0.0.1:{self.ws} reuseport backlog={BACKLOG};\n"
            "    location / {\n      proxy_pass http://ws_nodes;\n      proxy_http_version 1.1;\n"
            "      proxy_set_header Upgrade $http_upgrade;\n"
            "      proxy_set_header Connection upgrade;\n"
            "      proxy_read_timeout 600s;\n      proxy_send_timeout 600s;\n    }\n  }\n}\n")
        self.begin(["/usr/sbin/nginx", "-e", "stderr", "-p", str(self.directory),
                    "-c", str(config)])


class Floor(Proxy):
    """Start relay_floor.c, a minimal relay."""

    def __init__(self, setting, build):
        super().__init__("floor")
        self.tls = self.ws = 0
        self.begin([str(build / "test/bench/relay_floor"), str(setting.threads), str(self.plain),
                    *map(str, setting.node_ports)])


def available(name, build):
    program = {"haproxy": "/usr/sbin/haproxy", "nginx": f"{MODULES}/ngx_stream_js_module.so",
               "floor": str(build / "test/bench/relay_floor")}.get(name, str(build / "mqtt-router"))
    return os.access(program, os.R_OK)


def start(name, setting, build):
    """Start a proxy by name: haproxy, nginx, floor, router, or router/16 for 16 handshakes per turn."""
    makers = {"haproxy": HAProxy, "nginx": Nginx, "floor": Floor, "router": Router}
    if name in makers:
        return makers[name](setting, build)
    return Router(setting, build, limits={"handshakes_per_turn": int(name.split("/")[1])})
