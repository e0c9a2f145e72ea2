"""The command line: options to objects, reports to streams, outcomes to exit codes. Nothing else prints or exits."""

import errno
import os
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from scanner import __version__
from scanner.errors import LayerleakError, SignatureError
from scanner.options import (
    SEVERITIES,
    Chosen,
    Ignored,
    color_option,
    dockerfile_options,
    ignore_options,
    place_options,
    show_secrets_option,
    signature_options,
    targets_argument,
)

if TYPE_CHECKING:
    from scanner.detect.ruleset import Ruleset
    from scanner.finding import ScanReport
    from scanner.image.source import Places
    from scanner.pipeline import Progress
    from scanner.profile import Profile
    from scanner.report import Options
    from scanner.trace.given import Given
    from scanner.trace.ignore import Ignoring


class Exit(IntEnum):
    """What the exit code says."""

    CLEAN = 0
    SECRETS = 1
    USAGE = 2
    UNREADABLE = 3
    INCOMPLETE = 4
    INTERRUPTED = 130
    PIPE = 141


_EXIT_CODES = """\b
Exit codes:
  0  nothing at or above --fail-on
  1  secrets found
  2  usage, or the report could not be written
  3  a target could not be read
  4  all targets read, but something in them could not be
  130  interrupted
Of several, the first that applies in the order 1, 3, 4."""


@click.group(epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="layerleak")
def cli() -> None:
    """Finds secrets in container images: what leaked, which instruction leaked it, and whether it is still there."""


@cli.command()
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@click.option(
    "--from-file",
    "lists",
    multiple=True,
    type=click.File(),
    help="Targets, one on each line, from a file; - is stdin; may be given again.",
)
@click.option("--all-local", is_flag=True, help="Scan every image that the local engine has.")
@click.option(
    "--format",
    "form",
    default="table",
    metavar="FORMAT",
    help="table (default), json, or baseline (of detect-secrets).",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to a file.")
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    default="low",
    show_default=True,
    help="Least severity that makes the exit code 1.",
)
@click.option("--no-fail", is_flag=True, help="Exit 0 although secrets were found (3 and 4 stay).")
@click.option("--progress/--no-progress", default=None, help="Progress on stderr; by default only on a terminal.")
@click.option(
    "--check-diff-ids", is_flag=True, help="Check also the diff_ids of compressed layers whose digest is checked."
)
@click.option(
    "--detect-secrets-audit",
    "audit",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a baseline for `detect-secrets audit` into a new folder, and with it the files that secrets are in.",
)
@click.option("-j", "--jobs", type=click.IntRange(1, 256), help="Threads to use; by default one for each core.")
@click.option("--profile", "profiled", is_flag=True, help="Tell on stderr where the time went.")
@dockerfile_options
@show_secrets_option
@ignore_options
@signature_options
@place_options
@color_option
def scan(
    targets: tuple[str, ...],
    lists: tuple[TextIO, ...],
    all_local: bool,
    form: str,
    output: Path | None,
    fail_on: str,
    no_fail: bool,
    progress: bool | None,
    check_diff_ids: bool,
    audit: Path | None,
    jobs: int | None,
    profiled: bool,
    show_secrets: bool,
    ignored: Ignored,
    chosen: Chosen,
    places: "Places",
    given: "Given | None",
    color: bool | None,
) -> None:
    """Scan images on disk, of a local engine, or of a registry.

    A TARGET is a `docker save` or OCI archive (plain or compressed), an OCI layout or build cache folder, or a
    tar of a file system; its form is found by its content. The prefixes docker-archive:, oci-archive:, oci: and
    dir: are understood. docker-daemon:NAME is an image of the local Docker (or podman) engine, podman:NAME one of
    podman's, docker://[REGISTRY/]NAME[:TAG][@DIGEST] one of a registry. A bare name is a path if there is one,
    then the engine's, then the registry's.
    """
    from scanner.profile import Profile
    from scanner.report import WRITERS

    if form not in WRITERS:
        raise click.BadParameter(f"{form!r} is not one of {', '.join(WRITERS)}", param_hint="--format")
    ignoring = _ignoring(ignored)
    if audit is not None:
        _prepare(audit)
    profile = Profile() if profiled else None
    local, failures = _local_images() if all_local else ([], [])
    targets = (*targets, *_listed(lists), *local)
    if not targets and not all_local:
        raise click.UsageError("expected a TARGET, --from-file or --all-local, found no target")
    report = _scan_all(targets, chosen, ignoring, places, progress, jobs, profile, given, check_diff_ids=check_diff_ids)
    report = replace(report, failures=(*failures, *report.failures))
    with profile.stage("report") if profile else nullcontext():
        _write(output, targets, lambda stream: WRITERS[form](report, stream, _options(stream, show_secrets, color)))
    if audit is not None:
        _extract(report, audit, places)
    if profile is not None:
        click.echo("\n".join(profile.lines()), err=True)
    sys.exit(_exit_code(report, None if no_fail else fail_on))


