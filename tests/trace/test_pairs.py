"""Secrets and the ids they belong to, from bytes to findings: in files, in neighbouring fields, in history."""

import random
import string
from pathlib import Path
from typing import Any

import pytest

from scanner.detect.ruleset import Ruleset
from scanner.finding import Finding, ImageReport, Rule, fingerprint
from scanner.scan import Scanner
from scanner.trace.ignore import Ignoring
from tests.image.archives import Layout, tar_of_files, write_folder

KEY = b"k"
_DRAW = random.Random(4)
_BASE64 = string.ascii_letters + string.digits + "+/"


def _draw(alphabet: str, length: int) -> str:
    return "".join(_DRAW.choice(alphabet) for _ in range(length))


IDS = ["AKIA" + "R" + _draw(string.ascii_uppercase + "234567", 15) for _ in range(3)]
SECRETS = [_draw(_BASE64, 40) for _ in range(3)]


def scanned(
    folder: Path, ruleset: Ruleset, files: dict[str, str] | None = None, rules: tuple[Rule, ...] = (), **config: Any
) -> ImageReport:
    """The report on an image of one layer with these files and this config."""
    layout = Layout()
    layer = tar_of_files({name: text.encode() for name, text in (files or {"x": ""}).items()})
    made = layout.image(layer, **{"history": [{"created_by": "COPY . /"}], **config})
    (image,) = Scanner(ruleset, KEY, ignoring=Ignoring(rules)).scan(
        str(write_folder(folder / "layout", layout.done(made)))
    )
    return image


def pairs(image: ImageReport) -> list[tuple[str, ...]]:
    """Each finding that counts, with the values it belongs to."""
    told = [(f.secret.decode(), *(partner.value.decode() for partner in f.partners)) for f in image.counted]
    return sorted(told)


def one(image: ImageReport, value: str) -> Finding:
    return next(finding for finding in image.findings if finding.secret == value.encode())


def test_each_profile_of_a_credentials_file_is_one_finding_with_its_own_id(tmp_path: Path, ruleset: Ruleset) -> None:
    between = "\nregion = eu-west-1\noutput = json\n"
    profiles = (
        f"[{number}]\naws_access_key_id = {name}{between}aws_secret_access_key = {key}\n"
        for number, (name, key) in enumerate(zip(IDS, SECRETS, strict=True))
    )

    image = scanned(tmp_path, ruleset, {"root/.aws/credentials": "\n".join(profiles)})

    assert pairs(image) == sorted(zip(SECRETS, IDS, strict=True))


def test_an_id_that_is_joined_is_a_finding_that_does_not_count(tmp_path: Path, ruleset: Ruleset) -> None:
    image = scanned(tmp_path, ruleset, {"e": f"AWS_SECRET_ACCESS_KEY={SECRETS[0]}\nA=1\nAWS_ACCESS_KEY_ID={IDS[0]}\n"})

    secret, name = one(image, SECRETS[0]), one(image, IDS[0])
    (partner,) = secret.partners
    assert (secret.fingerprint, secret.part_of) == (fingerprint(SECRETS[0].encode(), KEY), ())
    assert (partner.name, partner.public, partner.fingerprint) == ("access key id", True, name.fingerprint)
    assert partner.proof == name.proof
    assert (partner.proof or "").startswith("account ")
    assert name.part_of == (secret.fingerprint,)
    assert (image.counted, image.joined) == ((secret,), (name,))


def test_an_id_alone_counts_at_its_own_severity(tmp_path: Path, ruleset: Ruleset) -> None:
    image = scanned(
        tmp_path, ruleset, {"a": f"AWS_ACCESS_KEY_ID={IDS[0]}\n", "b": f"AWS_SECRET_ACCESS_KEY={SECRETS[0]}\n"}
    )

    assert pairs(image) == sorted([(IDS[0],), (SECRETS[0],)])
    assert str(one(image, IDS[0]).severity) == "medium"


