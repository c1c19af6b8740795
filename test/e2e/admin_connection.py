"""Requests over one persistent admin connection, over TCP or a Unix socket, or byte by byte."""

import http.client
import json
import socket
import urllib.parse

from harness import WAIT_LIMIT_S

TOKEN = "a-token-of-twenty-four-by"


def make_token(directory, token=TOKEN, name="token"):
    path = directory / name
    path.write_text(token + "\n")
    path.chmod(0o640)
    return path


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT_LIMIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT_LIMIT_S)
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
        """Return the reason in a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        assert self.json["status"] == self.status
        return self.json["reason"]


class Admin:
    """Sends requests to a router's admin interface over one persistent connection."""

    def __init__(self, router, token=None):
        self.address = router.wait_event("admin.open")["address"]
        self.token = token
        self.connection = None

    @property
    def place(self):
        """Return (host, port), for sockets that a test opens itself."""
        host, port = self.address.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def connect(self):
        """Return a connected socket that has sent nothing."""
        if self.address.startswith("unix:"):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(WAIT_LIMIT_S)
            s.connect(self.address.removeprefix("unix:"))
            return s
        return socket.create_connection(self.place, WAIT_LIMIT_S)

    def open(self):
        if self.address.startswith("unix:"):
            return _UnixConnection(self.address.removeprefix("unix:"))
        return http.client.HTTPConnection(*self.place, timeout=WAIT_LIMIT_S)

    def request(self, method, path, body=None, headers=()):
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
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, headers=()):
        """Send a request. body: a value to send as JSON, or bytes to send unchanged"""
        if not isinstance(body, bytes):
            body = json.dumps({} if body is None else body).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json", **dict(headers)})

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def exchange(s, request, answers=1):
    """Send raw bytes. Return the status codes of `answers` responses, parsed by http.client."""
    if request:
        s.sendall(request)
    found = []
    for _ in range(answers):
        response = http.client.HTTPResponse(s)
        response.begin()
        response.read()
        found.append(response.status)
    return found
