import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.image.dockerfile import KEYWORDS
from scanner.image.history import Step, map_layers, parse_history

BUILDKIT = "buildkit.dockerfile.v0"


def entry(created_by: str, **fields: Any) -> dict[str, Any]:
    return {"created_by": created_by, **fields}


def step(created_by: str, **fields: Any) -> Step:
    """One entry by itself."""
    (only,) = parse_history([entry(created_by, **fields)])
    return only


def args(*entries: str, comment: str = BUILDKIT) -> list[tuple[str, str]]:
    """Names and values of the last entry's build arguments, each checked to lie where it says."""
    last = parse_history([entry(text, comment=comment) for text in entries])[-1]
    assert [arg.value for arg in last.args] == [last.created_by[arg.start : arg.end] for arg in last.args]
    return [(arg.name, arg.value) for arg in last.args]


@pytest.mark.parametrize(
    ("created_by", "keyword", "text"),
    [
        ("ADD base.tar / # buildkit", "ADD", "ADD base.tar /"),
        ("COPY --chown=app src dst # buildkit", "COPY", "COPY --chown=app src dst"),
        ("COPY <<EOT /app/x # buildkit", "COPY", "COPY <<EOT /app/x"),
        ("RUN /bin/sh -c apk add curl # buildkit", "RUN", "RUN apk add curl"),
        ("RUN |1 pkg=curl /bin/sh -c apk add $pkg # buildkit", "RUN", "RUN apk add $pkg"),
        ("RUN |0 /bin/sh -c true # buildkit", "RUN", "RUN true"),
        ("RUN /bin/sh -c set -e\necho one\n # buildkit", "RUN", "RUN set -e\necho one"),
        ("RUN curl -o /x https://example # buildkit", "RUN", "RUN curl -o /x https://example"),
        ("ENV TEST=foo bar", "ENV", "ENV TEST=foo bar"),
        ("ARG NPM_TOKEN=value", "ARG", "ARG NPM_TOKEN=value"),
        ('CMD ["node" "app.js"]', "CMD", 'CMD ["node" "app.js"]'),
        ("EXPOSE [8090/tcp]", "EXPOSE", "EXPOSE [8090/tcp]"),
        ("WORKDIR /app", "WORKDIR", "WORKDIR /app"),
    ],
)
def test_buildkits_entries_are_read(created_by: str, keyword: str, text: str) -> None:
    read = step(created_by, comment=BUILDKIT)
    assert ("buildkit", keyword, text) == (read.builder, read.keyword, read.text)


@pytest.mark.parametrize(
    ("created_by", "builder", "keyword", "text"),
    [
        ("/bin/sh -c #(nop) COPY file:0a1b in /dst ", "classic", "COPY", "COPY file:0a1b in /dst"),
        ("/bin/sh -c #(nop) COPY --chown=a:bfile:0a1b in / ", "classic", "COPY", "COPY --chown=a:bfile:0a1b in /"),
        ("/bin/sh -c #(nop) ADD dir:/multi:0a in / ", "classic", "ADD", "ADD dir:/multi:0a in /"),
        ('/bin/sh -c #(nop)  CMD ["sh"]', "classic", "CMD", 'CMD ["sh"]'),
        ("/bin/sh -c #(nop)  ARG NPM_TOKEN", "classic", "ARG", "ARG NPM_TOKEN"),
        ("/bin/sh -eu -c #(nop)  ENV A=b", "classic", "ENV", "ENV A=b"),
        ("cmd /S /C #(nop)  ENV A=b", "classic", "ENV", "ENV A=b"),
        ("powershell -Command #(nop) WORKDIR c:\\app", "classic", "WORKDIR", "WORKDIR c:\\app"),
        ("/bin/sh -c echo hello", "", "RUN", "RUN echo hello"),
        ("/bin/sh -c echo COPY this", "", "RUN", "RUN echo COPY this"),
        ("|1 A=b /bin/sh -c rm -f /x", "", "RUN", "RUN rm -f /x"),
    ],
)
def test_the_classic_builders_entries_are_read(created_by: str, builder: str, keyword: str, text: str) -> None:
    read = step(created_by)
    assert (builder, keyword, text) == (read.builder, read.keyword, read.text)


