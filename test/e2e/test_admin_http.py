"""The HTTP server of the admin interface: access control, rejected requests, and slow peers."""

import os
import re
import select
import socket
import stat
import threading
import time

import pytest

import admin_connection
import harness
from admin import with_admin
from admin_connection import Admin, exchange, make_token

NODE = {"n": 9}  # no test here needs a reachable node


def read_to_end(s):
    data = b""
    while chunk := s.recv(65536):
        data += chunk
    return data


@pytest.fixture
def start(start_router, closing):
    """Start a router with an admin interface. Return it and a client."""
    def begin(config=None, token=None, **keys):
        router = start_router(with_admin(config or harness.one_cluster(NODE, passive=False), **keys))
        return router, closing(Admin(router, token))
    return begin


# ---- health ----

@pytest.mark.sanitized
def test_livez_and_readyz_report_liveness_and_readiness(start):
    _, api = start()
    live = api.get("/healthz")
    assert (live.status, live.json) == (200, {"status": "alive"})
    ready = api.get("/readyz")
    assert (ready.status, ready.json) == (200, {"ready": True, "phase": "serving", "reasons": []})
    assert ready.headers["Cache-Control"] == "no-store"
    assert ready.headers["X-Content-Type-Options"] == "nosniff"
    assert ready.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in ready.headers["Content-Security-Policy"]


def test_readyz_all_requires_a_node_that_is_up_in_each_cluster(start):
    config = harness.one_cluster(NODE, passive=False)
    config["clusters"] += [
        {"name": "two", "nodes": [{"name": "x", "address": "127.0.0.1:9", "state": "down"}]},
        {"name": "three", "nodes": [
            {"name": "x", "address": "127.0.0.1:9", "weight": 0},
            {"name": "y", "address": "127.0.0.1:9", "state": "draining"}]}]
    _, api = start(config)
    answer = api.get("/readyz?all")
    assert answer.status == 503
    assert answer.json == {"ready": False, "phase": "serving", "reasons": [
        'no node of cluster "two" accepts new sessions', 'no node of cluster "three" accepts new sessions']}


def test_a_draining_router_reports_it_until_it_exits(start, recording_node, device):
    node = recording_node()
    router, api = start(harness.one_cluster({"n": node.port}, passive=False))
    with device(router) as stays:
        stays.connect("stays")
        router.process.send_signal(harness.signal.SIGTERM)
        router.wait_event("router.stopping")
        answer = api.get("/readyz")
        assert (answer.status, answer.json["phase"]) == (503, "draining")
        assert api.get("/healthz").status == 200
    router.stop()


def answer_nxdomain(server, questions):
    for _ in range(questions):
        question, peer = server.recvfrom(512)
        server.sendto(question[:2] + b"\x81\x83" + question[4:], peer)  # NXDOMAIN


def test_a_router_is_live_but_not_ready_before_the_first_dns_answer(start_router, closing):
    """The router waits for its name server, which answers only after the test has sent its requests."""
    place = ("127.0.0.1", harness.free_port())
    found = {}

    def reached():
        try:
            return socket.create_connection(place, harness.WAIT_LIMIT_S)
        except ConnectionRefusedError:
            return None

    def query_before_dns(name_server):
        with harness.wait_until(reached, "the admin interface") as s:
            for path in ("/healthz", "/readyz", "/api/v1/status"):
                found[path] = exchange(s, f"GET {path} HTTP/1.1\r\nHost: [::1]\r\n\r\n".encode())
        answer_nxdomain(name_server, 1)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
        name_server.bind(("127.0.0.1", 0))
        name_server.settimeout(harness.WAIT_LIMIT_S)
        queries = threading.Thread(target=query_before_dns, args=[name_server])
        queries.start()
        config = with_admin(harness.one_cluster({}), address=f"{place[0]}:{place[1]}")
        del config["clusters"][0]["nodes"]
        config["clusters"][0]["discovery"] = {
            "type": "dns", "name": "_mqtt._tcp.example", "record": "srv",
            "resolver": f"127.0.0.1:{name_server.getsockname()[1]}"}
        router = start_router(config)
        queries.join()
    assert found == {"/healthz": [200], "/readyz": [503], "/api/v1/status": [503]}
    api = closing(Admin(router))
    assert api.get("/readyz").json["reasons"] == ['no node of cluster "c" accepts new sessions']
    api.close()
    router.stop()


