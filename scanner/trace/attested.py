"""What a field of BuildKit's provenance is blamed on: build arguments, steps and their variables, the Dockerfile."""

import re

from scanner.finding import Instruction
from scanner.hits import FieldHit
from scanner.image.dockerfile import Command, Dockerfile, command_at
from scanner.image.fields import string_at, unescape
from scanner.image.oci import Document
from scanner.image.provenance import BuildStep, Provenance
from scanner.trace.blame import Blame
from scanner.trace.origins import Deed, Origins
from scanner.trace.recipe import Recipe, told

_BUILD_ARG = re.compile(r".*/args/build-arg:([^/]+)")
_STEP = re.compile(r".*/buildConfig/llbDefinition/(\d{1,9})/")
_STEP_ENV = re.compile(r".*/exec/meta/env/\d{1,9}")
_DOCKERFILE = re.compile(r".*/source/infos/(\d{1,9})/data")


class Attested:
    """Answers for the statements about one image."""

    def __init__(self, recipe: Recipe | None, origins: Origins | None) -> None:
        """Takes the image's Dockerfile, if there is one."""
        self._recipe, self._origins = recipe, origins
        self._statements: dict[str, Provenance] = {}

    def field(self, found: FieldHit) -> Blame:
        """Who set a field of a statement."""
        pointer, secret = found.place.pointer, found.hit.secret.decode("utf-8", "replace")
        provenance = self._statement(found.document)
        if match := _BUILD_ARG.fullmatch(pointer):
            return self._build_arg(provenance, unescape(match[1]), secret)
        if (match := _DOCKERFILE.fullmatch(pointer)) and found.line:
            return self._at(provenance, int(match[1]), found.line, secret)
        if (match := _STEP.match(pointer)) and int(match[1]) < len(provenance.steps):
            is_env = _STEP_ENV.fullmatch(pointer) is not None
            variable = string_at(found.document.value, pointer).partition("=")[0] if is_env else ""
            return self._step(provenance, provenance.steps[int(match[1])], variable, secret)
        return Blame()

    def _statement(self, document: Document) -> Provenance:
        recipe = self._recipe
        if recipe and recipe.provenance and recipe.provenance.document is document:
            return recipe.provenance  # whose Dockerfiles are read already
        if document.where not in self._statements:
            self._statements[document.where] = Provenance(document)
        return self._statements[document.where]

    def _build_arg(self, provenance: Provenance, name: str, secret: str) -> Blame:
        for dockerfile in provenance.dockerfiles:
            for command in dockerfile.commands if dockerfile else ():
                if dockerfile and command.keyword == "ARG" and any(known == name for known, _ in command.pairs):
                    return self._own(dockerfile, command, secret)
        return Blame(Instruction("ARG", f"ARG {name}", None, "provenance"))

    def _at(self, provenance: Provenance, source: int, line: int, secret: str) -> Blame:
        dockerfile, command = self._command(provenance, source, line)
        return self._own(dockerfile, command, secret) if dockerfile and command else Blame()

    def _own(self, dockerfile: Dockerfile, command: Command, secret: str) -> Blame:
        """An instruction in which the value stands, or which let it in by its name."""
        place = self._recipe.locate(command) if self._recipe and self._recipe.dockerfile is dockerfile else None
        if self._origins is None or place is None:
            return Blame(told(dockerfile, command, "provenance"))
        return self._origins.blame(Deed(*place), Deed(*place), secret)

    def _command(self, provenance: Provenance, source: int, line: int) -> tuple[Dockerfile | None, Command | None]:
        known = provenance.dockerfiles
        dockerfile = known[source] if 0 <= source < len(known) else None
        return dockerfile, command_at(dockerfile.commands, line) if dockerfile else None

    def _step(self, provenance: Provenance, step: BuildStep, variable: str, secret: str) -> Blame:
        origin = provenance.origin(step)
        dockerfile, command = self._command(provenance, origin.source, origin.line) if origin else (None, None)
        if dockerfile is None or command is None:
            keyword = {"exec": "RUN", "file": "COPY"}.get(step.kind, "")
            return Blame(Instruction(keyword, keyword, None, "provenance") if keyword else None)
        recipe, place = self._recipe, None
        if recipe is not None and recipe.dockerfile is dockerfile:
            place = recipe.locate(command)
        if recipe is None or self._origins is None or place is None:
            return Blame(told(dockerfile, command, "provenance"))
        deed = Deed(*place)
        setting = self._origins.setting(deed, variable) if variable else None
        return self._origins.blame(deed, self._origins.of_value(setting or deed, secret), secret)
