"""What a scan says: findings, the places each is in, and what was and was not read. Also how a secret is hidden.

These are the types that every report format prints from and that users of the Python API get.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from scanner.detect.signature import Confidence, Severity, Signature
from scanner.detect.unpack.git_history import Commit
from scanner.image.oci import Skip


@dataclass(frozen=True)
class DockerfileLines:
    """A range of lines of a Dockerfile.

    Attributes:
        path: as the build named it.
        start_line: the first, from 1.
        end_line: the last, inclusive.
    """

    path: str
    start_line: int
    end_line: int


@dataclass(frozen=True)
class Instruction:
    """The Dockerfile instruction that something is blamed on.

    Attributes:
        keyword: upper case; empty where the history entry names none.
        text: the instruction, as far as it is known. May hold secrets: print it through a `Redactor`.
        history_index: its place in the config's history, or None.
        basis: what says so: ``provenance``, ``dockerfile``, ``history`` or ``guess``.
        stage: name or number of its build stage, or None.
        dockerfile: its lines, where they are known.
        others: how many other instructions it may have been as well, where nothing tells them apart.
    """

    keyword: str
    text: str = field(repr=False)
    history_index: int | None
    basis: str
    stage: str | int | None = None
    dockerfile: DockerfileLines | None = None
    others: int = 0


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a Dockerfile. They may hold secrets: print them through a `Redactor`, all of them at once.

    Attributes:
        path: of the Dockerfile.
        start_line: the first, from 1.
        lines: the text.
        marked: numbers of the lines that leak.
    """

    path: str
    start_line: int
    lines: tuple[str, ...] = field(repr=False)
    marked: tuple[int, ...]


@dataclass(frozen=True)
class Occurrence:
    """One place that a secret can be recovered from.

    Attributes:
        kind: ``file``, ``config``, ``history``, ``attestation``, ``build-cache`` or ``manifest``.
        layer: index of the layer, for a file.
        layer_digest: the layer's digest; where the image has none, its diff_id.
        path: of the file, or of the document's blob.
        inner: paths of nested members, outermost first.
        line: in the file, from 1, where it is text.
        offset: in bytes, in the file or the field.
        field: JSON Pointer (RFC 6901) into the document.
        document: kind of that document: ``config``, ``manifest``, ``index``, ``attestation``, ``v1``.
        state: of the file in the final image: ``present``, ``deleted``, ``overwritten`` or ``hidden``.
        removed_by: what removed it.
        removed_in: index of the layer that did.
        instruction: what put the secret there.
        via: keyword of the instruction that carried the value.
        mark: comment on its line that asks scanners to look away, or None.
        commit: of git that brought it, for a file in a repository's objects.
        secret_mounts: ids of build secrets, one of which the instruction read and left in this file.
    """

    kind: str
    layer: int | None = None
    layer_digest: str | None = None
    path: str | None = None
    inner: tuple[str, ...] = ()
    line: int | None = None
    offset: int | None = None
    field: str | None = None
    document: str | None = None
    state: str | None = None
    removed_by: Instruction | None = None
    removed_in: int | None = None
    instruction: Instruction | None = None
    via: str | None = None
    mark: str | None = None
    commit: Commit | None = None
    secret_mounts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The place as a path: of the file with nested members, or of the field under its document's kind."""
        if self.field is not None:
            return f"{self.document}{self.field}"
        return "!".join((self.path or "", *self.inner))