@pytest.mark.parametrize(
    ("created_by", "keyword", "text"),
    [
        ("/bin/sh -c #(nop) COPY dir:0a1b in ./files |inheritLabels=false", "COPY", "COPY dir:0a1b in ./files"),
        ("|1 K=v /bin/sh -c make|unsetLabel=io.x", "RUN", "RUN make"),
        ("/bin/sh -c #(nop) LABEL a=b|force-mtime=1|inheritLabels=true", "LABEL", "LABEL a=b"),
        ("/bin/sh -c --mount=type=secret,id=t cat /t", "RUN", "RUN --mount=type=secret,id=t cat /t"),
        ("/bin/sh -c --mount=type=bind,source=k cat k:" + "0a" * 32, "RUN", "RUN --mount=type=bind,source=k cat k"),
        ("/bin/sh -c docker pull a@sha256:" + "0a" * 32, "RUN", "RUN docker pull a@sha256:" + "0a" * 32),
        ("/bin/sh -c #(nop) ARG GIT_SHA NPM_TOKEN", "ARG", "ARG GIT_SHA NPM_TOKEN"),
        ("/bin/sh -c run parts", "RUN", "RUN run parts"),
    ],
)
def test_buildahs_entries_are_read(created_by: str, keyword: str, text: str) -> None:
    read = step(created_by, comment="FROM docker.io/library/alpine:3")
    assert ("buildah", keyword, text) == (read.builder, read.keyword, read.text)


@pytest.mark.parametrize(
    ("raw", "builder", "keyword", "text"),
    [
        ({"author": "kaniko", "created_by": "RUN mkdir /a"}, "kaniko", "RUN", "RUN mkdir /a"),
        ({"author": "kaniko", "created_by": "COPY --from=b x y"}, "kaniko", "COPY", "COPY --from=b x y"),
        ({"author": "Bazel", "created_by": "bazel build //pkg:target"}, "", "", "bazel build //pkg:target"),
        ({"author": "Jib", "created_by": "jib-maven-plugin:3.4", "comment": "classes"}, "", "", "jib-maven-plugin:3.4"),
        ({"author": "ko", "created_by": "ko build ko://example.com/app"}, "", "", "ko build ko://example.com/app"),
        ({"author": "apko", "created_by": "apko"}, "", "", "apko"),
        ({"comment": "store paths: ['/nix/store/x']"}, "", "", "store paths: ['/nix/store/x']"),
        ({"created_by": ""}, "", "", ""),
        ({"created_by": "", "comment": "Imported from -"}, "", "", "Imported from -"),
        ({"created_by": "bash"}, "", "", "bash"),
        ({"comment": "buildkit.exporter.image.v0"}, "buildkit", "", "buildkit.exporter.image.v0"),
    ],
)
def test_other_builders_entries_are_kept_as_they_are(raw: Any, builder: str, keyword: str, text: str) -> None:
    (read,) = parse_history([raw])
    assert (builder, keyword, text) == (read.builder, read.keyword, read.text)


