import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.image.fields import MAX_DEPTH, Shape, Text, escape, lay_out, row_of
from scanner.image.oci import Document, parse_document


def laid_out(value: Any) -> Text:
    return lay_out(Document("config", "config.json", "sha256:0", value))


def found(text: Text, string: str) -> tuple[str, int, bool]:
    """Pointer, offset and whether decoded, of the one place where a string is."""
    encoded = string.encode()
    assert text.data.count(encoded) == 1, text.data
    place = text.place(text.data.index(encoded))
    return place.pointer, place.offset, place.decoded


def resolve(value: Any, pointer: str) -> Any:
    """What a JSON Pointer leads to (RFC 6901, section 4)."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=30,
)


def strings_of(value: Any, pointer: str = "") -> list[tuple[str, str]]:
    """Every string of a document with its pointer."""
    if isinstance(value, str):
        return [(pointer, value)]
    if isinstance(value, list):
        return [pair for at, item in enumerate(value) for pair in strings_of(item, f"{pointer}/{at}")]
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in strings_of(item, f"{pointer}/{escape(key)}")]
    return []


def keys_of(value: Any) -> list[str]:
    if isinstance(value, list):
        return [key for item in value for key in keys_of(item)]
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in keys_of(item))]
    return []


@given(JSON)
def test_every_string_is_in_the_text_and_leads_back_to_its_pointer(value: Any) -> None:
    text = laid_out(value)
    places: dict[tuple[str, int], int] = {}
    for start in range(len(text.data) + 1):
        place = text.place(start) if text.regions else None
        if place is not None and place.offset >= 0:
            places.setdefault((place.pointer, place.offset), start)
    for pointer, string in strings_of(value):
        encoded = string.encode("utf-8", "backslashreplace")
        at = places[pointer, 0]
        assert encoded == text.data[at : at + len(encoded)]
        assert any(region.start <= at and at + len(encoded) <= region.end for region in text.regions)
        assert string == resolve(value, pointer)
    for key in keys_of(value):
        assert key.encode("utf-8", "backslashreplace") in text.data


@given(JSON)
def test_regions_ascend_and_are_divided_by_newlines(value: Any) -> None:
    text = laid_out(value)
    end = -1
    for region in text.regions:
        assert (end + 1, "") == (region.start, region.path)
        assert text.data[region.end : region.end + 1] == b"\n"
        end = region.end


@pytest.mark.parametrize(("key", "token"), [("a/b", "a~1b"), ("m~n", "m~0n"), ("~1", "~01"), ("", ""), ("é", "é")])
def test_a_key_is_escaped_in_a_pointer(key: str, token: str) -> None:
    text = laid_out({"Labels": {key: "value-of-it"}})
    assert (f"/Labels/{token}", 0, False) == found(text, "value-of-it")


def test_a_key_stands_before_its_value() -> None:
    text = laid_out({"first": "x", "config": {"Labels": {"db.password": "hunter2"}}})
    assert b"db.password=hunter2" in text.data
    assert found(text, "hunter2") == ("/config/Labels/db.password", 0, False)


def test_a_hit_in_a_key_leads_to_that_keys_field() -> None:
    text = laid_out({"first": "x", "registry": {"token-in-a-key": "value", "other-key": {"deep": "y"}}})
    assert ("/registry/token-in-a-key", -len("token-in-a-key="), False) == found(text, "token-in-a-key")
    assert found(text, "other-key") == ("/registry/other-key", 0, False)


def test_an_environment_entry_stands_by_itself() -> None:
    text = laid_out({"config": {"Env": ["PATH=/bin", "TOKEN=abc"]}})
    assert b"TOKEN=abc" in text.data.splitlines()
    assert found(text, "abc") == ("/config/Env/1", 6, False)


@pytest.mark.parametrize("field", ["Cmd", "Entrypoint", "Shell"])
def test_arguments_are_on_one_line_each_with_its_own_pointer(field: str) -> None:
    text = laid_out({"config": {field: ["serve", "--token", "abc def", ""]}})
    assert b"serve --token abc def " in text.data.split(b"\n")
    assert (f"/config/{field}/1", 2, False) == found(text, "token")
    assert (f"/config/{field}/2", 4, False) == found(text, "def")


def test_the_healthcheck_is_one_line() -> None:
    text = laid_out({"config": {"Healthcheck": {"Test": ["CMD", "curl", "-u", "me:pw"]}}})
    assert b"CMD curl -u me:pw" in text.data
    assert found(text, "pw") == ("/config/Healthcheck/Test/3", 3, False)


def test_arguments_that_are_not_all_strings_are_read_one_by_one() -> None:
    text = laid_out({"config": {"Cmd": ["serve", 7, ["--token"], {"k": "the-end"}]}})
    assert found(text, "--token") == ("/config/Cmd/2/0", 0, False)
    assert found(text, "the-end") == ("/config/Cmd/3/k", 0, False)


def test_a_step_of_the_provenance_is_read_as_its_command_line() -> None:
    step = {"Op": {"exec": {"meta": {"args": ["/bin/sh", "-c", "run it"], "env": ["A=secret-one"]}}}}
    text = laid_out({"predicate": {"buildConfig": {"llbDefinition": [{"id": "step0", "op": step}]}}})
    pointer = "/predicate/buildConfig/llbDefinition/0/op/Op/exec/meta"
    assert b"/bin/sh -c run it" in text.data
    assert (f"{pointer}/args/2", 0, False) == found(text, "run it")
    assert (f"{pointer}/env/0", 2, False) == found(text, "secret-one")


def test_a_base64_field_is_read_decoded_line_by_line() -> None:
    dockerfile = "FROM a\nRUN echo secret-two\n"
    value = {"source": {"infos": [{"filename": "Dockerfile", "data": base64.b64encode(dockerfile.encode()).decode()}]}}
    text = laid_out({"m": value})
    pointer = "/m/source/infos/0/data"
    assert (pointer, dockerfile.index("secret"), True) == found(text, "secret-two")
    assert dockerfile.encode() == text.decoded_lines(pointer)[: len(dockerfile)]
    assert text.decoded_lines("/m/source/infos/0/filename") == b""


@pytest.mark.parametrize("data", ["not base64!", "ä", "abc"])
def test_a_base64_field_that_is_none_is_read_as_it_is(data: str) -> None:
    text = laid_out({"op": {"mkfile": {"data": data}}})
    assert found(text, data) == ("/op/mkfile/data", 0, False)


def test_a_lone_surrogate_is_read_as_its_escape() -> None:
    document = parse_document("config", "c", b'{"a": "x\\ud800y", "b\\udfff": "z"}')
    text = lay_out(document)
    assert b"x\\ud800y" in text.data
    assert ((place := text.place(text.data.index(b"z"))).pointer, place.offset) == ("/b\udfff", 0)


def test_what_lies_too_deep_for_a_pointer_is_read_under_its_ancestor() -> None:
    inner: Any = {"token": "deep-secret", "list": [{"deepest-key": None}, "and-more"]}
    for _ in range(MAX_DEPTH + 300):
        inner = [inner]
    text = lay_out(parse_document("config", "c", json.dumps({"a": inner}).encode()))
    assert b"token=deep-secret" in text.data
    pointer = "/a" + "/0" * (MAX_DEPTH - 1)
    assert (pointer, 0, False) == found(text, "deep-secret")
    assert (pointer, 0, False) == found(text, "and-more")
    assert (pointer, 0, False) == found(text, "deepest-key")


@pytest.mark.parametrize("value", [None, 7, True, [], {}, [[]]])
def test_a_document_without_strings_has_no_text(value: Any) -> None:
    assert (laid_out(value).data, laid_out(value).regions) == (b"", ())


@pytest.mark.parametrize(
    ("pointer", "shape", "keyword"),
    [
        ("/config/Env/0", Shape.PLAIN, "ENV"),
        ("/container_config/Cmd", Shape.ARGV, "CMD"),
        ("/config/Labels/a~1b", Shape.KEYED, "LABEL"),
        ("/config/OnBuild/12", Shape.PLAIN, "ONBUILD"),
        ("/history/3/created_by", Shape.PLAIN, ""),
        ("/moby.buildkit.cache.v0", Shape.BASE64, ""),
        ("/predicate/x/mkfile/data", Shape.BASE64, "COPY"),
    ],
)
def test_the_table_says_how_a_field_is_read(pointer: str, shape: Shape, keyword: str) -> None:
    row = row_of(pointer)
    assert row is not None
    assert (shape, keyword) == (row.shape, row.keyword)


@pytest.mark.parametrize(
    "pointer", ["", "/", "/config", "/config/Env", "/config/Env/x", "/x/config/Cmd", "/rootfs/type"]
)
def test_a_field_that_is_not_in_the_table_has_no_row(pointer: str) -> None:
    assert row_of(pointer) is None


def test_beside_a_field_stand_those_of_the_same_array_or_object_and_all_of_the_history() -> None:
    text = laid_out(
        {
            "config": {"Env": ["A=1", "B=2"], "Labels": {"c": "3", "d": "4"}},
            "history": [{"created_by": "RUN a", "comment": "x"}, {"created_by": "RUN b"}],
        }
    )

    seen = list(dict.fromkeys(text.data[start:end].decode() for start, end in text.scopes))
    assert seen == [
        "config",
        "Env",
        "A=1\nB=2",
        "Labels",
        "c=3\nd=4",
        "history",
        "RUN a\nx\nRUN b",
    ]
    assert len(text.scopes) == len(text.regions)
