"""Commands that query or control a running router: output, effects and errors."""

import http.server
import json
import os
import pty
import re
import signal
import subprocess
import threading

import pytest

import admin
import mqtt
from harness import BINARY, CHECKED, WAIT_LIMIT_S, ROOT, add_listener, free_port, one_cluster, wait_until
from homes import ids_of

NODES = ("a", "b")
TOKEN = "a-token-of-twenty-four-c"
HOSTILE = 'x"y\\ \x85 \u202egnp.exe \u2028 <b>'  # all are valid in MQTT


def run(*arguments, **environment):
    """Run a command. Only its arguments and the given environment select the router."""
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("MQTT_ROUTER_")},
                   **environment}
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          env=environment, timeout=WAIT_LIMIT_S, check=False)


def rows(text):
    """Parse a table into dictionaries by column title. Columns are separated by two or more blanks."""
    titles, *lines = [re.split(r"  +", line.strip()) for line in text.splitlines()]
    return [dict(zip(titles, line)) for line in lines]


@pytest.fixture
def setup(start_router, recording_node):
    """A router with two nodes, its admin address, and functions that run commands."""
    return Setup(start_router, {name: recording_node() for name in NODES})


class Setup:
    def __init__(self, start_router, nodes):
        self.nodes = nodes
        self.config = one_cluster({name: node.port for name, node in nodes.items()}, **CHECKED)
        self.admin = f"127.0.0.1:{free_port()}"
        self.config["admin"] = {"address": self.admin}
        self.router = start_router(self.config)

    def run_ok(self, *arguments):
        """Run a command, which must succeed. Return its output."""
        result = run(*arguments, "--admin", self.admin)
        assert result.returncode == 0, result
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.run_ok(*arguments, "--json"))

    def node(self, name):
        found, = [n for n in rows(self.run_ok("nodes")) if n["NODE"] == name]
        return found

    def connect(self, device, count, node="a"):
        """Connect devices whose home is that node."""
        devices = {client_id: device(self.router) for client_id in ids_of(node, NODES, count)}
        for client_id, one in devices.items():
            assert one.connect(client_id) == (0, 0)
        return devices


# -- finding the router -------------------------------------------------------------------------

def test_an_unreachable_router_is_reported_with_its_address(tmp_path):
    port = free_port()
    for address, why in ((f"127.0.0.1:{port}", "Connection refused"),
                         (f"unix:{tmp_path}/nowhere.sock", "No such file")):
        result = run("status", "--admin", address)
        assert result.returncode == 1 and not result.stdout
        assert address in result.stderr and why in result.stderr


@pytest.mark.parametrize("address", ("nowhere", "a b:1", "127.0.0.1:0", "127.0.0.1:65536", "unix:",
                                     "user@host:80", "host:80/path", "[::1:80", "http://x:80"))
def test_an_invalid_address_is_reported_as_invalid(address):
    result = run("status", "--admin", address)
    assert result.returncode == 1 and "HOST:PORT" in result.stderr


def test_the_router_is_found_by_option_file_and_environment(setup, tmp_path):
    elsewhere = {"MQTT_ROUTER_ADMIN": f"127.0.0.1:{free_port()}"}
    path = setup.router.config_path
    assert run("status", "--admin", setup.admin, **elsewhere).returncode == 0
    assert run("status", "--config", path, **elsewhere).returncode == 0
    assert run("status", MQTT_ROUTER_ADMIN=setup.admin).returncode == 0
    assert run("status", **elsewhere).returncode == 1
    without = tmp_path / "without.json"
    without.write_text(json.dumps({k: v for k, v in setup.config.items() if k != "admin"}))
    result = run("status", "--config", without)
    assert result.returncode == 1 and "admin" in result.stderr
    # A proxy in the environment must not be used, because it would receive the token.
    assert run("status", "--admin", setup.admin, http_proxy="http://127.0.0.1:9").returncode == 0


