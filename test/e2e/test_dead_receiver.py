"""If a receiver is dead, only its direction ends: bytes that it sent before are delivered."""

import array
import fcntl
import os
import signal
import termios
import time

import pytest

import mqtt
from harness import SANITIZED, wait_until
from recorder import CONNACK_3

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
TRANSPORTS = ("tcp", "tls", "ws", "wss")
RUNS = 30 if SANITIZED else 150
UNREAD_BYTES = 300_000
LAST_BYTES = mqtt.publish("last", b"words" * 4000) + mqtt.DISCONNECT
FEW_LAST_BYTES = mqtt.publish("last", b"words" * 100) + mqtt.DISCONNECT  # kept until the CONNACK


@pytest.fixture
def setup(every_transport, recording_node):
    """Return (router, node, dial), as in every_transport."""
    def start(timeouts=None, **how):
        node = recording_node(**how)
        router, dial = every_transport({"n": node.address}, timeouts=timeouts or {})
        return router, node, dial
    return start


class Stopped:
    """Stop the router during the `with` block, so that it sees all events in the block at the same time."""

    def __init__(self, router):
        self.pid = router.pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def connected(node, dial, transport, name):
    device = dial(transport)
    assert device.connect(name) == (0, 0)
    return device, record_of(node, name)


def record_of(node, name):
    return node.wait(lambda n: next((r for r in n.records if name.encode() in r.data), None), name)


def wait_last_bytes(node, records, last=LAST_BYTES):
    def missing():
        return [r for r in records if not r.data.endswith(last)]
    try:
        node.wait(lambda _: not missing(), "all last bytes")
    except AssertionError:
        pass
    assert len(missing()) == 0, f"{len(missing())} of {len(records)} lost"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_last_bytes_of_a_client_that_reads_nothing_reach_the_node(setup, transport):
    router, node, dial = setup()
    records = []
    for i in range(RUNS):
        device, record = connected(node, dial, transport, f"unread-{i}-")
        record.write(bytes(UNREAD_BYTES))
        records.append(record)
        device.send(LAST_BYTES)
        device.close()  # bytes are unread, so the kernel sends RST
    wait_last_bytes(node, records)
    router.wait_idle()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_last_bytes_of_a_client_reach_the_node_while_it_is_sending(setup, transport):
    """The client closes cleanly, and the router's next write is answered with RST."""
    router, node, dial = setup(echo_after=0)
    records = []
    for i in range(RUNS):
        device, record = connected(node, dial, transport, f"echoed-{i}-")
        records.append(record)
        # Use one send: the data of several could wait for an ACK in the client's send queue, and be
        # lost there.
        device.send(20 * mqtt.publish("many", b"x" * 1000) + LAST_BYTES)
        device.close()
    wait_last_bytes(node, records)
    router.wait_idle()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_last_bytes_and_the_reset_may_arrive_together(setup, transport):
    router, node, dial = setup()
    records = []
    for i in range(RUNS):
        device, record = connected(node, dial, transport, f"stopped-{i}-")
        records.append(record)
        with Stopped(router):
            record.write(bytes(UNREAD_BYTES))
            device.send(LAST_BYTES)
            device.reset()
    wait_last_bytes(node, records)
    router.wait_idle()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_last_bytes_sent_before_the_connack_reach_the_node(setup, transport):
    router, node, dial = setup(answer=None)
    records = []
    for i in range(RUNS):
        name = f"early-{i}-"
        device = dial(transport).send(mqtt.connect(name))
        record = record_of(node, name)
        records.append(record)
        with Stopped(router):
            device.send(LAST_BYTES)
            device.reset()
            record.write(CONNACK_3 + bytes(UNREAD_BYTES))
    wait_last_bytes(node, records)
    router.wait_idle()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_bytes_of_a_client_that_resets_before_the_connack_are_delivered(setup, transport):
    """The node sends its answer only after the reset."""
    router, node, dial = setup(answer=None)
    records = []
    for i in range(RUNS):
        name = f"gone-{i}-"
        device = dial(transport).send(mqtt.connect(name))
        record = record_of(node, name)
        records.append(record)
        device.send(FEW_LAST_BYTES)
        device.reset()
    wait_last_bytes(node, records, FEW_LAST_BYTES)
    for record in records:
        record.write(CONNACK_3)
    router.wait_idle()
    assert len(router.find("session.end", reason="client_error")) == len(records)


