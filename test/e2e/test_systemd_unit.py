"""config/mqtt-router.service is a valid unit, is hardened, and lets the router do its work."""

import os
import pwd
import re
import shutil
import subprocess

import pytest

import harness
import mqtt
from harness import ROOT, one_cluster

UNIT = ROOT / "config" / "mqtt-router.service"
EXPOSURE_MAX = 20  # in tenths; systemd rates up to 4.9 as "OK", and a unit without hardening as 9.6
NOBODY = pwd.getpwnam("nobody")

pytestmark = [
    pytest.mark.skipif(harness.SANITIZED, reason="sanitizers make calls of their own"),
]


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", "--man=no", *map(str, arguments)], capture_output=True, text=True,
                          timeout=harness.WAIT_LIMIT_S, check=False)


@pytest.fixture
def unit(tmp_path):
    """Make a copy of the unit that runs the router under test, because systemd checks that the program exists."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/usr/bin/mqtt-router", harness.BINARY))
    return path


def settings(key):
    """Return the values of all lines `key=...`, in order."""
    lines = re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)
    return [line.split() for line in lines]


def expand(names):
    """Return the names of the system calls. systemd expands @sets."""
    calls = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        listed = analyze("syscall-filter", name).stdout.splitlines()[1:]
        inner = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
        calls |= expand(inner)
    return calls


def allowed_calls():
    allowed = expand(["@default"])  # always allowed
    for words in settings("SystemCallFilter"):
        if words[0].startswith("~"):
            allowed -= expand([words[0][1:], *words[1:]])
        else:
            allowed |= expand(words)
    return allowed


def test_systemd_verifies_the_unit(unit):
    done = analyze("verify", unit)
    assert done.returncode == 0 and not done.stderr.strip(), done


def test_the_unit_has_a_low_exposure_score(unit):
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", unit)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a capability")
def test_the_router_needs_no_syscall_or_address_family_that_the_unit_denies(
        start_router, recording_node, device, certificates, tmp_path):
    """Run the router from start to exit in the same way as the unit, as a user with one capability."""
    trace = tmp_path / "trace"
    made = one_cluster({"n": recording_node().port}, tls_dir=certificates, proxy_protocol="none",
                       health_check={"type": "tcp"})
    harness.add_listener(made, "low", address="127.0.0.1:1023")
    readable = tmp_path / "certificates"
    shutil.copytree(certificates, readable)
    made["listeners"][1]["tls"]["certificates"] = [{
        "certificate_file": str(readable / "server.pem"),
        "private_key_file": str(readable / "server.key")}]
    harness.open_to_all(tmp_path, readable, *readable.iterdir())
    router = start_router(made, wrapper=(
        "sh", "-c", 'chmod 755 "${3%/*}" && exec strace -D -f -qq -o "$0" setpriv --reuid nobody '
        f'--regid {NOBODY.pw_gid} --clear-groups --inh-caps +net_bind_service '
        '--ambient-caps +net_bind_service --bounding-set -all,+net_bind_service "$@"', str(trace)))
    assert device(router).connect("dev") == (0, 0)
    assert device(router, tls=mqtt.tls_context(certificates)).connect("dev-2") == (0, 0)
    with mqtt.Device(router.ports["low"]) as raw:
        assert raw.connect("dev-3") == (0, 0)
    del made["listeners"][2]
    router.reload(made)
    router.stop()
    harness.wait_until(lambda: "exit_group(0" in trace.read_text(errors="replace"), "the trace")
    text = trace.read_text(errors="replace")
    text = text[text.index(f'execve("{harness.BINARY}"'):]  # skip the calls of setpriv
    used = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", text, re.MULTILINE))
    assert {"socket", "accept4", "capset", "seccomp"} <= used  # the trace is complete
    assert used <= allowed_calls() | {"execve"}, used - allowed_calls()
    families = set(re.findall(r"socket\((AF_\w+)", text))
    assert families <= set(sum(settings("RestrictAddressFamilies"), []))
