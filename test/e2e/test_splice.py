"""Bulk data passes through a pipe in the kernel. It stays unchanged and never reaches another session."""

import socket
import struct

import pytest

from harness import SANITIZED, one_cluster
from test_relay import MEGABYTE, noise, same

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
BIG = 2 * MEGABYTE if SANITIZED else 8 * MEGABYTE
BLOCK = 16384  # limits.relay_buffer_bytes
BULK = 4 * BLOCK  # copied up to this amount, then spliced
CUTS = (BULK - 1, BULK, BULK + 1, BULK + 4095, BULK + BLOCK, 2 * BULK + 1, 20 * BULK + 12345)
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets


@pytest.fixture
def pairs(start_router, recording_node, device):
    """Connect devices on one worker, which has one pipe. Return them and the nodes' records of them."""
    node = recording_node(keep_open_after_eof=True)
    config = one_cluster({"n": node.address})
    config["workers"] = 1
    config["timeouts"] = {"half_closed_ms": 5000}  # the node keeps the connection of a dead device open
    router = start_router(config)

    def make():
        before = len(node.records)
        raw = device(router)
        assert raw.connect(f"pair-{before}") == (0, 0)
        record = node.record(before)
        return raw, record, len(record.mqtt)
    make.node, make.router = node, router
    return make


def test_a_stream_cut_at_any_byte_ends_there(pairs):
    for n in CUTS:
        data = noise(n, str(n).encode())
        raw, record, before = pairs()
        raw.send(data)
        raw.half_close()
        pairs.node.wait(lambda _, r=record: r.eof, f"the end after {n} bytes")
        assert same(record.mqtt[before:], data) is True
        record.write(data)
        record.write_eof()
        got, ending = raw.read_to_end()
        assert ending == "end" and same(got, data) is True
        raw.close()


def test_a_device_that_reads_slowly_gets_all_bytes(pairs):
    raw, record, _ = pairs()
    data = noise(BIG)
    record.write(data)
    got = bytearray()
    while len(got) < BIG:
        got += raw.socket.recv(1 + len(got) % 9000)
    assert same(bytes(got), data) is True
    assert pairs.router.gauges()["buffers_held"] == 0


def test_a_node_that_stalls_and_resumes_gets_all_bytes(pairs):
    raw, record, before = pairs()
    other, other_record, other_before = pairs()
    data, more = noise(BIG), noise(BIG, b"other")
    record.pause()
    raw.socket.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):
        while True:
            sent += raw.socket.send(data[sent % BIG:sent % BIG + 65536])
    assert pairs.router.gauges()["buffers_held"] == 1
    other.send(more)  # other sessions can use the pipe in the meantime
    pairs.node.wait(lambda _: len(other_record.mqtt) == other_before + len(more),
                    "the bytes of the other session")
    assert same(other_record.mqtt[other_before:], more) is True
    record.resume()
    pairs.node.wait(lambda _: len(record.mqtt) == before + sent, "the rest", 60)
    assert same(record.mqtt[before:], (data * (sent // BIG + 1))[:sent]) is True


def reset_mid_transfer(pairs, side):
    """One side sends bulk data, and the other side resets the connection."""
    raw, record, before = pairs()
    data = noise(4 * BIG)
    if side == "device":
        record.write(data)
        raw.read(BIG)
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        raw.close()
        return pairs.router.session_end(reason="client_error")
    raw.socket.setblocking(False)
    sent = 0
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:
            try:
                sent += raw.socket.send(data[:65536])
            except BlockingIOError:
                pass
            if len(record.mqtt) > before + BIG:
                record.reset()
    return pairs.router.session_end(reason="node_error")


@pytest.mark.parametrize("side", ("device", "node"))
def test_bytes_of_a_broken_session_never_reach_the_next(pairs, side):
    reset_mid_transfer(pairs, side)
    raw, record, before = pairs()
    data = noise(BIG, b"next")
    record.write(data)
    assert same(raw.read(BIG), data) is True
    raw.send(data)
    pairs.node.wait(lambda _: len(record.mqtt) == before + BIG, "the bytes of the next session", 60)
    assert same(record.mqtt[before:], data) is True