@pytest.mark.parametrize("ending", ("close", "reset"))
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_bytes_of_a_client_that_does_not_wait_are_delivered(setup, transport, ending):
    """Send CONNECT, PUBLISH and DISCONNECT, then close. With TLS, the session tickets remain unread."""
    router, node, dial = setup()
    names = [f"hasty-{i}-" for i in range(RUNS)]
    for name in names:
        device = dial(transport).send(mqtt.connect(name) + FEW_LAST_BYTES)
        getattr(device, ending)()
    wait_last_bytes(node, [record_of(node, name) for name in names], FEW_LAST_BYTES)
    router.wait_idle()


def unsent(raw):
    """Return the bytes in a socket's send queue that the peer's kernel has not acknowledged."""
    n = array.array("i", [0])
    fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, n)
    return n[0]


def send_until_full(device):
    """Send more than one block: the closed socket answers the first one with RST, and the next send fails."""
    device.socket.setblocking(False)
    try:
        for _ in range(8):
            device.send(mqtt.publish("late", bytes(16_000)))
    except OSError:
        pass
    device.socket.settimeout(30)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_all_bytes_of_a_node_arrive_although_it_resets_the_connection(setup, transport):
    router, node, dial = setup()
    device, record = connected(node, dial, transport, "tail")
    tail = bytes(i * 7 % 251 for i in range(307_204))
    raw = record.transport.get_extra_info("socket")

    def is_taken():
        """Return whether the whole tail is in the router's socket."""
        try:
            return wait_until(lambda: record.transport.get_write_buffer_size() == 0 and
                              unsent(raw) == 0, "the tail to be in the router's socket", 3)
        except AssertionError:
            return False

    # Bulk data makes the kernel enlarge the router's receive buffer, so that the tail fits into it.
    for _ in range(20):
        record.write(bytes(8 << 20))
        device.read(8 << 20)
        with Stopped(router):
            record.write(tail)
            record.wait_calls()  # otherwise nothing is unsent only because nothing was written
            if is_taken():
                record.close()
                node.wait(lambda _: record.closed, "the node to close")
                send_until_full(device)
                break
        device.read(len(tail))
    else:
        pytest.fail("the router's socket never received the whole tail")
    assert device.read(len(tail)) == tail
    device.close()
    router.wait_idle()


@pytest.mark.parametrize("transport", ("tcp", "wss"))
def test_a_node_that_keeps_sending_to_a_dead_client_is_closed_in_time(setup, transport):
    router, node, dial = setup(timeouts={"half_closed_ms": 300}, keep_open_after_eof=True)
    device, record = connected(node, dial, transport, "flooded")
    record.write(bytes(UNREAD_BYTES))
    device.send(LAST_BYTES)
    device.close()
    wait_last_bytes(node, [record])
    deadline = time.monotonic() + 30
    while not router.find("session.end"):
        record.write(bytes(10_000))  # data to discard, which must not keep the session open
        assert time.monotonic() < deadline
        time.sleep(0.01)
    end = router.session_end()
    assert end["reason"] in ("client_error", "client_closed")  # depends on which end the router sees first
    router.wait_idle()


def test_bytes_waiting_for_a_slow_node_are_delivered_after_the_client_dies(setup):
    """When the client resets, its bytes are in the router and in the kernel."""
    router, node, dial = setup()
    device, record = connected(node, dial, "tcp", "slow-node")
    n = len(record.data)
    record.pause()
    record.write(bytes(UNREAD_BYTES))
    much = mqtt.publish("much", bytes(1 << 20))
    device.send(much + LAST_BYTES)
    wait_until(lambda: unsent(device.socket) == 0, "the router's kernel to have all bytes")
    device.close()
    record.resume()
    wait_last_bytes(node, [record])
    assert record.data[n:] == much + LAST_BYTES
    router.wait_idle()
