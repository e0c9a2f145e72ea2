"""Composes the benchmark's images: the same layers as gzip, zstd and plain, with the plants in them.

Beside the archives lie the layers' files, each layer in a folder of its own, for programs that read no archives.
"""

import dataclasses
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.bench.archive import ALONE, COMPRESS, FORMS, regular, save, sha256
from tests.bench.plant import Plant
from tests.bench.trees import MIB, Tree

SAMPLE_BYTES = 16 * MIB
"""About how much of the files a program gets that is too slow for all of them."""
LARGE = 2 * MIB
"""Files from this size on are mostly binaries, and in no sample."""


@dataclass(frozen=True)
class Planted:
    """Where a plant came to lie.

    Attributes:
        plant: what was planted; for the end of a huge file, with its true path.
        line: the secret's line in its file, from 1; 0 in the config.
        sampled: whether its file is in the sample.
    """

    plant: Plant
    line: int
    sampled: bool = False


@dataclass(frozen=True)
class Images:
    """What there is to scan.

    Attributes:
        folder: holds it all.
        planted: the secrets, wherever they came to lie.
        stored: bytes of the layers by form, as stored.
        content: bytes of the files in the layers.
        files: how many they are.
        layers: names of the layers, base first.
        alone: name of the one that is an image of its own too.
        sample: bytes of the files in the sample.
        population: bytes of the files that it was taken from: all but large ones.
    """

    folder: Path
    planted: tuple[Planted, ...]
    stored: dict[str, int]
    content: int
    files: int
    layers: tuple[str, ...]
    alone: str
    sample: int
    population: int

    def archive(self, form: str) -> Path:
        """The image with its layers in a form."""
        return self.folder / f"{form}.tar"

    @property
    def tree(self) -> Path:
        """The files of all layers, and the config."""
        return self.folder / "tree"

    @property
    def sampled(self) -> Path:
        """The files of the sample."""
        return self.folder / "sample"


@dataclass
class _Layer:
    """A layer on its way: its plain tar, and the blobs made of it."""

    name: str
    instruction: str
    tar: Path
    diff_id: str = ""


def compose(folder: Path, trees: Iterable[Tree], plants: Iterable[Plant], told: Callable[[str], None]) -> Images:
    """Composes the images of some trees, unless they are there already.

    Args:
        folder: for the archives, the extracted files and the list of plants; its parent has to exist.
        trees: become a layer each; plants in the layers of other trees go to the application's layer.
        plants: the secrets.
        told: is told what goes on.
    """
    if (folder / "images.json").exists():
        return load(folder)
    making = folder.with_name(f"{folder.name}.{os.getpid()}")
    making.mkdir(parents=True)
    try:
        _compose(making, tuple(trees), tuple(plants), told)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return load(folder)


def load(folder: Path) -> Images:
    """The images in a folder."""
    known = json.loads((folder / "images.json").read_text())
    planted = tuple(
        Planted(Plant(**{**p["plant"], "needles": tuple(p["plant"]["needles"])}), p["line"], p["sampled"])
        for p in known.pop("planted")
    )
    return Images(folder=folder, planted=planted, **{**known, "layers": tuple(known["layers"])})