def test_a_required_token_is_read_from_a_file(start_router, recording_node, tmp_path):
    right, wrong = tmp_path / "token", tmp_path / "wrong"
    right.write_text(TOKEN + "\n")
    wrong.write_text(TOKEN[::-1] + "\n")
    config = one_cluster({"a": recording_node().port})
    config["admin"] = {"address": f"127.0.0.1:{free_port()}", "token_file": str(right)}
    router = start_router(config)
    address = config["admin"]["address"]
    assert run("nodes", "--config", router.config_path).returncode == 0
    assert run("nodes", "--admin", address, "--token-file", right).returncode == 0
    assert run("nodes", "--admin", address, MQTT_ROUTER_TOKEN_FILE=str(right)).returncode == 0
    for more in ((), ("--token-file", wrong)):
        result = run("nodes", "--admin", address, *more)
        assert result.returncode == 1 and "401" in result.stderr and not result.stdout
        assert TOKEN not in result.stderr and TOKEN[::-1] not in result.stderr
    result = run("nodes", "--admin", address, "--token-file", tmp_path / "nowhere")
    assert result.returncode == 1 and "nowhere" in result.stderr


def test_commands_work_over_a_unix_socket(start_router, recording_node):
    config = one_cluster({"a": recording_node().port})
    config["admin"] = {"address": "unix:admin.sock"}
    router = start_router(config)
    assert run("status", "--config", router.config_path).returncode == 0
    result = run("nodes", "--names", "--admin", f"unix:{router.directory.name}/admin.sock")
    assert (result.returncode, result.stdout) == (0, "c/a\n")


def test_without_libcurl_a_command_names_the_package_to_install(tmp_path):
    """The dynamic loader uses the first file with this name, which is not a library."""
    (tmp_path / "libcurl.so.4").write_bytes(b"")
    result = run("status", LD_LIBRARY_PATH=str(tmp_path))
    assert result.returncode == 1
    assert "libcurl.so.4 is missing" in result.stderr and "apt-get install libcurl4" in result.stderr


def test_the_router_runs_without_libcurl():
    linked = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    assert "libev" in linked and "curl" not in linked


