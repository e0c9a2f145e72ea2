from scanner.image.buildcache import chains
from scanner.image.oci import Document, Image, LayerRef


def cache(*layers: tuple[str, int | None]) -> Image:
    """A cache of these blobs, each with the index of its parent; none is written for the first, as Go does it."""
    config = [{"blob": blob, **({} if parent is None else {"parent": parent})} for blob, parent in layers]
    refs = tuple(LayerRef(index, blob, blob) for index, (blob, _) in enumerate(layers))
    return Image("build-cache", layers=refs, config=Document("config", "c", "", {"layers": config}))


def test_layers_follow_each_other_by_their_parents() -> None:
    found = chains(cache(("base", -1), ("c", 2), ("b", None), ("other", 0)))
    assert sorted(found) == [(0, 2, 1), (0, 3)]


def test_a_chain_without_a_lowest_layer_is_none() -> None:
    assert list(chains(cache(("a", 1), ("b", None), ("c", 1)))) == []


def test_a_blob_that_is_not_there_ends_its_chain() -> None:
    image = cache(("base", -1), ("b", None))
    assert list(chains(Image("build-cache", layers=image.layers[1:], config=image.config))) == []


def test_no_config_leads_in_circles_or_takes_long() -> None:
    many = cache(
        ("base", -1), *((f"l{n}", max(0, n - 1)) for n in range(1, 3000)), *((f"t{n}", 2999) for n in range(3000))
    )
    assert len(list(chains(many))) <= 3000
    assert list(chains(Image("build-cache"))) == []
