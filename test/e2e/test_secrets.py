"""Keys and passwords are not in core files, and are erased after a reload has replaced them."""

import base64
import os
import pathlib
import random
import signal
import subprocess

import pytest

import harness
import mqtt
from authority import openssl
from harness import one_cluster, wait_until

# Builds with sanitizers use memory differently and may be dumped.
pytestmark = pytest.mark.skipif(harness.SANITIZED, reason="a sanitizer keeps what was freed")


@pytest.fixture
def made(recording_node):
    return one_cluster({"n": recording_node().port}, proxy_protocol="none")


def leaves_core(pid_of, directory):
    """Abort a process. Return whether it wrote a core file."""
    process = pid_of.process if hasattr(pid_of, "process") else pid_of
    process.send_signal(signal.SIGABRT)
    assert process.wait(harness.WAIT_LIMIT_S) == -signal.SIGABRT
    return any(directory.iterdir())


def test_a_crash_leaves_no_core_file(start_router, made, tmp_path):
    wrapper = ("sh", "-c", 'ulimit -c unlimited && cd "$0" && exec "$@"')
    other, ours = tmp_path / "other", tmp_path / "ours"
    other.mkdir()
    ours.mkdir()
    sleeper = subprocess.Popen([*wrapper, str(other), "sleep", "60"])
    wait_until(lambda: "sleep" in pathlib.Path(f"/proc/{sleeper.pid}/comm").read_text(), "sleep")
    if not leaves_core(sleeper, other):
        pytest.skip("core files go elsewhere on this machine")
    router = start_router(made, wrapper=(*wrapper, str(ours)))
    assert not leaves_core(router, ours)


def memory_of(pid):
    """Yield the readable memory, mapping by mapping, without mapped files."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, _, _, inode, *name = line.split(None, 5)
            if "w" not in rights or (name and name[0] in ("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            memory.seek(start)
            try:
                yield memory.read(end - start)
            except OSError:
                continue


def found(router, needles):
    """Return how often each of the needles occurs in the router's memory."""
    counts = dict.fromkeys(needles, 0)
    try:
        for chunk in memory_of(router.pid):
            for name, needle in needles.items():
                counts[name] += chunk.count(needle)
    except PermissionError:
        pytest.skip("may not read the memory of another process")
    return counts


def key_needles(key_file):
    """Return the private number of an EC key in both byte orders, and its PEM text."""
    text = openssl("pkey", "-in", key_file, "-noout", "-text")
    digits = text.split("priv:")[1].split("pub:")[0]
    number = bytes.fromhex("".join(digits.replace(":", "").split()))[-32:]
    pem = key_file.read_text().splitlines()
    # The first line of base64 contains at most 12 bytes of the number, the second one the rest.
    return {"number": number, "number reversed": number[::-1], "pem": pem[2].encode(),
            "pem decoded": base64.b64decode(pem[2])[:20]}


def ticket_needles(raw):
    return {"aes": raw[16:48], "hmac": raw[48:80], "base64": base64.b64encode(raw)[:100]}


def check_erased(router, needles, capsys, what, before):
    left = {}

    def nowhere():
        left.update(found(router, needles))
        return not any(left.values())
    try:
        wait_until(nowhere, f"{what} to be erased")
    finally:
        with capsys.disabled():
            print(f"\n{what} in memory: before {before}, after {left}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read its memory")
def test_a_replaced_key_is_erased_from_memory(
        start_router, made, device, authority, tmp_path, capsys):
    old, new = (authority.issue(name, sans=["DNS:localhost"]) for name in ("old", "new"))
    tickets = tmp_path / "tickets"
    raw = random.randbytes(80)
    tickets.write_bytes(base64.b64encode(raw) + b"\n")
    password = tmp_path / "password"
    password.write_text("the-old-password-of-the-checks\n")
    made["clusters"][0]["health_check"] = {
        "type": "mqtt", "interval_ms": 200, "timeout_ms": 200, "username": "checker",
        "password_file": str(password)}
    needles = key_needles(old.key) | ticket_needles(raw) | {
        "password": b"the-old-password-of-the-checks"}
    harness.add_listener(made, "mqtts", tls={"certificates": [old.conf()],
                                         "session_tickets": {"key_file": str(tickets)}})
    router = start_router(made)
    context = mqtt.tls_context(authority.directory)
    for _ in range(3):
        with mqtt.Device(router.tls_port, tls=context) as raw_device:
            assert raw_device.connect("dev") == (0, 0)
    router.wait_idle()
    router.wait_event("check.done", count=2)
    before = found(router, needles)
    assert before["number"] + before["number reversed"] > 0  # proves that the search works
    assert before["aes"] > 0 and before["password"] > 0
    tickets.write_bytes(base64.b64encode(random.randbytes(80)) + b"\n")
    password.write_text("another-one\n")
    made["listeners"][1]["tls"]["certificates"] = [new.conf()]
    router.reload(made)
    with mqtt.Device(router.tls_port, tls=context) as raw_device:
        assert raw_device.connect("dev") == (0, 0)
    check_erased(router, needles, capsys, "the old keys", before)