class OtherServer(http.server.BaseHTTPRequestHandler):
    """An HTTP server that is not an admin interface; each path fails in a different way."""

    def do_GET(self):  # pylint: disable=invalid-name
        status, body = {"/api/v1/status": (302, b""), "/api/v1/nodes": (200, b"<html>"),
                        "/api/v1/sessions": (409, b'{"reason":"x","detail":"\\u001b[2J\\u202e"}')}[self.path]
        self.server.asked.append(self.path)
        self.send_response(status)
        self.send_header("Location", "/api/v1/nodes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def test_an_answer_that_is_not_a_routers_is_rejected():
    server = http.server.HTTPServer(("127.0.0.1", 0), OtherServer)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        where = ("--admin", f"127.0.0.1:{server.server_port}")
        redirected, page, problem = (run(what, *where) for what in ("status", "nodes", "sessions"))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert {r.returncode for r in (redirected, page, problem)} == {1}
    assert server.asked == ["/api/v1/status", "/api/v1/nodes", "/api/v1/sessions"]  # nothing followed
    assert "302" in redirected.stderr and "not JSON" in page.stderr
    assert "\\u001b[2J\\u202e" in problem.stderr and "409" in problem.stderr


# -- reading ------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_status_fits_one_screen(setup, device):
    setup.connect(device, 3)
    with device(setup.router) as stranger:
        stranger.send(b"GET / HTTP/1.1\r\n\r\n")
        setup.router.session_end(reason="connect_refused")
    wait_until(lambda: "relay 3" in setup.run_ok("status"), "three sessions to be relayed")
    output = setup.run_ok("status")
    assert f"pid {setup.router.pid})" in output and ", ready" in output
    assert "2 of 2 up" in output and "connect_refused 1" in output and str(setup.router.config_path) in output
    assert len(output.splitlines()) < 20 and max(map(len, output.splitlines())) <= 100
    assert setup.json("status")["pid"] == setup.router.pid


def test_status_of_a_router_that_is_not_ready_exits_with_1(setup):
    for name in NODES:
        setup.nodes[name].close()
        setup.router.wait_event("node.status", node=name, status="down")
    result = run("status", "--admin", setup.admin)
    assert result.returncode == 1
    assert "NOT READY" in result.stdout and "0 of 2 up" in result.stdout and "c/a is down" in result.stdout


def test_status_names_certificates_that_expire_soon(start_router, recording_node, authority):
    config = one_cluster({"a": recording_node().port})
    for name, days in (("soon", 8), ("late", 90)):
        issued = authority.issue(name, days=days)
        config = add_listener(config, name, tls={"certificates": [
            {"certificate_file": str(issued.certificate), "private_key_file": str(issued.key)}]})
    config["admin"] = {"address": f"127.0.0.1:{free_port()}"}
    start_router(config)
    output = run("status", "--admin", config["admin"]["address"]).stdout
    assert re.search(r"certificate +\S+/soon\.pem \(soon\) expires in [78] days\n", output) and "late" not in output


def test_status_lists_a_certificate_once(start_router, recording_node, authority):
    """Three listeners use the file; two certificates in one file are printed as two lines."""
    issued, other = authority.issue("shared", days=8), authority.issue("other", days=9)
    bundle = issued.certificate.with_name("bundle.pem")
    bundle.write_text(issued.certificate.read_text() + other.certificate.read_text())
    config = one_cluster({"a": recording_node().port})
    for name in ("one", "two", "three"):
        config = add_listener(config, name, tls={"certificates": [
            {"certificate_file": str(bundle), "private_key_file": str(issued.key)}]})
    config["admin"] = {"address": f"127.0.0.1:{free_port()}"}
    router = start_router(config)
    printed = run("status", "--admin", config["admin"]["address"]).stdout
    assert re.findall(r"certificate +\S+/bundle\.pem \((\w+)\) expires in", printed) == ["shared", "other"]
    listed = admin.get(router, "/api/v1/certificates")["certificates"]
    assert len(listed) == 6, "the API names each listener"


def test_nodes_prints_a_table(setup, device):
    setup.connect(device, 3)
    wait_until(lambda: setup.node("a")["SESSIONS"] == "3", "three sessions at a")
    a, b = setup.node("a"), setup.node("b")
    assert (a["CLUSTER"], a["ADDRESS"], a["STATUS"], a["STATE"], a["WEIGHT"]) == \
        ("c", setup.nodes["a"].address, "up", "up", "1")
    assert (a["OF ALL"], b["OF ALL"], b["SESSIONS"]) == ("100.0 %", "0.0 %", "0")
    keys = [float(n["KEYS"].split()[0]) for n in (a, b)]
    assert 99.8 <= sum(keys) <= 100.1 and min(keys) > 45
    assert setup.run_ok("nodes", "--names") == "c/a\nc/b\n"
    names = [n["name"] for n in setup.json("nodes")["clusters"][0]["nodes"]]
    assert names == list(NODES)


def test_backups_and_removed_nodes_are_marked(setup, device):
    devices = setup.connect(device, 4)
    wait_until(lambda: setup.node("a")["SESSIONS"] == "4", "four sessions at a")
    first, second = setup.config["clusters"][0]["nodes"]
    spare = {**first, "name": "spare", "backup": True}
    setup.config["clusters"][0].update(nodes=[second, spare], drain_rate_per_s=1)
    setup.router.reload(setup.config)
    assert setup.node("spare")["STATE"] == "up (backup)"
    marks = [n["STATE"] for n in rows(setup.run_ok("nodes")) if n["NODE"] == "a"]
    assert marks == ["departed"]  # the node is listed as long as it has sessions
    assert run("drain", "a", "--rate", "100", "--wait", "--admin", setup.admin).returncode == 0
    setup.router.session_end(count=4, node="a")
    for one in devices.values():
        one.close()


def test_sessions_are_found_by_their_properties(setup, device):
    devices = setup.connect(device, 2)
    other, = ids_of("b", NODES)
    assert device(setup.router).connect(other) == (0, 0)
    one = next(iter(devices))
    wait_until(lambda: len(rows(setup.run_ok("sessions"))) == 3, "three sessions")
    found, = rows(setup.run_ok("sessions", "--client-id", one))
    assert (found["CLIENT ID"], found["NODE"], found["HOME"], found["STAGE"], found["LISTENER"]) == \
        (one, "a", "at home", "relay", "mqtt")
    assert found["SOURCE"] == "%s:%d" % devices[one].name
    assert {s["CLIENT ID"] for s in rows(setup.run_ok("sessions", "--node", "c/a"))} == set(devices)
    assert len(rows(setup.run_ok("sessions", "--source", "127.0.0.0/8", "--node", "b"))) == 1
    assert not rows(setup.run_ok("sessions", "--source", "192.0.2.1"))
    assert [s["client_id"] for s in setup.json("sessions", "--client-id", other)["sessions"]] == [other]
    few = run("sessions", "--limit", 1, "--admin", setup.admin)
    assert len(rows(few.stdout)) == 1 and "more" in few.stderr
    result = run("sessions", "--source", "nonsense", "--admin", setup.admin)
    assert result.returncode == 1 and "400" in result.stderr


@pytest.mark.sanitized
def test_a_client_id_with_control_characters_is_escaped(setup, device):
    assert device(setup.router).connect(HOSTILE, version=5) == (0, 0)
    for arguments in (("sessions",), ("sessions", "--json"), ("sessions", "--client-id", HOSTILE)):
        output = wait_until(lambda a=arguments: "gnp.exe" in (out := setup.run_ok(*a)) and out,
                            "the session")
        for c in output:
            assert c == "\n" or c.isprintable(), f"{c!r} in {output!r}"
        assert "\\u202e" in output and "\\u0085" in output and "\\u2028" in output
    assert json.loads(setup.run_ok("sessions", "--json"))["sessions"][0]["client_id"] == HOSTILE


def test_route_with_admin_names_the_node_that_the_device_reaches(setup, device):
    client_id, = ids_of(["a", "b"], NODES)
    first = setup.run_ok("route", "--client-id", client_id).splitlines()[0].split()
    assert first == ["1", "a", setup.nodes["a"].address, "up"]
    setup.nodes["a"].close()
    setup.router.wait_event("node.status", node="a", status="down")
    result = run("route", "--client-id", client_id, "--admin", setup.admin)
    assert result.returncode == 0 and result.stdout.split()[:4] == ["1", "b", setup.nodes["b"].address, "up"]
    assert "the home node is a," in result.stderr
    assert device(setup.router).connect(client_id) == (0, 0)
    packet = mqtt.connect(client_id)  # health checks connect too, so any connection can be the device's
    setup.nodes["b"].wait(lambda node: any(r.mqtt == packet for r in node.records), "the device's CONNECT")
    # With the file alone, all nodes count as up.
    offline = run("route", "--client-id", client_id, "--config", setup.router.config_path)
    assert offline.stdout.split()[:2] == ["1", "a"]
    nobody = run("route", "--client-id", "", "--admin", setup.admin)
    assert nobody.returncode == 1 and "no route key" in nobody.stderr


# -- steering -----------------------------------------------------------------------------------

def test_drain_with_wait_follows_the_drain_to_its_end(setup, device):
    devices = setup.connect(device, 12)
    wait_until(lambda: setup.node("a")["SESSIONS"] == "12", "twelve sessions at a")
    result = run("drain", "a", "--rate", 5, "--deadline", 1, "--wait", "--admin", setup.admin)
    assert result.returncode == 0, result
    *progress, end = result.stdout.splitlines()
    left = [int(re.fullmatch(r"c/a: (\d+) of 12 sessions left after \d+ s", line)[1]) for line in progress]
    assert left[0] == 12 and left[-1] == 0 and left == sorted(left, reverse=True)
    assert end == "c/a is empty"
    for one in devices.values():
        one.read_to_end()
        one.close()
    setup.router.session_end(count=12, reason="node_drained", node="a")
    assert setup.node("a")["STATE"] == "draining*"
    assert "changed" in setup.run_ok("status")
    assert "c/a" in setup.run_ok("restore", "c/a")
    assert (setup.node("a")["STATE"], setup.node("a")["STATUS"]) == ("up", "up")
    back = next(iter(devices))
    assert device(setup.router).connect(back) == (0, 0)
    assert setup.run_ok("route", "--client-id", back).split()[1] == "a"


def test_ctrl_c_ends_the_wait_but_not_the_drain(setup, device):
    setup.connect(device, 4)
    wait_until(lambda: setup.node("a")["SESSIONS"] == "4", "four sessions at a")
    main, terminal = pty.openpty()
    process = subprocess.Popen([BINARY, "drain", "c/a", "--rate", "1", "--wait", "--admin", setup.admin],
                               stdout=terminal, stderr=subprocess.PIPE, text=True)
    try:
        os.close(terminal)
        seen = b""
        while seen.count(b"sessions left") < 2:  # on a terminal, a single line is rewritten
            seen += os.read(main, 4096)
        assert seen.count(b"\n") == 0 and seen.count(b"\r\x1b[K") >= 2
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=WAIT_LIMIT_S)[1]
    finally:
        process.kill()
        process.wait()
        os.close(main)
    assert process.returncode == 1 and "the drain continues" in output
    assert setup.node("a")["STATE"] == "draining*"


