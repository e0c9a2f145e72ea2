"""Stages, scopes and words: what a Dockerfile means beyond its lines."""

import time

import pytest

from scanner.image.dockerfile import Command, Dockerfile, Heredoc, Mount, Scope, parse_dockerfile
from scanner.image.dockerfile.words import MAX_VALUE, UNKNOWN, expand, split


def scope(text: str, stage: str | int = -1, **args: str) -> Scope:
    """The scope of a stage, by default the last."""
    dockerfile = parse_dockerfile(text)
    found = dockerfile.stages[-1] if stage == -1 else dockerfile.stage(stage)
    assert found is not None
    return Scope(dockerfile, found, args)


def value(of: Scope, name: str) -> str | None:
    """What a variable is behind the last instruction; the empty string if it is not set."""
    found = of.variable(name, len(of.commands))
    return found.value if found else ""


def command(text: str) -> Command:
    (found,) = parse_dockerfile(text).commands
    return found


VALUES = {"A": "abc.tar.gz", "E": "", "B": "b"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A", "abc.tar.gz"),
        ("x${A}y", "xabc.tar.gzy"),
        (r"\$A", "$A"),
        (r"\${A}", "${A}"),
        ("'$A'", "$A"),
        ('"$A b"', "abc.tar.gz b"),
        (r'"a\"b"', 'a"b'),
        (r'"a\nb"', r"a\nb"),
        (r"a\ b", "a b"),
        ("${E:-d}", "d"),
        ("${A:-d}", "abc.tar.gz"),
        ("${A:+d}", "d"),
        ("${E:+d}", ""),
        ("${E:-${B}y}", "by"),
        ("${E:-${E:-$B}}", "b"),
        ("${A%.*}", "abc.tar"),
        ("${A%%.*}", "abc"),
        ("${A#*.}", "tar.gz"),
        ("${A##*.}", "gz"),
        ("${A/a/z}", "zbc.tar.gz"),
        ("${A//a/z}", "zbc.tzr.gz"),
        ("$U-", UNKNOWN + "-"),
        ("${U:-x}", UNKNOWN),
        ("${A", "$" + "{A"),
        ("$", "$"),
        ("$N", ""),
        ("$Ab", ""),
    ],
)
def test_variables_are_replaced_as_the_reference_says(text: str, expanded: str) -> None:
    known: dict[str, str | None] = {**VALUES, "U": None}
    assert expand(text, lambda name: known.get(name, ""), "\\") == expanded


def test_words_are_divided_outside_of_quotes() -> None:
    assert split(r"""a "b c" d\ e 'f \' g="h i" """, "\\") == ["a", '"b c"', r"d\ e", r"'f \'", 'g="h i"']


def test_the_escape_directive_also_escapes_in_words() -> None:
    assert split("c:\\x` y z", "`") == ["c:\\x` y", "z"]
    assert expand("c:\\x`$A", lambda _: "no", "`") == "c:\\x$A"


def test_flags_stand_before_the_arguments() -> None:
    found = command("COPY --from=builder --chown=1:1 --link --chmod=0755 a b /c/")

    assert found.flags == (("from", "builder"), ("chown", "1:1"), ("link", "true"), ("chmod", "0755"))
    assert (found.flag("from"), found.flag("parents"), found.body) == ("builder", "", "a b /c/")
    assert found.arguments == ("a", "b", "/c/")


def test_the_json_form_gives_its_strings_and_what_is_no_json_its_words() -> None:
    assert command('COPY --link ["a b", "/c"]').arguments == ("a b", "/c")
    assert command("RUN [ -f x ]").arguments == ("[", "-f", "x", "]")
    assert command('CMD ["a", 1]').arguments == ('["a",', "1]")


@pytest.mark.parametrize(
    ("flag", "mount"),
    [
        ("type=secret,id=npm", Mount("secret", "npm", "/run/secrets/npm", "", "")),
        ("type=secret,id=npm,target=/root/.npmrc,required", Mount("secret", "npm", "/root/.npmrc", "", "")),
        ("type=secret,target=/etc/token", Mount("secret", "token", "/etc/token", "", "")),
        ("type=secret,id=t,env=TOKEN", Mount("secret", "t", "", "TOKEN", "")),
        ("type=cache,dst=/var/cache", Mount("cache", "/var/cache", "/var/cache", "", "")),
        ("from=builder,target=/b,ro", Mount("bind", "", "/b", "", "builder")),
        ("type=ssh", Mount("ssh", "", "", "", "")),
    ],
)
def test_mounts_are_read(flag: str, mount: Mount) -> None:
    assert command(f"RUN --mount={flag} x").mounts == (mount,)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV A=1 B=\"2 3\" C='4'", (("A", "1"), ("B", '"2 3"'), ("C", "'4'"))),
        ("ENV A b  c=d", (("A", "b  c=d"),)),
        ("ARG A B=1", (("A", None), ("B", "1"))),
        ('LABEL a.b=c "d e"=f', (("a.b", "c"), ("d e", "f"))),
        ("RUN A=1", ()),
        ("ENV", ()),
    ],
)
def test_names_and_values_are_told_in_both_forms(text: str, pairs: object) -> None:
    assert command(text).pairs == pairs


def test_heredocs_have_their_text_and_say_whether_it_is_expanded() -> None:
    found = command("COPY <<-EOF <<'B' /etc/\n\tx=$A\n\tEOF\n\ty\nB\n")

    assert found.heredocs == (Heredoc("EOF", 2, "x=$A", True), Heredoc("B", 4, "\ty", False))
    assert "x=$A" in found.mentions


