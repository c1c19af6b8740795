"""The man page is well-formed, and contains every command, option, signal and variable of --help."""

import re
import subprocess


from harness import BINARY, WAIT_LIMIT_S, ROOT

PAGE = ROOT / "config" / "mqtt-router.8"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_LIMIT_S, check=False).stdout


def test_mandoc_reports_nothing():
    # It can refer to pages that are not installed here.
    found = [line for line in run("mandoc", "-T", "lint", "-W", "style", str(PAGE)).splitlines()
             if "lacks" not in line]
    assert not found


def test_the_man_page_lists_what_help_lists():
    page, usage = PAGE.read_text(), run(BINARY, "--help")
    commands = re.findall(r"^  ([a-z]+)(?: |$)", usage.split("commands:")[1].split("where the")[0], re.M)
    assert len(commands) >= 9
    options = set(re.findall(r"--([a-z-]+)", usage))
    for command in commands:
        options |= set(re.findall(r"--([a-z-]+)", run(BINARY, command, "--help")))
    missing = [c for c in commands if not re.search(rf"^\.It Cm {c}\b", page, re.M)]
    missing += [o for o in options if f"Fl -{o}" not in page]
    signals = set(re.findall(r"\bSIG[A-Z0-9]+", usage))
    assert signals >= {"SIGTERM", "SIGINT", "SIGHUP"}
    missing += [s for s in signals if f".It Dv {s}" not in page]
    missing += [v for v in set(re.findall(r"MQTT_ROUTER_\w+", usage)) if f".It Ev {v}" not in page]
    assert not missing
    documented = set(re.findall(r"Fl -([a-z-]+)", page))
    assert documented <= options | {"help", "version"}, "options that do not exist"
