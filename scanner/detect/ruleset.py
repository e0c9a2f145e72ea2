"""A set of signatures compiled to one multi-pattern database, which is kept on disk between runs."""

import hashlib
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hyperscan

from scanner.detect.cache import Cache, user_cache
from scanner.detect.encoded import Form, forms
from scanner.detect.filters import DOWNGRADES, FILTERS
from scanner.detect.parsers import PARSERS
from scanner.detect.proof import PROOFS
from scanner.detect.publickeys import ANCHORS
from scanner.detect.signature import Signature
from scanner.errors import SignatureError

if TYPE_CHECKING:
    from scanner.detect.rulefiles import Unhonoured

_KIND = "hsdb"


@dataclass(frozen=True)
class Ruleset:
    """Signatures and the database of their prefilters.

    Attributes:
        signatures: in the order they were read.
        owners: for each expression of the database, by its id, the index of its signature. Behind them come the
            anchors of public keys, which are nobody's.
        database: the Hyperscan database, block mode.
        digest: names the content of the ruleset; equal for equal signatures.
        forms: what secrets begin with in other encodings; their expressions have the ids behind those.
        unhonoured: what is not done of rules of other formats, by the file they are in.
    """

    signatures: tuple[Signature, ...]
    owners: tuple[int, ...]
    database: Any
    digest: str
    forms: tuple[Form, ...] = ()
    unhonoured: "tuple[tuple[Path, Unhonoured], ...]" = ()

    @cached_property
    def by_id(self) -> Mapping[str, Signature]:
        """The signatures by their ids."""
        return {sig.id: sig for sig in self.signatures}


def builtin_folder() -> Path:
    """Where the signatures that come with layerleak are: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_signatures"
    return inside if inside.is_dir() else package.parent / "signatures"


def load_ruleset(*paths: Path, builtin: bool = False, plugins: bool = False, cache: Path | None = None) -> Ruleset:
    """Reads signatures and compiles them, or loads the compiled database from the cache.

    Args:
        paths: signature files, rule files of other formats, and folders of them; the built-in ones if none is given
            and no plugins are asked for.
        builtin: whether to use the built-in signatures as well; one of them gives way to another of its id.
        plugins: whether to use the plugins of detect-secrets.
        cache: folder for what is kept between runs; the user's cache folder if None.

    Raises:
        SignatureError: a signature is malformed, names an unknown filter or proof, or does not compile.
    """
    # Not at the top: what rules are built for is the matcher, which needs this module.
    from scanner.detect.rulefiles import load

    kept = Cache(cache or user_cache())
    loaded = load(*(paths if paths or plugins else (builtin_folder(),)), plugins=plugins, cache=kept)
    signatures = loaded.signatures
    if builtin and (paths or plugins):
        own = {sig.id for sig in signatures}
        signatures += tuple(sig for sig in load(builtin_folder(), cache=kept).signatures if sig.id not in own)
    if not signatures:
        reasons = "; ".join(f"{item.rule or path.name}: {item}" for path, item in loaded.unhonoured[:3]) or "no rules"
        raise SignatureError(
            f"{', '.join(map(str, paths))}: expected signatures, found none that can be used: {reasons}"
        )
    return replace(compile_ruleset(signatures, cache), unhonoured=loaded.unhonoured)


def compile_ruleset(signatures: tuple[Signature, ...], cache: Path | None = None) -> Ruleset:
    """Compiles signatures that are already read; arguments and errors as for `load_ruleset`."""
    _check_names(signatures)
    pairs = [(expression, index) for index, sig in enumerate(signatures) for expression in sig.prefilter]
    digest = hashlib.sha256(repr(signatures).encode()).hexdigest()
    encoded = forms(signatures)
    expressions = [expression.encode() for expression in (*(expression for expression, _ in pairs), *ANCHORS)]
    expressions += [form.expression for form in encoded]
    database = _database(expressions, [signatures[index] for _, index in pairs], Cache(cache or user_cache()))
    return Ruleset(signatures, tuple(index for _, index in pairs), database, f"sha256:{digest}", encoded)


def _check_names(signatures: tuple[Signature, ...]) -> None:
    seen: set[str] = set()
    for sig in signatures:
        if sig.id in seen:
            raise SignatureError(f"signature {sig.id!r} is defined twice")
        seen.add(sig.id)
        for name in sig.filters:
            if name not in FILTERS and name not in DOWNGRADES:
                raise SignatureError(f"signature {sig.id!r}: unknown filter {name!r}")
        if sig.proof and sig.proof not in PROOFS:
            raise SignatureError(f"signature {sig.id!r}: unknown proof {sig.proof!r}")
        if sig.parser and sig.parser not in PARSERS:
            raise SignatureError(f"signature {sig.id!r}: unknown parser {sig.parser!r}")
    for sig in signatures:
        for name in (name for pair in sig.pairs for name in pair.signatures):
            if name not in seen:
                raise SignatureError(f"signature {sig.id!r}: pairs with {name!r}, which is no signature here")


def _database(expressions: list[bytes], owners: list[Signature], cache: Cache) -> Any:
    """The database, from the cache where it has it."""
    key = hashlib.sha256()
    for part in (version("hyperscan").encode(), platform.machine().encode(), _cpu().encode(), *expressions):
        key.update(len(part).to_bytes(4, "little") + part)
    kept = cache.read(_KIND, key.hexdigest()[:32])
    if kept is not None:
        with suppress(hyperscan.HyperscanError):  # of another library build or damaged: compiled anew, and replaced
            return hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=0)
    except hyperscan.HyperscanError as error:
        raise SignatureError(_blame(expressions, owners) or f"signatures do not compile: {error}") from error
    cache.write(_KIND, key.hexdigest()[:32], bytes(hyperscan.dumpb(database)))
    return database


def _blame(expressions: list[bytes], owners: list[Signature]) -> str | None:
    """The library does not say which expression it refused; compiling each alone does.

    Behind those of the owners are others of our own, which compile.
    """
    for expression, sig in zip(expressions, owners, strict=False):
        try:
            hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK).compile(expressions=[expression], ids=[0], flags=0)
        except hyperscan.HyperscanError as error:
            return f"signature {sig.id!r}: prefilter {expression.decode()!r}: {error}"
    return None


def _cpu() -> str:
    """What the database was compiled for: it holds code paths for the CPU's vector extensions."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        return platform.processor()