def test_a_node_name_must_be_unambiguous(start_router, recording_node):
    config = one_cluster({"a": recording_node().port})
    config["clusters"].append({**config["clusters"][0], "name": "d"})
    config["listeners"].append({**config["listeners"][0], "name": "other", "cluster": "d"})
    config["admin"] = {"address": f"127.0.0.1:{free_port()}"}
    start_router(config)
    where = ("--admin", config["admin"]["address"])
    for name, listed in (("a", {"c/a", "d/a"}), ("e", {"c/a", "d/a"})):
        result = run("drain", name, *where)
        assert result.returncode == 1 and set(result.stderr.split()) >= listed
    assert run("drain", "d/a", *where).returncode == 0
    states = {n["CLUSTER"]: n["STATE"] for n in rows(run("nodes", *where).stdout)}
    assert states == {"c": "up", "d": "draining*"}


def test_one_session_is_closed_by_its_id(setup, device):
    devices = setup.connect(device, 2)
    (one, first), (_, second) = devices.items()
    found = wait_until(lambda: rows(setup.run_ok("sessions", "--client-id", one)), "the session")[0]
    assert "disconnected" in setup.run_ok("disconnect", found["ID"])
    assert first.read_to_end()[1] in ("end", "reset")
    first.close()
    assert setup.router.session_end(client_id=one)
    second.send(mqtt.PING)
    again = run("disconnect", found["ID"], "--admin", setup.admin)
    assert again.returncode == 1 and "404" in again.stderr
    odd = run("disconnect", "../status", "--admin", setup.admin)
    assert odd.returncode == 1


