"""The dashboard in headless Chromium: its content and its functions."""

import json
import os
import subprocess

import pytest

import javascript
from admin import address, get, with_admin
from admin_connection import TOKEN, make_token
from fleet import Fleet
from harness import FAST_CHECK, SANITIZED, free_port, one_cluster, wait_until
from homes import ids_of, order
from mqtt import Device
from nodes import Mosquitto

pytestmark = pytest.mark.skipif(SANITIZED, reason="a page is the same in every build")
NODES = ("a", "b", "c")
HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202e'\"&amp;"
SHOTS = os.environ.get("DASHBOARD_SHOTS")  # a directory for screenshots


class Browser:
    """A page; its methods have the same names as in Playwright."""

    def __init__(self, profile):
        assert javascript.CHROMIUM, "no chromium: docker/install-deps.sh test"
        self.process = subprocess.Popen(
            [javascript.node_with("playwright-core"), str(javascript.DIRECTORY / "steered.js"),
             javascript.CHROMIUM, str(profile)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, name, *args):
        self.process.stdin.write(json.dumps({"call": name, "args": args}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the browser ended"}')
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def __getattr__(self, name):
        return lambda *args: self.call(name, *args)

    def press(self, *keys):
        for key in keys:
            self.call("keyboard.press", key)

    def open(self, router):
        """Open the router's dashboard, and make it refresh five times per second."""
        self.call("goto", "http://{}:{}/".format(*address(router)))
        self.call("evaluate", "void setInterval("
                  "() => document.dispatchEvent(new Event('visibilitychange')), 200)")

    def wait(self, selector, **options):
        self.call("waitForSelector", selector, options)

    def text(self, selector):
        return self.call("innerText", selector)

    def shot(self, name):
        if SHOTS:
            self.call("screenshot", {"path": f"{SHOTS}/{name}.png", "fullPage": True})

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture
def nodes(closing):
    return {name: closing(Mosquitto(name)) for name in NODES}


def config(nodes, **admin):
    made = one_cluster({name: node.port for name, node in nodes.items()}, proxy_protocol="none",
                       health_check=FAST_CHECK, passive=False, drain_rate_per_s=10)
    made["log"]["level"] = "info"
    return with_admin(made, **admin)


@pytest.fixture
def opened(start_router, nodes, browser):
    """Start a router, open its dashboard and wait until it is drawn."""
    router = start_router(config(nodes))
    browser.complaints()
    browser.emulateMedia({"colorScheme": "light"})
    browser.setViewportSize({"width": 1200, "height": 900})
    browser.open(router)
    browser.wait("tr[data-key=c] .pill.good")
    yield router
    assert not [text for text in browser.complaints() if "Failed to load resource" not in text]


def row(node):
    return f"#clusters tr[data-key={node}]"


def test_a_node_that_fails_and_recovers_is_shown_and_announced(opened, nodes, browser):
    nodes["b"].kill()
    browser.wait(f"{row('b')} .pill.bad:text('down')")
    assert "refused" in browser.text(f"{row('b')} td")
    browser.wait("#announcement:text('Node b of cluster c is down')", state="attached")
    browser.shot("down")
    nodes["b"].begin()
    browser.wait("#announcement:text('Node b of cluster c is up')", state="attached")
    browser.wait(f"{row('b')} .pill.good:text('up')")


def test_a_drain_is_confirmed_shown_and_undone(opened, browser, closing):
    fleet = closing(Fleet(opened.port, ids_of("a", NODES, 60)))
    fleet.connect_all()
    browser.wait(f"{row('a')} td.number:has-text('60')")
    browser.click(f"{row('a')} button")
    assert "its 60 sessions are closed" in browser.text("#ask-text")
    browser.fill("#rate", "10")
    assert browser.text("#rate-text") == "about 6 s for 60 sessions"
    browser.shot("ask")
    browser.click("#ask-no")
    assert not opened.find("admin.call")  # nothing has changed
    browser.click(f"{row('a')} button")
    browser.click("#ask-yes")
    opened.wait_event("node.draining", node="a")
    browser.wait(f"{row('a')} progress")
    browser.wait("#overrides:has-text('is draining (in the file: up)')")
    fleet.run(lambda: len(opened.find("session.end", reason="node_drained")) > 15,
              "some sessions to be closed")
    assert " closed, 10 per second" in browser.text(row("a"))
    browser.shot("drain")
    browser.click(f"{row('a')} button:text('Restore')")
    assert "Restore node a?" in browser.text("#ask-title")
    browser.click("#ask-yes")
    browser.wait(f"{row('a')} .pill.good")
    browser.wait("#overrides", state="hidden")


def test_the_keyboard_alone_drains_a_node(opened, browser):
    browser.focus("#client-id")
    for _ in range(20):
        browser.press("Shift+Tab")
        if browser.evaluate("document.activeElement.dataset.node") == "b":
            break
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("Enter")
    assert browser.evaluate("document.activeElement.id") == "ask-no"
    inside = set()
    for _ in range(6):  # the focus stays in the dialog, or moves to controls of the browser
        browser.press("Tab")
        inside.add(browser.evaluate("(document.activeElement.closest('dialog') || document.body).id"))
    assert inside <= {"ask", ""}
    browser.press("Escape")
    assert browser.evaluate("document.activeElement.dataset.node") == "b"  # the focus is restored
    browser.press("Enter", "Tab", "Enter")
    opened.wait_event("node.status", node="b", status="draining")
    browser.wait(f"{row('b')} button:text('Restore')")


def test_a_device_is_found_with_its_home_and_session_and_disconnected(opened, browser, closing):
    device = closing(Device(opened.port))
    device.connect("meter-7")
    home = order(NODES, "meter-7")[0]
    browser.fill("#client-id", "meter-7")
    browser.press("Enter")
    browser.wait("#found h3:text('Session')")
    found = browser.text("#found")
    assert "Home in c" in found and "1 session" in found and "127.0.0.1" in found
    assert browser.text("#found dd b") == home == browser.text("#found div dd b")
    browser.shot("found")
    browser.click("#found button")
    assert "meter-7" in browser.text("#ask-text")
    browser.click("#ask-yes")
    opened.session_end(client_id="meter-7", reason="disconnected")
    browser.wait("#found:has-text('none')")


def test_a_hostile_client_identifier_is_shown_as_text(opened, browser, closing):
    closing(Device(opened.port)).connect(HOSTILE)
    browser.fill("#client-id", HOSTILE)
    browser.press("Enter")
    browser.wait("#found h3:text('Session')")
    shown = HOSTILE.replace("\u202e", "\\u202e")
    assert shown in browser.text("#found")
    assert browser.evaluate("document.images.length") == 0
    browser.click("#found button")
    assert shown in browser.text("#ask-text")
    browser.press("Escape")
    assert "owned" not in browser.title()


def test_a_lost_and_a_recovered_router_are_announced(
        start_router, nodes, browser):
    port = free_port()
    router = start_router(config(nodes, address=f"127.0.0.1:{port}"))
    browser.open(router)
    browser.wait("#state .pill:text('ready')")
    router.stop()
    browser.wait("#unreachable:has-text('has not responded since')")
    browser.wait("#state .pill:text('unreachable')")
    browser.shot("unreachable")
    start_router(config(nodes, address=f"127.0.0.1:{port}"))
    browser.wait("#state .pill:text-is('ready')")
    browser.wait("#unreachable", state="hidden")
    assert "responds again" in browser.textContent("#announcement")


def test_a_router_with_a_token_asks_for_it_once(start_router, nodes, browser, tmp_path):
    router = start_router(config(nodes, token_file=str(make_token(tmp_path))))
    browser.open(router)
    browser.wait("#sign-in[open]")
    browser.shot("token")
    browser.fill("#token", "a wrong one")
    browser.press("Enter")
    browser.wait("#sign-in-fault:text('rejected')")
    browser.fill("#token", TOKEN)
    browser.press("Enter")
    browser.wait(f"{row('c')} .pill.good")
    assert browser.evaluate("localStorage.length + document.cookie.length") == 0
    browser.reload()
    browser.wait(f"{row('c')} .pill.good")
    browser.evaluate("sessionStorage.clear()")


# The contrast of each text with its background, computed by the formula of WCAG 2.
CONTRAST = """[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() &&
  [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && !e.closest(".unseen, svg, .skip"))
  .map((e) => {
    const parse = (c) => c.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    let at = e, back;
    while ((back = parse(getComputedStyle(at).backgroundColor))[3] === 0) at = at.parentElement;
    const [low, high] = [light(parse(getComputedStyle(e).color)), light(back)].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), e.outerHTML.slice(0, 80)];
  }).filter(([ratio]) => ratio < 4.5).map(String)"""
CONTROLS = {"button", "textbox", "spinbutton", "link", "slider", "table", "searchbox", "progressbar"}


def test_the_dashboard_is_legible_in_both_themes_on_a_phone_and_to_screen_readers(
        opened, browser, nodes, closing):
    fleet = closing(Fleet(opened.port, [f"dev-{i}" for i in range(30)]))
    fleet.connect_all()
    nodes["b"].kill()
    browser.wait(f"{row('b')} .pill.bad")
    fleet.run(lambda: fleet.all_connected, "the devices of b to reconnect elsewhere")
    history = wait_until(lambda: (all_ := get(opened, "/api/v1/history"))["end"] and all_,
                         "a first sample")
    assert history["series"]["sessions"][-1] == len(fleet.devices)
    browser.wait("#plots path.area", state="attached")
    for scheme in ("light", "dark"):
        browser.emulateMedia({"colorScheme": scheme})
        back = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(16, 19, 21)") == (scheme == "dark")
        assert browser.evaluate(CONTRAST) == []
        browser.shot(scheme)
    tree = browser.accessibility()
    controls = [n for n in tree if n["role"] in CONTROLS]
    assert {"button", "slider", "table", "textbox"} <= {n["role"] for n in controls}
    assert not [n for n in controls if not n["name"].strip()]
    assert {"main", "banner"} <= {n["role"] for n in tree}
    browser.focus("[data-plot=rates]")
    browser.press("ArrowLeft")
    assert "connects per second" in browser.getAttribute("[data-plot=rates]", "aria-valuetext")
    browser.setViewportSize({"width": 360, "height": 740})
    browser.wait("#plots svg[viewBox^='0 0 3']")
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
    browser.shot("phone-dark")
    browser.emulateMedia({"colorScheme": "light"})
    browser.shot("phone")
    assert browser.evaluate("performance.getEntriesByType('resource').filter("
                            "(e) => !e.name.startsWith(location.origin)).length") == 0
