"""Send every CONNECT vector over real sockets: whole, in pieces, and byte by byte.

Each run has its own address in 127.0.0.0/8, so that the PROXY header identifies the run of a
node's record. `accept` means that the node got exactly the vector's bytes, `reject` that no node
was connected and the device received one of the allowed answers.
"""

import asyncio
import socket
import struct

import pytest

from harness import WAIT_LIMIT_S, SANITIZED, load_vectors, one_cluster
from recorder import accept_connect, proxy_source

pytestmark = pytest.mark.sanitized
AT_ONCE = 100
CONNECT_PACKET_MS = 20_000  # long enough for the slowest CONNECT, byte by byte, on a loaded machine


def pieces(data, cuts):
    """Split data at these offsets."""
    edges = [0, *[c for c in cuts if 0 < c < len(data)], len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


class Run:
    """A vector sent in one way, and the result."""

    def __init__(self, vector, way, number):
        self.vector, self.way = vector, way
        self.data = bytes.fromhex(vector["hex"])
        self.host = f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        self.source = None
        self.reply = b""
        self.ending = None
        self.accepted = False
        self.node_bytes = None

    def pieces(self):
        if self.way == "whole":
            return [self.data]
        if self.way == "cut":
            return pieces(self.data, self.vector["split_at"])
        return pieces(self.data, range(len(self.data)))

    async def go(self, port, gate, node):
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port,
                                                           local_addr=(self.host, 0))
            self.source = "%s:%d" % writer.get_extra_info("sockname")
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await asyncio.wait_for(self.talk(reader, writer, node), WAIT_LIMIT_S + 10)
            except TimeoutError:
                self.ending = "still open"
            finally:
                writer.transport.abort()

    async def talk(self, reader, writer, node):
        try:
            for piece in self.pieces():
                # On loopback, written data is already in the router's receive queue.
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001 if self.way != "whole" else 0)
            if self.vector.get("after") == "eof":
                writer.write_eof()
            first = await reader.read(100)
            self.accepted = node.get(self.host) is not None
            if self.accepted:
                await node.wait_bytes(self.host, len(self.data))
                self.reply, self.ending = first, "open"
                return
            self.reply = first + (await reader.read() if first else b"")
            self.ending = "end"
        except (ConnectionResetError, BrokenPipeError):
            self.ending = "reset"


class Node:
    """Return the recording node's records of the runs, by device address."""

    def __init__(self, recording):
        self.recording = recording
        self.by_host = {}
        self.seen = 0
        self.silent = []  # connections without a complete header

    def get(self, host):
        new = self.recording.records[self.seen:]
        self.seen += len(new)
        waiting, self.silent = self.silent + new, []
        for record in waiting:
            if not record.proxy:
                self.silent.append(record)
                continue
            source = proxy_source(record.proxy)[0]
            assert source not in self.by_host, f"two connections for {source}"
            self.by_host[source] = record
        return self.by_host.get(host)

    async def wait_bytes(self, host, n):
        record = self.get(host)
        while len(record.data) < len(record.proxy) + n:
            await asyncio.sleep(0.005)


async def send_all(runs, port, node):
    gate = asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*[run.go(port, gate, node) for run in runs])


def play(vectors, ways, router, recording):
    plan = [(v, way) for v in vectors for way in ways if way != "bytewise" or v.get("bytewise")]
    runs = [Run(v, way, number) for number, (v, way) in enumerate(plan)]
    node = Node(recording)
    asyncio.run(send_all(runs, router.port, node))
    for run in runs:
        record = node.get(run.host)
        run.accepted = bool(record)
        run.node_bytes = record.mqtt if record else None
    assert not node.silent, "a connection without a PROXY header"
    return runs


