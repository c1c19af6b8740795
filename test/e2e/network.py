"""A network namespace for a node or a router, and a link that can be cut.

Needs root (CAP_NET_ADMIN); without it, tests that use a namespace are skipped. The names contain the
id of this process. close() removes everything, including the processes in the namespace.
"""

import itertools
import os
import signal
import subprocess

import pytest

counter = itertools.count()


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


class Namespace:
    """A namespace, connected to the host by a veth pair in 10.x.y.0/24.

    here      the address on the host
    there     the first address in the namespace; add_address() adds address(n)
    wrapper   command prefix that runs a command in the namespace
    """

    def __init__(self):
        number = next(counter)
        # Interface names have at most 15 characters; a process id has up to 7 digits.
        self.name = f"mqr-{os.getpid()}-{number}"
        self.near, self.far = f"mq{os.getpid()}.{number}a", f"mq{os.getpid()}.{number}b"
        self.net = f"10.{100 + os.getpid() % 100}.{(os.getpid() // 100 + number) % 250}"
        self.here, self.there = f"{self.net}.1", f"{self.net}.2"
        self.wrapper = ("ip", "netns", "exec", self.name)
        made = ip("netns", "add", self.name, check=False)
        if made.returncode != 0:
            pytest.skip(f"no network namespace available: {made.stderr.strip()}")
        try:
            self._join()
        except BaseException:
            self.close()
            raise

    def _join(self):
        ip("link", "add", self.near, "type", "veth", "peer", "name", self.far,
           "netns", self.name)
        ip("address", "add", f"{self.here}/24", "dev", self.near)
        ip("link", "set", self.near, "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.add_address(2)
        self.restore()

    def inside(self, *command):
        return subprocess.run([*self.wrapper, *command], check=True, capture_output=True, text=True)

    def address(self, n):
        return f"{self.net}.{n}"

    def add_address(self, n):
        # Keep the address when the link is cut, as if the machine had lost power.
        self.inside("ip", "address", "add", f"{self.address(n)}/24", "dev", self.far)
        return self.address(n)

    def cut(self):
        """Drop all packets without any RST or ICMP error."""
        self.inside("ip", "link", "set", self.far, "down")

    def restore(self):
        self.inside("ip", "link", "set", self.far, "up")

    def close(self):
        running = ip("netns", "pids", self.name, check=False).stdout.split()
        for pid in running:
            os.kill(int(pid), signal.SIGKILL)
        ip("link", "delete", self.near, check=False)
        ip("netns", "delete", self.name, check=False)