@pytest.mark.parametrize(
    "shell",
    [
        "/bin/sh -c",
        "/bin/sh -eu -c",
        "/bin/bash -o pipefail -c",
        "/bin/bash -eo pipefail -c",
        "/bin/bash --login -c",
        "/bin/ash -eo pipefail -c",
        "/usr/bin/zsh -euxo pipefail -c",
        "/busybox/sh -c",
        "bash -lc",
        "cmd /S /C",
        "C:\\Windows\\System32\\cmd.exe /S /C",
        "powershell -Command",
        "powershell.exe -NoLogo -NonInteractive -Command",
        "powershell -ExecutionPolicy Bypass -Command",
        "pwsh -Command",
        "/usr/bin/pwsh -NoProfile -Command",
    ],
)
def test_the_shell_is_no_part_of_the_instruction(shell: str) -> None:
    assert step(f"RUN {shell} make it # buildkit").text == "RUN make it"
    assert step(f"{shell} make it").text == "RUN make it"
    last = parse_history([entry("ARG A"), entry(f"|2 A=b c D=e f {shell} make it")])[-1]
    assert (last.text, [arg.value for arg in last.args]) == ("RUN make it", ["b c", "e f"])


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["RUN |1 A=b /bin/sh -c x"], [("A", "b")]),
        (["RUN |1 A=b c d /bin/sh -c x"], [("A", "b c d")]),
        (["RUN |1 A= /bin/sh -c x"], [("A", "")]),
        (["RUN |3 A= B= C= /bin/sh -c x"], [("A", ""), ("B", ""), ("C", "")]),
        (["RUN |2 A=b=c D==e /bin/sh -c x"], [("A", "b=c"), ("D", "=e")]),
        (["ARG A", "ARG B", "RUN |2 A=x y=z B=w /bin/sh -c x"], [("A", "x y=z"), ("B", "w")]),
        (["RUN |2 A=one two B=three four /bin/sh -c x"], [("A", "one two"), ("B", "three four")]),
        (["ARG A=one two", "RUN |1 A=one two python3 -c x"], [("A", "one two")]),
        (["ARG A=one", "RUN |1 A=one two /bin/sh -c x"], [("A", "one two")]),
        (["ARG A=one", "ARG B", "RUN |2 A=one two B=x /bin/sh -c x"], [("A", "one two"), ("B", "x")]),
        (["RUN |1 URL=https://u:p@h/?a=b&c=d /bin/sh -c x"], [("URL", "https://u:p@h/?a=b&c=d")]),
        (["RUN |1 A=tab\tand\nline /bin/sh -c x"], [("A", "tab\tand\nline")]),
    ],
)
def test_argument_values_are_cut_at_what_is_known(entries: list[str], expected: list[tuple[str, str]]) -> None:
    assert expected == args(*entries)


def test_arguments_of_the_classic_builder_need_no_declaration() -> None:
    expected = [("GIT_SHA", "2386bf"), ("NPM_TOKEN", "npm_abc")]
    assert expected == args("|2 GIT_SHA=2386bf NPM_TOKEN=npm_abc /bin/sh -c npm ci", comment="")


def test_a_count_that_does_not_fit_loses_no_command() -> None:
    assert step("RUN |5 A=b /bin/sh -c make # buildkit").text == "RUN make"
    assert step("RUN |0 x A=b /bin/sh -c make # buildkit").text == "RUN x A=b /bin/sh -c make"


@pytest.mark.parametrize(
    ("created_by", "names"),
    [
        ("ARG A", ("A",)),
        ("ARG A=b c", ("A",)),
        ("ARG A=", ("A",)),
        ("ARG A B C=d", ("A", "B", "C")),
        ("ARG A=1 B=2", ("A", "B")),
        ("ENV A=b C=d e", ("A", "C")),
        ("ENV A some value=x", ("A",)),
        ('ENV A="x y=z" B=c', ("A", "B")),
        ("ENV A='x y=z' B=c", ("A", "B")),
        ('LABEL "com.example.vendor"="ACME Inc=1" other=x', ("com.example.vendor", "other")),
        ("ENV", ()),
        ("RUN A=b", ()),
    ],
)
def test_an_instruction_knows_the_names_it_sets(created_by: str, names: tuple[str, ...]) -> None:
    assert names == step(created_by, comment=BUILDKIT).names


@pytest.mark.parametrize("history", [None, 7, "RUN x", {}, {"0": {}}])
def test_a_history_that_is_no_array_has_no_steps(history: Any) -> None:
    assert parse_history(history) == ()


def test_entries_that_are_no_objects_are_steps_without_text() -> None:
    steps = parse_history([None, 7, [], {"created_by": 7, "comment": [], "empty_layer": "yes", "created": {}}])
    assert [(s.keyword, s.text, s.empty, s.created) for s in steps] == [("", "", False, "")] * 4
    assert [s.index for s in steps] == [0, 1, 2, 3]


FRAGMENTS = [
    "|",
    "|2 ",
    "A=",
    "b",
    " ",
    "/bin/sh -c ",
    "RUN ",
    "ARG ",
    "ENV ",
    "#(nop) ",
    " # buildkit",
    "\n",
    '"',
    "=",
]


