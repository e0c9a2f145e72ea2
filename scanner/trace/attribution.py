"""Which instruction a hit is blamed on: by the history, by provenance, or by content where neither says."""

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from scanner.finding import DockerfileLines, Instruction
from scanner.hits import FieldHit, FileHit
from scanner.image.dockerfile import Command, command_at, parse_dockerfile
from scanner.image.fields import row_of
from scanner.image.history import Made, Step, map_layers, parse_history
from scanner.image.oci import Document, Image, as_list, as_map, as_text
from scanner.trace.evidence import Evidence

_HISTORY = re.compile(r"/history/(\d{1,9})/")
_BUILD_ARG = re.compile(r".*/args/build-arg:([^/]+)")
_STEP = re.compile(r"(.*/llbDefinition)/(\d{1,9})/")
_DOCKERFILE = re.compile(r"(.*)/source/infos/(\d{1,9})/data")


class Attribution:
    """Answers for one image. Built once, asked for every hit."""

    def __init__(self, image: Image) -> None:
        """Takes the image whose history and attestations say what there is to say."""
        config = as_map(image.config.value) if image.config else {}
        self.steps = parse_history(config.get("history"))
        self._evidence = Evidence(self.steps)
        self._sources: dict[str, _SourceMap] = {}
        self.made = map_layers(self.steps, len(image.layers)) if image.kind == "image" else ()

    def layer(self, index: int) -> Instruction | None:
        """The instruction that made a layer, where there is only one candidate."""
        made = self._made(index)
        return instruction(made.candidates[0], sure=made.sure) if len(made.candidates) == 1 else None

    def _made(self, index: int) -> Made:
        return self.made[index] if index < len(self.made) else Made((), False)

    def file(self, index: int, found: FileHit, path: bytes) -> Instruction | None:
        """The instruction that wrote a file into a layer."""
        made = self._made(index)
        if made.sure:
            return instruction(made.candidates[0])
        secret = found.hit.secret.decode("utf-8", "replace")
        guess = self._evidence.best(made.candidates, path.decode("utf-8", "replace"), secret)
        return instruction(guess, sure=False) if guess else None

    def field(self, found: FieldHit) -> Instruction | None:
        """The instruction that set a field of the config, of its history or of an attestation."""
        pointer = found.place.pointer
        if found.document.kind == "attestation":
            return _from_provenance(found, self._source_map(found.document))
        if found.document.kind not in ("config", "v1"):
            return None
        if match := _HISTORY.match(pointer):
            return self._history(int(match[1]), found)
        # An array of arguments is one field, its elements have no rows of their own.
        row = row_of(pointer) or row_of(pointer.rpartition("/")[0])
        return self._config(row.keyword, pointer, found) if row and row.keyword else None

    def _source_map(self, document: Document) -> "_SourceMap":
        known = self._sources.get(document.where)
        if known is None:
            known = self._sources[document.where] = _SourceMap(document)
        return known

    def _history(self, index: int, found: FieldHit) -> Instruction | None:
        if index >= len(self.steps):
            return None
        step = self.steps[index]
        at = found.place.offset
        if found.place.pointer.endswith("/created_by"):
            for arg in step.args:
                # Hits count bytes, the history characters.
                start = len(step.created_by[: arg.start].encode("utf-8", "backslashreplace"))
                if start <= at < start + len(arg.value.encode("utf-8", "backslashreplace")):
                    return self._declared(arg.name, index)
        return instruction(step)

    def _declared(self, name: str, before: int) -> Instruction:
        for step in reversed(self.steps[:before]):
            if step.keyword == "ARG" and name in step.names:
                text = step.text if len(step.names) == 1 else f"ARG {name}"  # buildah names all ARGs so far
                first = self._first_declaration(name)
                return instruction(first or step, text=text if first is step or first is None else f"ARG {name}")
        return Instruction("ARG", f"ARG {name}", None, "history")

    def _first_declaration(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.keyword == "ARG" and name in step.names), None)

    def _config(self, keyword: str, pointer: str, found: FieldHit) -> Instruction:
        """The last instruction of its kind wins the config; of ENV and LABEL, the last that sets the name."""
        name = ""
        if keyword == "ENV":
            name = _string_at(found.document.value, pointer).partition("=")[0]
        elif keyword == "LABEL":
            name = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        for step in reversed(self.steps):
            if step.keyword == keyword and (not name or name in step.names):
                return instruction(step)
        # The history does not have it (it was cut, squashed, or another builder's); the config still does.
        return Instruction(keyword, f"{keyword} {name}".strip(), None, "guess")


