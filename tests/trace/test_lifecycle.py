"""What becomes of a file, by the rules of the image-spec's layer.md."""

import pytest

from scanner.hits import Fate
from scanner.trace.lifecycle import fates
from tests.trace.images import layer

FILE = (0, b"srv/conf/key", 1)
BASE = layer("srv/conf/", "srv/conf/key")


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ((), Fate("present", None)),
        ((layer("srv/other"),), Fate("present", None)),
        ((layer("srv/conf/"),), Fate("present", None)),
        ((layer("srv/conf/.wh.key"),), Fate("deleted", 1)),
        ((layer("srv/.wh.conf"),), Fate("deleted", 1)),
        ((layer(".wh.srv"),), Fate("deleted", 1)),
        ((layer("srv/conf/key"),), Fate("overwritten", 1)),
        ((layer("srv/conf/key/"),), Fate("overwritten", 1)),
        ((layer("srv/conf/", "srv/conf/.wh..wh..opq"),), Fate("hidden", 1)),
        ((layer(".wh..wh..opq"),), Fate("hidden", 1)),
        ((layer("srv/conf"),), Fate("hidden", 1)),
        ((layer("srv/.wh.conf", "srv/conf/", "srv/conf/key"),), Fate("overwritten", 1)),
        ((layer("srv/conf/.wh.other"),), Fate("present", None)),
        ((layer("srv/conf/.wh..wh.plnk"),), Fate("present", None)),
        ((layer("etc/x"), layer("srv/.wh.conf"), layer("srv/conf/key")), Fate("deleted", 2)),
        ((None, layer("srv/.wh.conf")), Fate("deleted", 2)),
    ],
)
def test_the_first_layer_above_that_touches_it_decides(above: tuple[object, ...], expected: Fate) -> None:
    assert fates([BASE, *above], [FILE])[FILE] == expected  # type: ignore[list-item] # layers and None


def test_an_opaque_directory_hides_nothing_of_its_own_layer() -> None:
    own = layer("srv/.wh..wh..opq", "srv/key")

    assert fates([own], [(0, b"srv/key", 1)]) == {(0, b"srv/key", 1): Fate("present", None)}


def test_a_later_member_of_the_same_path_overwrites_within_the_layer() -> None:
    twice = layer("key", "key")

    assert fates([twice], [(0, b"key", 0), (0, b"key", 1)]) == {
        (0, b"key", 0): Fate("overwritten", 0),
        (0, b"key", 1): Fate("present", None),
    }
