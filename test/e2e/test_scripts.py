"""Run docker/quickstart.sh like a user: it prints instructions, and Ctrl-C stops everything."""

import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

import pytest

import harness
from harness import BINARY, WAIT_LIMIT_S, ROOT, wait_until

pytestmark = pytest.mark.skipif(harness.SANITIZED, reason="once is enough")
QUICKSTART = ["bash", str(ROOT / "docker" / "quickstart.sh")]
ENVIRONMENT = dict(os.environ, MQTT_ROUTER=BINARY)


def group_members(group):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_quickstart_prints_commands_to_try_and_ctrl_c_stops_it():
    process = subprocess.Popen(QUICKSTART, env=ENVIRONMENT, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    output = []
    try:
        deadline = time.monotonic() + 60
        for line in process.stdout:
            output.append(line)
            if line.startswith("Ctrl-C"):
                break
            assert time.monotonic() < deadline
        text = "".join(output)
        assert "Ctrl-C" in text, text
        commands = re.findall(r"^    (mosquitto_\w+ .*)$", text, re.M)
        assert len(commands) == 6, text
        landed = [subprocess.run(commands[i], shell=True, capture_output=True, text=True,
                                 timeout=WAIT_LIMIT_S, check=True).stdout for i in (0, 0, 2)]
        assert len(set(landed)) == 1 and landed[0].startswith("node")
        for command in commands[3:]:
            last = subprocess.run(command, shell=True, capture_output=True, text=True,
                                  timeout=WAIT_LIMIT_S, check=True).stdout
        assert last == "while you slept\n"
        for command in re.findall(r"^    (\S+ (?:drain|restore) node1 .*)$", text, re.M):
            subprocess.run(command, shell=True, timeout=WAIT_LIMIT_S, check=True, stdout=subprocess.DEVNULL)
        with urllib.request.urlopen(re.search(r"http://127\S+/", text)[0], timeout=WAIT_LIMIT_S) as page:
            assert b"<title>mqtt-router" in page.read()
        assert len(group_members(process.pid)) >= 5
        os.killpg(process.pid, signal.SIGINT)  # like the terminal
        assert process.wait(WAIT_LIMIT_S) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    wait_until(lambda: not group_members(process.pid), "every process to end")
    work = re.search(r"--config (\S+)/config.json", text).group(1)
    assert not os.path.exists(work)


def test_quickstart_rejects_other_arguments():
    result = subprocess.run([*QUICKSTART, "--chekc"], env=ENVIRONMENT, capture_output=True,
                            text=True, timeout=WAIT_LIMIT_S, check=False)
    assert result.returncode == 2 and "usage" in result.stderr


def test_a_broken_router_fails_the_quickstart_check():
    environment = dict(ENVIRONMENT, MQTT_ROUTER="/bin/false")
    result = subprocess.run([*QUICKSTART, "--check"], env=environment, capture_output=True,
                            text=True, timeout=60, check=False)
    assert result.returncode == 1 and "did not start" in result.stderr
