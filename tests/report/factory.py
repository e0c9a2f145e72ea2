"""Builds reports to print. Secrets are drawn at import, so that none is ever written down."""

import secrets
import string
from dataclasses import replace
from io import StringIO
from typing import Any

from scanner.detect.signature import Confidence, Provider, Severity, Signature
from scanner.detect.unpack.git_history import Commit
from scanner.finding import (
    Coverage,
    DockerfileLines,
    Event,
    Excerpt,
    Finding,
    HistoryLine,
    Ignored,
    ImageReport,
    Instruction,
    LayerReport,
    Mark,
    Occurrence,
    Partner,
    Rule,
    ScanReport,
)
from scanner.image.oci import Skip
from scanner.report import WRITERS, Options, history


def draw(length: int) -> str:
    """A value that no scanner will mistake for anything else's."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


KEY, TOKEN, EXAMPLE = draw(40), draw(32), draw(20)

PROVIDER = Provider("acme", "Acme Cloud", "Revoke the key in the console.", "https://acme.example/rotate")


def signature(ident: str = "acme-key", name: str = "Acme secret key", **fields: Any) -> Signature:
    """A signature of a provider that does not exist."""
    known = {"severity": Severity.CRITICAL, "confidence": Confidence.HIGH, "prefilter": (), "pattern": "x"}
    return Signature(id=ident, name=name, provider=PROVIDER, **{**known, "opens": "the Acme account", **fields})


def instruction(text: str, index: int | None = None, basis: str = "history", **fields: Any) -> Instruction:
    """An instruction whose keyword is the first word of its text."""
    return Instruction(text.split()[0] if text else "", text, index, basis, **fields)


BASE = instruction("ADD rootfs.tar.gz /", 0)
COPY = instruction("COPY .env /app/.env", 2, dockerfile=DockerfileLines("Dockerfile", 7, 7))
ENV = instruction(f"ENV ACME_TOKEN={TOKEN} MODE=fast", 1)
REMOVE = instruction("RUN rm /app/.env", 3)


def finding(*occurrences: Occurrence, secret: str | bytes = KEY, **fields: Any) -> Finding:
    """A finding that counts, unless told otherwise."""
    known = {
        "signature": signature(),
        "fingerprint": "f" * 32,
        "severity": Severity.CRITICAL,
        "confidence": Confidence.HIGH,
        "proof": None,
        "downgraded": None,
        "introduced_by": COPY,
    }
    value = secret.encode() if isinstance(secret, str) else secret
    return Finding(secret=value, occurrences=occurrences or (DELETED,), **{**known, **fields})


DELETED = Occurrence(
    "file",
    1,
    "sha256:" + "b" * 64,
    "app/.env",
    (),
    2,
    31,
    state="deleted",
    removed_by=REMOVE,
    removed_in=2,
    instruction=COPY,
    via="COPY",
)
IN_ENV = Occurrence("config", field="/config/Env/1", document="config", offset=11, instruction=ENV, via="ENV")
IN_HISTORY = Occurrence(
    "history", field="/history/1/created_by", document="config", offset=15, instruction=ENV, via="ENV"
)
PUBLIC = Occurrence("file", 0, None, "usr/share/doc/acme", (), 3, 80, state="present", instruction=BASE, via="ADD")

LEAKED_KEY = finding(proof="checksum matches")
LEAKED_TOKEN = finding(
    IN_ENV,
    IN_HISTORY,
    secret=TOKEN,
    signature=signature("acme-token", "Acme token", opens=""),
    severity=Severity.HIGH,
    fingerprint="e" * 32,
    introduced_by=ENV,
)
DOWNGRADED = finding(
    PUBLIC,
    secret=EXAMPLE,
    severity=Severity.LOW,
    downgraded="Acme's documentation prints it",
    fingerprint="d" * 32,
    introduced_by=BASE,
)

ACCESS_ID = draw(20)
WHOLE = finding(
    partners=(
        Partner("access id", ACCESS_ID.encode(), True, "account 12", "c" * 32),
        Partner("signing key", TOKEN.encode(), False),
    )
)
NAME = finding(
    replace(DELETED, line=1),
    PUBLIC,
    secret=ACCESS_ID,
    signature=signature("acme-id", "Acme access id", severity=Severity.MEDIUM, identifier=True),
    severity=Severity.MEDIUM,
    fingerprint="c" * 32,
    part_of=("f" * 32,),
)

ALL_READ = Coverage(3, 1234, 47_815_066, (Skip("manifest.json", "names no tag", complete=True),))


def image(*findings: Finding, **fields: Any) -> ImageReport:
    """An image of three layers."""
    known = {
        "target": "shop.tar",
        "kind": "image",
        "references": ("registry.example/shop/api:1.4",),
        "digest": "sha256:" + "1f0c8e2d9a7b4455" * 4,
        "image_id": "sha256:" + "a" * 64,
        "platform": "linux/amd64",
        "layers": (
            LayerReport(0, "sha256:" + "a" * 64, "sha256:" + "c" * 64, 31_000_000, BASE, "base"),
            LayerReport(1, "sha256:" + "b" * 64, "", 300, COPY, "build"),
            LayerReport(2, "", "sha256:" + "d" * 64, -1, REMOVE, "build"),
        ),
        "history": (
            HistoryLine(BASE, "2024-05-01T10:00:00Z", 0, 31_000_000, True),
            HistoryLine(ENV, "2024-05-02T10:00:00Z", None, 0, True),
            HistoryLine(COPY, "2024-05-02T10:00:01Z", 1, 300, True),
            HistoryLine(REMOVE, "2024-05-02T10:00:02Z", 2, -1, True),
        ),
        "coverage": ALL_READ,
    }
    return ImageReport(findings=findings, **{**known, **fields})


PAIRED = image(WHOLE, NAME)

RULE = Rule(".layerleakignore", 2, "the vendor's own example", path="usr/share/**")
MARK = Mark("gitleaks:allow")


def ignored(by: Rule | Mark, *occurrences: Occurrence, partial: bool = False, **fields: Any) -> Ignored:
    """A finding that is ignored by one rule or mark in these places."""
    places = occurrences or (PUBLIC,)
    return Ignored(finding(*places, **fields), (by,) * len(places), partial)


def report(
    *images: ImageReport, failures: tuple[tuple[str, str], ...] = (), rules: tuple[Rule, ...] = ()
) -> ScanReport:
    """A report of these images."""
    return ScanReport("0.1.0", "sha256:" + "0" * 64, images, failures, rules)


SMALL = report(image(LEAKED_KEY, LEAKED_TOKEN, DOWNGRADED))


def everywhere(text: str) -> ScanReport:
    """A report with a text of the image's own in each place that may hold one."""
    told = Instruction("RUN", f"RUN {text}", 2, "guess", text, DockerfileLines(text, 1, 9))
    places = (
        replace(DELETED, path=text, inner=(text, text), instruction=told, removed_by=told, via=text, layer_digest=text),
        replace(DELETED, commit=Commit("0" * 40, text, "", text)),
        Occurrence("config", field=f"/config/Labels/{text}", document="config", instruction=told),
        Occurrence("attestation", path=text, field=f"/predicate/{text}", document="attestation", line=3),
        Occurrence("build-cache", 1, text, text, (), None, 7),
    )
    beside = Partner("client id", text.encode("utf-8", "surrogatepass"), True, text)
    lines = Excerpt(text, 1, (text, text), (2,))
    life = (Event("changed", 1, text, told),)
    places = (replace(places[0], secret_mounts=(text,)), *places[1:])
    leaked = finding(
        *places,
        introduced_by=told,
        proof=text,
        partners=(beside,),
        excerpt=lines,
        advice=(text, text),
        life=life,
    )
    public = finding(*places, introduced_by=None, downgraded=text, secret=EXAMPLE)
    shown = image(
        leaked,
        public,
        references=(text, text),
        digest=text,
        image_id=text,
        platform=text,
        layers=(LayerReport(0, text, text, 1, told, "build"), LayerReport(1, "", "", 1, told, "build")),
        history=(HistoryLine(told, text, 1, 5, False), HistoryLine(ENV, "", None, 0, True)),
        coverage=Coverage(1, 1, 1, (Skip(text, text, 5),)),
        ignored=(
            ignored(Mark(text), replace(DELETED, path=text, mark=text)),
            ignored(Rule(text, 1, text), secret=TOKEN, partial=True),
        ),
    )
    rule = Rule(text, 1, text, None, text, text, None, text)
    return report(shown, failures=(("target", text),), rules=(rule,))


def table(told: ScanReport, width: int = 100, **options: Any) -> str:
    """The report as people see it."""
    return _written(WRITERS["table"], told, width, **options)


def story(told: ScanReport, width: int = 100, **options: Any) -> str:
    """The history as people see it."""
    return _written(history.write, told, width, **options)


def as_json(told: ScanReport, **options: Any) -> str:
    """The report as programs see it."""
    return _written(WRITERS["json"], told, None, **options)


def _written(writer: Any, told: ScanReport, width: int | None, **options: Any) -> str:
    stream = StringIO()
    writer(told, stream, Options(width=width, **options))
    return stream.getvalue()
