"""Real brokers as nodes (Mosquitto, and RabbitMQ with PROXY protocol), and real balancers."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import WAIT_LIMIT_S, free_port, raise_open_files, wait_until

RABBITMQ_SCRIPTS = pathlib.Path("/usr/lib/rabbitmq/bin")


def is_open(port, host="127.0.0.1"):
    with socket.socket() as s:
        return s.connect_ex((host, port)) == 0


class Process:
    """A program that has its own directory and writes its output to a file."""

    def __init__(self, name):
        self.name = name
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"mqtt-router-{name}-"))
        self.log_path = self.directory / "log"
        self.process = None

    def start(self, command, environment=None):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=environment, cwd=self.directory, preexec_fn=raise_open_files)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_open(self, port, timeout_s, host="127.0.0.1"):
        def check():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log()[-3000:]}"
            return is_open(port, host)
        wait_until(check, f"{self.name} to listen on {port}", timeout_s)

    def wait_log(self, pattern, timeout_s=WAIT_LIMIT_S):
        return wait_until(lambda: re.search(pattern, self.log()),
                          f"{pattern!r} in the log of {self.name}", timeout_s)

    def kill(self):
        """Kill the program, as in a crash: the kernel resets its connections."""
        self.process.kill()
        self.process.wait()

    def hang(self):
        """Stop the program with SIGSTOP: its connections stay open, and the kernel still accepts new ones."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.resume()  # a stopped process does not handle SIGTERM
            try:
                self.process.wait(WAIT_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)


class Mosquitto(Process):
    """A Mosquitto broker on a port of 127.0.0.1. It stores sessions and logs its clients."""

    def __init__(self, name="mosquitto", port=None, more=(), host="127.0.0.1", wrapper=()):
        """more: further lines for the listener, such as TLS settings; wrapper: see network.py."""
        super().__init__(name)
        self.host, self.wrapper = host, wrapper
        self.port = port or free_port()
        config = self.directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {host}\n"
            "allow_anonymous true\n"
            "set_tcp_nodelay true\n"  # otherwise Nagle and delayed ACKs delay each answer by 40 ms
            "persistence true\n"
            f"persistence_location {self.directory}/\n"
            "log_dest stdout\n"
            "log_type all\n"
            "connection_messages true\n"
            + "".join(line + "\n" for line in more)
            + ("user root\n" if os.geteuid() == 0 else ""))
        self.begin()

    def begin(self):
        """Start the broker, also again after kill() or end()."""
        self.start([*self.wrapper, "/usr/sbin/mosquitto", "-c",
                    str(self.directory / "mosquitto.conf")])
        self.wait_open(self.port, WAIT_LIMIT_S, self.host)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def has_seen(self, client_id):
        return f" as {client_id} (" in self.log()


class RabbitMQ(Process):
    """A RabbitMQ broker with only the MQTT plugin, which requires a PROXY header."""

    def __init__(self):
        super().__init__("rabbitmq")
        self.port = free_port()
        epmd_port = free_port()
        # Start epmd in the foreground, because RabbitMQ would leave it running as a daemon.
        self.epmd = Process("epmd")
        self.epmd.start(["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"])
        self.epmd.wait_open(epmd_port, WAIT_LIMIT_S)
        self.start([str(RABBITMQ_SCRIPTS / "rabbitmq-server")],
                   self._environment(epmd_port))
        # A connection without a PROXY header would log an error, so wait for a line in the log.
        started = time.monotonic()
        while "Server startup complete" not in self.log():
            assert self.process.poll() is None, f"RabbitMQ ended:\n{self.log()[-3000:]}"
            assert time.monotonic() < started + 4 * WAIT_LIMIT_S, f"RabbitMQ did not start:\n{self.log()[-3000:]}"
            time.sleep(0.1)

    def _environment(self, epmd_port):
        d = self.directory
        (d / "rabbitmq.conf").write_text(
            "listeners.tcp = none\n"
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = true\n"
            "mqtt.proxy_protocol = true\n"
            "log.console = true\n"
            "log.console.level = info\n"
            "log.file = false\n")
        (d / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        return dict(
            os.environ,
            HOME=str(d),  # directory of the Erlang cookie
            ERL_EPMD_PORT=str(epmd_port),
            ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME=f"mqtt-router-{self.port}@localhost",
            RABBITMQ_DIST_PORT=str(free_port()),
            RABBITMQ_CONFIG_FILE=str(d / "rabbitmq.conf"),
            RABBITMQ_MNESIA_BASE=str(d / "mnesia"),
            RABBITMQ_LOG_BASE=str(d / "logs"),
            RABBITMQ_PID_FILE=str(d / "pid"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(d / "enabled_plugins"),
            RABBITMQ_CONF_ENV_FILE="/dev/null",
        )

    def wait_client(self, client_id):
        """Return the address and port of this client, as logged by RabbitMQ."""
        found = self.wait_log(
            rf"accepting MQTT connection <[^>]+> \((\S+):(\d+) -> [^,]*, client id: {client_id}\)")
        return found.group(1), int(found.group(2))

    def close(self):
        super().close()
        self.epmd.close()


class HAProxy(Process):
    """An HAProxy in front of the router. listens: {port: lines of a `listen` section}."""

    def __init__(self, listens, maxconn=500):
        super().__init__("haproxy")
        config = self.directory / "haproxy.cfg"
        text = (f"global\n  maxconn {maxconn}\n  log stdout format raw local0\n"
                "defaults\n  log global\n  timeout connect 5s\n"
                "  timeout client 30s\n  timeout server 30s\n  timeout tunnel 30s\n")
        for port, lines in listens.items():
            text += f"listen on{port}\n" + "".join(f"  {line}\n" for line in lines)
        config.write_text(text)
        self.start(["/usr/sbin/haproxy", "-db", "-f", str(config)])
        for port in listens:
            self.wait_open(port, WAIT_LIMIT_S)


class Nginx(Process):
    """An nginx in front of the router. stream, http: lines of these blocks."""

    def __init__(self, ports, stream="", http=""):
        super().__init__("nginx")
        config = self.directory / "nginx.conf"
        temporary = "".join(f"{kind}_temp_path {self.directory}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config.write_text(
            "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
            "daemon off;\nworker_processes 1;\nerror_log stderr;\n"
            + ("user root;\n" if os.geteuid() == 0 else "")
            + f"pid {self.directory}/pid;\n"
            "events { worker_connections 500; }\n"
            f"stream {{\n{stream}\n}}\n"
            f"http {{\naccess_log off;\n{temporary}{http}\n}}\n")
        self.start(["/usr/sbin/nginx", "-e", "stderr", "-p", str(self.directory), "-c", str(config)])
        for port in ports:
            self.wait_open(port, WAIT_LIMIT_S)
