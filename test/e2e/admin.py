"""The admin interface of a router under test, asked over HTTP."""

import http.client
import json
import urllib.parse

from harness import PATIENCE_S


def with_admin(config, **admin):
    """The configuration, with the interface on a port that the kernel chooses."""
    config["admin"] = {"address": "127.0.0.1:0", **admin}
    return config


def address(router):
    """HOST, PORT of a router's admin interface."""
    host, _, port = router.wait_event("admin.open")["address"].rpartition(":")
    return host, int(port)


def ask(router, method, path, body=None, headers=(), timeout_s=PATIENCE_S):
    """(status, headers, bytes) of one request; a body that is no bytes is sent as JSON."""
    connection = http.client.HTTPConnection(*address(router), timeout=timeout_s)
    headers = dict(headers)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def get(router, path, **query):
    """The JSON that GET answers with, which has to be a good answer."""
    if query:
        path += "?" + urllib.parse.urlencode(query)
    status, _, body = ask(router, "GET", path)
    assert status == 200, (status, body)
    return json.loads(body)


def post(router, path, body=None):
    """The same of POST."""
    status, _, answer = ask(router, "POST", path, {} if body is None else body)
    assert status == 200, (status, answer)
    return json.loads(answer)


def refusal(router, method, path, body=None, **query):
    """(status, reason) of a request that has to be refused, with a problem that says so."""
    if query:
        path += "?" + urllib.parse.urlencode(query)
    status, headers, answer = ask(router, method, path, body)
    assert headers["Content-Type"] == "application/problem+json", answer
    problem = json.loads(answer)
    assert problem["status"] == status >= 400 and problem["detail"] and problem["title"]
    return status, problem["reason"]