@pytest.mark.parametrize("step", [1, -1])
def test_elements_of_one_array_belong_together(tmp_path: Path, ruleset: Ruleset, step: int) -> None:
    env = [f"AWS_ACCESS_KEY_ID={IDS[0]}", "LANG=C.UTF-8", f"AWS_SECRET_ACCESS_KEY={SECRETS[0]}"][::step]

    image = scanned(tmp_path, ruleset, config={"Env": ["PATH=/bin", *env]})

    assert pairs(image) == [(SECRETS[0], IDS[0])]


def test_members_of_one_object_belong_together_and_those_of_another_do_not(tmp_path: Path, ruleset: Ruleset) -> None:
    secret = {"AWS_SECRET_ACCESS_KEY": SECRETS[0]}
    beside = scanned(tmp_path / "a", ruleset, config={"Labels": {"AWS_ACCESS_KEY_ID": IDS[0], **secret}})
    apart = scanned(tmp_path / "b", ruleset, config={"Env": [f"AWS_ACCESS_KEY_ID={IDS[0]}"], "Labels": secret})

    assert pairs(beside) == [(SECRETS[0], IDS[0])]
    assert pairs(apart) == sorted([(SECRETS[0],), (IDS[0],)])


def test_neighbouring_instructions_of_a_history_belong_together(tmp_path: Path, ruleset: Ruleset) -> None:
    texts = (f"ENV AWS_ACCESS_KEY_ID={IDS[0]}", f"ENV AWS_SECRET_ACCESS_KEY={SECRETS[0]}")
    history = [
        {
            "created": "2025-01-01T00:00:00Z",
            "created_by": text,
            "comment": "buildkit.dockerfile.v0",
            "empty_layer": True,
        }
        for text in texts
    ]

    image = scanned(tmp_path, ruleset, history=[*history, {"created_by": "COPY . /"}])

    assert pairs(image) == [(SECRETS[0], IDS[0])]


def test_build_arguments_of_one_run_belong_together(tmp_path: Path, ruleset: Ruleset) -> None:
    run = f"RUN |2 AWS_ACCESS_KEY_ID={IDS[0]} AWS_SECRET_ACCESS_KEY={SECRETS[0]} /bin/sh -c make # buildkit"

    assert pairs(scanned(tmp_path, ruleset, history=[{"created_by": run}])) == [(SECRETS[0], IDS[0])]


def test_an_id_counts_by_itself_where_its_secret_is_ignored(tmp_path: Path, ruleset: Ruleset) -> None:
    rule = Rule("rules", 1, "rotated", fingerprint=fingerprint(SECRETS[0].encode(), KEY))
    text = f"AWS_ACCESS_KEY_ID={IDS[0]}\nAWS_SECRET_ACCESS_KEY={SECRETS[0]}\n"

    image = scanned(tmp_path, ruleset, {"e": text}, (rule,))

    assert pairs(image) == [(IDS[0],)]


def test_an_id_that_a_generic_signature_takes_for_a_secret_is_joined(tmp_path: Path, ruleset: Ruleset) -> None:
    key, secret = _draw(string.ascii_letters + string.digits, 16), _draw(string.ascii_letters + string.digits, 32)

    image = scanned(tmp_path, ruleset, {"e": f"OVH_APPLICATION_KEY={key}\nOVH_APPLICATION_SECRET={secret}\n"})

    assert pairs(image) == [(secret, key)]
    assert [(finding.secret.decode(), finding.signature.generic) for finding in image.joined] == [(key, True)]
    assert one(image, secret).partners[0].public


def test_two_secrets_that_need_each_other_both_count_and_neither_is_shown(tmp_path: Path, ruleset: Ruleset) -> None:
    api, app = _draw("0123456789abcdef", 32), _draw("0123456789abcdef", 40)

    image = scanned(tmp_path, ruleset, {"e": f"DD_API_KEY={api}\nDD_APP_KEY={app}\n"})

    assert pairs(image) == sorted([(api,), (app, api)])
    (partner,) = one(image, app).partners
    assert (partner.public, partner.fingerprint) == (False, one(image, api).fingerprint)
