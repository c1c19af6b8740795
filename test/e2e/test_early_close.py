"""A client that closes while its node is being dialled must not reach another node."""

import struct

import pytest

import mqtt
from recorder import HangingPort
from test_dial import order
from websocket import CLOSE, frame

pytestmark = [pytest.mark.sanitized, pytest.mark.one_thread]
TRANSPORTS = ("tcp", "tls", "ws", "wss")
LAST = mqtt.publish("last", b"words") + mqtt.DISCONNECT


@pytest.fixture
def setup(every_transport, recording_node, closing):
    """Return (router, node, dial, name). The home of `name` refuses connections; `node` is the next candidate."""
    def start():
        node = recording_node()
        router, dial = every_transport({"home": closing(HangingPort()).port, "next": node.port},
                                       timeouts={"dial_ms": 1500, "placement_ms": 20_000})
        name = next(n for n in (f"leaver-{i}" for i in range(100)) if order(router, n)[0] == "home")
        return router, node, dial, name
    return start


def close_cleanly(device, transport):
    """Close cleanly, with a close frame, close_notify or FIN, as required by the transport."""
    if transport.startswith("ws"):
        device.send_raw(frame(struct.pack(">H", 1000), opcode=CLOSE))
    if transport in ("tls", "wss"):
        device.socket.settimeout(0)
        try:
            device.socket.unwrap()  # sends close_notify
        except OSError:
            pass  # does not wait for the router's close_notify
    device.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_has_closed_does_not_reach_the_next_node(setup, transport):
    router, node, dial, name = setup()
    device = dial(transport).send(mqtt.connect(name))
    close_cleanly(device, transport)
    end = router.session_end()
    assert (end["reason"], end["tries"]) == ("client_error", 2)
    assert end["detail"] == "the client closed the connection while a node was being dialled"
    assert not any(record.data for record in node.records)
    router.wait_idle()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_has_reset_does_not_reach_the_next_node(setup, transport):
    router, node, dial, name = setup()
    dial(transport).send(mqtt.connect(name)).reset()
    end = router.session_end()
    assert (end["reason"], end["tries"]) == ("client_error", 2)
    assert not any(record.data for record in node.records)
    router.wait_idle()


@pytest.mark.parametrize("ending", ("in order", "reset"))
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_bytes_after_the_connect_are_delivered_although_the_client_has_closed(
        setup, transport, ending):
    router, node, dial, name = setup()
    device = dial(transport).send(mqtt.connect(name)).send(LAST)
    if ending == "reset":
        device.reset()
    else:
        close_cleanly(device, transport)
    node.wait(lambda n: n.records and n.records[0].mqtt == mqtt.connect(name) + LAST, "all bytes")
    router.session_end(node="next")
    router.wait_idle()
