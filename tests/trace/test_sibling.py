"""Build caches read by the provenance of an image of the same build."""

import base64
from collections.abc import Mapping, Sequence

from scanner.image.oci import Document, Image, LayerRef
from scanner.trace.attribution import Attribution
from scanner.trace.findings import findings
from scanner.trace.sibling import siblings
from tests.trace.dockerfiles import blamed
from tests.trace.images import SECRET, layer, scanned

VALUE = SECRET.decode()
TEXT = f"FROM scratch AS build\nARG T={VALUE}\nCOPY a /\nRUN echo $T > /k\nFROM scratch\nCOPY --from=build /b /b\n"


def cache(*layers: tuple[str, int]) -> Image:
    """A cache of these blobs, each with the index of its parent."""
    config = [{"blob": blob, "parent": parent} for blob, parent in layers]
    refs = tuple(LayerRef(index, blob, blob) for index, (blob, _) in enumerate(layers))
    return Image("build-cache", layers=refs, config=Document("config", "c", "", {"layers": config}))


def built(text: str, lines: Mapping[str, int], made: Mapping[str, Sequence[str]]) -> Image:
    """An image whose provenance has these lines for its steps, and these chains of layers."""
    metadata = {
        "source": {
            "infos": [{"filename": "Dockerfile", "data": base64.b64encode(text.encode()).decode()}],
            "locations": {
                step: {"locations": [{"ranges": [{"start": {"line": line}}]}]} for step, line in lines.items()
            },
        },
        "layers": {f"{step}:0": [[{"digest": digest} for digest in chain]] for step, chain in made.items()},
    }
    steps = [{"id": step, "op": {"Op": {"exec": {}}}} for step in lines]
    predicate = {"buildConfig": {"llbDefinition": steps}, "metadata": {_KEY: metadata}}
    return Image("image", documents=(Document("attestation", "s", "", {"predicate": predicate}),))


_KEY = "https://mobyproject.org/buildkit@v1#metadata"
BUILT = built(TEXT, {"s0": 3, "s1": 4, "s2": 6}, {"s0": ["a"], "s1": ["a", "k"], "s2": ["b"]})


def test_layers_of_stages_that_are_in_no_image_are_tied_to_their_instructions() -> None:
    of = cache(("a", -1), ("k", 0), ("b", -1))
    told = Attribution(of, None, tuple(siblings(BUILT)))
    (finding,) = findings(scanned(of, layer("a"), layer("k", secret_in="k"), layer("b")), told, b"k")

    assert blamed(finding) == [("ARG", 2, 2, "provenance"), ("RUN", 4, 4, "provenance")]
    assert finding.introduced_by is not None
    assert finding.introduced_by.stage == "build"
    last = told.layer(2)
    assert last is not None
    assert (last.keyword, last.stage) == ("COPY", 1)


def test_a_layer_upon_others_than_the_build_says_is_another_one() -> None:
    told = Attribution(cache(("x", -1), ("k", 0)), None, tuple(siblings(BUILT)))
    assert (told.layer(0), told.layer(1)) == (None, None)


def test_of_several_builds_that_counts_which_knows_most_layers() -> None:
    other = built("FROM scratch\nCOPY z /\n", {"s0": 2}, {"s0": ["a"]})
    told = Attribution(cache(("a", -1), ("k", 0)), None, (*siblings(other), *siblings(BUILT)))
    assert [i and i.dockerfile and i.dockerfile.start_line for i in (told.layer(0), told.layer(1))] == [3, 4]


def test_an_image_without_provenance_says_nothing_of_a_cache() -> None:
    assert list(siblings(Image("image"))) == []
    assert list(siblings(built("", {"s0": 1}, {"s0": ["a"]}))) == []
    assert list(siblings(built(TEXT, {"s0": 999}, {"s0": ["a"]}))) == []