def _listed(lists: tuple[TextIO, ...]) -> Iterator[str]:
    """The targets that files name; empty lines and comments are none."""
    for file in lists:
        try:
            for line in file:
                name = line.strip()
                if name and not name.startswith("#"):
                    yield name
        except UnicodeDecodeError:
            raise click.BadParameter(f"{file.name}: expected text", param_hint="--from-file") from None


def _local_images() -> tuple[list[str], list[tuple[str, str]]]:
    """The engine's images as targets, and that there is no engine, as the failure of one."""
    from scanner.image.source import local_images

    try:
        return local_images(), []
    except LayerleakError as error:
        _complain(str(error))
        return [], [("--all-local", str(error))]


@cli.command()
@targets_argument
@dockerfile_options
@show_secrets_option
@signature_options
@place_options
@color_option
def history(
    targets: tuple[str, ...],
    show_secrets: bool,
    chosen: Chosen,
    places: "Places",
    given: "Given | None",
    color: bool | None,
) -> None:
    """Tell an image as its instructions, with sizes and what each leaked."""
    from scanner.report import history as report_history
    from scanner.trace.ignore import Ignoring

    report = _scan_all(targets, chosen, Ignoring(marks=False), places, None, given=given)
    _write(None, (), lambda stream: report_history.write(report, stream, _options(stream, show_secrets, color)))
    sys.exit(_exit_code(report, None))


@cli.group()
def signatures() -> None:
    """List, show, explain and test the signatures."""


@signatures.command("list")
@signature_options
def list_signatures(chosen: Chosen) -> None:
    """List every signature: id, severity, confidence, name."""
    for sig in _ruleset(chosen).signatures:
        click.echo(f"{sig.id:40} {sig.severity!s:9} {sig.confidence!s:7} {sig.name}")


@signatures.command("show")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@signature_options
def show_signatures(ids: tuple[str, ...], chosen: Chosen) -> None:
    """Show what signatures look for, and what to do about a hit."""
    known = {sig.id: sig for sig in _ruleset(chosen).signatures}
    for name in ids:
        sig = known.get(name)
        if sig is None:
            raise click.BadParameter(f"no signature {name!r}; `layerleak signatures list` names them all")
        click.echo(f"{sig.id}: {sig.name} ({sig.provider.name})")
        rows = {
            "severity": sig.severity,
            "confidence": sig.confidence,
            "opens": sig.opens,
            "prefilter": "  ".join(sig.prefilter),
            "near": f"starts within {sig.near} bytes of it" if sig.near else "",
            "pattern": sig.pattern,
            "plugin": sig.reader.settings if sig.reader else "",
            "keywords": ", ".join(sig.keywords),
            "entropy": sig.entropy or "",
            "filters": ", ".join(sig.filters),
            "paths": sig.paths,
            "from": f"a {sig.origin} rule" if sig.origin else "",
            "reads": f"the whole file, as {sig.parser}" if sig.parser else "",
            "proof": sig.proof,
            "belongs to": ", ".join(pair.name for pair in sig.pairs),
            "rotate": sig.remediation,
        }
        for label, value in rows.items():
            if str(value):
                click.echo(f"  {label:11} {value}")


@signatures.command("explain")
@click.argument("text", metavar="TEXT")
@click.option("--path", default="", help="File that the text is said to stand in; by default it is metadata.")
@show_secrets_option
@signature_options
def explain_signatures(text: str, path: str, show_secrets: bool, chosen: Chosen) -> None:
    """Explain, step by step, why signatures find something in a text or do not.

    A TEXT of - is read from stdin. Use that for real secrets: other users see a command's arguments while it runs,
    and the shell keeps them in its history.
    """
    from scanner.detect.explain import explain
    from scanner.report.explanation import lines

    if text == "-" and sys.stdin is None:
        raise click.BadParameter("stdin is closed", param_hint="TEXT")
    data = sys.stdin.buffer.read() if text == "-" else os.fsencode(text)
    for line in lines(explain(data, _ruleset(chosen), path), show_secrets=show_secrets):
        click.echo(line)


@signatures.command("test")
@signature_options
def test_signatures(chosen: Chosen) -> None:
    """Run every signature's examples through the engine, and refuse what would slow it down."""
    from scanner.detect.lint import lint
    from scanner.detect.selftest import check_examples

    ruleset = _ruleset(chosen)
    failures = [*check_examples(ruleset), *lint(ruleset.signatures)]
    for failure in failures:
        click.echo(f"{failure.signature}: {failure.reason}\n  in {failure.text!r}", err=True)
    examples = sum(len(sig.examples) for sig in ruleset.signatures)
    others = sum(len(sig.counterexamples) for sig in ruleset.signatures)
    count = len(ruleset.signatures)
    click.echo(f"{count} signatures, {examples} examples, {others} counter-examples: {len(failures)} failures")
    sys.exit(Exit.SECRETS if failures else Exit.CLEAN)