def _compose(folder: Path, trees: tuple[Tree, ...], plants: tuple[Plant, ...], told: Callable[[str], None]) -> None:
    layers: list[_Layer] = []
    planted: list[Planted] = []
    content = files = 0
    plants = tuple(_settle(plants, trees))
    told("composing layers")
    for tree in (*trees, None):
        name = tree.name if tree else "app"
        own = [plant for plant in plants if plant.layer == name]
        path = folder / f"{name}.tar"
        with tarfile.open(path, "w") as tar:
            planted += _fill(tar, tree, own)
        layers.append(_Layer(name, _INSTRUCTIONS.get(name, f"COPY {name} /"), path))
    layers.append(_cleanup(folder, plants))
    planted += [Planted(plant, 0) for plant in plants if not plant.layer]
    for layer in layers:
        layer.diff_id = sha256(layer.tar)
    config = _config(layers, plants)
    told("extracting them for programs that read no archives")
    for number, layer in enumerate(layers):
        written = extract(layer.tar, folder / "tree" / f"{number}-{layer.name}")
        content, files = content + written[0], files + written[1]
    (folder / "tree" / "config.json").write_bytes(config)
    planted, sample, population = _sample(folder, planted, [f"{n}-{layer.name}" for n, layer in enumerate(layers)])
    stored, alone = {}, ""
    for form in FORMS:
        told(f"compressing: {form}")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            blobs = list(pool.map(lambda layer, form=form: COMPRESS[form](layer.tar), layers))
        stored[form] = sum(blob.stat().st_size for blob in blobs)
        save(folder / f"{form}.tar", form, config, blobs)
        if form == "gzip":
            blob, layer = max(zip(blobs, layers, strict=True), key=lambda pair: pair[0].stat().st_size)
            save(folder / f"{ALONE}.tar", form, _config([layer], ()), [blob])
            alone = layer.name
        for blob in blobs:
            if form != "plain":
                blob.unlink()
    for layer in layers:
        layer.tar.unlink()
    known = {
        "planted": [dataclasses.asdict(p) for p in planted],
        "stored": stored,
        "content": content,
        "files": files,
        "layers": [layer.name for layer in layers],
        "alone": alone,
        "sample": sample,
        "population": population,
    }
    (folder / "images.json").write_text(json.dumps(known, indent=1))


def _settle(plants: Iterable[Plant], trees: tuple[Tree, ...]) -> Iterator[Plant]:
    """The plants in layers that there are; those at the end of huge files with the path of one."""
    names = {tree.name: tree for tree in trees}
    for plant in plants:
        if plant.layer in ("", "app"):
            yield plant
        elif plant.layer not in names:
            yield dataclasses.replace(plant, layer="app", path=plant.path.replace("#", "opt/tail"))
        elif plant.path.startswith("#"):
            tree = names[plant.layer]
            largest = sorted((p for p in tree.folder.rglob("*") if p.is_file()), key=lambda p: -p.stat().st_size)
            path = largest[int(plant.path[1:]) % len(largest)].relative_to(tree.folder)
            yield dataclasses.replace(plant, path=f"{tree.prefix}/{path}")
        else:
            yield plant


def _fill(tar: tarfile.TarFile, tree: Tree | None, plants: list[Plant]) -> Iterator[Planted]:
    """Writes a layer: the files of its tree, some with plants at their end, then the plants' own files."""
    rest: dict[str, list[Plant]] = {}
    for plant in plants:
        rest.setdefault(plant.path, []).append(plant)
    if tree:
        for path in sorted(tree.folder.rglob("*")):
            name = f"{tree.prefix}/{path.relative_to(tree.folder)}".lstrip("/")
            member = tar.gettarinfo(str(path), name)
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            if not member.isreg():
                tar.addfile(member)
                continue
            with path.open("rb") as file:
                if name not in rest:
                    tar.addfile(member, file)
                    continue
                yield from _add_planted(tar, member, file.read(), rest.pop(name))
    for name, own in rest.items():
        yield from _add_planted(tar, regular(name), b"", own)


def _add_planted(tar: tarfile.TarFile, member: tarfile.TarInfo, data: bytes, plants: list[Plant]) -> Iterator[Planted]:
    texts = dict.fromkeys(plant.text for plant in plants)
    starts = {}
    for text in texts:
        starts[text] = data.count(b"\n") + 1
        data += text.encode()
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
    for plant in plants:
        yield Planted(plant, starts[plant.text] + plant.line)


def _cleanup(folder: Path, plants: tuple[Plant, ...]) -> _Layer:
    """The last layer: whiteouts of files to delete, and harmless files over those to overwrite."""
    layer = _Layer("cleanup", _INSTRUCTIONS["cleanup"], folder / "cleanup.tar")
    with tarfile.open(layer.tar, "w") as tar:
        for plant in plants:
            if plant.place == "deleted file":
                parent, _, name = plant.path.rpartition("/")
                tar.addfile(regular(f"{parent}/.wh.{name}"))
            elif plant.place == "overwritten file":
                text = b"# nothing to see here any more\n"
                tar.addfile(regular(plant.path, len(text)), io.BytesIO(text))
    return layer


