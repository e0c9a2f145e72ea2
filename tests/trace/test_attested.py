"""Attestations as they are published with an image: what is found in them, at which pointer, and who is blamed."""

import base64
import random
import string
from pathlib import Path
from typing import Any

import pytest

from scanner import scan_image
from scanner.finding import Finding
from tests.image.archives import Layout, tar_of_files, write_tar

IN_TOTO = "application/vnd.in-toto+json"
META = "buildkit_metadata"


def token(seed: int) -> str:
    """A well-formed key that nobody issued."""
    return "sk_live_" + "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=24))


ARG, ENV, HEREDOC, RUN, LABEL, SPDX, CYCLONE = (token(seed) for seed in range(7))
DOCKERFILE = f"""FROM scratch AS test
ARG TOKEN
ENV KEY={ENV}
COPY <<EOF /deploy.env
KEY={HEREDOC}
EOF
RUN deploy {RUN}
FROM scratch
LABEL support={LABEL}
COPY app /app
"""


def statement(kind: str, predicate: Any) -> dict[str, Any]:
    return {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind, "subject": [], "predicate": predicate}


def provenance() -> dict[str, Any]:
    """A statement about a build whose stage ``test`` is in no image."""
    lines = {"step0": 4, "step1": 7, "step2": 10}
    steps = [
        {
            "id": "step0",
            "op": {"Op": {"file": {"actions": [{"Action": {"mkfile": {"data": base64_of(f"KEY={HEREDOC}\n")}}}]}}},
        },
        {
            "id": "step1",
            "op": {
                "Op": {
                    "exec": {
                        "meta": {
                            "args": ["/bin/sh", "-c", f"deploy {RUN}"],
                            "env": ["PATH=/bin", f"TOKEN={ARG}", f"KEY={ENV}"],
                        }
                    }
                }
            },
            "inputs": ["step0:0"],
        },
        {"id": "step2", "op": {"Op": {"file": {}}}},
    ]
    located = {step: {"locations": [{"ranges": [{"start": {"line": line}}]}]} for step, line in lines.items()}
    return statement(
        "https://slsa.dev/provenance/v1",
        {
            "buildDefinition": {
                "externalParameters": {"request": {"args": {"build-arg:TOKEN": ARG}}},
                "internalParameters": {"buildConfig": {"llbDefinition": steps}},
            },
            "runDetails": {
                "metadata": {
                    META: {
                        "source": {
                            "infos": [{"filename": "Dockerfile", "data": base64_of(DOCKERFILE)}],
                            "locations": located,
                        }
                    }
                }
            },
        },
    )


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    """What is found in an image with all three statements, by the secret."""
    layout = Layout()
    image = layout.image(tar_of_files({"app": b"x"}))
    statements = [
        provenance(),
        statement(
            "https://spdx.dev/Document",
            {"packages": [{"name": "shop", "annotations": [{"comment": f"built with {SPDX}"}]}]},
        ),
        statement(
            "https://cyclonedx.org/bom",
            {"components": [{"name": "shop", "properties": [{"name": "ci:key", "value": CYCLONE}]}]},
        ),
    ]
    blobs = [
        layout.document(each, IN_TOTO, annotations={"in-toto.io/predicate-type": each["predicateType"]})
        for each in statements
    ]
    attestation = layout.document({"layers": blobs}, "application/vnd.oci.image.manifest.v1+json")
    refers = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
    path: Path = tmp_path_factory.mktemp("attested") / "image.tar"
    report = scan_image(write_tar(path, layout.done(image, {**attestation, "annotations": refers})))
    (told,) = report.images
    return {finding.secret.decode(): finding for finding in told.findings}


_STEPS = "/predicate/buildDefinition/internalParameters/buildConfig/llbDefinition"
_SOURCE = f"/predicate/runDetails/metadata/{META}/source/infos/0/data"


@pytest.mark.parametrize(
    ("secret", "entered", "pointers"),
    [
        (
            ARG,
            ("ARG", 2, "test"),
            {
                "/predicate/buildDefinition/externalParameters/request/args/build-arg:TOKEN",
                f"{_STEPS}/1/op/Op/exec/meta/env/1",
            },
        ),
        (ENV, ("ENV", 3, "test"), {_SOURCE, f"{_STEPS}/1/op/Op/exec/meta/env/2"}),
        (HEREDOC, ("COPY", 4, "test"), {_SOURCE, f"{_STEPS}/0/op/Op/file/actions/0/Action/mkfile/data"}),
        (RUN, ("RUN", 7, "test"), {_SOURCE, f"{_STEPS}/1/op/Op/exec/meta/args/2"}),
        (LABEL, ("LABEL", 9, 1), {_SOURCE}),
    ],
    ids=["build argument", "environment", "heredoc", "command", "Dockerfile"],
)
def test_each_field_of_provenance_leads_to_instruction_and_stage_though_no_image_has_it(
    found: dict[str, Finding], secret: str, entered: tuple[str, int, str | int], pointers: set[str]
) -> None:
    finding = found[secret]
    blamed = finding.introduced_by

    assert {place.kind for place in finding.occurrences} == {"attestation"}
    assert {place.field for place in finding.occurrences} == pointers
    assert blamed is not None
    assert blamed.dockerfile is not None
    assert (blamed.keyword, blamed.dockerfile.start_line, blamed.stage) == entered
    assert blamed.basis == "provenance"


@pytest.mark.parametrize(
    ("secret", "pointer"),
    [
        (SPDX, "/predicate/packages/0/annotations/0/comment"),
        (CYCLONE, "/predicate/components/0/properties/0/value"),
    ],
    ids=["SPDX", "CycloneDX"],
)
def test_each_field_of_a_bill_of_materials_is_scanned(found: dict[str, Finding], secret: str, pointer: str) -> None:
    (place,) = found[secret].occurrences
    assert (place.kind, place.field) == ("attestation", pointer)
    assert found[secret].introduced_by is None
