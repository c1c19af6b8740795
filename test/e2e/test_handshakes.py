"""Many simultaneous TLS handshakes take turns, and accepting pauses while they wait."""

import contextlib
import os
import select
import signal
import socket
import ssl

import pytest

import mqtt
from harness import WAIT_LIMIT_S, SANITIZED, one_cluster, wait_until

pytestmark = pytest.mark.sanitized


@pytest.fixture
def router(start_router, recording_node, certificates):
    config = one_cluster({"n": recording_node().port}, tls_dir=certificates)
    config["limits"] = {"handshakes_per_turn": 1}
    config["workers"] = 1
    return start_router(config)


def stopped(router):
    """Stop the router until the end of the block, so that everything sent in the block arrives at the same time."""
    class Asleep:
        def __enter__(self):
            os.kill(router.pid, signal.SIGSTOP)

        def __exit__(self, *_):
            os.kill(router.pid, signal.SIGCONT)
    return Asleep()


class Caller:
    """A device that does its TLS handshake step by step."""

    def __init__(self, port, certificates):
        self.inbox, self.outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = mqtt.tls_context(certificates).wrap_bio(self.inbox, self.outbox,
                                                           server_hostname="localhost")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_LIMIT_S)

    def step(self):
        """Send pending bytes. Return True when the handshake is complete on the client's side."""
        try:
            self.tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        self.socket.sendall(self.outbox.read())
        return done

    def receive(self):
        data = self.socket.recv(65536)
        assert data, "the router closed"
        self.inbox.write(data)

    def finish(self):
        while not self.step():
            self.receive()

    def connect(self, client_id):
        self.tls.write(mqtt.connect(client_id))
        self.socket.sendall(self.outbox.read())
        while True:
            try:
                return self.tls.read(4)
            except ssl.SSLWantReadError:
                self.receive()


def test_many_handshakes_take_turns_and_none_fails(router, certificates, closing):
    with stopped(router):
        callers = [Caller(router.tls_port, certificates) for _ in range(80)]
        for caller in callers:
            closing(caller.socket)
            caller.step()
    for i, caller in enumerate(callers):
        caller.finish()
        assert caller.connect(f"dev-{i}") == bytes.fromhex("20020000")
    wait_until(lambda: router.gauges()["sessions_relay"] == 80, "all sessions to be relayed")
    gauges = router.gauges()
    assert gauges["handshakes_queued_total"] > 0
    assert gauges["accept_holds_total"] > 0
    for caller in callers:
        caller.socket.close()


def answered_before_a_plain_device(router, certificates, n):
    """Send n ClientHellos and a plain CONNECT at the same time. Return how many were answered before the CONNECT."""
    callers = [Caller(router.tls_port, certificates) for _ in range(n)]
    wait_until(lambda: router.gauges()["sessions_tls"] == n, "all sessions to be counted")
    with stopped(router):
        for caller in callers:
            caller.step()
        plain = mqtt.Device(router.port).send(mqtt.connect("plain"))
    assert plain.packet()[0] == mqtt.CONNACK
    poll = select.poll()
    for caller in callers:
        poll.register(caller.socket, select.POLLIN)
    answered = len(poll.poll(0))
    for caller in callers:
        caller.socket.close()
    plain.close()
    router.wait_idle()
    return answered


def test_a_busy_tls_listener_does_not_block_the_others(router, certificates):
    n = 200
    wait_until(lambda: answered_before_a_plain_device(router, certificates, n) < n,
               "a plain device to be served before all TLS clients")


def test_no_handshake_is_computed_for_a_client_that_has_disconnected(router, certificates):
    """If a client closes while its ClientHello waits, the router computes no key exchange."""
    with stopped(router):
        gone = [Caller(router.tls_port, certificates) for _ in range(20)]
        for caller in gone:
            caller.step()
            caller.socket.shutdown(socket.SHUT_WR)
    router.session_end(count=20, reason="client_closed_early",
                       detail="the client closed the connection before its TLS handshake began")
    for caller in gone:
        with contextlib.suppress(ConnectionResetError):
            assert caller.socket.recv(1) == b""  # no ServerHello
        caller.socket.close()


@pytest.mark.skipif(SANITIZED, reason="sanitizers use additional memory")
def test_silent_tls_clients_cost_no_tls_memory(start_router, recording_node, certificates, closing):
    router = start_router(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    router.gauges()
    before = router.memory_bytes()
    silent = [closing(socket.create_connection(("127.0.0.1", router.tls_port))) for _ in range(1000)]
    wait_until(lambda: router.gauges()["sessions_tls"] == len(silent), "all sessions to be counted")
    each = (router.memory_bytes() - before) / len(silent)
    assert each < 4096, f"{each:.0f} bytes per connection"
    for one in silent:
        one.close()
