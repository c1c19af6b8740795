"""The proxies of the storm bench: each with the same certificate, threads, backlog and nodes.

What one does by default that a user would not change stays. No one writes a line a session.
None verifies devices, none sends a PROXY header. HAProxy reads the CONNECT and goes by its client
identifier, as the router does; nginx cannot without njs, and goes by the source address.
"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
# pylint: disable=wrong-import-position
import harness  # noqa: E402
from nodes import Process  # noqa: E402

BACKLOG = 4096  # nginx has 511 unless told
CIPHER = "TLS_AES_128_GCM_SHA256"


class Setting:
    """What all proxies get: where the nodes are, the certificate, and how much of everything."""

    def __init__(self, node_ports, certificates, threads, sessions):
        self.node_ports, self.certificates, self.threads = node_ports, certificates, threads
        self.sessions = sessions
        both = (certificates / "server.pem").read_bytes() + (certificates / "server.key").read_bytes()
        self.pem = certificates / "both.pem"
        self.pem.write_bytes(both)


class Proxy(Process):
    """One running proxy; ports `tls` and `plain`."""

    def __init__(self, name):
        super().__init__(name)
        self.tls, self.plain = harness.free_port(), harness.free_port()

    def begin(self, command):
        self.start(command)
        for port in (self.tls, self.plain):
            self.wait_open(port, 15)

    # -- what it has taken so far ---------------------------------------------------------

    def pids(self):
        """Its process, and its children: nginx works in those."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]

    def cpu(self):
        """Seconds of CPU in user and kernel mode, and context switches by themselves and not."""
        user = system = wanted = forced = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
                user, system = user + int(fields[11]), system + int(fields[12])
                for line in (task / "status").read_text().splitlines():
                    if line.startswith("voluntary_ctxt"):
                        wanted += int(line.split()[1])
                    elif line.startswith("nonvoluntary_ctxt"):
                        forced += int(line.split()[1])
        tick = os.sysconf("SC_CLK_TCK")
        return {"user_s": user / tick, "system_s": system / tick,
                "switches": wanted, "preemptions": forced}

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def memory_mb(self):
        """Proportional, so that what nginx's processes share counts once."""
        return sum(int(line.split()[1]) for pid in self.pids()
                   for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                   if line.startswith("Pss:")) / 1024


class RouterProxy(Proxy):
    """per_turn: limits.handshakes_per_turn, None for the default."""

    def __init__(self, setting, binary, per_turn=None):
        super().__init__("router")
        config = harness.one_cluster(
            {f"n{i}": port for i, port in enumerate(setting.node_ports)}, setting.certificates,
            proxy_protocol="none")
        config["workers"] = setting.threads
        config["log"] = {"level": "notice"}
        plain, tls = config["listeners"]
        plain["address"], tls["address"] = f"127.0.0.1:{self.plain}", f"127.0.0.1:{self.tls}"
        plain["backlog"] = tls["backlog"] = BACKLOG
        if per_turn:
            config["limits"] = {"handshakes_per_turn": per_turn}
        self.begin([str(binary), "--config", str(harness.write_config(config, self.directory))])


class HAProxyProxy(Proxy):
    """As the vendor's own page on MQTT: checked CONNECT, distribution by its client identifier."""

    def __init__(self, setting):
        super().__init__("haproxy")
        servers = "".join(f"  server n{i} 127.0.0.1:{port}\n"
                          for i, port in enumerate(setting.node_ports))
        config = self.directory / "haproxy.cfg"
        config.write_text(
            f"global\n  maxconn {setting.sessions + 200}\n  nbthread {setting.threads}\n"
            f"  ssl-default-bind-ciphersuites {CIPHER}\n  ssl-default-bind-curves X25519:P-256\n"
            "  ssl-default-bind-options ssl-min-ver TLSv1.2\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 600s\n"
            "  timeout server 600s\n"
            "frontend mqtt\n"
            f"  bind 127.0.0.1:{self.tls} ssl crt {setting.pem} backlog {BACKLOG}\n"
            f"  bind 127.0.0.1:{self.plain} backlog {BACKLOG}\n"
            "  tcp-request inspect-delay 10s\n"
            "  tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }\n"
            "  default_backend nodes\n"
            "backend nodes\n"
            "  balance hash req.payload(0,0),mqtt_field_value(connect,client_identifier)\n"
            "  hash-type consistent\n" + servers)
        self.begin(["/usr/sbin/haproxy", "-db", "-f", str(config)])


class NginxProxy(Proxy):
    """A plain stream proxy with TLS and session tickets."""

    def __init__(self, setting):
        super().__init__("nginx")
        servers = "".join(f"    server 127.0.0.1:{port} max_fails=0;\n"
                          for port in setting.node_ports)
        config = self.directory / "nginx.conf"
        config.write_text(
            "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
            f"daemon off;\nworker_processes {setting.threads};\nworker_rlimit_nofile 20000;\n"
            "error_log stderr error;\n" + ("user root;\n" if os.geteuid() == 0 else "")
            + f"pid {self.directory}/pid;\n"
            f"events {{ worker_connections {2 * setting.sessions + 400}; }}\n"
            "stream {\n"
            "  upstream nodes {\n    hash $remote_addr consistent;\n" + servers + "  }\n"
            f"  ssl_certificate {setting.certificates}/server.pem;\n"
            f"  ssl_certificate_key {setting.certificates}/server.key;\n"
            "  ssl_protocols TLSv1.2 TLSv1.3;\n  ssl_ecdh_curve X25519:prime256v1;\n"
            f"  ssl_conf_command Ciphersuites {CIPHER};\n  ssl_session_tickets on;\n"
            "  tcp_nodelay on;\n  proxy_timeout 600s;\n"
            f"  server {{ listen 127.0.0.1:{self.tls} ssl backlog={BACKLOG}; proxy_pass nodes; }}\n"
            f"  server {{ listen 127.0.0.1:{self.plain} backlog={BACKLOG}; proxy_pass nodes; }}\n"
            "}\n")
        self.begin(["/usr/sbin/nginx", "-e", "stderr", "-p", str(self.directory),
                    "-c", str(config)])


def available(name, build):
    program = {"haproxy": "/usr/sbin/haproxy", "nginx": "/usr/sbin/nginx"}.get(
        name, str(build / "mqtt-router"))
    return os.access(program, os.X_OK)


def start(name, setting, build):
    """By name: haproxy, nginx, router, or router/16 for that many handshakes a turn."""
    if name == "haproxy":
        return HAProxyProxy(setting)
    if name == "nginx":
        return NginxProxy(setting)
    per_turn = int(name.split("/")[1]) if "/" in name else None
    return RouterProxy(setting, build / "mqtt-router", per_turn)