# ---- rejected requests ----

@pytest.mark.sanitized
@pytest.mark.parametrize("method, path, status, reason, allow", [
    ("GET", "/nothing", 404, "not_found", None),
    ("GET", "/healthz/", 404, "not_found", None),
    ("GET", "/api/v1/sessions/", 404, "not_found", None),
    ("GET", "/api/v1/nodes/c/n/x", 404, "not_found", None),
    ("POST", "/healthz", 405, "method_not_allowed", "GET, HEAD"),
    ("DELETE", "/healthz", 405, "method_not_allowed", "GET, HEAD"),
    ("OPTIONS", "/api/v1/reload", 405, "method_not_allowed", "POST"),
    ("GET", "/api/v1/nodes/c/n", 405, "method_not_allowed", "POST"),
    ("GET", "/api/v1/sessions/%ff", 400, "invalid_path", None),
    ("GET", "/api/v1/sessions/%00", 400, "invalid_path", None),
    ("GET", "/api/v1/sessions/%4", 400, "invalid_path", None),
    ("GET", "/healthz?x=1", 400, "invalid_query", None),
    ("GET", "/api/v1/sessions?limit=1&limit=1", 400, "invalid_query", None),
    ("GET", "/api/v1/sessions?source=%C3%28", 400, "invalid_query", None),
])
def test_an_unknown_path_is_rejected_and_named(start, method, path, status, reason, allow):
    _, api = start()
    answer = api.request(method, path, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.reason, answer.headers["Allow"]) == (status, reason, allow)


def test_head_answers_like_get_without_a_body(start):
    _, api = start()
    got, head = api.get("/readyz"), api.request("HEAD", "/readyz")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.body))