@dataclass(frozen=True)
class Partner:
    """The other half of a pair: what a secret belongs to.

    Attributes:
        name: what it is: ``access key id``, ``client id``.
        value: itself.
        public: whether it only names the credential, so that it may be shown.
        proof: what could be proven of it offline, or None.
        fingerprint: of the finding it is as well, or None for what is no finding by itself.
    """

    name: str
    value: bytes = field(repr=False)
    public: bool
    proof: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to a secret in files.

    Attributes:
        kind: ``introduced``, ``copied``, ``changed`` (written anew with the secret in it, as by chmod or chown),
            ``deleted``, ``overwritten`` or ``hidden``.
        layer: index of the layer.
        path: of the file, with nested members.
        instruction: what did it, or None.
    """

    kind: str
    layer: int
    path: str
    instruction: Instruction | None


@dataclass(frozen=True)
class Finding:
    """One secret value, with every place it is in.

    Attributes:
        signature: what kind of secret it is.
        secret: the value. Never print or store it unasked.
        fingerprint: keyed digest of the value: equal for equal secrets under one key, useless without it.
        severity: of the leak.
        confidence: that it is a credential.
        proof: what could be proven offline, or None.
        downgraded: why it does not count, or None.
        introduced_by: the instruction through which it entered, or None.
        occurrences: at least one.
        spellings: other bytes that the same secret is written in, where wrapping or escaping differs.
        partners: what it belongs to.
        part_of: fingerprints of the secrets that it only names; it counts with one of those, see `ImageReport.counted`.
        excerpt: the lines of the Dockerfile through which it entered, or None.
        advice: what to write instead, sentences and instructions; may hold secrets: print it through a `Redactor`.
        life: what happened to it in the files of the image, in order.
    """

    signature: Signature
    secret: bytes = field(repr=False)
    fingerprint: str
    severity: Severity
    confidence: Confidence
    proof: str | None
    downgraded: str | None
    introduced_by: Instruction | None
    occurrences: tuple[Occurrence, ...]
    spellings: tuple[bytes, ...] = field(default=(), repr=False)
    partners: tuple[Partner, ...] = ()
    part_of: tuple[str, ...] = ()
    excerpt: Excerpt | None = None
    advice: tuple[str, ...] = field(default=(), repr=False)
    life: tuple[Event, ...] = ()

    @property
    def sha1(self) -> tuple[str, ...]:
        """SHA-1 of the secret, by which baselines of detect-secrets know it; of other spellings; of `on_a_line`."""
        spelled = (self.secret, *self.spellings)
        return tuple(_sha1(each) for each in (*spelled, *(on_a_line(each).encode() for each in spelled)))

    @property
    def redacted(self) -> str:
        """A preview that tells secrets apart and gives none away."""
        return redact(self.secret)


@dataclass(frozen=True)
class Rule:
    """A rule by which a user has places ignored; one applies where all that it names is so.

    Attributes:
        source: the ignore file, as the user named it.
        number: which rule of the file, from 1.
        reason: why.
        fingerprint: of the secret, or None.
        signature: glob of the signature's id, or None.
        path: glob of the file's path in its layer, or None.
        layer: digest or diff_id of the layer, or None.
        image: digest, image id, or glob of a reference of the image, or None.
        expires: last day on which it applies, or None.
        expired: whether that day had passed when the file was read.
    """

    source: str
    number: int
    reason: str
    fingerprint: str | None = None
    signature: str | None = None
    path: str | None = None
    layer: str | None = None
    image: str | None = None
    expires: date | None = None
    expired: bool = False


@dataclass(frozen=True)
class Known:
    """An entry of a detect-secrets baseline: a value that is known to be in a file.

    Attributes:
        source: the baseline, as the user named it.
        number: which entry of it, from 1.
        file: the file's path.
        sha1: of the value. Weak values can be guessed from it, so a report does not show it.
        secret: what an audit said it is, or None.
    """

    source: str
    number: int
    file: str
    sha1: str = field(repr=False)
    secret: bool | None = None


@dataclass(frozen=True)
class Mark:
    """A comment in the image by which a place is ignored. Whoever made the image wrote it.

    Attributes:
        text: the comment.
    """

    text: str


@dataclass(frozen=True)
class Ignored:
    """A finding, or some of its places, that does not count because somebody asked for that.

    Attributes:
        finding: the secret, with the ignored places only.
        causes: for each of those places, what it is ignored by.
        partial: whether the secret has other places too, so that it is also among the findings.
    """

    finding: Finding
    causes: tuple[Rule | Mark, ...]
    partial: bool


@dataclass(frozen=True)
class LayerReport:
    """What is told of a layer.

    Attributes:
        index: 0 the lowest.
        digest: of the blob as stored, or empty.
        diff_id: of the uncompressed tar, as the image has it, else computed; empty where neither is so, since the
            digest of the compressed blob vouches for the same bytes.
        size: bytes as stored; -1 where unknown.
        instruction: what made it, or None.
        origin: ``base``, ``build`` or ``cache``.
    """

    index: int
    digest: str
    diff_id: str
    size: int
    instruction: Instruction | None
    origin: str


@dataclass(frozen=True)
class HistoryLine:
    """One instruction of an image, told in order.

    Attributes:
        instruction: the instruction.
        created: RFC 3339 time, or empty.
        layer: index of the layer it made, or None.
        size: bytes of that layer as stored; 0 without one.
        sure: whether the history says which layer is its own.
    """

    instruction: Instruction
    created: str
    layer: int | None
    size: int
    sure: bool


@dataclass(frozen=True)
class Coverage:
    """What was read.

    Attributes:
        layers: layers scanned.
        files: members of their tars.
        bytes: uncompressed bytes scanned.
        skipped: what was not read, or not what it claims to be.
    """

    layers: int
    files: int
    bytes: int
    skipped: tuple[Skip, ...]

    @property
    def complete(self) -> bool:
        """Whether everything the target holds was read."""
        return all(skip.complete for skip in self.skipped)


@dataclass(frozen=True)
class ImageReport:
    """The outcome for one image of one platform, or one build cache.

    Attributes:
        target: what the user named.
        kind: ``image``, ``build-cache``, ``artifact``, ``filesystem``, or ``unreferenced`` for blobs no manifest names.
        references: its names and tags.
        digest: of the manifest, or empty.
        image_id: digest of the config, or empty.
        platform: ``os/architecture[/variant]``, or empty.
        layers: from the lowest up.
        history: the image told as instructions.
        findings: gravest first.
        coverage: what was read.
        ignored: what does not count because a rule of the user's or a mark in the image says so.
    """

    target: str
    kind: str
    references: tuple[str, ...]
    digest: str
    image_id: str
    platform: str
    layers: tuple[LayerReport, ...]
    history: tuple[HistoryLine, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    ignored: tuple[Ignored, ...] = ()

    @property
    def counted(self) -> tuple[Finding, ...]:
        """The findings that count, each pair as one: not what is downgraded, nor an id whose secret counts."""
        whole = {finding.fingerprint for finding in self.findings if not finding.downgraded}
        return tuple(f for f in self.findings if not f.downgraded and whole.isdisjoint(f.part_of))

    @property
    def joined(self) -> tuple[Finding, ...]:
        """The findings that would count if they were not the ids of others that do."""
        counted = set(map(id, self.counted))
        return tuple(f for f in self.findings if not f.downgraded and id(f) not in counted)

    @property
    def name(self) -> str:
        """What to call it in one word: its first reference, else where it was found."""
        return self.references[0] if self.references else self.target


@dataclass(frozen=True)
class ScanReport:
    """The outcome of a scan.

    Attributes:
        version: of layerleak.
        ruleset: digest of the signatures used.
        images: one for each image of each target that could be read.
        failures: for each target that could not be read, its name and the reason.
        rules: the rules of all ignore files that were read.
        known: the entries of all baselines that were read.
        unreported: secrets that are none of the images', and are hidden all the same: of the Dockerfile that was given.
    """

    version: str
    ruleset: str
    images: tuple[ImageReport, ...]
    failures: tuple[tuple[str, str], ...] = ()
    rules: tuple[Rule, ...] = ()
    known: tuple[Known, ...] = ()
    unreported: frozenset[bytes] = field(default=frozenset(), repr=False)


def fingerprint(canonical: bytes, key: bytes) -> str:
    """Names a secret without giving it away: HMAC-SHA-256 under ``key``, its first 128 bits in hex."""
    return hmac.new(key, canonical, hashlib.sha256).hexdigest()[:32]


def on_a_line(secret: bytes) -> str:
    """A word for a secret that cannot stand on a line as it is, such as a key of many: for baselines and audits."""
    start = re.sub(rb"[^A-Za-z0-9]+", b"_", secret[:32]).decode()
    return f"{start}_{_sha1(secret)[:16]}"


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PEM_TITLE = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}-----")


def redact(secret: bytes) -> str:
    """A preview of a secret: enough to recognise it by, never enough to use or to guess it.

    At most four characters at the start and two at the end are shown, and only of a secret long enough that the
    rest stays out of reach; a short one shows nothing.
    """
    if title := _PEM_TITLE.match(secret):
        return f"{title[0].decode()}… ({len(secret)} bytes)"
    if _BINARY.search(secret):
        return f"…… ({len(secret)} bytes)"
    text = secret.decode("utf-8", "replace")
    if len(text) < 16:
        return f"…… ({len(text)} characters)"
    head, tail = (4, 2) if len(text) >= 24 else (2, 0)
    return f"{text[:head]}…{text[len(text) - tail :] if tail else ''} ({len(text)} characters)"


class Redactor:
    """Hides every known secret in a text, also those that are only neighbours of what the text is shown for."""

    def __init__(self, secrets: Iterable[bytes], *, show: bool = False) -> None:
        """Takes the secrets to hide.

        Args:
            secrets: their values.
            show: hide nothing, because the user asked to see them.
        """
        texts = {secret.decode("utf-8", "replace") for secret in secrets}
        self._forms = frozenset() if show else {f for text in texts for f in _spellings(text) if len(f) >= _HEAD}
        lengths: dict[str, set[int]] = {}
        for form in self._forms:
            lengths.setdefault(form[:_HEAD], set()).add(len(form))
        # By their first characters, the longest first, since one secret may be part of another. So the cost of a
        # text is in its length, however many secrets there are.
        self._lengths = {head: sorted(known, reverse=True) for head, known in lengths.items()}

    def __call__(self, text: str) -> str:
        """``text`` with a preview in the place of each secret."""
        if not self._forms:
            return text
        parts: list[str] = []
        done = at = 0
        while at + _HEAD <= len(text):
            length = self._at(text, at)
            if length:
                parts += (text[done:at], redact(text[at : at + length].encode("utf-8", "surrogatepass")))
                done = at = at + length
            else:
                at += 1
        return "".join((*parts, text[done:])) if parts else text

    def _at(self, text: str, at: int) -> int:
        """Length of the longest secret that starts at an offset; 0 if none does."""
        known = self._lengths.get(text[at : at + _HEAD], ())
        return next((length for length in known if text[at : at + length] in self._forms), 0)


_HEAD = 4
"""Shortest text that is hidden, in characters: of anything shorter, a report would be full by chance."""


def _spellings(text: str) -> Iterable[str]:
    yield text
    yield text.replace("\\n", "\n")
    yield text.replace("\n", "\\n")
    # A key's body betrays it without its title, in whatever wrapping.
    if "PRIVATE KEY" in text:
        yield from (line for line in re.split(r"\s|\\n|\\r", text) if len(line) >= 32)
