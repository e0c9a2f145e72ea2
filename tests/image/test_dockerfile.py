import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.image.dockerfile import Command, command_at, parse_dockerfile


def outline(text: str) -> list[tuple[str, int, int]]:
    """Keyword, first and last line of every instruction."""
    return [(command.keyword, command.start_line, command.end_line) for command in parse_dockerfile(text).commands]


def test_an_instruction_has_its_keyword_text_line_and_stage() -> None:
    assert (Command("FROM", "FROM alpine", 1, 1, 0), Command("RUN", "run ls", 2, 2, 0)) == parse_dockerfile(
        "FROM alpine\nrun ls\n"
    ).commands


def test_continued_lines_are_joined() -> None:
    (command,) = parse_dockerfile("RUN a && \\\n    b && \\  \n    c\n").commands
    assert Command("RUN", "RUN a && b && c", 1, 3, -1) == command


def test_comments_and_blank_lines_do_not_end_a_continued_instruction() -> None:
    text = "FROM a\nRUN one \\\n# a comment\n\n  # another \\\n  two\nCMD x\n"
    assert outline(text) == [("FROM", 1, 1), ("RUN", 2, 6), ("CMD", 7, 7)]
    assert parse_dockerfile(text).commands[1].text == "RUN one two"


def test_a_doubled_escape_continues_nothing() -> None:
    assert outline("RUN dir c:\\\\\nRUN b") == [("RUN", 1, 1), ("RUN", 2, 2)]


def test_the_escape_directive_changes_what_continues_a_line() -> None:
    text = "# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN dir c:\\\nRUN b `\n c\n"
    assert outline(text) == [("FROM", 3, 3), ("RUN", 4, 4), ("RUN", 5, 6)]


@pytest.mark.parametrize("first", ["FROM a\n", "\n", "# a comment\n"])
def test_a_directive_counts_only_at_the_top(first: str) -> None:
    assert "\\" in parse_dockerfile(first + "# escape=`\nRUN a \\\n b\nRUN c \\x\n").commands[-1].text
    assert (
        outline(first + "# escape=`\nRUN a \\\n b\n")[-1][2] - outline(first + "# escape=`\nRUN a \\\n b\n")[-1][1] == 1
    )


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("RUN <<EOF\nCOPY x y\nEOF\n", 3),
        ("RUN cat <<EOF > /x\nFROM b\n EOF\nEOF\n", 4),
        ("RUN <<-EOF\n\tCMD z\n\tEOF\n", 3),
        ("COPY <<'EOF' /x\n$A\nEOF\n", 3),
        ('COPY <<"EOF" /x\n$A\nEOF\n', 3),
        ("COPY <<A <<B /dst/\nB\nA\nRUN x\nB\n", 5),
        ("RUN 3<<EOF cat\nRUN\nEOF\n", 3),
        ("RUN <<EOF-1.x\nRUN\nEOF-1.x\n", 3),
        ("RUN python3 \\\n <<EOF\nRUN\nEOF\n", 4),
        ("ONBUILD RUN <<EOF\nRUN\nEOF\n", 3),
        ("add <<EOF /x\nRUN\nEOF\n", 3),
    ],
)
def test_a_heredoc_and_its_end_mark_belong_to_the_instruction(text: str, last: int) -> None:
    start = outline("FROM a\n" + text + "CMD after\n")
    assert [("FROM", 1, 1), (text.split()[0].upper(), 2, last + 1), ("CMD", last + 2, last + 2)] == start


@pytest.mark.parametrize(
    "text",
    [
        "RUN echo $((1<<2))",
        "RUN cat <<<EOF",
        "RUN x <<EOF",
        'RUN ["cat", "<<EOF"]',
        "ENV A=<<EOF",
        "CMD cat <<EOF",
        "RUN a << b",
    ],
)
def test_what_is_no_heredoc_takes_no_lines(text: str) -> None:
    assert [(text.split()[0], 1, 1), ("USER", 2, 2)] == outline(text + "\nUSER b\n")


def test_stages_go_by_name_or_number() -> None:
    text = "ARG V\nFROM a AS Build\nRUN 1\nFROM b\nRUN 2\nFROM --platform=$P c as last\nRUN 3\n"
    assert [command.stage for command in parse_dockerfile(text).commands] == [
        -1,
        "Build",
        "Build",
        1,
        1,
        "last",
        "last",
    ]


def test_lines_are_counted_as_an_editor_does() -> None:
    assert outline("\ufeffFROM a\r\nRUN a\x0cb\u2028c\x85d\r\nCMD x\r\n") == [
        ("FROM", 1, 1),
        ("RUN", 2, 2),
        ("CMD", 3, 3),
    ]


def test_words_that_are_no_instructions_are_left_out() -> None:
    assert outline("hello world\nFROM a\nEOF\n$x\n") == [("FROM", 2, 2)]


@pytest.mark.parametrize("text", ["", "\n\n", "\\", "\\\n\\\n", "# only a comment", "\\\n# x\n"])
def test_a_dockerfile_without_instructions_has_none(text: str) -> None:
    assert parse_dockerfile(text).commands == ()


def test_a_line_leads_to_its_instruction() -> None:
    commands = parse_dockerfile("FROM a\n\nRUN b \\\n c\n").commands
    found = [command_at(commands, line) for line in range(6)]
    assert [command and command.keyword for command in found] == [None, "FROM", None, "RUN", "RUN", None]


@given(st.lists(st.sampled_from(["FROM a AS b", "RUN x", "\\", " \\", "<<E", "E", "#c", "", "RUN <<E \\", "\t", "`"])))
def test_any_lines_give_instructions_in_order(lines: list[str]) -> None:
    ends = [0]
    for command in parse_dockerfile("\n".join(lines)).commands:
        assert ends[-1] < command.start_line <= command.end_line <= len(lines)
        ends.append(command.end_line)


@pytest.mark.parametrize(
    "text",
    ["# a=b" + " " * 300_000 + "c", "FROM a" + " AS" * 50_000, "RUN " + "<<'" * 50_000, "\\\n" * 50_000],
    ids=["blanks", "names", "heredocs", "continuations"],
)
def test_no_dockerfile_takes_long_to_read(text: str) -> None:
    started = time.process_time()
    parse_dockerfile(text)
    assert time.process_time() - started < 2