def _ruleset(chosen: Chosen) -> "Ruleset":
    from scanner.detect.ruleset import load_ruleset

    try:
        ruleset = load_ruleset(*chosen.paths, builtin=chosen.with_builtin, plugins=chosen.plugins)
    except SignatureError as error:
        _usage(error)
    for line in _unhonoured(ruleset):
        _complain(line)
    return ruleset


def _unhonoured(ruleset: "Ruleset") -> Iterator[str]:
    """One line for each rule of which something is not done."""
    rules: dict[tuple[Path, str], list[str]] = {}
    for path, item in ruleset.unhonoured:
        rules.setdefault((path, item.rule), []).append(str(item))
    for (path, rule), reasons in rules.items():
        yield f"{path}: {f'rule {rule!r}: ' if rule else ''}{'; '.join(dict.fromkeys(reasons))}"


def _ignoring(ignored: Ignored) -> "Ignoring":
    """What to ignore; by the file in the current folder, if it is there, where none is named."""
    from datetime import date

    from scanner.trace.baseline import load_known
    from scanner.trace.ignore import Ignoring
    from scanner.trace.ignore_file import NAME, load_rules

    files = ignored.files
    if files is None:
        files = (Path(NAME),) if os.path.lexists(NAME) else ()
    try:
        rules = tuple(rule for path in files for rule in load_rules(path, date.today()))
        known = tuple(entry for path in ignored.baselines for entry in load_known(path))
    except LayerleakError as error:
        _usage(error)
    for rule in rules:
        if rule.expired:
            _complain(f"{rule.source}: rule {rule.number} expired on {rule.expires} and ignores nothing: {rule.reason}")
    return Ignoring(rules, marks=ignored.marks, known=known)


def _prepare(folder: Path) -> None:
    from scanner.extract import prepare

    try:
        prepare(folder)
    except LayerleakError as error:
        _usage(error)


def _extract(report: "ScanReport", folder: Path, places: "Places") -> None:
    from scanner.extract import BASELINE, extract

    try:
        count = extract(report, folder, places)
    except LayerleakError as error:
        _usage(error)
    except Exception as error:
        _complain(f"internal error in copying the files, please report it: {_where(error)}")
        sys.exit(Exit.UNREADABLE)
    _complain(f"{count} entries to audit, with their secrets: cd {folder} && detect-secrets audit {BASELINE}")


def _usage(error: LayerleakError) -> NoReturn:
    _complain(str(error))
    sys.exit(Exit.USAGE)


def _scan_all(
    targets: tuple[str, ...],
    chosen: Chosen,
    ignoring: "Ignoring",
    places: "Places",
    progress: bool | None,
    jobs: int | None = None,
    profile: "Profile | None" = None,
    given: "Given | None" = None,
    *,
    check_diff_ids: bool = False,
) -> "ScanReport":
    """Scans each target; one that fails is told at once and never stops the others."""
    from scanner.finding import ImageReport, ScanReport
    from scanner.key import fingerprint_key
    from scanner.scan import Reading, Scanner, default_jobs, secrets_given
    from scanner.trace.sibling import Sibling

    places = replace(places, tell=_complain)
    # Threads hand the interpreter over for every match; at the default of 5 ms they would mostly wait for that.
    sys.setswitchinterval(1e-4)

    ruleset = _ruleset(chosen)
    try:
        key = fingerprint_key()
    except LayerleakError as error:
        _usage(error)
    if key is None:
        _complain("there is no place to keep a key, so the fingerprints of this report match no other report's")
        key = secrets.token_bytes(32)
    scanner = Scanner(ruleset, key, jobs=jobs or default_jobs(), profile=profile, check_diff_ids=check_diff_ids)
    scanner = replace(scanner, ignoring=ignoring, places=places, given=given)
    images: dict[int, tuple[ImageReport, ...]] = {}
    caches: dict[int, Reading] = {}
    builds: list[Sibling] = []
    failures: list[tuple[str, str]] = []
    for number, target in enumerate(targets):
        with _progress(target, progress) as (told, early), _failing(target, failures):
            reading = replace(scanner, progress=told, early=early).read(target)
            if len(targets) > 1:
                builds += reading.builds
            if reading.has_cache:
                caches[number] = reading  # until all images are known that may tell of its build
            else:
                images[number] = scanner.report(reading)
    for number, reading in caches.items():
        with _failing(reading.target, failures):
            images[number] = scanner.report(reading, builds)
    for target, reason in failures:
        _complain(f"{target}: {reason}")
    return ScanReport(
        __version__,
        ruleset.digest,
        tuple(image for number in sorted(images) for image in images[number]),
        tuple(failures),
        ignoring.rules,
        ignoring.known,
        secrets_given(ruleset, given),
    )


