"""A Dockerfile that the user gives: aligned with histories of all builders, and said where it does not match."""

import time
from pathlib import Path

import pytest

from scanner.errors import DockerfileError
from scanner.trace.attribution import Attribution
from scanner.trace.given import load_given
from tests.trace.dockerfiles import blamed, found, given, notes
from tests.trace.images import SECRET, entry, image, in_field, layer

VALUE = SECRET.decode()

SIMPLE = """\
FROM debian:12
WORKDIR /app
ARG MODE=fast
ENV A="1 2" \\
    # why
    B=3
COPY --chown=1:1 conf/ ./conf/
RUN --mount=type=cache,target=/c \\
    make && \\
    make install
CMD ["sh", "-c", "x"]
"""

BUILDKIT = [
    entry("/bin/sh -c #(nop) ADD file:0123 in / "),
    entry('/bin/sh -c #(nop)  CMD ["bash"]', empty=True),
    entry("WORKDIR /app", comment="buildkit.dockerfile.v0"),
    entry("ARG MODE=fast", empty=True, comment="buildkit.dockerfile.v0"),
    entry("ENV A=1 2 B=3", empty=True, comment="buildkit.dockerfile.v0"),
    entry("COPY conf/ ./conf/ # buildkit", comment="buildkit.dockerfile.v0"),
    entry("RUN |1 MODE=fast /bin/sh -c make &&     make install # buildkit", comment="buildkit.dockerfile.v0"),
    entry('CMD ["sh" "-c" "x"]', empty=True, comment="buildkit.dockerfile.v0"),
]
CLASSIC = [
    *BUILDKIT[:2],
    entry("/bin/sh -c #(nop) WORKDIR /app"),
    entry("/bin/sh -c #(nop)  ARG MODE=fast", empty=True),
    entry("/bin/sh -c #(nop)  ENV A=1 2 B=3", empty=True),
    entry("/bin/sh -c #(nop) COPY --chown=1:1dir:4567 in ./conf/ "),
    entry("|1 MODE=fast /bin/sh -c make &&     make install"),
    entry('/bin/sh -c #(nop)  CMD ["sh" "-c" "x"]', empty=True),
]
BUILDAH = [
    *BUILDKIT[:2],
    entry("/bin/sh -c #(nop) WORKDIR /app", comment="FROM docker.io/library/debian:12"),
    entry("/bin/sh -c #(nop) ARG MODE", empty=True, comment="FROM 012345"),
    entry('/bin/sh -c #(nop) ENV A="1 2"     B=3', empty=True, comment="FROM 012345"),
    entry("/bin/sh -c #(nop) COPY dir:89ab in ./conf/ |inheritLabels=false", comment="FROM 012345"),
    entry("|1 MODE=fast /bin/sh -c --mount=type=cache,target=/c     make &&     make install", comment="FROM 012345"),
    entry('/bin/sh -c #(nop) CMD ["sh", "-c", "x"]', empty=True, comment="FROM 012345"),
]
KANIKO = [
    *BUILDKIT[:2],
    *({**entry(text), "author": "kaniko"} for text in ("WORKDIR /app", "COPY --chown=1:1 conf/ ./conf/")),
    {**entry("RUN --mount=type=cache,target=/c     make &&     make install"), "author": "kaniko"},
]
BUILDERS = pytest.mark.parametrize("history", [BUILDKIT, CLASSIC, BUILDAH], ids=["buildkit", "classic", "buildah"])


def made_of(history: list[dict[str, object]]) -> list[tuple[str, int] | None]:
    """Keyword and first line for each entry."""
    attribution = Attribution(image(history, 4), given(SIMPLE))
    told = [attribution.step(step) for step in attribution.steps]
    return [(i.keyword, i.dockerfile.start_line) if i.dockerfile else None for i in told]


@BUILDERS
def test_each_entry_has_its_lines_and_those_of_the_base_image_none(history: list[dict[str, object]]) -> None:
    wanted = [None, None, ("WORKDIR", 2), ("ARG", 3), ("ENV", 4), ("COPY", 7), ("RUN", 8), ("CMD", 11)]
    assert made_of(history) == wanted
    assert notes(image(history, 4), given(SIMPLE)) == []


def test_what_kaniko_leaves_out_is_no_mismatch() -> None:
    assert made_of(KANIKO) == [None, None, ("WORKDIR", 2), ("COPY", 7), ("RUN", 8)]
    assert notes(image(KANIKO, 4), given(SIMPLE)) == []