def fault(run, want):
    """Return the error of a run with this expected result, or None."""
    if run.accepted:
        if want == "reject":
            return "a node was connected"
        if run.node_bytes != run.data:
            return f"the node got {run.node_bytes.hex()}"
        return None if run.reply[:1] == b"\x20" else f"no CONNACK received: {run.reply.hex()}"
    if want == "accept":
        return f"refused with {run.reply.hex() or 'silence'}, {run.ending}"
    # A close without an answer can be a reset; an answer must be followed by a clean close.
    if run.ending != "end" and (run.reply or run.ending != "reset"):
        return f"ended with '{run.ending}' instead of a clean close"
    answers = [bytes.fromhex(a or "") for a in run.vector["connack_ok"]]
    if run.reply not in answers:
        return f"answered {run.reply.hex() or 'silence'}"
    preferred = run.vector["connack_hex_on_reject"]
    if run.vector.get("connack_rule") == "send" and not run.reply and preferred:
        return "no CONNACK although it is required"
    return None


def judge(runs, want_of):
    faults = []
    for run in runs:
        what = fault(run, want_of(run.vector))
        if what:
            faults.append(f"{run.vector['name']} ({run.way}; {run.vector['reason']}): {what}")
    assert not faults, f"{len(faults)} of {len(runs)} runs:\n" + "\n".join(faults[:40])


def config(node, **listener):
    made = one_cluster({"node1": node.address}, proxy_protocol="v2")
    made["listeners"][0].update(listener)
    # With a long farewell_ms, a client that is still sending slowly can receive the refusal.
    made["timeouts"] = {"connect_packet_ms": CONNECT_PACKET_MS, "farewell_ms": 60_000}
    made["limits"] = {"flapping": False}  # most vectors have the same client identifier
    return made


WAYS = ("whole",) if SANITIZED else ("whole", "cut", "bytewise")


def test_every_connect_vector_gives_the_expected_result_whole_and_in_pieces(
        start_router, recording_node):
    node = recording_node(answer=accept_connect)
    router = start_router(config(node))
    runs = play(load_vectors("connect.jsonl"), WAYS, router, node)
    judge(runs, lambda v: v["expect"])
    # Where the standard leaves a choice, the result must not depend on segment boundaries.
    decided = {}
    for run in runs:
        decided.setdefault(run.vector["name"], set()).add((run.accepted, run.reply))
    undecided = {name: results for name, results in decided.items() if len(results) > 1}
    assert not undecided
    assert len(router.find("session.end")) <= len(runs)
    check_log(router, [r for r in runs if r.accepted and r.way == "whole"])


def check_log(router, runs):
    """The log line of the session contains the version, and the client identifier if it is plain text."""
    for run in runs:
        end = router.session_end(source=run.source)
        versions = {3: "3.1", 4: "3.1.1", 5: "5.0"}
        assert end["mqtt_version"] == versions[run.vector["version"]], run.vector["name"]
        name = run.vector["client_id"]
        if name and name.isascii() and name.isprintable() and len(name) <= 100:
            assert end["client_id"] == name, run.vector["name"]


def test_a_lenient_listener_passes_only_semantic_faults_to_the_broker(
        start_router, recording_node):
    node = recording_node(answer=accept_connect)
    router = start_router(config(node, connect_validation="lenient"))
    runs = play(load_vectors("connect.jsonl"), ("whole",), router, node)
    want = {"framing": "reject", "incomplete": "reject", "semantic": "either", "soft": "either"}
    judge(runs, lambda v: want[v["class"]] if v.get("class") else v["expect"])
    semantic = [r for r in runs if r.vector.get("class") == "semantic"]
    assert sum(r.accepted for r in semantic) > 0.9 * len(semantic)
    check_log(router, [r for r in semantic if r.accepted])


def test_an_oversized_packet_is_refused_by_its_length_field(start_router, recording_node, device):
    node = recording_node()
    made = config(node)
    made["limits"]["connect_max_bytes"] = 1024
    made["timeouts"]["farewell_ms"] = 500  # this device never closes
    router = start_router(made)
    # CONNECT of 2000 bytes: fixed header and version only; the rest is never sent.
    head = bytes.fromhex("10d00f") + struct.pack(">H", 4) + b"MQTT\x05"
    reply, ending = device(router).send(head).read_to_end()
    assert ending == "end" and reply in (b"", bytes.fromhex("2003009500"))
    end = router.session_end(reason="connect_refused")
    assert end["detail"].startswith("too_large ")
    assert not node.records