@contextmanager
def _failing(target: str, failures: list[tuple[str, str]]) -> Iterator[None]:
    """Notes what goes wrong with one target, so that the findings of others are not lost to it."""
    try:
        yield
    except LayerleakError as error:
        failures.append((target, str(error).removeprefix(f"{target}: ")))
    except Exception as error:
        # A bug, on input nobody thought of; its message may quote the image, so only its kind and place are told.
        failures.append((target, f"internal error, please report it: {_where(error)}"))


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"


@contextmanager
def _progress(target: str, wanted: bool | None) -> "Iterator[tuple[Progress, Callable[[Sequence[str]], None]]]":
    from tqdm import tqdm

    from scanner.report.text import safe

    # `disable=None` is tqdm's way to be quiet where stderr is no terminal.
    disable = True if sys.stderr is None else None if wanted is None else not wanted
    name = safe(Path(target).name)
    with tqdm(unit="B", unit_scale=True, desc=name, disable=disable, leave=False, file=sys.stderr) as bar:

        def told(read: int, total: int) -> None:
            if total and bar.total != total:
                bar.total = total
            bar.update(read)

        def early(kinds: Sequence[str]) -> None:
            if kinds and not bar.disable:
                counted = ", ".join(
                    f"{count} x {kind}" if count > 1 else kind for kind, count in Counter(kinds).items()
                )
                bar.write(safe(f"{name}: in its documents already: {counted}"), file=sys.stderr)

        yield told, early


def _write(output: Path | None, targets: tuple[str, ...], writing: Callable[[TextIO], None]) -> None:
    """Writes a report to a file or to stdout; what goes wrong there is told in one line."""
    try:
        if output is None:
            if sys.stdout is None:
                raise OSError(errno.EBADF, "is closed")
            writing(sys.stdout)
            sys.stdout.flush()
        else:
            _write_file(output, targets, writing)
    except BrokenPipeError:
        # Whoever read the report has seen enough.
        _forget_stdout()
        sys.exit(Exit.PIPE)
    except OSError as error:
        if output is None and sys.stdout is not None:
            _forget_stdout()
        _complain(f"{output or 'stdout'}: {error.strerror or error}")
        sys.exit(Exit.USAGE)
    except Exception as error:
        # As in a scan: never a traceback, which may quote the image, and never the exit code of a finding.
        _complain(f"internal error in the report, please report it: {_where(error)}")
        sys.exit(Exit.UNREADABLE)


def _forget_stdout() -> None:
    """Points stdout nowhere: the interpreter flushes it once more when it ends, and would tell of it if that failed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _write_file(output: Path, targets: tuple[str, ...], writing: Callable[[TextIO], None]) -> None:
    if any(os.path.exists(target) and output.exists() and output.samefile(target) for target in targets):
        raise OSError(errno.EEXIST, "is a target; a report must not be written over what it is about")
    if output.exists() and not output.is_file():  # a device or a pipe, which cannot be replaced
        with output.open("w", encoding="utf-8") as file:
            writing(file)
        return
    # Reports name places where secrets are, so they are the user's own; and a file is whole or not there.
    handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            writing(file)
        os.replace(temporary, output)
    except BaseException:
        os.unlink(temporary)
        raise


def _complain(message: str) -> None:
    """One line on stderr. What it quotes may be the image's, so nothing in it moves a terminal's cursor."""
    from scanner.report.text import safe

    click.echo(f"layerleak: {safe(message)}", err=True)


def _options(stream: TextIO, show_secrets: bool, color: bool | None) -> "Options":
    from scanner.report import Options

    terminal = bool(stream and stream.isatty())
    wanted = terminal and not os.environ.get("NO_COLOR") if color is None else color
    return Options(show_secrets=show_secrets, width=None, color=bool(wanted))


def _exit_code(report: "ScanReport", fail_on: str | None) -> Exit:
    if fail_on is not None:
        from scanner.detect.signature import Severity

        least = Severity[fail_on.upper()]
        if any(finding.severity >= least for image in report.images for finding in image.counted):
            return Exit.SECRETS
    if report.failures:
        return Exit.UNREADABLE
    if not all(image.coverage.complete for image in report.images):
        return Exit.INCOMPLETE
    return Exit.CLEAN


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``layerleak`` command."""
    try:
        cli.main(args=arguments, prog_name="layerleak", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted; nothing was reported")
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        _forget_stdout()
        sys.exit(Exit.PIPE)
    except OSError as error:
        _complain(str(error.strerror or error))
        sys.exit(Exit.USAGE)
