"""The router relays bytes unchanged in both directions, regardless of their number and timing."""

import ctypes
import hashlib
import os
import select
import socket
import ssl
import stat
import time

import pytest

import mqtt
from harness import SANITIZED, one_cluster, wait_until
from recorder import CONNACK_3, common

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
MEGABYTE = 1 << 20
PIDFD_GETFD = 438  # number of the system call, for which Python has no function
BIG = 4 * MEGABYTE if SANITIZED else 32 * MEGABYTE


def noise(n, seed=b"mqtt-router"):
    """Return n pseudo-random bytes without short repetitions. They are the same in each run."""
    return hashlib.shake_128(seed).digest(n)


@pytest.fixture
def pair(start_router, recording_node, device, certificates):
    """Connect a device through a router. Return the device and the node's record of it."""
    def make(transport="tcp", router=None, node=None, router_config=None, **how):
        node = node or recording_node(**how)
        if router is None:
            config = one_cluster({"n": node.address}, tls_dir=certificates)
            config.update(router_config or {})
            router = start_router(config)
        name = f"pair-{len(node.records)}"
        before = len(node.records)
        raw = device(router, tls=mqtt.tls_context(certificates) if transport == "tls" else None)
        assert raw.connect(name) == (0, 0)
        record = node.record(before)
        return raw, record, router, node, len(record.mqtt)
    return make


@pytest.mark.parametrize("transport", ("tcp", "tls"))
@pytest.mark.parametrize("behind", (1, 100_000, 300_000))
def test_bytes_pipelined_after_connect_arrive_unchanged(
        start_router, recording_node, device, certificates, transport, behind):
    node = recording_node()
    router = start_router(one_cluster({"n": node.address}, tls_dir=certificates))
    tls = mqtt.tls_context(certificates) if transport == "tls" else None
    data = mqtt.connect("eager") + noise(behind)
    raw = device(router, tls=tls)
    raw.send(data)
    node.wait_mqtt(data)
    assert raw.packet()[1] == CONNACK_3


def exchange(raw, up, down_n):
    """Send and receive concurrently in one thread, because Python's TLS sockets are not thread-safe."""
    raw.socket.setblocking(False)
    got, sent = bytearray(), 0
    deadline = time.monotonic() + 60
    while sent < len(up) or len(got) < down_n:
        assert time.monotonic() < deadline, f"sent {sent}, got {len(got)}"
        moved = False
        try:
            if sent < len(up):
                sent += raw.socket.send(up[sent:sent + 65536])
                moved = True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            if len(got) < down_n:
                chunk = raw.socket.recv(65536)
                assert chunk, f"closed after {len(got)} bytes"
                got += chunk
                moved = True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if not moved:
            select.select([raw.socket], [raw.socket] if sent < len(up) else [], [], 1)
    return bytes(got)


def same(got, wanted):
    """Compare the bytes without printing them if they differ."""
    return got == wanted or f"changed after {common(got, wanted)} of {len(wanted)} bytes"


@pytest.mark.parametrize("transport", ("tcp", "tls"))
def test_big_transfers_in_both_directions_arrive_unchanged(pair, transport):
    raw, record, _, node, n = pair(transport)
    up, down = noise(BIG, b"up"), noise(BIG, b"down")
    record.write(down)
    assert same(exchange(raw, up, BIG), down) is True
    node.wait(lambda _: len(record.mqtt) >= n + BIG, f"{BIG} bytes", 60)
    assert same(record.mqtt[n:], up) is True


@pytest.mark.parametrize("transport", ("tcp", "tls"))
def test_sizes_around_the_buffer_arrive_both_ways(pair, transport):
    raw, record, _, node, n = pair(transport)
    sent = b""
    for size in (1, 16383, 16384, 16385, 32767, 32768, 32769, 65537):
        data = noise(size, str(size).encode())
        raw.send(data)
        sent += data
        node.wait(lambda _: len(record.mqtt) >= n + len(sent), f"{size} bytes more")
        record.write(data)
        assert raw.read(size) == data
    assert same(record.mqtt[n:], sent) is True


@pytest.mark.parametrize("transport", ("tcp", "tls"))
def test_a_slow_device_slows_only_its_own_session_and_memory_is_bounded(pair, transport):
    slow, slow_record, router, node, _ = pair(transport, router_config={"workers": 1})
    before = router.memory_bytes("Rss")
    much = (32 if SANITIZED else 64) * MEGABYTE  # the kernel buffers up to 10 MiB on each side
    data = noise(much)
    slow_record.write(data)
    # The node can send only as many bytes as the sockets and one buffer can hold.
    wait_until(lambda: stalled(slow_record), "the slow device's node to stall")
    left = slow_record.transport.get_write_buffer_size()
    assert left > much / 4, "the router buffered unread bytes"
    if not SANITIZED:
        assert router.memory_bytes("Rss") - before < 2 * MEGABYTE
    # In the meantime, another device on the same worker and node is served.
    quick, quick_record, _, _, n = pair(transport, router=router, node=node)
    for i in range(50):
        ping = noise(2000, bytes([i]))
        quick.send(ping)
        node.wait(lambda _: quick_record.mqtt[n + 2000 * i:] == ping, "the quick device's bytes")
        quick_record.write(ping)
        assert quick.read(2000) == ping
    # The slow device receives all bytes.
    assert same(slow.read(much), data) is True


