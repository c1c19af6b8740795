"""A machine of its own for a node or a router: a network namespace, and a cable that can be cut.

Needs root (CAP_NET_ADMIN); without it the tests that want one are skipped. What is made here
carries this process's id in its name and is taken away by close(), with all it ran.
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
    """One namespace, joined to this machine by a veth pair, that of 10.x.y.0/24.

    here      the address at this end
    there     the first address inside; address(n) are others, made by add_address()
    wrapper   goes before a command that is to run inside
    """

    def __init__(self):
        number = next(counter)
        # Interface names have 15 characters at most; a process id has up to 7 digits.
        self.name = f"mqr-{os.getpid()}-{number}"
        self.near, self.far = f"mq{os.getpid()}.{number}a", f"mq{os.getpid()}.{number}b"
        self.net = f"10.{100 + os.getpid() % 100}.{(os.getpid() // 100 + number) % 250}"
        self.here, self.there = f"{self.net}.1", f"{self.net}.2"
        self.wrapper = ("ip", "netns", "exec", self.name)
        made = ip("netns", "add", self.name, check=False)
        if made.returncode != 0:
            pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
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
        self.mend()

    def inside(self, *command):
        return subprocess.run([*self.wrapper, *command], check=True, capture_output=True, text=True)

    def address(self, n):
        return f"{self.net}.{n}"

    def add_address(self, n):
        # The address stays when the cable is cut, as on a machine that lost its power.
        self.inside("ip", "address", "add", f"{self.address(n)}/24", "dev", self.far)
        return self.address(n)

    def cut(self):
        """From now on nothing comes or goes, and nobody is told: no RST, no unreachable."""
        self.inside("ip", "link", "set", self.far, "down")

    def mend(self):
        self.inside("ip", "link", "set", self.far, "up")

    def close(self):
        running = ip("netns", "pids", self.name, check=False).stdout.split()
        for pid in running:
            os.kill(int(pid), signal.SIGKILL)
        ip("link", "delete", self.near, check=False)
        ip("netns", "delete", self.name, check=False)
