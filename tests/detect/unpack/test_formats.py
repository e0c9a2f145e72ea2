"""Packages, databases, documents: made by the programs that make them, where those can be had."""

import json
import lzma
import shutil
import sqlite3
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from scanner.detect.unpack.formats import recognise
from scanner.detect.unpack.limits import Limits
from tests.detect.unpack.opening import opened
from tests.detect.unpack.test_archives import SMALL, TEXT

TOKEN = b"token = something\n"


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
@pytest.mark.parametrize("compression", ["gzip", "xz", "none"])
def test_files_and_scripts_of_a_debian_package_are_read(compression: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: tool\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: tool\n"
    )
    (tree / "DEBIAN" / "postinst").write_bytes(b"#!/bin/sh\n" + SMALL)
    (tree / "DEBIAN" / "postinst").chmod(0o755)
    (tree / "etc").mkdir()
    (tree / "etc" / "tool.conf").write_bytes(TEXT)
    subprocess.run(["dpkg-deb", f"-Z{compression}", "--build", tree, tmp_path / "tool.deb"], check=True)
    files, troubles = opened((tmp_path / "tool.deb").read_bytes())
    by_end = {inner[-1].removeprefix("./"): content for inner, content in files.items()}

    assert by_end["postinst"] == b"#!/bin/sh\n" + SMALL
    assert by_end["etc/tool.conf"] == TEXT
    assert troubles == []


@pytest.mark.skipif(shutil.which("ar") is None, reason="ar is not installed")
def test_a_library_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.o").write_bytes(SMALL)
    subprocess.run(["ar", "rc", tmp_path / "lib.a", tmp_path / "a.o"], check=True)

    assert recognise((tmp_path / "lib.a").read_bytes()[:512]) is None