def stalled(record):
    before = record.transport.get_write_buffer_size()
    time.sleep(0.3)  # a stall has no event, so wait for some time
    return before and record.transport.get_write_buffer_size() == before


def test_a_slow_node_slows_its_own_device(pair):
    raw, record, router, node, n = pair()
    record.pause()
    data = noise(64 * MEGABYTE if not SANITIZED else 16 * MEGABYTE)
    before = router.memory_bytes("Rss")
    raw.socket.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < len(data):
            sent += raw.socket.send(data[sent:sent + 65536])
    assert 0 < sent < len(data)
    if not SANITIZED:
        assert router.memory_bytes("Rss") - before < 2 * MEGABYTE
    assert router.gauges()["buffers_held"] >= 1
    record.resume()
    node.wait(lambda _: len(record.mqtt) >= n + sent, "the rest", 60)
    assert same(record.mqtt[n:], data[:sent]) is True
    wait_until(lambda: router.gauges()["buffers_held"] == 0, "the buffer to be released")


def test_a_device_that_half_closes_still_receives(pair):
    raw, record, router, node, n = pair(keep_open_after_eof=True)
    raw.send(b"last words")
    raw.half_close()
    node.wait(lambda _: record.eof, "the end of the device's bytes")
    assert record.mqtt[n:] == b"last words"
    answer = noise(300_000)
    record.write(answer)
    assert raw.read(len(answer)) == answer
    record.write_eof()
    assert raw.read_to_end() == (b"", "end")
    end = router.session_end(reason="client_closed")
    assert end["bytes_up"] == len(record.mqtt) and end["bytes_down"] == 4 + len(answer)


@pytest.mark.parametrize("transport", ("tcp", "tls"))
def test_a_node_that_half_closes_still_receives(pair, transport):
    raw, record, router, node, n = pair(transport, keep_open_after_eof=True)
    record.write(b"bye")
    record.write_eof()
    assert raw.read_to_end() == (b"bye", "end")
    if transport == "tcp":
        raw.send(noise(300_000))
        node.wait(lambda _: len(record.mqtt) == n + 300_000, "the rest of the device's bytes")
        assert record.mqtt[n:] == noise(300_000)
    raw.close()
    node.wait(lambda _: record.eof, "the device's close")
    router.session_end(reason="node_closed")


def test_bytes_sent_by_a_node_before_its_close_are_delivered(pair):
    raw, record, router, _, _ = pair()
    data = noise(BIG)
    record.write(data)
    record.close()
    got, ending = raw.read_to_end()
    assert ending == "end" and same(got, data) is True
    raw.close()
    router.session_end(reason="node_closed")


def test_single_bytes_are_relayed_immediately(pair):
    raw, record, _, node, n = pair()
    for i in range(200):
        raw.send(bytes([i]))
        node.wait(lambda _: len(record.mqtt) == n + i + 1, f"byte {i}")
    assert record.mqtt[n:] == bytes(range(200))


def sockets_of(router):
    """Return copies of the router's connected TCP sockets, to read their options."""
    process = os.pidfd_open(router.pid)
    found = []
    for fd in os.listdir(f"/proc/{router.pid}/fd"):
        copy = ctypes.CDLL(None).syscall(PIDFD_GETFD, process, int(fd), 0)
        if copy < 0:
            continue
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            os.close(copy)
            continue
        one = socket.socket(fileno=copy)
        try:
            one.getpeername()
            found.append(one)
        except OSError:  # a listening socket
            one.close()
    os.close(process)
    return found


def options_of_legs(router, level, option):
    legs = [s for s in sockets_of(router) if s.family == socket.AF_INET]
    found = [leg.getsockopt(level, option) for leg in legs]
    for leg in legs:
        leg.close()
    return found


def test_both_sockets_have_nodelay(pair):
    _, _, router, _, _ = pair()
    assert options_of_legs(router, socket.IPPROTO_TCP, socket.TCP_NODELAY) == [1, 1]


def test_the_socket_to_a_node_gets_keepalive_once_the_session_is_established(pair):
    raw, _, router, _, _ = pair(router_config={"timeouts": {"idle_ms": 2000}})

    def of_both():
        raw.send(mqtt.PING)  # prevents the idle timeout
        return options_of_legs(router, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == [1, 1]

    assert options_of_legs(router, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == [1, 0]
    wait_until(of_both, "keepalive")
    assert options_of_legs(router, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == [120, 120]


def test_byte_counts_in_the_log_match_the_relayed_bytes(pair):
    raw, record, router, node, n = pair()
    raw.send(noise(70_001))
    node.wait(lambda _: len(record.mqtt) == n + 70_001, "all bytes")
    record.write(noise(50_003))
    raw.read(50_003)
    raw.close()
    end = router.session_end(reason="client_closed")
    assert (end["bytes_up"], end["bytes_down"]) == (n + 70_001, 4 + 50_003)
    assert end["source"] == f"127.0.0.1:{raw.name[1]}"