@BUILDERS
def test_layers_below_the_first_instruction_are_the_base_images(history: list[dict[str, object]]) -> None:
    attribution = Attribution(image(history, 4), given(SIMPLE))
    assert [attribution.base(index) for index in range(4)] == [True, False, False, False]


def test_without_a_base_image_no_layer_is_its_own() -> None:
    attribution = Attribution(image([entry("COPY a /a # buildkit")], 1), given("FROM scratch\nCOPY a /a\n"))
    assert not attribution.base(0)


def test_a_base_image_is_not_claimed_where_the_first_instructions_are_missing() -> None:
    history = [entry("ADD rootfs.tar /"), entry("COPY b /b # buildkit")]
    attribution = Attribution(image(history, 2), given("FROM x\nCOPY a /a\nCOPY b /b\n"))
    assert not attribution.base(0)


def test_a_secret_of_the_base_image_was_introduced_there_and_not_by_a_later_line() -> None:
    history = [entry("COPY key /key # buildkit"), entry("RUN /bin/sh -c chmod 600 /key # buildkit")]
    copy = layer("key", secret_in="key")
    told = found(image(history, 2), given("FROM x\nRUN chmod 600 /key\n"), copy, copy)

    assert blamed(told) == [None, None, ("RUN", 2, 2, "dockerfile")]
    assert told.introduced_by
    assert told.introduced_by.text == "COPY key /key"


def test_an_edited_instruction_is_matched_to_nothing_and_said() -> None:
    edited = SIMPLE.replace("make install", "ninja all; cp -r out /srv")
    assert notes(image(BUILDKIT, 4), given(edited)) == [
        "Dockerfile does not match the history in everything: RUN in line 8 of 5 instructions have no entry; "
        "history entries 6 are of no instruction"
    ]


def test_the_dockerfile_of_another_image_is_not_used() -> None:
    other = given("FROM x\nRUN a\nRUN b\nCOPY c /d\nCMD e\n")
    (told,) = notes(image(BUILDKIT, 4), other)

    assert told.startswith("Dockerfile is not what this image was built from: ")
    assert told.endswith("; it was not used")
    assert Attribution(image(BUILDKIT, 4), other).dockerfile is None


def test_the_stage_that_was_built_is_found_by_the_history_and_said() -> None:
    text = "FROM scratch AS one\nCOPY a /a\nRUN make a\nFROM scratch\nCOPY b /b\nRUN make b\n"
    history = [entry("COPY a /a # buildkit"), entry("RUN /bin/sh -c make a # buildkit")]

    assert notes(image(history, 2), given(text)) == ["Dockerfile: the history is that of stage one, not of the last"]
    assert notes(image(history, 2), given(text, "one")) == []
    assert "not what this image was built from" in notes(image(history, 2), given(text, "1"))[0]


def test_values_of_arguments_are_taken_from_the_build_for_names_in_instructions() -> None:
    text = "FROM x\nARG V\nENV A=$V\nCOPY a-$V.tar /opt/$V/\n"
    history = [
        entry("ARG V=9", empty=True, comment="buildkit.dockerfile.v0"),
        entry("ENV A=9", empty=True, comment="buildkit.dockerfile.v0"),
        entry("COPY a-9.tar /opt/9/ # buildkit"),
    ]
    assert notes(image(history, 1), given(text)) == []
    assert notes(image(history[1:], 1), given(text, V="9")) == []
    assert notes(image(history[1:], 1), given(text)) == []  # whatever it was, it stands in its place


def test_a_run_with_a_heredoc_is_matched_by_its_script() -> None:
    text = "FROM x\nRUN <<EOF\nset -e\nmake  all\nEOF\nRUN <<E1 cat > /x\nhello\nE1\n"
    history = [
        entry("RUN /bin/sh -c set -e\nmake  all\n # buildkit"),
        entry("RUN /bin/sh -c <<E1 cat > /x\nhello\nE1 # buildkit"),
    ]
    attribution = Attribution(image(history, 2), given(text))

    assert [attribution.step(s).dockerfile.start_line for s in attribution.steps] == [2, 6]  # type: ignore[union-attr]


def test_the_exec_form_of_a_run_matches_the_words_builders_print() -> None:
    told = notes(image([entry("RUN make all # buildkit")], 1), given('FROM x\nRUN ["make", "all"]\n'))
    assert told == []