@pytest.mark.parametrize("body, headers, status, reason", [
    (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    (b"{}", {"Content-Type": "application/jsonx"}, 415, "unsupported_media_type"),
    (b"{}", {"Content-Type": "application/j"}, 415, "unsupported_media_type"),
    (b"[]", {"Content-Type": "Application/JSON; charset=utf-8"}, 400, "invalid_body"),
    (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    (b"[]", {}, 400, "invalid_body"),
    (b"{", {}, 400, "invalid_body"),
    (b'{"a":1,"a":2}', {}, 400, "invalid_body"),
    (b'{"a":"\xff"}', {}, 400, "invalid_body"),
    (b"[" * 60000, {}, 400, "invalid_body"),
    (b" " * 65537, {}, 413, "body_too_large"),
    (b" " * 300000, {}, 413, "body_too_large"),
], ids=lambda value: repr(value)[:40])
def test_a_body_other_than_a_small_json_object_is_rejected(start, body, headers, status, reason):
    router, api = start()
    answer = api.post("/api/v1/reload", body, headers)
    assert (answer.status, answer.reason) == (status, reason)
    assert api.get("/healthz").status == 200
    assert not router.find("reload.done")
    assert router.wait_event("admin.call", status=status)["target"] == "/api/v1/reload"


def test_a_chunked_body_is_limited_too(start):
    router, api = start()
    with api.connect() as s:
        s.sendall(b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
                  b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with pytest.raises(OSError):  # the router closes it
            for _ in range(400):
                s.sendall(chunk)
    assert api.get("/healthz").status == 200
    assert not router.find("reload.done")


def test_a_request_with_two_lengths_is_rejected_and_ends_the_connection(start):
    router, api = start()
    with api.connect() as s:
        s.sendall(b"POST /api/v1/log_level HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 70\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                  b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
                  b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        answer = read_to_end(s)
    assert answer.count(b"HTTP/1.1 ") == 1 and b" 400 " in answer.split(b"\r\n")[0] and b"invalid_request" in answer
    assert api.get("/healthz").status == 200 and not router.find("reload.done")


def test_an_endless_request_head_is_rejected(start):
    _, api = start()
    with api.connect() as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
        assert exchange(s, b"")[0] in (431, 413, 414, 400)
    assert api.get("/healthz").status == 200


# ---- requests of other origins ----

@pytest.mark.parametrize("host, origin, status, reason", [
    ("127.0.0.1:1", None, 200, None),
    ("[::1]", None, 200, None),
    ("localhost:9090", None, 200, None),
    ("LOCALHOST", "http://localhost", 200, None),
    ("rebound.example", None, 403, "forbidden_host"),
    ("127.0.0.1.example:9090", None, 403, "forbidden_host"),
    ("localhost:9090", "https://localhost:9090", 200, None),
    ("localhost:9090", "http://localhost:9091", 403, "forbidden_origin"),
    ("localhost", "http://page.example", 403, "forbidden_origin"),
    ("localhost", "null", 403, "forbidden_origin"),
])
def test_a_request_from_another_origin_is_rejected(start, host, origin, status, reason):
    router, api = start()
    headers = {"Host": host, **({"Origin": origin} if origin else {})}
    answer = api.get("/readyz", headers)
    assert answer.status == status
    if reason:
        assert answer.reason == reason
        assert router.wait_event("admin.refused", status=403)["source"].startswith("127.0.0.1:")


def test_an_http_1_0_request_needs_no_host(start):
    _, api = start()
    with api.connect() as s:
        assert exchange(s, b"GET /healthz HTTP/1.0\r\n\r\n") == [200]


# ---- the token ----

@pytest.mark.sanitized
def test_with_a_token_file_the_api_requires_the_token(start, tmp_path):
    token = make_token(tmp_path)
    router, api = start(token_file=str(token))
    for path in ("/healthz", "/readyz"):
        assert api.get(path, {"Host": "router.example"}).status == 200
    for wrong in (None, "Bearer", "Bearer ", f"Bearer {admin_connection.TOKEN[:-1]}", f"Bearer {admin_connection.TOKEN}x",
                  f"Basic {admin_connection.TOKEN}", admin_connection.TOKEN, f"Bearer {admin_connection.TOKEN[:-1]}X"):
        answer = api.get("/api/v1/status", {"Authorization": wrong} if wrong else {})
        assert (answer.status, answer.reason) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert api.post("/api/v1/reload").status == 401
    for right in (f"Bearer {admin_connection.TOKEN}", f"bearer  {admin_connection.TOKEN}"):
        assert api.get("/api/v1/status", {"Authorization": right}).status != 401
    assert len(router.find("admin.refused", status=401)) == 9
    router.stop()
    assert admin_connection.TOKEN not in router.log_path.read_text() + router.stderr_path.read_text()


def test_a_reload_rereads_the_token_and_keeps_it_on_failure(start, tmp_path):
    token = make_token(tmp_path)
    router, api = start(token_file=str(token))
    second = "another-token-as-good"
    token.write_text(second + "\r\n")
    router.reload()
    old, new = {"Authorization": f"Bearer {admin_connection.TOKEN}"}, {"Authorization": f"Bearer {second}"}
    assert api.get("/api/v1/status", old).status == 401
    assert api.get("/api/v1/status", new).status != 401
    token.write_text("short\n")
    router.reload(expect="reload.failed")
    assert "admin.token_file" in router.find("reload.fault")[0]["error"]
    assert api.get("/api/v1/status", new).status != 401


def test_a_new_admin_address_and_its_token_wait_for_a_restart(start, tmp_path):
    """Otherwise the old address could be used without a token until the restart."""
    config = harness.one_cluster(NODE, passive=False)
    router, api = start(dict(config), token_file=str(make_token(tmp_path)))
    router.reload(with_admin(dict(config), address=f"unix:{tmp_path}/elsewhere"))
    assert [e["key"] for e in router.find("reload.restart_needed")] == ["admin.address"]
    assert api.get("/api/v1/status").status == 401
    router.reload(config)
    assert router.find("reload.restart_needed")[-1]["key"] == "admin"
    assert api.get("/api/v1/status").status == 401
    assert api.get("/healthz").status == 200
    assert not (tmp_path / "elsewhere").exists()
    router.reload(with_admin(dict(config)))
    assert api.get("/api/v1/status").status == 200


@pytest.mark.parametrize("content, mode, rule", [
    (None, None, "No such file"),
    ("short\n", 0o600, "must be at least 16 bytes long"),
    ("x" * 513 + "\n", 0o600, "must be at most 512 bytes long"),
    ("x" * 6000, 0o600, "must be at most 51"),
    ("two words that are long enough\n", 0o600, "must contain only visible ASCII characters"),
    ("\ufeff" + "x" * 20 + "\n", 0o600, "starts with a byte order mark"),
    ("\n" + "y" * 20 + "\n", 0o600, "must not be empty"),
])
def test_start_and_check_report_an_invalid_token(tmp_path, content, mode, rule):
    token = tmp_path / "token"
    if content:
        token.write_text(content)
        token.chmod(mode)
    config = harness.write_config(
        with_admin(harness.one_cluster(NODE), token_file=str(token)), tmp_path)
    for arguments in ((), ("--check",)):
        result = harness.run_router("--config", config, *arguments)
        assert result.returncode == 1
        assert f": admin.token_file: {token}: " in result.stderr and rule in result.stderr


def test_a_world_readable_token_causes_a_warning(tmp_path):
    token = make_token(tmp_path)
    config = harness.write_config(
        with_admin(harness.one_cluster(NODE), token_file=str(token)), tmp_path)
    assert "every user" not in harness.run_router("--config", config, "--check").stderr
    token.chmod(0o644)
    result = harness.run_router("--config", config, "--check")
    assert result.returncode == 0
    assert "warning" in result.stderr and "every user" in result.stderr


def test_an_address_beyond_loopback_requires_a_token(tmp_path):
    config = with_admin(harness.one_cluster(NODE), address="0.0.0.0:0")
    path = harness.write_config(config, tmp_path)
    result = harness.run_router("--config", path)
    assert result.returncode == 1 and "admin.address" in result.stderr
    assert "token_file" in result.stderr


def test_an_admin_address_in_use_fails_the_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = harness.write_config(with_admin(harness.one_cluster(NODE), address=address),
                                    tmp_path)
        result = harness.run_router("--config", path)
    assert result.returncode == 1
    assert f"admin.address: cannot listen on: {address}: Address already in use" in result.stderr


# ---- a Unix socket ----

def test_a_unix_socket_admits_owner_and_group_and_is_removed_on_exit(start, tmp_path):
    path = tmp_path / "admin.sock"
    router, api = start(address=f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert api.get("/healthz").status == 200
    assert api.get("/readyz", {"Host": "page.example"}).status == 403
    assert router.wait_event("admin.refused")["source"] == "unix"
    api.close()
    router.stop()
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change to another user")
@pytest.mark.skipif(harness.SANITIZED, reason="builds with sanitizers have no sandbox")
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_the_admin_interface_works_in_the_sandbox_as_any_user(start, tmp_path, user):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    harness.open_to_all(folder)
    path = folder / "admin.sock"
    token = make_token(tmp_path)
    token.chmod(0o644)
    config = dict(harness.one_cluster(NODE, passive=False), user=user)
    router, api = start(config, address=f"unix:{path}", token_file=str(token))
    with open(f"/proc/{router.pid}/status", encoding="ascii") as status:
        fields = dict(line.rstrip().split(":\t", 1) for line in status if ":\t" in line)
    assert fields["Seccomp"] == "2"
    assert path.owner() == user and int(fields["Uid"].split()[0]) == path.stat().st_uid
    assert api.get("/readyz").status == 200
    assert api.post("/api/v1/reload", b"x" * 200_000).status == 401
    api.token = admin_connection.TOKEN
    assert api.post("/api/v1/reload", b"x" * 200_000).status == 413
    assert api.get("/metrics").status != 401
    api.close()
    router.stop()
    assert not path.exists()


# ---- connections ----

@pytest.mark.sanitized
def test_a_connection_is_kept_open_and_requests_may_be_pipelined(start):
    _, api = start()
    with api.connect() as s:
        assert exchange(s, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == [200]
        line = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        post = (b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        s.sendall(line * 3 + post + line)
        read = s.makefile("rb")
        statuses = []
        for _ in range(5):
            statuses.append(int(read.readline().split()[1]))
            length = 0
            while (header := read.readline()) != b"\r\n":
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            read.read(length)
        assert statuses == [200, 200, 200, 404, 200]


def test_a_request_may_arrive_byte_by_byte(start):
    _, api = start()
    with api.connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r":
            s.sendall(bytes([byte]))
            assert api.get("/healthz").status == 200
        assert exchange(s, b"\n") == [200]


def test_idle_connections_do_not_block_others(start, closing):
    _, api = start()
    held = [closing(api.connect()) for _ in range(200)]
    assert api.get("/healthz").status == 200
    ended = harness.wait_until(
        lambda: [s for s in held if is_ended(s)], "the oldest connections to be closed")
    assert held[0] in ended and held[-1] not in ended


def is_ended(s):
    polled = select.poll()
    polled.register(s, select.POLLIN)
    try:
        return bool(polled.poll(0)) and s.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True


def test_admin_requests_do_not_delay_devices(start, recording_node, device, closing):
    node = recording_node()
    router, api = start(harness.one_cluster({"n": node.port}, passive=False))
    for _ in range(100):
        half = closing(api.connect())
        half.sendall(b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n")
    with device(router) as one:
        one.connect("one")


def test_without_a_free_descriptor_the_admin_interface_waits_without_spinning(start, closing):
    """A limit lowered at run time simulates a full descriptor table."""
    router, api = start()
    assert api.get("/healthz").status == 200
    highest = max(int(fd) for fd in os.listdir(f"/proc/{router.pid}/fd"))
    before = harness.resource.prlimit(router.pid, harness.resource.RLIMIT_NOFILE)
    harness.resource.prlimit(router.pid, harness.resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    waits = closing(api.connect())
    waits.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def switches():
        with open(f"/proc/{router.pid}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    used = switches()
    for _ in range(20):
        assert api.get("/healthz").status == 200
        time.sleep(0.02)
    assert switches() - used < 20  # in hundredths of a second: the router is busy for less than half of 0.4 s
    harness.resource.prlimit(router.pid, harness.resource.RLIMIT_NOFILE, before)
    assert exchange(waits, b"") == [200]


def test_a_peer_that_disconnects_mid_request_does_no_harm(start):
    router, api = start()
    assert api.get("/healthz").status == 200
    before = router.descriptors()
    for cut in (b"", b"GET", b"GET /healthz HTTP/1.1\r\n",
                b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                b"\r\nContent-Length: 100\r\n\r\n{"):
        for linger in (False, True):
            with api.connect() as s:
                s.sendall(cut)
                if linger:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    harness.wait_until(lambda: router.descriptors() == before, "their descriptors to be closed")
    assert api.get("/healthz").status == 200


# ---- the documentation ----

def test_the_page_lists_exactly_the_routes():
    table = next((harness.ROOT / "src" / "control" / "admin").rglob("routes.h")).read_text()
    routes = {f"{m} {path}" for m, path in re.findall(r'X\((GET|POST), "([^"]+)"', table)}
    page = (harness.ROOT / "config" / "admin.md").read_text()
    section = page.split("\n## HTTP API\n")[1].split("\n- ")[0]
    assert set(re.findall(r"`((?:GET|POST) /[^`]*)`", section)) == routes