def test_a_reload_reports_its_changes_or_its_errors(setup, recording_node):
    assert "reloaded" in setup.run_ok("reload")
    setup.config["clusters"][0]["nodes"].append({"name": "new", "address": recording_node().address})
    setup.router.config_path.write_text(json.dumps(setup.config))
    moved = float(re.fullmatch(r"reloaded; ([\d.]+) % of the keys have a new home\n", setup.run_ok("reload"))[1])
    assert 25 < moved < 42 and len(rows(setup.run_ok("nodes"))) == 3
    setup.router.config_path.write_text("{")
    result = run("reload", "--admin", setup.admin)
    assert result.returncode == 1 and "config.json" in result.stderr
    assert len(rows(setup.run_ok("nodes"))) == 3
    setup.router.config_path.write_text(json.dumps(setup.config))


# -- the command line ---------------------------------------------------------------------------

COMMANDS = ("route", "status", "nodes", "drain", "restore", "sessions", "disconnect", "reload", "help")


@pytest.mark.parametrize(("option", "wanted"), (("rate", "1 and 1000000 sessions per second"),
                                                ("deadline", "1 and 86400 seconds"),
                                                ("limit", "1 and 1000 sessions")))
def test_a_number_out_of_range_is_reported_in_the_unit_of_the_option(option, wanted):
    """The command rejects the argument with exit code 2 and sends no request."""
    command = ("sessions",) if option == "limit" else ("drain", "a")
    for value in ("0", "-1", "1.5", "1h", "", "86401" if option == "deadline" else "1000001", "9" * 30):
        result = run(*command, f"--{option}", value, "--admin", "127.0.0.1:1")
        assert (result.returncode, result.stdout) == (2, "")
        first, usage, *_ = result.stderr.splitlines()
        assert first == f'mqtt-router: --{option}: must be between {wanted}, got "{value}"'
        assert usage.startswith(f"usage: mqtt-router {command[0]}")