STAGES = """\
ARG VERSION=1
FROM --platform=$BUILDPLATFORM debian:$VERSION AS Base
FROM base AS build
FROM build
FROM scratch AS other
FROM other
"""


def test_stages_are_found_by_name_and_number_and_know_what_they_are_built_on() -> None:
    dockerfile = parse_dockerfile(STAGES)

    assert [(stage.label, stage.base) for stage in dockerfile.stages] == [
        ("Base", "debian:$VERSION"),
        ("build", "base"),
        (2, "build"),
        ("other", "scratch"),
        (4, "other"),
    ]
    assert dockerfile.stage("BASE") is dockerfile.stages[0]
    assert dockerfile.stage(2) is dockerfile.stage("2") is dockerfile.stages[2]
    assert (dockerfile.stage("9"), dockerfile.stage("none"), dockerfile.stage("4", before=4)) == (None, None, None)
    assert [stage.index for stage in dockerfile.line_of_stages(dockerfile.stages[2])] == [0, 1, 2]
    assert dockerfile.base_of(dockerfile.stages[0], {"VERSION": "12"}) == "debian:12"
    assert scope(STAGES, 2).base == "debian:1"


def test_a_stage_named_like_its_base_image_is_not_built_on_itself() -> None:
    assert [stage.index for stage in scope("FROM alpine AS alpine\nFROM alpine\n").stages] == [0, 1]
    assert [stage.index for stage in scope("FROM alpine AS alpine\n").stages] == [0]


def test_an_arg_has_its_default_unless_the_build_gave_it_a_value() -> None:
    text = "FROM a\nARG A=x\nARG B\n"
    assert (value(scope(text), "A"), value(scope(text), "B")) == ("x", None)
    assert (value(scope(text, A="1", B="2"), "A"), value(scope(text, A="1", B="2"), "B")) == ("1", "2")


def test_an_arg_before_from_counts_in_a_stage_only_where_it_is_declared_again() -> None:
    text = "ARG V=1\nARG W=${V}2\nFROM a\nENV X=$V\nARG W\nENV Y=$W\n"
    assert (value(scope(text), "X"), value(scope(text), "Y")) == ("", "12")


def test_an_env_wins_over_an_arg_of_its_name() -> None:
    assert value(scope("FROM a\nENV A=env\nARG A=arg\nENV B=$A\n", A="given"), "B") == "env"
    assert value(scope("FROM a\nARG A=arg\nENV A=env-$A\n"), "A") == "env-arg"


def test_within_one_instruction_a_variable_is_what_it_was_before() -> None:
    assert value(scope("FROM a\nENV A=1\nENV A=2 B=$A\n"), "B") == "1"


def test_a_stage_inherits_what_its_base_stage_set() -> None:
    found = scope("FROM a AS one\nARG A=1\nENV E=$A\nFROM x AS two\nFROM one\nENV F=$E$A\n")
    assert value(found, "F") == "11"
    assert [command.keyword for command in found.commands] == ["FROM", "ARG", "ENV", "FROM", "ENV"]


def test_a_trigger_fires_once_in_the_stage_above() -> None:
    found = scope("FROM a AS one\nONBUILD ENV T=1\nFROM one AS two\nENV U=$T\nFROM two\n")
    assert [(c.keyword, c.start_line, c.fired) for c in found.commands] == [
        ("FROM", 1, False),
        ("ONBUILD", 2, False),
        ("FROM", 3, False),
        ("ENV", 2, True),
        ("ENV", 4, False),
        ("FROM", 5, False),
    ]
    assert value(found, "U") == "1"


def test_what_could_not_be_read_is_said_without_its_text() -> None:
    dockerfile = parse_dockerfile("FROM a\nhunter2 x\nRUN cat <<EOF\nCMD b\n")
    assert dockerfile.problems == ("line 2 is no instruction", "line 3: a heredoc has no end")


def test_directives_are_read_at_the_top_only() -> None:
    assert parse_dockerfile("#!x\n# Syntax = a/b:1 \n#escape=`\nFROM a").syntax == "a/b:1"
    assert parse_dockerfile("# syntax=a\n# escape=`\n").escape == "`"
    assert parse_dockerfile("# other=1\n# syntax=a\n").syntax == ""
    assert parse_dockerfile("# check=skip=all\n# syntax=a\n").syntax == "a"


def test_no_value_grows_without_bound() -> None:
    found = scope("FROM a\nENV A=0123456789\n" + "ENV A=$A$A\n" * 3000)
    assert len(value(found, "A") or "") <= MAX_VALUE


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nENV A=" + "${" * 200_000,
        "FROM a\nENV A=" + "${A:-" * 50_000 + "}" * 50_000,
        "FROM a\nENV A=0123456789\n" + "ENV A=$A$A\n" * 20_000,
        "FROM a\n" + "RUN <<A <<B <<C\n" * 20_000,
        "FROM a AS b\n" * 20_000,
        "FROM a\nRUN " + "--mount=x " * 100_000,
        "FROM a AS x\nONBUILD RUN a\n" + "FROM x AS x\nONBUILD RUN a\n" * 5000,
    ],
    ids=["braces", "nested", "doubling", "unended", "stages", "flags", "triggers"],
)
def test_no_dockerfile_takes_long_to_understand(text: str) -> None:
    started = time.process_time()
    found: Dockerfile = parse_dockerfile(text)
    whole = Scope(found, found.stages[-1], {})
    for at, item in enumerate(whole.commands[:2000]):
        assert item.mounts is not None
        whole.expand(item.body, at)
    assert time.process_time() - started < 8
