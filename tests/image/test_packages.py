"""Databases of package managers: which file belongs to whom, and with which digest."""

import base64
import hashlib
import io
import sqlite3
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.image.layer import Layer
from scanner.image.packages import Content, is_record, owned
from tests.image.archives import file_entry, tar_of, tar_of_files

FILE = b"host = example\n"
MD5 = hashlib.md5(FILE).hexdigest()
SHA1 = hashlib.sha1(FILE).digest()
SHA256 = hashlib.sha256(FILE).digest()


def told(records: dict[bytes, bytes], *wanted: bytes) -> list[tuple[str, str, str]]:
    return [(item.package, item.algorithm, item.digest) for item in owned(records, frozenset(wanted))]


def test_debian_lists_sums_of_a_package() -> None:
    records = {b"var/lib/dpkg/info/libacme:amd64.md5sums": f"{MD5}  usr/share/acme/a b\n".encode()}

    assert told(records, b"usr/share/acme/a b") == [("Debian package libacme", "md5", MD5)]
    assert told(records, b"usr/share/acme/other") == []


def test_a_file_of_debian_is_found_where_merged_folders_put_it() -> None:
    records = {b"var/lib/dpkg/info/acme.md5sums": f"{MD5}  lib/acme.conf\n".encode()}

    assert told(records, b"usr/lib/acme.conf") == [("Debian package acme", "md5", MD5)]


@pytest.mark.parametrize("path", [b"var/lib/dpkg/status", b"var/lib/dpkg/status.d/acme"])
def test_debian_lists_settings_apart(path: bytes) -> None:
    status = (
        f"Package: acme\nStatus: install ok installed\nConffiles:\n /etc/acme.conf {MD5}\n /etc/old {MD5} obsolete\n"
    )

    assert told({path: status.encode()}, b"etc/acme.conf") == [("Debian package acme", "md5", MD5)]


def test_alpine_lists_files_below_their_folders() -> None:
    sum_ = "Q1" + base64.b64encode(SHA1).decode()
    text = f"C:Q1x=\nP:acme\nV:1.0-r0\nF:etc\nR:acme.conf\na:0:0:600\nZ:{sum_}\nF:\nR:top\nZ:{sum_}\n"

    expected = [("Alpine package acme", "sha1", SHA1.hex())]
    assert told({b"lib/apk/db/installed": text.encode()}, b"etc/acme.conf") == expected
    assert told({b"lib/apk/db/installed": text.encode()}, b"top") == expected


def wheel(**others: bytes) -> dict[bytes, bytes]:
    sum_ = base64.urlsafe_b64encode(SHA256).rstrip(b"=").decode()
    record = f'acme/conf.ini,sha256={sum_},15\n"acme/a,b",sha256={sum_},15\nacme/x.pyc,,\nodd\n'
    info = b"srv/site-packages/acme-1.0.dist-info/"
    return {info + b"RECORD": record.encode(), **{info + name.encode(): data for name, data in others.items()}}


@pytest.mark.parametrize("file", [b"conf.ini", b"a,b"])
def test_a_wheel_lists_its_files_beside_its_own_folder(file: bytes) -> None:
    assert told(wheel(), b"srv/site-packages/acme/" + file) == [("Python package acme", "sha256", SHA256.hex())]


def test_a_wheel_that_came_from_no_index_says_nothing() -> None:
    records = wheel(**{"direct_url.json": b'{"url": "file:///build", "dir_info": {}}'})

    assert told(records, b"srv/site-packages/acme/conf.ini") == []


def rpm_header(*, algorithm: int = 8) -> bytes:
    values: list[tuple[int, int, int, bytes]] = [
        (1000, 6, 1, b"acme\0"),
        (1116, 4, 2, struct.pack(">2I", 0, 1)),
        (1117, 8, 2, b"acme.conf\0link\0"),
        (1118, 8, 2, b"/etc/\0/usr/\0"),
        (1035, 8, 2, SHA256.hex().encode() + b"\0\0"),
        (5011, 4, 1, struct.pack(">I", algorithm)),
    ]
    store, entries = b"", b""
    for tag, kind, count, data in values:
        store += bytes(-len(store) % 4)
        entries += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    return struct.pack(">II", len(values), len(store)) + entries + store


