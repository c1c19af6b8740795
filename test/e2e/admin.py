"""Send requests to the admin interface of a router under test."""

import http.client
import json
import urllib.parse

from harness import WAIT_LIMIT_S


def with_admin(config, **admin):
    """Add an admin interface on a port that the kernel chooses."""
    config["admin"] = {"address": "127.0.0.1:0", **admin}
    return config


def address(router):
    """Return (host, port) of a router's admin interface."""
    host, _, port = router.wait_event("admin.open")["address"].rpartition(":")
    return host, int(port)


def http_request(router, method, path, body=None, headers=(), timeout_s=WAIT_LIMIT_S):
    """Return (status, headers, bytes) of one request; a body other than bytes is sent as JSON."""
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
    """Send a GET request, which must succeed. Return the JSON response."""
    if query:
        path += "?" + urllib.parse.urlencode(query)
    status, _, body = http_request(router, "GET", path)
    assert status == 200, (status, body)
    return json.loads(body)


def post(router, path, body=None):
    """Send a POST request, which must succeed. Return the JSON response."""
    status, _, answer = http_request(router, "POST", path, {} if body is None else body)
    assert status == 200, (status, answer)
    return json.loads(answer)


def rejection(router, method, path, body=None, **query):
    """Send a request that must fail with a matching problem document. Return (status, reason)."""
    if query:
        path += "?" + urllib.parse.urlencode(query)
    status, headers, answer = http_request(router, method, path, body)
    assert headers["Content-Type"] == "application/problem+json", answer
    problem = json.loads(answer)
    assert problem["status"] == status >= 400 and problem["detail"] and problem["title"]
    return status, problem["reason"]