def test_another_shell_is_no_mismatch() -> None:
    text = 'FROM x\nSHELL ["/bin/bash", "-euo", "pipefail", "-c"]\nRUN make\n'
    history = [
        entry("SHELL [/bin/bash -euo pipefail -c]", empty=True, comment="buildkit.dockerfile.v0"),
        entry("RUN /bin/bash -euo pipefail -c make # buildkit"),
    ]
    assert notes(image(history, 1), given(text)) == []


def test_what_a_trigger_did_is_blamed_on_the_onbuild() -> None:
    text = f"FROM x AS base\nONBUILD ENV T={VALUE}\nFROM base\nRUN make\n"
    history = [
        entry(f"ENV T={VALUE}", empty=True, comment="buildkit.dockerfile.v0"),
        entry("RUN /bin/sh -c make # buildkit"),
    ]
    made = image(history, 1, config={"Env": [f"T={VALUE}"]})
    told = found(made, given(text), layer("x"), fields=(in_field(made, "/config/Env/0"),))

    assert blamed(told) == [("ONBUILD", 2, 2, "dockerfile")] * 2


def test_in_a_squashed_image_lines_are_found_by_content_and_called_a_guess() -> None:
    text = "FROM scratch\nCOPY app/ /app/\nRUN echo x > /etc/token\nCMD sh\n"
    history = [
        entry("/bin/sh -c #(nop) COPY dir:1 in /app/ ", empty=True),
        entry("/bin/sh -c echo x > /etc/token", empty=True),
        entry('/bin/sh -c #(nop) CMD ["sh"]'),
    ]
    made, what = image(history, 1), given(text)

    assert blamed(found(made, what, layer("app/key", secret_in="app/key"))) == [("COPY", 2, 2, "guess")] * 2
    assert blamed(found(made, what, layer("etc/token", secret_in="etc/token"))) == [("RUN", 3, 3, "guess")] * 2


def test_without_a_history_instructions_are_found_by_content() -> None:
    text = "FROM scratch\nCOPY app/ /app/\nRUN echo x > /etc/token\n"
    made = image([], 1)

    assert blamed(found(made, given(text), layer("app/key", secret_in="app/key"))) == [("COPY", 2, 2, "guess")] * 2
    assert notes(made, given(text)) == ["the image has no history, so what Dockerfile says of it is found by content"]


def test_where_nothing_tells_instructions_apart_it_is_one_of_them() -> None:
    made = image([entry("RUN make a"), entry("RUN make b"), entry("RUN make c")], 1)
    told = found(made, None, layer("x/key", secret_in="x/key"))

    assert told.introduced_by
    assert (told.introduced_by.basis, told.introduced_by.others) == ("guess", 2)


def test_a_dockerfile_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile.prod"
    path.write_bytes(b"\xef\xbb\xbfFROM a AS b\r\nRUN c\r\n")
    read = load_given(path, "b", ("A=1=2", "B="))

    assert [command.keyword for command in read.dockerfile.commands] == ["FROM", "RUN"]
    assert (read.dockerfile.path, read.args) == (str(path), {"A": "1=2", "B": ""})


@pytest.mark.parametrize(
    ("content", "target", "args", "message"),
    [
        (b"hello\n", "", (), "it has no FROM"),
        (b"\x00\xff\n", "", (), "it has no FROM"),
        (b"FROM a AS b\n", "c", (), "has no stage 'c', but b"),
        (b"FROM a\n", "", ("A",), "a build argument is NAME=VALUE"),
        (None, "", (), "No such file"),
    ],
)
def test_what_is_no_dockerfile_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, target: str, args: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "Dockerfile"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DockerfileError, match=message) as told:
        load_given(path, target, args)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "history"),
    [
        ("FROM x\n" + "RUN a b c\n" * 30_000, [entry("RUN a b c")] * 10),
        ("FROM x\n" + "RUN a b c\n" * 600, [entry("RUN a b d")] * 600),
        ("FROM x AS x\nRUN a\n" * 5000, [entry("RUN a")] * 100),
        ("FROM x\nRUN " + "a " * 200_000, [entry("RUN " + "a " * 200_000 + "b")] * 50),
    ],
    ids=["instructions", "alike", "stages", "words"],
)
def test_no_dockerfile_takes_long_to_align(text: str, history: list[dict[str, object]]) -> None:
    started = time.process_time()
    Attribution(image(history, len(history)), given(text))
    assert time.process_time() - started < 6
