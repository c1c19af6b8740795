"""A real DNS server for tests: dnsmasq, authoritative for "test", with records that can be changed."""

import os
import re
import signal

from harness import WAIT_LIMIT_S, free_port, wait_until
from nodes import Process

BINARY = "/usr/sbin/dnsmasq"


class DnsServer(Process):
    """Run dnsmasq on a free port of 127.0.0.1.

    hosts: {name: [addresses]}, IPv4 and IPv6
    srv: (name, target, port, priority, weight) of each record
    """

    def __init__(self, hosts=None, srv=(), ttl_s=1, port=None, begin=True):
        super().__init__("dnsmasq")
        # If started as root, dnsmasq drops its privileges, but must be able to read the hosts file again.
        self.directory.chmod(0o755)
        self.port = port or free_port()
        self.hosts, self.srv, self.ttl_s = hosts or {}, tuple(srv), ttl_s
        if begin:
            self.begin()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def begin(self):
        """Start or restart the server with the current records."""
        self._write()
        self.start([BINARY, "--keep-in-foreground", f"--conf-file={self.directory}/conf"])
        self.wait_open(self.port, WAIT_LIMIT_S)

    def _write(self):
        (self.directory / "hosts").write_text("".join(
            f"{address} {name}\n" for name, addresses in self.hosts.items()
            for address in addresses))
        lines = [f"port={self.port}", "listen-address=127.0.0.1", "bind-interfaces", "no-resolv",
                 "no-hosts", "pid-file=", "local=/test/", f"local-ttl={self.ttl_s}",
                 f"addn-hosts={self.directory}/hosts", "log-queries", "log-facility=-"]
        lines += ["srv-host=" + ",".join(map(str, record)) for record in self.srv]
        lines += ["user=root"] if os.geteuid() == 0 else []
        (self.directory / "conf").write_text("\n".join(lines) + "\n")

    def set(self, hosts=None, srv=None):
        """Replace the records; None: do not change them. A paused server reads them when it resumes."""
        restart = srv is not None and tuple(srv) != self.srv  # dnsmasq reads these only when it starts
        self.hosts = self.hosts if hosts is None else hosts
        self.srv = self.srv if srv is None else tuple(srv)
        if self.process is None or self.process.poll() is not None:
            return
        if restart:
            self.kill()
            self.begin()
            return
        self._write()
        readings = self._readings()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self._readings() > readings, "dnsmasq to read the hosts file")

    def _readings(self):
        return len(re.findall(r"read .*/hosts", self.log()))

    def queries(self, name, record="A"):
        """Return the number of queries for this name and record type."""
        return self.log().count(f"query[{record}] {name} ")
