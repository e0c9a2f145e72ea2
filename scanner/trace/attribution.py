"""Which instruction a hit is blamed on: by provenance, a Dockerfile, the history, or by content where none says.

Computed once an image; everything else only prints it.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from scanner.finding import Instruction
from scanner.hits import FieldHit, FileHit
from scanner.image.dockerfile import Dockerfile
from scanner.image.fields import row_of, string_at, unescape
from scanner.image.history import Made, Step, map_layers, parse_history
from scanner.image.oci import Image, Skip, as_map
from scanner.trace.alignment import squeeze
from scanner.trace.attested import Attested
from scanner.trace.blame import Blame
from scanner.trace.evidence import Evidence
from scanner.trace.given import Given
from scanner.trace.origins import Deed, Origins, secret_mounts
from scanner.trace.recipe import Recipe, from_dockerfile, from_provenance
from scanner.trace.sibling import Sibling, from_sibling

_HISTORY = re.compile(r"/history/(\d{1,9})/")


class Attribution:
    """Answers for one image. Built once, asked for every hit."""

    def __init__(self, image: Image, given: Given | None = None, known: Sequence[Sibling] = ()) -> None:
        """Takes what there is to know.

        Args:
            image: whose history and attestations say what there is to say.
            given: a Dockerfile that the user says the image was built from.
            known: builds that a build cache may be of.
        """
        config = as_map(image.config.value) if image.config else {}
        self.steps = parse_history(config.get("history"))
        self._evidence = Evidence(self.steps)
        self.made = map_layers(self.steps, len(image.layers)) if image.kind == "image" else ()
        self._squashed: dict[int, tuple[tuple[Step, ...], frozenset[int]]] = {}
        self.notes: tuple[Skip, ...] = ()
        self._recipe = self._find_recipe(image, given, known)
        self._origins = Origins(self._recipe) if self._recipe else None
        self._attested = Attested(self._recipe, self._origins)

    def _find_recipe(self, image: Image, given: Given | None, known: Sequence[Sibling]) -> Recipe | None:
        is_cache = image.kind == "build-cache"
        proven = from_sibling(image, known) if is_cache else from_provenance(image, self.steps)
        if given is None or image.kind not in ("image", "build-cache"):
            return proven
        if proven is not None:
            if proven.dockerfile.lines == given.dockerfile.lines:
                return proven
            told = f"{given.dockerfile.path} is not the Dockerfile in the image's provenance, which is used instead"
            self.notes = (Skip("dockerfile", told, complete=True),)
            return proven
        recipe, told_of = from_dockerfile(given, image, self.steps)
        self.notes = tuple(Skip("dockerfile", told, complete=True) for told in told_of)
        return recipe

    @property
    def dockerfile(self) -> Dockerfile | None:
        """The Dockerfile that instructions are told from, if there is one."""
        return self._recipe.dockerfile if self._recipe else None

    def base(self, index: int) -> bool:
        """Whether a layer is the base image's; False also where nothing says so."""
        return self._recipe is not None and index < self._recipe.base

    def precedence(self, instruction: Instruction) -> tuple[int, int, bool, bool, int]:
        """Orders instructions by when they ran, as far as that is known.

        A build argument comes before whatever it was used in.
        """
        lines, index = instruction.dockerfile, instruction.history_index
        first = min(self._recipe.entries, default=0) if self._recipe else 0
        # By lines where there are any: stages may only read from those before them. Below is the base image.
        known = 1 if lines else 0 if index is not None and index < first else 2
        return known, lines.start_line if lines else 0, instruction.keyword != "ARG", index is None, index or 0

    def step(self, step: Step, *, sure: bool = True) -> Instruction:
        """A history entry as the instruction it was."""
        recipe = self._recipe
        command = recipe.of_entry(step.index) if recipe else None
        if recipe is None or command is None:
            return instruction(step, sure=sure)
        return recipe.instruction(command, step.index, sure=sure and step.index not in recipe.unsure)

    def layer(self, index: int) -> Instruction | None:
        """The instruction that made a layer, where there is only one candidate."""
        made = self._made(index)
        step = made.candidates[0] if len(made.candidates) == 1 else None
        if self._recipe and index < len(self._recipe.layers) and (command := self._recipe.layers[index]):
            return self._recipe.instruction(command, step.index if step else None)
        return self.step(step, sure=made.sure) if step else None

    def _made(self, index: int) -> Made:
        return self.made[index] if index < len(self.made) else Made((), False)

    def file(self, index: int, found: FileHit, path: bytes) -> Blame:
        """Who wrote a file into a layer, and who let its secret in."""
        name, secret = path.decode("utf-8", "replace"), found.hit.secret.decode("utf-8", "replace")
        deed = self._deed(index, name, secret)
        if deed is not None and self._origins is not None:
            return self._origins.blame(deed, self._origins.of_file(deed, name, secret), secret, in_file=True)
        made = self._made(index)
        if made.sure:
            step = made.candidates[0]
            return Blame(self.step(step), None, secret_mounts(step.text, secret))
        guess = self._evidence.best(made.candidates, name, secret)
        if guess is None:
            return Blame()
        if rivals := self._evidence.rivals(made.candidates, guess, name, secret):
            return Blame(replace(self.step(guess, sure=False), others=rivals))
        source = self._evidence.source(made.candidates, guess, name, secret)
        return Blame(self.step(guess, sure=False), self.step(source, sure=False), secret_mounts(source.text, secret))

    def _deed(self, index: int, path: str, secret: str) -> Deed | None:
        """The instruction of the Dockerfile that wrote a file, where there is a Dockerfile that has it."""
        recipe = self._recipe
        if recipe is None or self._origins is None:
            return None
        if index < len(recipe.layers) and (command := recipe.layers[index]):
            place = recipe.locate(command)
            return Deed(*place) if place else None
        made = self._made(index)
        if made.sure:
            at = recipe.entries.get(made.candidates[0].index)
            return None if at is None else Deed(recipe.scope, at, made.candidates[0].index not in recipe.unsure)
        # Squashed: any of the instructions that the layer stands for, also those whose entries were lost.
        others, within = self._squashed_into(index, recipe)
        deed = self._origins.writer(recipe.scope, path, secret, within=within)
        rival = self._evidence.best(others, path, secret)
        if deed and rival and self._evidence.support(rival, path, secret) > self._origins.support(deed, path, secret):
            return None
        return deed

    def _squashed_into(self, index: int, recipe: Recipe) -> tuple[tuple[Step, ...], frozenset[int]]:
        """What a layer may stand for: entries without an instruction, and positions of instructions."""
        if index not in self._squashed:
            known = {step.index for step in self._made(index).candidates}
            gone = {at for entry, at in recipe.entries.items() if entry not in known}
            others = tuple(step for step in self._made(index).candidates if step.index not in recipe.entries)
            within = frozenset(at for at in range(len(recipe.scope.commands)) if at not in gone)
            self._squashed[index] = (others, within)
        return self._squashed[index]

    def field(self, found: FieldHit) -> Blame:
        """Who set a field of the config, of its history or of an attestation."""
        pointer = found.place.pointer
        secret = found.hit.secret.decode("utf-8", "replace")
        if found.document.kind == "attestation":
            return self._attested.field(found)
        if found.document.kind not in ("config", "v1"):
            return Blame()
        if match := _HISTORY.match(pointer):
            return self._history(int(match[1]), found, secret)
        # An array of arguments is one field, its elements have no rows of their own.
        row = row_of(pointer) or row_of(pointer.rpartition("/")[0])
        return self._config(row.keyword, pointer, found, secret) if row and row.keyword else Blame()

    def _history(self, index: int, found: FieldHit, secret: str) -> Blame:
        if index >= len(self.steps):
            return Blame()
        step = self.steps[index]
        at = found.place.offset
        if found.place.pointer.endswith("/created_by"):
            for arg in step.args:
                # Hits count bytes, the history characters.
                start = len(step.created_by[: arg.start].encode("utf-8", "backslashreplace"))
                if start <= at < start + len(arg.value.encode("utf-8", "backslashreplace")):
                    return self._declared(arg.name, index)
        return self._of_step(step, secret)

    def _of_step(self, step: Step, secret: str) -> Blame:
        recipe = self._recipe
        at = recipe.entries.get(step.index) if recipe else None
        if recipe is None or self._origins is None or at is None:
            return Blame(self.step(step))
        deed = Deed(recipe.scope, at, step.index not in recipe.unsure)
        return self._origins.blame(deed, self._origins.of_value(deed, secret), secret)

    def _declared(self, name: str, before: int) -> Blame:
        declared = [step for step in self.steps[:before] if step.keyword == "ARG" and name in step.names]
        if not declared:
            return Blame(Instruction("ARG", f"ARG {name}", None, "history"))
        first = declared[0]
        if self._recipe and (command := self._recipe.of_entry(first.index)):
            return Blame(self._recipe.instruction(command, first.index))
        # Buildah names all ARGs so far in each entry.
        text = first.text if len(first.names) == 1 and first is declared[-1] else f"ARG {name}"
        return Blame(instruction(first, text=text))

    def _config(self, keyword: str, pointer: str, found: FieldHit, secret: str) -> Blame:
        """The last instruction of its kind wins the config; of ENV and LABEL, the last that sets the name."""
        name = ""
        if keyword == "ENV":
            name = string_at(found.document.value, pointer).partition("=")[0]
        elif keyword == "LABEL":
            name = unescape(pointer.rpartition("/")[2])
        trigger = squeeze(string_at(found.document.value, pointer)) if keyword == "ONBUILD" else ""
        for step in reversed(self.steps):
            if step.keyword == keyword and (not name or name in step.names) and trigger in squeeze(step.text):
                return self._of_step(step, secret)
        if self._recipe and self._origins:
            commands = self._recipe.scope.commands
            for at in range(len(commands) - 1, -1, -1):
                command = commands[at]
                names = [known for known, _ in command.pairs]
                if command.keyword == keyword and (not name or name in names) and trigger in squeeze(command.mentions):
                    deed = Deed(self._recipe.scope, at)
                    return self._origins.blame(deed, self._origins.of_value(deed, secret), secret)
        # The history does not have it (it was cut, squashed, or another builder's); the config still does.
        return Blame(Instruction(keyword, f"{keyword} {name}".strip(), None, "guess"))


def instruction(step: Step, *, sure: bool = True, text: str = "") -> Instruction:
    """A history step as the instruction it was."""
    return Instruction(step.keyword, text or step.text, step.index, "history" if sure else "guess")
