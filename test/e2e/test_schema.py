"""The JSON Schema of the configuration agrees with the loader as far as a schema can."""

import json
import pathlib
import subprocess

import jsonschema
import pytest

import admin
from admin import with_admin
from harness import BINARY, ROOT, one_cluster

CASES = ROOT / "test" / "unit" / "model" / "config" / "cases"


@pytest.fixture(scope="module")
def validator():
    printed = subprocess.run([BINARY, "--schema"], capture_output=True, text=True, timeout=120, check=True)
    schema = json.loads(printed.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def load(path):
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def test_every_shipped_configuration_is_valid(validator):
    shipped = [p for p in (ROOT / "config").glob("*.json") if "listeners" in (load(p) or {})]
    assert len(shipped) >= 9
    for path in shipped:
        validator.validate(load(path))


def test_loader_and_schema_accept_the_same_and_reject_unknown_keys(validator):
    refused = 0
    for path in sorted(CASES.glob("*.json")):
        value = load(path)
        if value is None:
            continue  # not JSON
        errors = [line for line in path.with_suffix(".txt").read_text().splitlines()
                  if not line.startswith("warning: ")]
        valid = validator.is_valid(value)
        assert errors or valid, path
        assert not valid or not any("unknown key" in error for error in errors), path
        refused += not valid
    assert refused >= 15, "only the loader checks relations between keys, but the schema checks types"


@pytest.mark.parametrize("change, path", (
    ({"workers": 0}, "workers"), ({"workers": "two"}, "workers"), ({"log": {"level": "loud"}}, "log/level"),
    ({"timeouts": {"dial_ms": 1}}, "timeouts/dial_ms"), ({"colour": 1}, ""), ({"admin": True}, "admin"),
    ({"listeners": []}, "listeners"), ({"sandbox": "yes"}, "sandbox"),
    ({"limits": {"flapping": {"max_connects": 1.5}}}, "limits/flapping")), ids=str)
def test_a_wrong_value_is_rejected_at_its_path(validator, change, path):
    value = {**json.loads((ROOT / "config" / "emqx-cluster.json").read_text()), **change}
    [error] = validator.iter_errors(value)
    assert "/".join(str(p) for p in error.path) == path


def test_the_effective_configuration_is_valid_and_has_the_defaults(validator, start_router, recording_node,
                                                                       certificates):
    made = with_admin(one_cluster({"n": recording_node().port}, tls_dir=certificates))
    router = start_router(made)
    answer = admin.get(router, "/api/v1/config")
    validator.validate(answer["config"])
    assert answer["file"] == str(router.config_path)
    assert answer["config"]["timeouts"]["dial_ms"] == made.get("timeouts", {}).get("dial_ms", 3000)
    assert answer["config"]["clusters"][0]["nodes"][0]["name"] == "n"
    assert pathlib.Path(answer["config"]["listeners"][1]["tls"]["certificates"][0]["certificate_file"]).exists()