def rpm_database(folder: Path, *headers: bytes) -> bytes:
    path = folder / "rpmdb.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
    connection.commit()
    connection.close()
    return path.read_bytes()


def test_rpm_lists_files_in_its_headers(tmp_path: Path) -> None:
    records = {b"var/lib/rpm/rpmdb.sqlite": rpm_database(tmp_path, b"broken", rpm_header(), b"")}

    assert told(records, b"etc/acme.conf") == [("RPM package acme", "sha256", SHA256.hex())]
    assert told(records, b"usr/link") == []


def test_a_digest_of_an_unknown_kind_says_nothing(tmp_path: Path) -> None:
    records = {b"var/lib/rpm/rpmdb.sqlite": rpm_database(tmp_path, rpm_header(algorithm=99))}

    assert told(records, b"etc/acme.conf") == []


def test_a_database_that_would_never_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.image.packages._PATIENCE", 2)
    path = tmp_path / "endless.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE VIEW Packages AS WITH RECURSIVE n(blob) AS (SELECT 1 UNION ALL SELECT blob + 1 FROM n) "
        "SELECT blob FROM n WHERE blob < 0"
    )
    connection.close()

    assert told({b"var/lib/rpm/rpmdb.sqlite": path.read_bytes()}, b"etc/acme.conf") == []


@given(
    st.sampled_from([b"a.md5sums", b"lib/dpkg/status", b"db/installed", b"x.dist-info/RECORD", b"/rpmdb.sqlite"]),
    st.binary(),
)
def test_nothing_that_a_database_holds_ends_in_an_error(path: bytes, content: bytes) -> None:
    assert told({path: content}, b"nothing/of/this/name") == []


def test_only_databases_are_kept_of_a_layer() -> None:
    big = b"".join(b"%032d  usr/share/%d\n" % (number, number) for number in range(40_000))
    files = {
        "usr/bin/a": b"x",
        "var/lib/dpkg/info/acme.md5sums": big,
        "var/lib/dpkg/info/acme.list": b"/usr",
        "srv/acme-1.dist-info/RECORD": b"acme/a,,\n",
    }
    layer = Layer(io.BytesIO(tar_of_files(files)), 4096, 32768)
    for _ in layer.blocks():
        pass

    assert {path: bytes(content) for path, content in layer.records.items()} == {
        b"var/lib/dpkg/info/acme.md5sums": big,
        b"srv/acme-1.dist-info/RECORD": b"acme/a,,\n",
    }


def test_a_database_that_is_too_large_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.image.layer.MAX_RECORD", 1000)
    layer = Layer(io.BytesIO(tar_of_files({"lib/apk/db/installed": b"P:a\n" * 1000})), 512, 512)
    for _ in layer.blocks():
        pass

    assert layer.records == {}
    assert [problem.reason for problem in layer.problems] == [
        "lib/apk/db/installed: package database too large to be read"
    ]


def test_of_databases_of_one_name_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.image.layer.MAX_RECORD", 1000)
    name = "lib/apk/db/installed"
    entries = [file_entry(name, data) for data in (b"P:a\n", b"P:b\n" * 1000, b"P:c\n")]
    layer = Layer(io.BytesIO(tar_of(entries)), 512, 512)
    for _ in layer.blocks():
        pass

    assert layer.records == {name.encode(): b"P:c\n"}
    assert len(layer.problems) == 1


def test_content_has_the_digests_that_databases_use() -> None:
    assert Content.of(FILE).digests == {
        "md5": MD5,
        "sha1": SHA1.hex(),
        "sha256": SHA256.hex(),
        "sha512": hashlib.sha512(FILE).hexdigest(),
    }


def test_the_databases_are_known_by_their_paths() -> None:
    yes = [
        "var/lib/dpkg/info/a.md5sums",
        "var/lib/dpkg/status.d/a",
        "lib/apk/db/installed",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
    ]
    no = ["etc/passwd", "var/lib/dpkg/info/a.list", "srv/RECORD.txt"]

    assert [is_record(path.encode()) for path in yes + no] == [True] * 4 + [False] * 3