def instruction(step: Step, *, sure: bool = True, text: str = "") -> Instruction:
    """A history step as the instruction it was."""
    return Instruction(step.keyword, text or step.text, step.index, "history" if sure else "guess")


def _string_at(value: Any, pointer: str) -> str:
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ""
    return as_text(value)


def _from_provenance(found: FieldHit, source: "_SourceMap") -> Instruction | None:
    pointer = found.place.pointer
    if match := _BUILD_ARG.fullmatch(pointer):
        return Instruction("ARG", f"ARG {match[1].replace('~1', '/').replace('~0', '~')}", None, "provenance")
    if (match := _DOCKERFILE.fullmatch(pointer)) and found.line:
        return source.instruction(int(match[2]), found.line)
    if match := _STEP.match(pointer):
        return source.step(int(match[2]))
    return None


class _SourceMap:
    """Where the provenance says that build steps come from (BuildKit, docs/attestations/slsa-definitions.md)."""

    def __init__(self, document: Document) -> None:
        predicate = as_map(as_map(document.value).get("predicate"))
        run = as_map(as_map(predicate.get("runDetails")).get("metadata"))
        metadata = as_map(predicate.get("metadata"))
        old = "https://mobyproject.org/buildkit@v1#metadata"
        places = (run.get("buildkit_metadata"), run.get(old), metadata.get(old))
        self._source = as_map(next((as_map(p).get("source") for p in places if as_map(p).get("source")), {}))
        internal = as_map(as_map(predicate.get("buildDefinition")).get("internalParameters"))
        config = as_map(internal.get("buildConfig") or predicate.get("buildConfig"))
        self._steps: Sequence[Any] = as_list(config.get("llbDefinition"))
        self._parsed: dict[int, tuple[Command, ...]] = {}

    @cached_property
    def _infos(self) -> list[Any]:
        return as_list(self._source.get("infos"))

    def _commands(self, info: int) -> tuple[Command, ...]:
        if info not in self._parsed:
            self._parsed[info] = self._parse(info)
        return self._parsed[info]

    def _parse(self, info: int) -> tuple[Command, ...]:
        entry = as_map(self._infos[info]) if 0 <= info < len(self._infos) else {}
        try:
            return parse_dockerfile(base64.b64decode(as_text(entry.get("data"))).decode("utf-8", "replace"))
        except ValueError:
            return ()

    def instruction(self, info: int, line: int) -> Instruction | None:
        """The instruction at a line of an embedded Dockerfile."""
        command = command_at(self._commands(info), line)
        if command is None:
            return None
        name = as_text(as_map(self._infos[info]).get("filename"))
        lines = DockerfileLines(name, command.start_line, command.end_line)
        return Instruction(command.keyword, command.text, None, "provenance", command.stage, lines)

    def step(self, number: int) -> Instruction | None:
        """The instruction that a build step was made of."""
        step = as_map(self._steps[number]) if number < len(self._steps) else {}
        locations = as_map(as_map(self._source.get("locations")).get(as_text(step.get("id"))))
        for location in as_list(locations.get("locations")):
            for span in as_list(as_map(location).get("ranges")):
                line = as_map(as_map(span).get("start")).get("line", 0)
                info = as_map(location).get("sourceIndex", 0)
                if isinstance(line, int) and isinstance(info, int) and (at := self.instruction(info, line)):
                    return at
        operation = as_map(as_map(step.get("op")).get("Op"))
        if "exec" in operation:
            return Instruction("RUN", "RUN", None, "provenance")
        return Instruction("COPY", "COPY", None, "provenance") if "file" in operation else None