def test_every_command_has_help_and_rejects_other_options():
    overview = run("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command}" in overview
        helped = run(command, "--help")
        assert helped.returncode == 0 and f"usage: mqtt-router {command}" in helped.stdout
        assert helped.stdout == run("help", command).stdout
        assert max(map(len, helped.stdout.splitlines())) <= 100
    for wrong in (("drain",), ("drain", "a", "b"), ("drain", "a", "--limit", "3"), ("nodes", "--wait"),
                  ("sessions", "--limit", "ten"), ("drain", "a", "--rate", "-1"), ("help", "fly"),
                  ("status", "--check"), ("disconnect",)):
        result = run(*wrong)
        assert result.returncode == 2 and "usage:" in result.stderr and not result.stdout, wrong


@pytest.mark.parametrize("what", ("--version", "--help", "--config-reference"))
def test_a_failed_write_to_standard_output_is_an_error(what):
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = subprocess.run([BINARY, what], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    # If an earlier write has failed and nothing is left to flush, the cause is unknown.
    assert result.returncode == 1 and re.search("No space left|write error", result.stderr)


def complete(line, **environment):
    """Return what bash offers for the last word of a line."""
    script = ('source "$0"; COMP_LINE=$1 COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1";'
              ' COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _mqtt_router "$2"; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, ROOT / "config" / "completion.bash", line, BINARY],
                          env={**os.environ, "LC_ALL": "C.UTF-8", **environment}, capture_output=True,
                          text=True, timeout=WAIT_LIMIT_S, check=True)
    assert not done.stderr
    return done.stdout.split("\n")[:-1]


def test_bash_completion_offers_commands_options_and_nodes(start_router, recording_node, tmp_path):
    assert set(complete("mqtt-router ")) >= set(COMMANDS)
    assert complete("mqtt-router dr") == ["drain"]
    assert set(complete("mqtt-router drain a --")) >= {"--rate", "--wait", "--admin"}
    assert complete("mqtt-router drain --rate 5 --dead") == ["--deadline"]
    assert complete(f"mqtt-router nodes --config {tmp_path}/", LC_ALL="C") == [""]
    # One name would run a command if it were expanded; another has a colon, which splits words.
    trap = tmp_path / "trapped"
    at = recording_node().port
    config = one_cluster({"n1": at, f"$(touch {trap})": at, "n:2": at})
    config["admin"] = {"address": f"127.0.0.1:{free_port()}"}
    start_router(config)
    where = f"--admin {config['admin']['address']}"
    assert complete(f"mqtt-router {where} drain c/n1") == ["c/n1"]
    assert complete(f"mqtt-router drain {where} c/n") == ["c/n1", "c/n:2"]
    assert complete(f"mqtt-router drain {where} c/n:") == ["2"]
    assert complete("mqtt-router sessions --node c/n1", MQTT_ROUTER_ADMIN=config["admin"]["address"]) == ["c/n1"]
    assert len(complete(f"mqtt-router drain {where} ")) == 3 and not trap.exists()
    assert complete(f"mqtt-router drain --admin 127.0.0.1:{free_port()} c") == [""]
