"""What the documents say is true: commands, options, outputs and counts are checked against the program."""

import re
import tomllib
from datetime import date
from pathlib import Path

import click
import pytest

from scanner.cli import Exit, cli
from scanner.detect.ruleset import Ruleset
from scanner.trace.ignore_file import NAME, load_rules
from tests.conftest import ROOT
from tests.test_cli import run

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def _commands(group: click.Group, prefix: str) -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= _commands(command, f"{prefix} {name}")
        else:
            found[f"{prefix} {name}"] = command
    return found


COMMANDS = _commands(cli, "layerleak")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`{command}" in README


@pytest.mark.parametrize(
    "option",
    sorted({o for c in COMMANDS.values() for p in c.params for o in (*p.opts, *p.secondary_opts) if o[0] == "-"}),
)
def test_every_option_is_in_the_readme(option: str) -> None:
    assert f"`{option}" in README


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", README))))
def test_every_option_in_the_readme_exists(option: str) -> None:
    assert option in {o for c in COMMANDS.values() for p in c.params for o in (*p.opts, *p.secondary_opts)} | {
        "--export-cache"  # BuildKit's
    }


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_code_is_in_the_readme(code: Exit) -> None:
    assert f"\n| {code.value} | " in README


def test_the_output_in_the_readme_is_the_real_one() -> None:
    shown = re.search(r"```console\n\$ layerleak (.*)\n([\s\S]*?)```", README)
    assert shown is not None

    real = run(*shown[1].split(), COLUMNS="100").stdout

    def without_key(text: str) -> str:
        return re.sub(r"fingerprint  \w{32}", "fingerprint", text)

    assert without_key(real) == without_key(shown[2])


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```python\n([\s\S]*?)```", README)
    assert example is not None
    monkeypatch.chdir(ROOT)

    exec(example[1], {})  # noqa: S102 - the README's own example

    assert capsys.readouterr().out == "critical OpenSSH private key COPY\n"


def test_the_example_of_an_ignore_file_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(\[\[ignore\]\][\s\S]*?)```", README)
    assert example is not None
    (tmp_path / NAME).write_text(example[1])

    assert [rule.reason for rule in load_rules(tmp_path / NAME, date(2026, 1, 1))] == [
        "examples of our own manual",
        "test key, opens nothing",
    ]


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"^make ([a-z-]+)$", README, re.MULTILINE)) == {"demo", "test"}
    assert set(re.findall(r"`make ([a-z-]+)`", README + CONTRIBUTING)) <= targets


def test_ci_runs_the_readmes_test_command() -> None:
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[\[<>=,]", name)[0] for name in needed}
    rows = CONTRIBUTING.partition("## Dependencies")[2].partition("`tarfile`")[0]

    assert {name for name in names if name not in rows and not name.startswith("types-")} == set()


def test_the_changelog_counts_the_signatures(ruleset: Ruleset) -> None:
    assert f"- {len(ruleset.signatures)} signatures as TOML data" in (ROOT / "CHANGELOG.md").read_text()


def test_no_document_names_a_machine() -> None:
    paths = [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci" / "run"]

    assert [p.name for p in paths if re.search(r"/(?:home|root|work|Users)/", p.read_text())] == []
