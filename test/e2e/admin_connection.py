"""The admin interface on a connection that is kept, over TCP or a Unix socket, and byte by byte."""

import http.client
import json
import socket
import urllib.parse

from harness import PATIENCE_S

TOKEN = "a-token-of-twenty-four-by"


def make_token(directory, token=TOKEN, name="token"):
    path = directory / name
    path.write_text(token + "\n")
    path.chmod(0o640)
    return path


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.will_close = response.will_close

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def reason(self):
        """Of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        assert self.json["status"] == self.status
        return self.json["reason"]


class Admin:
    """Requests to a router's admin interface, on one connection that is kept."""

    def __init__(self, router, token=None):
        self.address = router.wait_event("admin.open")["address"]
        self.token = token
        self.connection = None

    @property
    def place(self):
        """(host, port), for sockets of a test's own."""
        host, port = self.address.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def connect(self):
        """A socket that has said nothing yet."""
        if self.address.startswith("unix:"):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(PATIENCE_S)
            s.connect(self.address.removeprefix("unix:"))
            return s
        return socket.create_connection(self.place, PATIENCE_S)

    def open(self):
        if self.address.startswith("unix:"):
            return _UnixConnection(self.address.removeprefix("unix:"))
        return http.client.HTTPConnection(*self.place, timeout=PATIENCE_S)

    def ask(self, method, path, body=None, headers=()):
        self.connection = self.connection or self.open()
        headers = dict(headers)
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        try:
            self.connection.request(method, path, body=body, headers=headers)
            answer = Answer(self.connection.getresponse())
        except BaseException:
            self.close()
            raise
        return answer

    def get(self, path, headers=(), **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return self.ask("GET", path, headers=headers)

    def post(self, path, body=None, headers=()):
        """body: a value for JSON, or bytes as they are"""
        if not isinstance(body, bytes):
            body = json.dumps({} if body is None else body).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/json", **dict(headers)})

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def exchange(s, request, answers=1):
    """Send bytes as they are; the statuses of so many answers, by an HTTP reader of Python's."""
    if request:
        s.sendall(request)
    found = []
    for _ in range(answers):
        response = http.client.HTTPResponse(s)
        response.begin()
        response.read()
        found.append(response.status)
    return found
