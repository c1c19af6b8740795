"""The README's tables match the program."""

import re
import subprocess

import pytest

import harness
from harness import BINARY, ROOT

SOURCE = ROOT
pytestmark = pytest.mark.skipif(harness.SANITIZED, reason="once is enough")
README = (SOURCE / "README.md").read_text()

ROW = re.compile(
    r'X\((\w+), "(\w+)", (CLIENT|NODE|ROUTER), (SILENT|FAULT|REFUSAL), (\w+),\s*(\d+),\s*"((?:[^"\\]|\\.)*)"\)'
)
REFUSAL = re.compile(r"X\((\w+), (\d+), (0x[0-9a-f]+)\)")


def close_reason_table():
    """Return the close reasons as a Markdown table, made from the header file."""
    refusals = {name: (rc3, rc5)
                for name, rc3, rc5 in REFUSAL.findall((SOURCE / "include/wire/mqtt/connack.h").read_text())}
    text = (SOURCE / "include/model/close_reason.h").read_text().replace("\\\n", " ")
    text = re.sub(r'(?<!\\)"\s+"', "", text)  # join adjacent string literals
    lines = ["| `reason` | `closed_by` | the device is answer | over WebSocket | meaning |", "|---|---|---|---|---|"]
    for _, reason, by, farewell, refusal, ws_code, meaning in ROW.findall(text):
        answer = {"SILENT": "", "FAULT": "what fits the rule"}.get(farewell)
        if answer is None:
            answer = "CONNACK %s, or rc %s" % (refusals[refusal][1], refusals[refusal][0])
        meaning = re.sub(r"\b((?:timeouts|limits)(?:\.\w+)+|empty_client_id|trusted_proxies)", r"`\1`", meaning.replace('\\"', '"'))
        lines.append("| `%s` | %s | %s | %s | %s |" % (reason, by.lower(), answer, ws_code, meaning))
    return "\n".join(lines)


def test_readme_lists_every_close_reason():
    table = close_reason_table()
    assert table.count("\n") > 10
    assert table in README


def test_readme_has_the_configuration_reference_the_program_prints():
    printed = subprocess.run([BINARY, "--config-reference"], capture_output=True, text=True, timeout=120, check=True)
    assert printed.stdout.count("\n") > 20
    assert printed.stdout.strip() in README


def test_readme_shows_only_paths_that_exist():
    for path in re.findall(r"`((?:docker|test|src|include|config|fuzz)/[\w./-]+)`", README):
        assert (SOURCE / path).exists(), path


def test_readme_lists_every_event_and_every_field_of_session_end():
    log = README[README.index("## The log"):README.index("## Admin interface")]
    code = "\n".join(path.read_text() for path in sorted((SOURCE / "src").rglob("*.c")))
    # In the text beside a level, or in a table.
    events = set(re.findall(r'LOG_(?:ERROR|WARN|NOTICE|INFO|DEBUG),[^;]*?"([a-z_]+\.[a-z_]+)"', code))
    events |= set(re.findall(r'[{,] ?"(node\.[a-z]+)"', code))
    missing = {event for event in events if f"`{event}`" not in log}
    assert len(events) > 40 and not missing, missing
    text = (SOURCE / "src/proxy/session/access_log.c").read_text()
    fields = set(re.findall(r'log_\w+\(&?line, "(\w+)"', text)) | set(re.findall(r'"(ms_\w+)"', text))
    missing = {field for field in fields if f"`{field}`" not in log}
    assert len(fields) > 25 and not missing, missing


if __name__ == "__main__":
    print(close_reason_table())
