"""States of Terraform: which of their values are secrets, and what they are."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.detect.terraform import state_secrets

VALUE = "nuL8Vq3zTgWx5Rk2"


def told(state: dict[str, Any]) -> list[tuple[str, str]]:
    data = json.dumps({"version": 4, "terraform_version": "1.11.4", **state}).encode()
    return [(data[start:end].decode(), what) for start, end, what in state_secrets(data)]


def resource(attributes: dict[str, Any], *, marks: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    instance = {"attributes": attributes, "sensitive_attributes": marks or [], **more.pop("instance", {})}
    return {
        "resources": [{"mode": "managed", "type": "aws_db_instance", "name": "main", "instances": [instance], **more}]
    }


def mark(*keys: str | int) -> list[dict[str, Any]]:
    return [
        {"type": "get_attr", "value": key}
        if isinstance(key, str)
        else {"type": "index", "value": {"value": key, "type": "number"}}
        for key in keys
    ]


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ({}, "aws_db_instance.main"),
        ({"mode": "data"}, "data.aws_db_instance.main"),
        ({"module": "module.net"}, "module.net.aws_db_instance.main"),
        ({"instance": {"index_key": 1}}, "aws_db_instance.main[1]"),
        ({"instance": {"index_key": "eu"}}, 'aws_db_instance.main["eu"]'),
    ],
)
def test_a_well_known_attribute_is_told_with_the_address_of_its_resource(more: dict[str, Any], address: str) -> None:
    assert told(resource({"username": "ledger", "password": VALUE}, **more)) == [
        (VALUE, f"attribute password of {address}")
    ]


def test_what_terraform_marks_as_sensitive_is_told_whatever_it_is_called() -> None:
    state = resource({"config": [{"note": "q8Zt3vXk7LmW"}], "host": "db"}, marks=[mark("config", 0, "note")])

    assert told(state) == [("q8Zt3vXk7LmW", "attribute config.0.note of aws_db_instance.main, marked sensitive")]


def test_the_type_beside_a_value_of_no_fixed_type_is_no_secret() -> None:
    value = {"value": {"password": VALUE}, "type": ["object", {"password": "string"}]}

    assert told(resource({"input": value})) == [(VALUE, "attribute input.password of aws_db_instance.main")]


def test_an_output_is_a_secret_if_it_is_marked_or_named_so() -> None:
    outputs = {
        "dsn": {"value": {"url": "q8Zt3vXk7LmW"}, "sensitive": True},
        "api_key": {"value": VALUE},
        "host": {"value": "db.acme-widgets.internal"},
    }

    assert told({"outputs": outputs}) == [
        ("q8Zt3vXk7LmW", "output dsn, marked sensitive"),
        (VALUE, "output api_key"),
    ]


@pytest.mark.parametrize(
    "value", ["", "x", None, True, "arn:aws:secretsmanager:eu-west-1:1:secret:db", "https://vault/x"]
)
def test_what_only_names_a_secret_or_is_none_is_not_told(value: object) -> None:
    assert told(resource({"secret": value, "password_length": "sixteen"})) == []


def test_some_resources_are_secrets_by_what_they_are() -> None:
    state = resource({"result": VALUE, "length": 16}, type="random_password")

    assert told(state) == [(VALUE, "attribute result of random_password.main")]


def test_states_of_terraform_0_11_are_flat() -> None:
    primary = {"attributes": {"username": "ledger", "master_user.0.password": VALUE}}
    modules = [{"path": ["root"], "resources": {"aws_rds.main": {"type": "aws_rds", "primary": primary}}}]

    assert told({"version": 3, "modules": modules}) == [(VALUE, "attribute master_user.0.password of aws_rds.main")]


def test_what_terraform_show_prints_is_a_state_too() -> None:
    shown = {
        "address": "aws_x.y",
        "type": "aws_x",
        "values": {"a": {"b": VALUE}},
        "sensitive_values": {"a": {"b": True}},
    }
    state = {"values": {"root_module": {"child_modules": [{"resources": [shown]}]}}}

    assert told(state) == [(VALUE, "attribute a.b of aws_x.y, marked sensitive")]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"terraform_version": 1}', b'{"terraform_version": "1"', b"[" * 99999]
)
def test_what_is_no_state_has_no_secrets(data: bytes) -> None:
    assert list(state_secrets(data)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["value", "type", "password", "x"]), inner),
)


@given(JSON, JSON, JSON)
def test_a_state_of_any_form_raises_nothing(outputs: Any, resources: Any, values: Any) -> None:
    assert isinstance(told({"outputs": outputs, "resources": resources, "values": values, "modules": resources}), list)


@pytest.mark.skipif(not shutil.which("terraform"), reason="no terraform here")
def test_a_state_that_terraform_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(f"""
        resource "terraform_data" "db" {{
          input = {{ host = "db.acme-widgets.internal", password = sensitive("{VALUE}") }}
        }}
        output "dsn" {{
          value     = "q8Zt3vXk7LmW"
          sensitive = true
        }}
    """)
    for command in (["init"], ["apply", "-auto-approve"]):
        subprocess.run(["terraform", *command], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    data = (tmp_path / "terraform.tfstate").read_bytes()

    found = {(data[start:end].decode(), what) for start, end, what in state_secrets(data)}

    assert ("q8Zt3vXk7LmW", "output dsn, marked sensitive") in found
    assert (VALUE, "attribute input.password of terraform_data.db, marked sensitive") in found
    assert {value for value, _ in found} == {"q8Zt3vXk7LmW", VALUE}