@given(st.lists(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=12).map("".join)))
def test_any_text_is_read(texts: list[str]) -> None:
    steps = parse_history([entry(text) for text in texts])
    for text, read in zip(texts, steps, strict=True):
        assert text == read.created_by
        assert read.keyword in KEYWORDS | {""}
        for arg in read.args:
            assert arg.value == text[arg.start : arg.end]
        assert len(map_layers(steps, 3)) == 3


HOSTILE = {
    "blanks": "a" + " " * 300_000 + "b",
    "options": "x" + "|force-mtime=1" * 20_000 + " y",
    "arguments": "RUN |999 " + "A=b " * 50_000 + "/bin/sh",
    "arguments of one name": "|999 " + "A=" * 100_000,
    "shells": "RUN |1 A=" + "/bin/sh -x " * 30_000,
    "shell options": "/bin/sh" + " -x" * 100_000,
    "quotes": "ENV A=" + '" b="' * 50_000,
    "names": "ARG " + "A " * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long_to_read(text: str) -> None:
    started = time.process_time()
    parse_history([entry("ARG ZZZ", comment=BUILDKIT), entry(text, comment=BUILDKIT)])
    assert time.process_time() - started < 2


# --- which step made which layer --------------------------------------------------------------------------------------


def made(entries: list[tuple[str, bool]], count: int) -> list[tuple[list[int], bool]]:
    """For each layer the indexes of the steps that may have made it, and whether that is sure."""
    steps = parse_history([entry(text, empty_layer=empty) for text, empty in entries])
    return [([candidate.index for candidate in one.candidates], one.sure) for one in map_layers(steps, count)]


def test_entries_that_are_not_empty_stand_for_the_layers_in_order() -> None:
    entries = [("ADD a /", False), ("ENV A=b", True), ("RUN /bin/sh -c x", False), ("CMD x", True)]
    assert made(entries, 2) == [([0], True), ([2], True)]


@pytest.mark.parametrize("count", [1, 3])
def test_counts_that_differ_leave_every_instruction_that_makes_layers(count: int) -> None:
    entries = [("ADD a /", False), ("ENV A=b", True), ("RUN /bin/sh -c x", False), ("bazel build //x", True)]
    assert [([0, 2, 3], False)] * count == made(entries, count)


def test_an_image_without_history_leaves_nothing_to_blame() -> None:
    assert made([], 2) == [([], False), ([], False)]


def test_a_squashed_image_is_not_blamed_on_its_last_instruction() -> None:
    entries = [("ADD a /", True), ("RUN /bin/sh -c x", True), ("ENV A=b", True), ("CMD x", False)]
    assert made(entries, 1) == [([0, 1], False)]


def test_a_squash_of_one_instruction_is_sure() -> None:
    assert made([("ADD a /", True), ("CMD x", False)], 1) == [([0], True)]


def test_a_squash_that_ends_in_a_copy_may_be_any_of_them() -> None:
    entries = [("FROM b", True), ("COPY a /", True), ("RUN /bin/sh -c x", False)]
    assert made(entries, 1) == [([1, 2], False)]


def test_a_run_that_changed_nothing_means_nothing() -> None:
    # Docker's classic builder marks it empty; BuildKit makes an empty layer of it.
    assert made([("ADD a /", False), ("RUN /bin/sh -c true", True), ("COPY b /", False)], 2) == [
        ([0], True),
        ([2], True),
    ]


def test_each_squashed_stage_has_its_own_candidates() -> None:
    entries = [("ADD a /", True), ("CMD x", False), ("COPY b /", True), ("RUN /bin/sh -c y", True), ("CMD z", False)]
    assert made(entries, 2) == [([0], True), ([2, 3], False)]


def test_layers_of_builders_without_instructions_are_sure() -> None:
    assert made([("bazel build //a", False), ("", False)], 2) == [([0], True), ([1], True)]


def test_buildah_counts_words_and_not_arguments() -> None:
    entry = {"created_by": "|4 A=one two three B=two /bin/sh -c echo TOKEN=abc > /f"}
    declared = {"created_by": "/bin/sh -c #(nop) ARG A B", "empty_layer": True}
    step = parse_history([declared, entry])[1]
    assert (step.text, [(arg.name, arg.value) for arg in step.args]) == (
        "RUN echo TOKEN=abc > /f",
        [("A", "one two three"), ("B", "two")],
    )
