"""Rule files that users already have: each format in a file of its own, told apart by what a document holds."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.detect.cache import Cache
from scanner.detect.rulefiles.notes import MalformedError, Unhonoured
from scanner.detect.signature import Signature, read_signatures
from scanner.errors import SignatureError

__all__ = ["Loaded", "Unhonoured", "load"]

_SUFFIXES = {".toml", ".yml", ".yaml"}
_KIND = "documents"
_PYTHON = "Python"

Document = tuple[str, Mapping[str, Any]]
"""The language that a file is written in, and what it says."""


@dataclass(frozen=True)
class Loaded:
    """What some files hold.

    Attributes:
        signatures: in the order of the files.
        unhonoured: what is not done of them, by the file.
    """

    signatures: tuple[Signature, ...]
    unhonoured: tuple[tuple[Path, Unhonoured], ...]


def load(*paths: Path, plugins: bool = False, cache: Cache | None = None) -> Loaded:
    """Reads signature files and rule files of every known format.

    Args:
        paths: files, and folders of which all ``*.toml``, ``*.yml`` and ``*.yaml`` are read, in order of their names.
            A ``*.py`` is a file of plugins for detect-secrets, and is executed; so it is read only if it is named.
        plugins: whether to take detect-secrets' own plugins too.
        cache: keeps what was parsed, which for hundreds of files takes longer than a small image takes to scan.

    Raises:
        SignatureError: a file cannot be read or parsed, is of no known format or malformed, or an id is used twice.
    """
    found: dict[str, Signature] = {}
    unhonoured: list[tuple[Path, Unhonoured]] = []
    files = [file for path in paths for file in _files(path)]
    read = ((file, _read(file, document)) for file, document in zip(files, _documents(files, cache), strict=True))
    for file, items in (*read, *_own_plugins(plugins)):
        for item in items:
            if isinstance(item, Unhonoured):
                unhonoured.append((file, item))
            elif item.id in found:
                raise SignatureError(f"{file}: signature {item.id!r} is defined twice")
            else:
                found[item.id] = item
    return Loaded(tuple(found.values()), tuple(unhonoured))


def _own_plugins(wanted: bool) -> Iterator[tuple[Path, Iterator[Signature | Unhonoured]]]:
    if wanted:
        from scanner.detect.rulefiles import plugins  # for those who asked; what it draws in is slow to import

        yield Path(plugins.NAME), plugins.own()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("**/*") if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        raise SignatureError(f"{path}: expected signature files (*.toml, *.yml, *.yaml), found none")
    return files


def _documents(files: Sequence[Path], cache: Cache | None) -> Sequence[Document]:
    contents = [_content(file) for file in files]
    digest = hashlib.sha256()
    for file, content in zip(files, contents, strict=True):
        for part in (file.suffix.encode(), content):  # the suffix has a say in what a file is parsed as
            digest.update(len(part).to_bytes(8, "little") + part)
    key = digest.hexdigest()[:32]
    kept = cache.read(_KIND, key) if cache else None
    if kept is not None:
        with suppress(ValueError, TypeError):  # a damaged file is parsed anew, and replaced
            return [(language, document) for language, document in json.loads(kept)]
    documents = [_parsed(file, _text(file, content)) for file, content in zip(files, contents, strict=True)]
    if cache:
        with suppress(TypeError):  # TOML and YAML have dates, JSON has not; no rule needs one
            cache.write(_KIND, key, json.dumps(documents, ensure_ascii=False).encode())
    return documents


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SignatureError(f"{path}: {error}") from error


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except ValueError as error:
        raise SignatureError(f"{path}: {error}") from error


def _read(path: Path, written: Document) -> Iterator[Signature | Unhonoured]:
    language, document = written
    if language == _PYTHON:
        yield from _plugins(path)
        return
    if language == "TOML" and ("provider" in document or "signature" in document):
        yield from read_signatures(path, document)
        return
    # Imported where they are needed: nobody should wait for them who has no such files.
    from scanner.detect.rulefiles.formats import FORMATS

    for form in FORMATS[language]:
        if form.recognises(document):
            try:
                yield from form.read(document)
            except MalformedError as error:
                raise SignatureError(f"{path}: {form.name}: {error}") from error
            return
    known = " or ".join(form.name for form in FORMATS[language])
    kinds = "[provider] and [[signature]] tables" if language == "TOML" else "rules or detectors"
    own = "layerleak's own, " if language == "TOML" else ""
    raise SignatureError(
        f"{path}: expected {kinds}, of {own}{known}, found {', '.join(map(str, document)) or 'nothing'}"
    )


def _plugins(path: Path) -> Iterator[Signature | Unhonoured]:
    from scanner.detect.rulefiles import plugins

    try:
        yield from plugins.of_file(path)
    except MalformedError as error:
        raise SignatureError(f"{path}: {plugins.NAME}: {error}") from error


def _parsed(path: Path, text: str) -> Document:
    """One of the languages reads it, since they hardly overlap; a plugin is run later, and not parsed here."""
    if path.suffix == ".py":
        return _PYTHON, {}
    if text.lstrip().startswith("{"):
        try:
            return "JSON", json.loads(text)
        except (ValueError, RecursionError):
            pass  # YAML may begin so too, and tells what is wrong better than JSON's parser if it is neither
    try:
        return "TOML", tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if path.suffix == ".toml":
            raise SignatureError(f"{path}: expected TOML: {error}") from error
    import yaml  # here, as few have such files

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SignatureError(f"{path}: expected TOML or YAML: {error}") from error
    if not isinstance(document, dict):
        raise SignatureError(
            f"{path}: expected a table of rules, found {'nothing' if document is None else type(document).__name__}"
        )
    return "YAML", document