_INSTRUCTIONS = {
    "rootfs": "ADD rootfs.tar / # buildkit",
    "python": "RUN /bin/sh -c pip install -r requirements.txt # buildkit",
    "node": "RUN {arguments}/bin/sh -c npm ci # buildkit",
    "huge": "COPY /out /opt # buildkit",
    "app": "COPY . /srv/app # buildkit",
    "cleanup": "RUN /bin/sh -c rm /tmp/gcp.json && echo > /srv/app/.git-credentials # buildkit",
}


def _config(layers: list[_Layer], plants: tuple[Plant, ...]) -> bytes:
    def named(place: str) -> list[Plant]:
        return [plant for plant in plants if plant.place == place]

    variables = [f"{plant.path}={plant.text}" for plant in named("ENV")]
    labels = {plant.path: plant.text for plant in named("LABEL")}
    arguments = [f"{plant.path}={plant.text}" for plant in named("ARG in history")]
    given = f"|{len(arguments)} {' '.join(arguments)} " if arguments else ""
    created = "2025-01-31T12:00:00Z"
    empty = [
        *(f"ENV {variable}" for variable in variables),
        *(f"LABEL {name}={value}" for name, value in labels.items()),
        *(f"ARG {argument.partition('=')[0]}" for argument in arguments),
    ]
    common: dict[str, object] = {"created": created, "comment": "buildkit.dockerfile.v0"}
    history = [{**common, "created_by": text, "empty_layer": True} for text in empty]
    for layer in layers:
        text = layer.instruction.replace("{arguments}", given)
        if layer.name == "app" and given and not any(other.name == "node" for other in layers):
            text = f"RUN {given}/bin/sh -c make install # buildkit"
        history.append({**common, "created_by": text})
    config = {
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin", *variables], "Labels": labels, "WorkingDir": "/srv/app"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]},
        "history": history,
    }
    return json.dumps(config).encode()


def extract(tar: Path, folder: Path) -> tuple[int, int]:
    """Writes a layer's regular files, whiteouts too; returns their bytes and number. Links would only repeat them.

    A name that leads out of the folder ends it: tars of whole file systems may come from anywhere.
    """
    content = files = 0
    folder.mkdir(parents=True)
    with tarfile.open(tar) as archive:
        for member in archive:
            if not member.isreg():
                continue
            path = folder / member.name.lstrip("/")
            if ".." in path.parts:
                raise ValueError(f"{tar}: {member.name!r} leads out of the folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            if source is None:
                continue
            with path.open("wb") as file:
                _copy(source, file)
            content, files = content + member.size, files + 1
    return content, files


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    shutil.copyfileobj(source, target, MIB)


def _sample(folder: Path, planted: list[Planted], layers: list[str]) -> tuple[list[Planted], int, int]:
    """Links files that are not large into the sample: those with plants, and the others at even distances.

    Returns the plants with word of whether they are in it, and the bytes of the sample and of what it was taken from.
    """
    tree = folder / "tree"
    number = {name.partition("-")[2]: name for name in layers}
    chosen = set()
    result = []
    for each in planted:
        plant = each.plant
        path = tree / number[plant.layer] / plant.path if plant.layer else tree / "config.json"
        fits = path.stat().st_size < LARGE
        if fits:
            chosen.add(path)
        result.append(dataclasses.replace(each, sampled=fits))
    return result, *link_sample(tree, folder / "sample", chosen)


def link_sample(tree: Path, sample: Path, chosen: Iterable[Path] = ()) -> tuple[int, int]:
    """Links files that are not large into a sample: the chosen ones, and the others at even distances.

    Returns the bytes of the sample and of what it was taken from.
    """
    files = sorted(path for path in tree.rglob("*") if path.is_file() and path.stat().st_size < LARGE)
    population = sum(path.stat().st_size for path in files)
    total = 0
    for path in {*chosen, *files[:: max(1, population // SAMPLE_BYTES)]}:
        target = sample / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
        total += path.stat().st_size
    return total, population
