"""Reads Terraform's and OpenTofu's state: which attributes of which resources are secrets, and where they stand.

Formats: "State: Format" and "JSON Output Format" in Terraform's documentation; ``internal/states/statefile`` of
OpenTofu for versions 3 and 4 of the file.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from scanner.detect.json_places import Path, strings
from scanner.detect.proof.verdict import said

SHORTEST = 4
"""Bytes of a value that is told; what is shorter is a flag or a number."""

_SENSITIVE_NAME = re.compile(
    r"(?:^|[_.])(?:pass(?:word|wd|phrase)|secret|secret_(?:access_)?key|secret_(?:string|binary|data|text|value)|client_secret"
    r"|token|tokens|api_?key|access_key|private_key\w*|client_key|shared_key|master_key|account_key|(?:primary|secondary)_key"
    r"|encryption_key|signing_key|connection_string|sas_token|sas_url|credentials?_json|kube_config_raw|kubeconfig(?:_raw)?"
    r"|smtp_password_v\d|psk|pre_?shared_key|webhook_url|encrypted_secret|key_material|plaintext_value)$",
    re.IGNORECASE,
)
_SENSITIVE_VALUES = {
    ("aws_ssm_parameter", "value"),
    ("azurerm_key_vault_secret", "value"),
    ("azurerm_app_configuration_key", "value"),
    ("github_actions_variable", "value"),
    ("gitlab_project_variable", "value"),
    ("gitlab_group_variable", "value"),
    ("heroku_config", "sensitive_vars"),
    ("kubernetes_secret", "data"),
    ("kubernetes_secret", "binary_data"),
    ("kubernetes_secret_v1", "data"),
    ("kubernetes_secret_v1", "binary_data"),
    ("onepassword_item", "credential"),
    ("random_password", "result"),
    ("random_password", "bcrypt_hash"),
    ("tfe_variable", "value"),
    ("vault_generic_secret", "data"),
    ("vault_generic_secret", "data_json"),
    ("vault_kv_secret", "data"),
    ("vault_kv_secret", "data_json"),
    ("vault_kv_secret_v2", "data"),
    ("vault_kv_secret_v2", "data_json"),
}
"""Attributes of some types of resources that are secrets by what the resource is, whatever they are called."""

_NO_SECRET = re.compile(r"arn:|\(sensitive value\)$|projects/[^/]+/secrets/|https?://[^?@]*$")
"""What names a secret and holds none."""

Told = dict[Path, str]
"""By the path of a value, what it is."""


def state_secrets(data: bytes) -> Iterator[tuple[int, int, str]]:
    """The secrets in a state.

    Args:
        data: all of the file.

    Yields:
        For each: the offset of its first byte, that behind its last, and which attribute of what it is.
    """
    try:
        state = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(state, dict) or not isinstance(state.get("terraform_version"), str):
        return
    told: Told = {}
    try:
        for path, what in _found(state):
            told.setdefault(path, what)
    except (TypeError, AttributeError, RecursionError):
        pass  # somebody else's JSON, or a damaged state: what was found so far stands
    for path, start, end in strings(data) if told else ():
        if end - start >= SHORTEST and path in told:
            yield start, end, told[path]


_Found = Iterator[tuple[Path, str]]


def _found(state: dict[str, Any]) -> _Found:
    yield from _outputs(state, ())
    for index, resource in _listed(state, "resources"):
        for number, instance in _listed(resource, "instances"):
            yield from _instance(resource, instance, ("resources", index, "instances", number))
    for index, module in _listed(state, "modules"):  # until Terraform 0.11
        yield from _outputs(module, ("modules", index))
        yield from _flat(module, ("modules", index))
    for key in ("values", "planned_values"):  # of `terraform show -json`
        yield from _shown(state.get(key), (key,))
    if isinstance(before := state.get("prior_state"), dict):
        yield from _shown(before.get("values"), ("prior_state", "values"))


def _listed(holder: dict[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    items = holder.get(key)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield index, item


def _outputs(holder: dict[str, Any], path: Path) -> _Found:
    outputs = holder.get("outputs")
    for name, output in outputs.items() if isinstance(outputs, dict) else ():
        if not isinstance(output, dict):
            continue
        here = (*path, "outputs", name, "value")
        if output.get("sensitive"):
            yield from _all(output.get("value"), here, f"output {said(name)}, marked sensitive")
        else:
            yield from _named(output.get("value"), here, len(here), "", f"output {said(name)}", str(name))


def _instance(resource: dict[str, Any], instance: dict[str, Any], path: Path) -> _Found:
    address = said(f"{resource.get('type')}.{resource.get('name')}")
    if resource.get("mode") == "data":
        address = f"data.{address}"
    if module := said(resource.get("module")):
        address = f"{module}.{address}"
    if "index_key" in instance:
        index = instance["index_key"]
        address += f'["{said(index)}"]' if isinstance(index, str) else f"[{said(index)}]"
    attributes = instance.get("attributes", instance.get("attributes_flat"))
    here = (*path, "attributes" if "attributes" in instance else "attributes_flat")
    marks = instance.get("sensitive_attributes")
    for mark in marks if isinstance(marks, list) else ():
        steps = [_step(step) for step in mark] if isinstance(mark, list) else []
        value, at = _followed(attributes, here, steps)
        yield from _all(value, at, f"attribute {_dotted(at[len(here) :])} of {address}, marked sensitive")
    yield from _named(attributes, here, len(here), str(resource.get("type")), address)


def _step(step: Any) -> Any:
    value = step.get("value") if isinstance(step, dict) else step
    return value.get("value") if isinstance(value, dict) else value


def _followed(value: Any, path: Path, steps: list[Any]) -> tuple[Any, Path]:
    for step in steps:
        # A value of no fixed type stands beside its type.
        if isinstance(value, dict) and step not in value and value.keys() == {"value", "type"}:
            value, path = value["value"], (*path, "value")
        inside = step in value if isinstance(value, dict) else isinstance(value, list) and step in range(len(value))
        if not inside:
            return None, path
        value, path = value[step], (*path, step)
    return value, path


def _flat(module: dict[str, Any], path: Path) -> _Found:
    resources = module.get("resources")
    for address, resource in resources.items() if isinstance(resources, dict) else ():
        primary = resource.get("primary") if isinstance(resource, dict) else None
        if isinstance(primary, dict):
            here = (*path, "resources", address, "primary", "attributes")
            kind = str(resource.get("type"))
            yield from _named(primary.get("attributes"), here, len(here), kind, said(address))


def _shown(values: Any, path: Path) -> _Found:
    if not isinstance(values, dict):
        return
    yield from _outputs(values, path)
    modules = [(values.get("root_module"), (*path, "root_module"))]
    while modules:
        module, here = modules.pop()
        if not isinstance(module, dict):
            continue
        modules += [(child, (*here, "child_modules", index)) for index, child in _listed(module, "child_modules")]
        for index, resource in _listed(module, "resources"):
            place = (*here, "resources", index, "values")
            address = said(resource.get("address"))
            yield from _marked(resource.get("sensitive_values"), resource.get("values"), place, len(place), address)
            yield from _named(resource.get("values"), place, len(place), str(resource.get("type")), address)


def _marked(marks: Any, value: Any, path: Path, depth: int, address: str) -> _Found:
    """Values at whose place in a tree of the same form there is ``true``."""
    if marks is True:
        yield from _all(value, path, f"attribute {_dotted(path[depth:])} of {address}, marked sensitive")
    elif isinstance(marks, dict) and isinstance(value, dict):
        for key in marks.keys() & value.keys():
            yield from _marked(marks[key], value[key], (*path, key), depth, address)
    elif isinstance(marks, list) and isinstance(value, list):
        for index, (mark, item) in enumerate(zip(marks, value, strict=False)):
            yield from _marked(mark, item, (*path, index), depth, address)


def _all(value: Any, path: Path, what: str) -> _Found:
    """Every string in a value."""
    if isinstance(value, dict) and value.keys() == {"value", "type"}:
        value, path = value["value"], (*path, "value")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _all(item, (*path, key), what)
    if isinstance(value, str) and not _NO_SECRET.match(value):
        yield path, what


def _named(value: Any, path: Path, depth: int, kind: str, holder: str, name: str = "") -> _Found:
    """Strings in a value that are secrets by the names they have.

    Args:
        value: what to look through.
        path: of it.
        depth: where in paths those parts begin that are told.
        kind: type of the resource; empty for what is none.
        holder: what the value belongs to.
        name: the key it is under.
    """
    if isinstance(value, dict):
        for key in ("value",) if value.keys() == {"value", "type"} else value:
            here = (*path, key)
            if (kind, key) in _SENSITIVE_VALUES:
                yield from _all(value[key], here, f"attribute {_dotted(here[depth:])} of {holder}")
            else:
                yield from _named(value[key], here, depth, kind, holder, name if key == "value" else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _named(item, (*path, index), depth, kind, holder, name)
    elif isinstance(value, str) and _SENSITIVE_NAME.search(name) and not _NO_SECRET.match(value):
        attribute = _dotted(path[depth:])
        yield path, f"attribute {attribute} of {holder}" if attribute else holder


def _dotted(path: Path) -> str:
    return said(".".join(str(part) for part in path if part != "value"))
