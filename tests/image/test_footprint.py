import io
import tarfile

import pytest

from scanner.image.footprint import Footprint, Touch, is_whiteout
from scanner.image.layer import Layer
from tests.image.archives import file_entry, tar_of

DIRECTORY = {"type": tarfile.DIRTYPE}


def footprint(*entries: tuple[tarfile.TarInfo, bytes]) -> Footprint:
    """Of a layer of these members."""
    layer = Layer(io.BytesIO(tar_of(entries)), 0, 0)
    for _ in layer.blocks():
        pass
    return layer.footprint


def test_a_whiteout_removes_the_path_it_names() -> None:
    found = footprint(file_entry("etc/.wh.passwd"), file_entry("./.wh.root"), file_entry("/a/b/.wh..wh"))
    assert {b"etc/passwd", b"root", b"a/b/.wh"} == found.whiteouts


def test_an_opaque_whiteout_hides_the_directory_it_is_in() -> None:
    found = footprint(file_entry("etc/.wh..wh..opq"), file_entry(".wh..wh..opq"))
    assert ({b"etc", b""}, set()) == (found.opaques, found.whiteouts)


@pytest.mark.parametrize("name", [".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk", "a/.wh..wh.x"])
def test_aufs_own_bookkeeping_removes_nothing(name: str) -> None:
    found = footprint(file_entry(name, **DIRECTORY))
    assert (set(), set()) == (found.opaques, found.whiteouts)


def test_only_the_last_part_of_a_path_makes_a_whiteout() -> None:
    found = footprint(file_entry("x.wh.y/file"), file_entry(".wh.x/file"), file_entry("a.wh.b"))
    assert set() == found.whiteouts
    assert [is_whiteout(name) for name in (b".wh.x/f", b"a.wh.b", b".wh.x", b"d/.wh.x")] == [False, False, True, True]


def test_a_hard_link_is_kept_with_its_target() -> None:
    link = {"type": tarfile.LNKTYPE}
    found = footprint(
        file_entry("a", b"1"),
        file_entry("b", linkname="./a", **link),
        file_entry("c.wh.d/e", linkname="/a", **link),
        file_entry("f", linkname=".wh..wh.plnk/1.2", **link),
        file_entry("g", linkname="a", type=tarfile.SYMTYPE),
    )
    assert found.links == {b"a": [b"b", b"c.wh.d/e"], b".wh..wh.plnk/1.2": [b"f"]}


def test_a_touch_is_of_the_last_member_of_that_path() -> None:
    found = footprint(file_entry("a", b"1"), file_entry("d/", **DIRECTORY), file_entry("./a", b"2"))
    expected = {b"a": Touch(2, False), b"d": Touch(1, True)}
    assert expected == found.touches({b"a", b"d", b"missing"})


def test_a_directory_that_a_file_replaces_is_none() -> None:
    found = footprint(file_entry("keys/", **DIRECTORY), file_entry("keys", b"moved"))
    assert {b"keys": Touch(1, False)} == found.touches({b"keys"})


def test_nothing_is_touched_where_nothing_is_asked() -> None:
    assert footprint(file_entry("a")).touches(set()) == {}
