"""BuildKit's provenance in its shapes: steps, their lines, the layers they made, and what lies below."""

import base64
from typing import Any

import pytest

from scanner.image.oci import Document
from scanner.image.provenance import Origin, Provenance

DOCKERFILE = "FROM debian\nCOPY <<EOF /etc/x\na\nEOF\nRUN --mount=type=secret,id=npm make\n"

STEPS = [
    {"id": "step0", "op": {"Op": {"source": {"identifier": "docker-image://docker.io/library/debian:12@sha256:0"}}}},
    {"id": "step1", "op": {"Op": {"file": {"actions": [{"Action": {"mkfile": {"data": "YQ=="}}}]}}}},
    {"id": "step2", "inputs": ["step0:0", "step1:0"], "op": {"Op": {"file": {"actions": []}}}},
    {
        "id": "step3",
        "inputs": ["step2:0"],
        "op": {
            "Op": {
                "exec": {
                    "mounts": [{"dest": "/"}, {"mountType": 1, "secretOpt": {"ID": "npm"}}],
                    "secretenv": [{"ID": "token", "name": "TOKEN"}],
                }
            }
        },
    },
    {"id": "step4", "inputs": ["step3:0"], "op": {"Op": {}}},
]
METADATA: dict[str, Any] = {
    "source": {
        "infos": [{"filename": "Dockerfile", "data": base64.b64encode(DOCKERFILE.encode()).decode()}],
        "locations": {
            "step0": {"locations": [{"ranges": [{"start": {"line": 1}, "end": {"line": 1}}]}]},
            "step1": {},
            "step2": {"locations": [{"ranges": [{"start": {"line": 2}, "end": {"line": 4}}]}]},
            "step3": {"locations": [{"sourceIndex": 0, "ranges": [{"start": {"line": 5}}]}]},
        },
    },
    "layers": {
        "step0:0": [[{"digest": "sha256:a"}, {"digest": "sha256:b"}]],
        "step2:0": [[{"digest": "sha256:a"}, {"digest": "sha256:b"}, {"digest": "sha256:c"}]],
        "step3:0": [[{"digest": d} for d in ("sha256:a", "sha256:b", "sha256:c", "sha256:d")]],
    },
}
OLD = "https://mobyproject.org/buildkit@v1#metadata"
ARGS = {"build-arg:V": "1", "target": "prod", "label:x": "y"}

SHAPES: dict[str, dict[str, Any]] = {
    "v0.2": {
        "invocation": {"parameters": {"args": ARGS}},
        "buildConfig": {"llbDefinition": STEPS},
        "metadata": {OLD: METADATA},
    },
    "v1": {
        "buildDefinition": {
            "externalParameters": {"request": {"args": ARGS}},
            "internalParameters": {"buildConfig": {"llbDefinition": STEPS}},
        },
        "runDetails": {"metadata": {"buildkit_metadata": METADATA}},
    },
    "early v1": {
        "buildDefinition": {
            "externalParameters": {"parameters": {"args": ARGS}},
            "internalParameters": {"buildConfig": {"llbDefinition": STEPS}},
        },
        "runDetails": {"metadata": {OLD: METADATA}},
    },
    "newest v1": {
        "buildDefinition": {
            "externalParameters": {"request": {"root": {"request": {"args": ARGS}}, "frontend": "dockerfile.v0"}},
            "internalParameters": {"buildConfig": {"llbDefinition": STEPS}},
        },
        "runDetails": {"metadata": {"buildkit_metadata": METADATA}},
    },
}


def provenance(predicate: Any) -> Provenance:
    return Provenance(Document("attestation", "blobs/s", "sha256:s", {"predicate": predicate}))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_the_same(shape: str) -> None:
    read = provenance(SHAPES[shape])

    assert (read.args, read.target) == ({"V": "1"}, "prod")
    assert [step.kind for step in read.steps] == ["source", "file", "file", "exec", ""]
    assert read.steps[3].secrets == ("npm", "token")
    assert [dockerfile and dockerfile.commands[-1].start_line for dockerfile in read.dockerfiles] == [5]
    assert read.origin(read.steps[3]) == Origin(0, 5)


def test_what_writes_a_heredoc_is_where_its_reader_is() -> None:
    read = provenance(SHAPES["v1"])
    assert read.origin(read.steps[1]) == Origin(0, 2)


def test_layers_are_joined_by_position_and_those_of_the_base_image_are_counted() -> None:
    read = provenance(SHAPES["v1"])

    assert [step and step.id for step in read.layer_steps(4)] == [None, "step0", "step2", "step3"]
    assert read.base_layers(4) == 2


def test_layers_that_are_not_as_many_are_joined_to_nothing() -> None:
    read = provenance(SHAPES["v1"])
    assert (read.layer_steps(3), read.base_layers(3)) == ((None,) * 3, -1)


def test_a_step_that_changed_nothing_made_no_layer() -> None:
    layers = {**METADATA["layers"], "step3:0": METADATA["layers"]["step2:0"]}
    metadata = {**METADATA, "layers": layers}
    read = provenance({**SHAPES["v1"], "runDetails": {"metadata": {"buildkit_metadata": metadata}}})

    assert [step and step.id for step in read.layer_steps(3)] == [None, "step0", "step2"]


def test_an_image_from_scratch_has_no_base() -> None:
    steps = [{"id": "step0", "op": {"Op": {"file": {}}}}]
    assert provenance({"buildConfig": {"llbDefinition": steps}}).base_layers(1) == 0


@pytest.mark.parametrize(
    "predicate",
    [
        None,
        {},
        [],
        {"metadata": 1, "buildConfig": {"llbDefinition": [1, {"id": 2}, {"inputs": "x", "op": {"Op": []}}]}},
        {"metadata": {OLD: {"source": {"infos": [{"data": "%"}, 3], "locations": []}, "layers": {"step0:0": [3]}}}},
        {"buildConfig": {"llbDefinition": [{"id": "step0", "inputs": ["step0:0"], "op": {"Op": {"file": {}}}}]}},
        {
            "buildConfig": {
                "llbDefinition": [
                    {"id": "step0", "inputs": ["step1:0"], "op": {"Op": {"file": {}}}},
                    {"id": "step1", "inputs": ["step0:0"], "op": {"Op": {"file": {}}}},
                ]
            }
        },
    ],
)
def test_whatever_a_statement_holds_something_is_said(predicate: Any) -> None:
    read = provenance(predicate)

    assert (read.args, read.target) == ({}, "")
    assert all(read.origin(step) is None for step in read.steps)
    assert read.layer_steps(2) == (None, None)
    assert read.base_layers(2) <= 0
    assert not any(dockerfile and dockerfile.commands for dockerfile in read.dockerfiles)