def new_cpio(files: dict[str, bytes]) -> bytes:
    """A cpio archive in the form that rpm and the kernel use."""
    out = bytearray()
    for name, content in [*files.items(), ("TRAILER!!!", b"")]:
        path = name.encode() + b"\0"
        fields = [0, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def old_cpio(files: dict[str, bytes]) -> bytes:
    """A cpio archive in the form of POSIX.1."""
    out = b""
    for name, content in [*files.items(), ("TRAILER!!!", b"")]:
        path = name.encode() + b"\0"
        out += b"070707" + b"".join(b"%06o" % field for field in (0, 0, 0o100644, 0, 0, 1, 0))
        out += b"%011o%06o%011o" % (0, len(path), len(content)) + path + content
    return out


@pytest.mark.parametrize("make", [new_cpio, old_cpio])
@pytest.mark.parametrize("step", [0, 1000])
def test_members_of_a_cpio_are_read_of_archives_on_end_too(make: object, step: int) -> None:
    first, second = make({"a": SMALL, "b/c": TEXT}), make({"d": SMALL})  # type: ignore[operator] # the functions above
    data = first + bytes(-len(first) % 512) + second + bytes(512)

    assert opened(data, step=step) == ({("a",): SMALL, ("b/c",): TEXT, ("d",): SMALL}, [])


def test_what_an_rpm_package_installs_is_read() -> None:
    """By hand, since rpm is rarely where the tests run."""

    def section(entries: int, store: bytes) -> bytes:
        return b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", entries, len(store)) + bytes(16 * entries) + store

    signatures = section(3, b"a signature")
    data = b"\xed\xab\xee\xdb\3\0" + bytes(90) + signatures + bytes(-len(signatures) % 8)
    data += section(2, b"tool\0a tool\0") + lzma.compress(new_cpio({"./etc/tool.conf": SMALL}))
    files, troubles = opened(data)

    assert files[("payload", "payload", "./etc/tool.conf")] == SMALL
    assert files[("header",)] == b"tool\0a tool\0"
    assert troubles == []


def database(*statements: str, values: tuple[tuple[str, tuple[object, ...]], ...] = ()) -> bytes:
    connection = sqlite3.connect(":memory:")
    for statement in statements:
        connection.execute(statement)
    for statement, row in values:
        connection.execute(statement, row)
    connection.commit()
    return connection.serialize()


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_values_of_a_database_are_read_whole_whatever_page_they_are_on(encoding: str) -> None:
    long = "x" * 3000 + "|" + "y" * 9000
    data = database(
        f"PRAGMA encoding = '{encoding}'",
        'CREATE TABLE "odd "" name" (a TEXT, b BLOB, c INTEGER)',
        "CREATE VIEW endless AS SELECT 1",
        values=(('INSERT INTO "odd "" name" VALUES (?, ?, ?)', (long, b"blob of bytes", 7)),),
    )
    files, troubles = opened(data)
    if encoding == "UTF-8":
        assert files == {('odd " name',): long.encode() + b"\nblob of bytes\n"}
    assert long.encode() in files[('odd " name',)]
    assert troubles == []


def test_a_database_that_is_broken_or_computes_without_end_is_told() -> None:
    data = database(
        "CREATE TABLE t (a, b AS (length(zeroblob(1000)) || hex(zeroblob(40000000))))",
        values=(("INSERT INTO t (a) VALUES (?)", ("some value",)),),
    )
    for broken in (data, data[:100] + bytes(4000) + data[4100:], data[:1000]):
        _, troubles = opened(broken)
        assert len(troubles) == 1


def test_a_notebook_is_read_without_its_escapes() -> None:
    cells = [
        {"cell_type": "code", "source": ['key = "a\\n', 'b"\n'], "outputs": [{"text": ["said\n", "more"]}]},
        {"cell_type": "markdown", "source": "words é"},
        {"cell_type": "code", "source": [], "outputs": [{"data": {"text/plain": ["'x'"]}, "traceback": ["oh"]}]},
        "no cell",
    ]
    data = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()

    assert opened(data) == (
        {
            ("cell 0",): b'key = "a\\nb"\n',
            ("output 0 of cell 0",): b"said\nmore",
            ("cell 1",): "words é".encode(),
            ("output 0 of cell 2",): b"'x'\noh",
        },
        [],
    )


@pytest.mark.parametrize("data", [b'{"metadata": {"name": "x"}, "kind": "Secret"}', b'{"cells": [', b'{"cells": 1}'])
def test_other_json_holds_no_cells(data: bytes) -> None:
    assert opened(data) == ({}, [])


def test_streams_of_a_pdf_are_read_and_their_text_put_together() -> None:
    page = rb"BT /F1 12 Tf 72 720 Td [(gh) -20 (p_x\(y\)\101\9)] TJ 0 -14 Td (second \\ line) Tj ET"
    packed = zlib.compress(page)
    data = b"%PDF-1.7\n1 0 obj\n<< /Length 1 /Filter /FlateDecode >>\nstream\r\n" + packed + b"\nendstream\n"
    data += b"2 0 obj\n<< /Filter /FlateDecode >> stream\nno zlib endstream\n%%EOF"

    assert opened(data) == ({("stream 0",): page, ("text of stream 0",): b"ghp_x(y)A9\nsecond \\ line"}, [])


def test_an_encrypted_pdf_is_told() -> None:
    _, troubles = opened(b"%PDF-1.7\ntrailer << /Encrypt 5 0 R >>")
    assert [(trouble.reason, trouble.lost) for trouble in troubles] == [("encrypted", 37)]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("step", [0, 333])
def test_text_in_utf_16_is_read(order: str, step: int) -> None:
    text = "Kennwort = größe 🔑\r\n" * 100
    assert opened(f"\ufeff{text}".encode(order), step=step) == ({("UTF-16",): text.encode()}, [])


@pytest.mark.parametrize("data", [b"7z\xbc\xaf\x27\x1c" + bytes(50), b"Rar!\x1a\x07\x01\x00" + bytes(50)])
def test_archives_that_are_not_opened_are_told(data: bytes) -> None:
    files, troubles = opened(data)
    assert files == {}
    assert [(trouble.reason, trouble.lost) for trouble in troubles] == [
        ("an archive of a format that is not opened", len(data))
    ]


def test_what_must_be_held_and_is_too_large_is_told() -> None:
    _, troubles = opened(b"%PDF-" + bytes(1000), limits=Limits(held=500))
    assert [trouble.lost for trouble in troubles] == [1005]
    assert "larger than 500 bytes" in troubles[0].reason


def test_plain_files_are_none_of_these() -> None:
    heads = [
        b"",
        b"P",
        b"PK",
        b"{}",
        b"#!/bin/sh\n",
        b"\x7fELF" + bytes(500),
        b"x" * 512,
        b"%PD",
        b"BZh9 no",
        TEXT[:512],
    ]
    assert [recognise(head) for head in heads] == [None] * len(heads)
