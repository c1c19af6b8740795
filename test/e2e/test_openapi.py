"""config/openapi.json describes the admin API exactly."""

import json
import re

import jsonschema
import pytest

import admin
from admin import with_admin
from harness import CHECKED, ROOT, one_cluster, wait_until

DOCUMENT = json.loads((ROOT / "config/openapi.json").read_text())
HEADER = (ROOT / "src/control/admin/api/routes.h").read_text()
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def operations():
    return {(method, path): item for path, methods in DOCUMENT["paths"].items() for method, item in methods.items()}


def resolve(what):
    """Return the object that a local reference points to."""
    while "$ref" in what:
        at = DOCUMENT
        for step in what["$ref"].removeprefix("#/").split("/"):
            at = at[step]
        what = at
    return what


def check(value, schema):
    """Validate a value against a schema of the document."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"], **schema}
    jsonschema.Draft202012Validator(whole).validate(value)


def check_answer(operation, status, headers, body):
    """Validate a response against the responses that the document lists for this operation."""
    content = resolve(operation["responses"][str(status)])["content"]
    kind = headers["Content-Type"].partition(";")[0]
    assert kind in content, (status, kind)
    if kind.endswith("json"):
        check(json.loads(body), content[kind]["schema"])


def nodes_of(value):
    """Yield all objects in a JSON value."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes_of(inner)
    if isinstance(value, dict):
        yield value


def test_the_document_has_the_routes_and_parameters_of_the_server():
    rows = re.findall(r'X\((GET|POST), "([^"]+)", "([^"]*)", (OPEN|SECRET), (\w+)\)', HEADER)
    assert len(rows) > 10
    documented = {(method, path): (item["operationId"],
                             " ".join(p["name"] for p in item.get("parameters", ()) if p["in"] == "query"),
                             "OPEN" if item.get("security") == [{}] else "SECRET")
            for (method, path), item in operations().items()}
    assert documented == {(method.lower(), path): (handler, query, access)
                    for method, path, query, access, handler in rows}


def test_the_document_is_valid_openapi():
    assert DOCUMENT["openapi"].startswith("3.1.") and DOCUMENT["info"]["title"] and DOCUMENT["info"]["version"]
    for at in nodes_of(DOCUMENT):
        if "$ref" in at:
            assert resolve(at) is not None
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [item["operationId"] for item in operations().values()]
    assert len(set(ids)) == len(ids)
    for (method, path), item in operations().items():
        assert method in METHODS and path.startswith("/")
        in_path = [p["name"] for p in item.get("parameters", ()) if p["in"] == "path" and p["required"]]
        assert in_path == re.findall(r"{(\w+)}", path)
        for status, response in item["responses"].items():
            assert re.fullmatch("[1-5][0-9][0-9]", status) and resolve(response)["description"]


def test_examples_are_valid():
    seen = 0
    for at in nodes_of(DOCUMENT["paths"]):
        if "example" in at:
            check(at["example"], at["schema"])
            seen += 1
    assert seen > 15


@pytest.fixture
def served(start_router, recording_node, certificates, device):
    """Start a router with TLS, an override, a device, and two nodes, one of which is down."""
    nodes = {name: recording_node() for name in ("a", "b")}
    router = start_router(with_admin(
        one_cluster({name: node.port for name, node in nodes.items()}, tls_dir=certificates, **CHECKED)))
    raw = device(router)
    raw.connect("dev")
    wait_until(lambda: router.gauges()["sessions_relay"] == 1, "the session to be relayed")
    admin.post(router, "/api/v1/nodes/c/a", {"state": "draining", "weight": 3, "drain_deadline_ms": 86400000})
    admin.post(router, "/api/v1/nodes/c/b", {"state": "down"})
    return router


def test_every_answer_to_get_matches_the_document(served):
    for (method, path), item in operations().items():
        if method != "get" or "{" in path:
            continue
        status, headers, body = admin.http_request(served, "GET", path)
        check_answer(item, status, headers, body)
    for path in ("/api/v1/route?client_id=dev", "/api/v1/sessions?client_id=dev", "/api/v1/route?cluster=x",
                 "/api/v1/sessions?limit=0", "/api/v1/sessions?source=x", "/api/v1/route?x=1"):
        check_answer(operations()["get", path.partition("?")[0]], *admin.http_request(served, "GET", path))
    assert admin.get(served, "/api/v1/certificates")["certificates"]


def test_every_answer_to_post_matches_the_document(served):
    for path, body, wanted in (
            ("nodes/{cluster}/{node}", {"state": "up", "weight": None}, 200),
            ("nodes/{cluster}/{node}", {"state": "gone"}, 400),
            ("nodes/{cluster}/{node}", b"{", 415),
            ("reload", {}, 200), ("reload", {"x": 1}, 400),
            ("log_level", {"level": "info"}, 200), ("log_level", {"level": "loud"}, 400),
            ("log_level", {"level": "x" * 70000}, 413),
            ("homecoming", {"rate_per_s": 5}, 200), ("homecoming", {}, 400),
            ("homecoming", {"rate_per_s": 5, "node": "x"}, 404)):
        real = path.replace("{cluster}", "c").replace("{node}", "a")
        answer = admin.http_request(served, "POST", "/api/v1/" + real, body)
        assert answer[0] == wanted, (path, answer)
        check_answer(operations()["post", "/api/v1/" + path], *answer)
    served.config_path.write_text("{")
    answer = admin.http_request(served, "POST", "/api/v1/reload", {})
    assert answer[0] == 409
    check_answer(operations()["post", "/api/v1/reload"], *answer)


def test_methods_not_in_the_document_are_rejected(served):
    problem = {"$ref": "#/components/schemas/Problem"}
    for path, methods in DOCUMENT["paths"].items():
        for method in ("get", "post", "put", "delete"):
            if method in methods:
                continue
            body = {} if method != "get" else None
            status, headers, answer = admin.http_request(served, method.upper(), re.sub(r"{\w+}", "x", path), body)
            assert (status, headers["Content-Type"]) == (405, "application/problem+json"), (method, path)
            assert next(iter(methods)).upper() in headers["Allow"]
            check(json.loads(answer), problem)
