from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from scanner.detect.signature import Severity
from scanner.detect.unpack.git_history import Commit
from scanner.finding import Coverage, Excerpt, Occurrence, redact
from scanner.image.oci import Skip

from .factory import (
    ACCESS_ID,
    ALL_READ,
    DELETED,
    DOWNGRADED,
    ENV,
    EXAMPLE,
    IN_ENV,
    IN_HISTORY,
    KEY,
    LEAKED_KEY,
    LEAKED_TOKEN,
    MARK,
    PAIRED,
    PUBLIC,
    RULE,
    SMALL,
    TOKEN,
    draw,
    everywhere,
    finding,
    ignored,
    image,
    instruction,
    report,
    table,
)


def preview(secret: str) -> str:
    return redact(secret.encode())


def test_a_report_reads_like_this() -> None:
    expected = f"""\
registry.example/shop/api:1.4  linux/amd64  sha256:1f0c8e2d9a7b  image

  CRITICAL  Acme secret key  {preview(KEY)}
    confidence   high, checksum matches
    leaked by    COPY .env /app/.env (Dockerfile:7)
    found in     layer 1  app/.env:2
                   deleted by RUN rm /app/.env in layer 2 - still recoverable from layer 1
    opens        the Acme account
    what to do   Revoke the key in the console. https://acme.example/rotate
    fingerprint  ffffffffffffffffffffffffffffffff

  HIGH  Acme token  {preview(TOKEN)}
    confidence   high
    leaked by    ENV ACME_TOKEN={preview(TOKEN)} MODE=fast
    found in     config Env  /config/Env/1
                 history[1] created_by
    what to do   Revoke the key in the console. https://acme.example/rotate
    fingerprint  eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee

  downgraded, and not counted
    low  Acme secret key  {preview(EXAMPLE)}  Acme's documentation prints it; layer 0
      usr/share/doc/acme:3

  everything was read: 3 layers, 1,234 files, 45.6 MiB
    note: manifest.json: names no tag

2 secrets in 1 image: 1 critical, 1 high; 1 of them not visible in the container but recoverable; 1
downgraded
"""
    assert expected == table(SMALL, 100)


def test_a_clean_image_says_so_and_what_was_read() -> None:
    expected = """\
registry.example/shop/api:1.4  linux/amd64  sha256:1f0c8e2d9a7b  image
  no secrets found, everything was read: 3 layers, 1,234 files, 45.6 MiB
    note: manifest.json: names no tag

no secrets in 1 image
"""
    assert expected == table(report(image()))


def test_a_narrow_page_puts_labels_before_what_they_label() -> None:
    lines = table(report(image(LEAKED_KEY)), 40).splitlines()

    assert "    leaked by  COPY .env /app/.env" in lines
    assert "      (Dockerfile:7)" in lines


def test_secrets_are_shown_only_when_asked_for() -> None:
    assert KEY not in table(SMALL)
    assert f"  CRITICAL  Acme secret key  {KEY}\n" in table(SMALL, show_secrets=True)
    assert f"ENV ACME_TOKEN={TOKEN} MODE=fast" in table(SMALL, show_secrets=True)


def test_a_neighbour_in_an_instruction_is_hidden_although_another_secret_is_told_of() -> None:
    both = instruction(f"RUN login --key {KEY} --token {TOKEN}", 1)
    told = table(report(image(finding(replace(DELETED, instruction=both), introduced_by=both), LEAKED_TOKEN)))

    assert f"RUN login --key {preview(KEY)} --token" in told
    assert KEY not in told
    assert TOKEN not in told


def test_a_secret_is_not_recognised_too_late_because_its_instruction_was_shortened() -> None:
    long = instruction(f"RUN {'a' * 140} {KEY}", 1)
    told = table(report(image(finding(introduced_by=long))), 200)

    assert KEY[:6] not in told


def test_a_guess_is_called_one() -> None:
    told = table(report(image(finding(introduced_by=replace(ENV, basis="guess")))))

    assert "MODE=fast (a guess)\n" in told


def test_a_secret_no_instruction_is_blamed_for_says_so() -> None:
    assert "leaked by    an instruction that is not known\n" in table(report(image(finding(introduced_by=None))))


def test_the_stage_and_the_lines_of_an_instruction_are_told() -> None:
    lines = replace(ENV, text="RUN x", keyword="RUN", stage="builder", dockerfile=None)

    assert "RUN x (stage builder)" in table(report(image(finding(introduced_by=lines))))


def test_the_lines_of_the_dockerfile_are_shown_with_the_guilty_one_marked_and_secrets_hidden() -> None:
    lines = ("RUN a", "ENV ACME_ID=1 \\", f"    ACME_KEY={KEY}", "CMD b")
    told = table(report(image(finding(excerpt=Excerpt("Dockerfile", 8, lines, (10,))))))

    assert (
        "leaked by    COPY .env /app/.env (Dockerfile:7)\n"
        "                    8 | RUN a\n"
        "                    9 | ENV ACME_ID=1 \\\n"
        f"                 > 10 |     ACME_KEY={preview(KEY)}\n"
        "                   11 | CMD b\n"
        "    found in"
    ) in told
    assert KEY not in told


def test_of_a_long_instruction_the_lines_around_the_guilty_one_are_shown() -> None:
    lines = ("RUN true && \\", *(f"    step{number} && \\" for number in range(50)), f"    use {KEY}")
    told = table(report(image(finding(excerpt=Excerpt("Dockerfile", 1, lines, (52,))))))

    assert told.count(" | ") == 9
    assert f"> 52 |     use {preview(KEY)}\n" in told


def test_a_secret_of_several_lines_is_hidden_in_the_excerpt_too() -> None:
    key = f"-----BEGIN ACME-----\n{TOKEN}\n{TOKEN[::-1]}\n-----END ACME-----"
    lines = ("COPY <<EOF /k", *key.split("\n"), "EOF")
    told = table(report(image(finding(secret=key, excerpt=Excerpt("Dockerfile", 1, lines, (1,))))))

    assert TOKEN not in told
    assert TOKEN[::-1] not in told


def test_a_build_secret_that_was_persisted_is_named() -> None:
    told = table(report(image(finding(replace(DELETED, secret_mounts=("npm", "pip"))))), 120)
    assert "the build secret npm or pip was mounted safely, and then written into this layer\n" in told


def test_one_of_several_instructions_is_not_called_the_one() -> None:
    told = table(report(image(finding(introduced_by=replace(ENV, basis="guess", others=3)))), 120)
    assert "MODE=fast (one of 4; nothing tells which)\n" in told


def test_what_carried_the_secret_to_another_place_is_told_there() -> None:
    npm = instruction("RUN npm config set token", 3)
    told = table(report(image(finding(IN_ENV, replace(PUBLIC, instruction=npm), introduced_by=ENV))))

    assert "through RUN npm config set token\n                   visible in the container\n" in told


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("deleted", "deleted by RUN rm /app/.env in layer 2 - still recoverable from layer 1"),
        (
            "overwritten",
            "overwritten by RUN rm /app/.env in layer 2 - the old content is still recoverable from layer 1",
        ),
        ("hidden", "hidden by RUN rm /app/.env in layer 2 - still recoverable from layer 1"),
        ("present", "visible in the container"),
    ],
)
def test_the_state_of_a_file_is_told_in_words(state: str, words: str) -> None:
    told = table(report(image(finding(replace(DELETED, state=state)))), 120)

    assert f"                   {words}\n" in told


def test_a_removal_that_no_instruction_is_known_for_names_the_layer() -> None:
    told = table(report(image(finding(replace(DELETED, removed_by=None)))))

    assert "deleted by layer 2 - still recoverable from layer 1" in told


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (replace(DELETED, line=None), "layer 1  app/.env at byte 31"),
        (replace(DELETED, path="a.jar", inner=("b.zip", "c"), line=4), "layer 1  a.jar!b.zip!c:4"),
        (Occurrence("config", field="/config/Labels/a.b"), "config Labels  /config/Labels/a.b"),
        (Occurrence("config", field="/author"), "config /author"),
        (Occurrence("config", field="/author", inner=("base64 at byte 3",)), "config /author, base64 at byte 3"),
        (
            Occurrence("config", field="/config/Cmd/0", path="0/json", document="v1"),
            "config Cmd  /config/Cmd/0  in 0/json",
        ),
        (Occurrence("attestation", field="/predicate/x", path="blobs/y"), "attestation /predicate/x  in blobs/y"),
        (Occurrence("build-cache", 4, path="x/y", line=1), "build cache layer 4  x/y:1"),
    ],
)
def test_a_place_is_told_so_that_it_can_be_found(place: Occurrence, words: str) -> None:
    assert f"    found in     {words}\n" in table(report(image(finding(place))))


def test_the_commit_that_brought_a_secret_is_told_with_its_author() -> None:
    commit = Commit(
        "0123456789abcdef" * 2 + "01234567", "A U Thor <thor@example.com>", "2024-01-02T03:04:05Z", "conf/.env"
    )
    told = table(report(image(finding(replace(DELETED, commit=commit)))))

    assert "conf/.env in commit 0123456789ab by A U Thor <thor@example.com>, 2024-01-02T03:04:05Z" in " ".join(
        told.split()
    )


def test_many_places_are_folded() -> None:
    places = tuple(replace(PUBLIC, path=f"file{number}") for number in range(12))
    told = table(report(image(finding(*places))))

    assert "file7:3\n" in told
    assert "file8" not in told
    assert "                 and 4 more places; --format json lists them all\n" in told


def test_the_gravest_secret_comes_first_and_the_downgraded_last() -> None:
    low = finding(secret=draw(30), severity=Severity.LOW, signature=replace(LEAKED_KEY.signature, name="Acme low"))
    told = table(report(image(DOWNGRADED, low, LEAKED_TOKEN, LEAKED_KEY)))

    order = [told.index(part) for part in ("CRITICAL", "HIGH", "Acme low", "downgraded, and not counted")]
    assert sorted(order) == order


def test_an_image_with_only_downgraded_findings_is_clean() -> None:
    told = table(report(image(DOWNGRADED)))

    assert "  no secrets found, everything was read: " in told
    assert told.endswith("\nno secrets in 1 image; 1 downgraded\n")


def test_what_is_ignored_is_told_with_its_reason_and_not_counted() -> None:
    by_rule = ignored(RULE, PUBLIC, replace(PUBLIC, line=9))
    by_mark = ignored(MARK, replace(PUBLIC, path="app/x"), secret=TOKEN, partial=True)
    told = table(report(image(LEAKED_TOKEN, ignored=(by_rule, by_mark))), 160)

    expected = f"""\
  ignored, and not counted
    critical  Acme secret key  {preview(KEY)}  .layerleakignore, rule 2: the vendor's own example; layer 0  \
usr/share/doc/acme:3 and 1 more place
    critical  Acme secret key  {preview(TOKEN)}  a mark in the image, gitleaks:allow; only layer 0  app/x:3

  everything was read: 3 layers, 1,234 files, 45.6 MiB
    note: manifest.json: names no tag

1 secret in 1 image: 1 high; 1 ignored (1 by .layerleakignore), 1 ignored in part
"""
    assert told.endswith(expected)


def test_an_image_with_all_its_secrets_ignored_is_not_called_clean() -> None:
    told = table(report(image(ignored=(ignored(RULE), ignored(MARK), ignored(MARK)))), 160)

    assert "\n\n  everything was read: " in told
    assert told.endswith(
        "\nno secrets that count in 1 image; 3 ignored (1 by .layerleakignore, 2 by marks in the image)\n"
    )


def test_of_many_ignored_findings_the_rest_is_counted() -> None:
    told = table(report(image(ignored=tuple(ignored(MARK, replace(PUBLIC, line=n)) for n in range(1, 21)))))

    assert told.count("a mark in the image") == 16
    assert "    and 4 more; --format json lists them all\n" in told


def test_what_was_not_read_is_listed_before_what_made_no_difference() -> None:
    skips = (*ALL_READ.skipped, Skip("layer 2", "blob is missing", 2048), Skip("a.zip", "encrypted"))
    told = table(report(image(coverage=Coverage(2, 5, 100, skips))))

    expected = """\
  no secrets found in what was read, but not everything was read: 2 layers, 5 files, 100 B, and not
    layer 2: blob is missing (2.0 KiB)
    a.zip: encrypted
    note: manifest.json: names no tag

no secrets in 1 image; not everything was read
"""
    assert told.endswith(expected)


def test_each_image_has_its_heading_and_the_sentence_counts_all() -> None:
    arm = image(LEAKED_KEY, platform="linux/arm64", references=("a", "b"))
    told = table(report(image(LEAKED_KEY), arm, image()))

    assert "\n\na  linux/arm64  sha256:1f0c8e2d9a7b  image\n  also b\n" in told
    assert told.endswith("""
2 findings in 2 of 3 images, of 1 secret: 2 critical; 2 of them not visible in the container but
recoverable
""")


def test_a_target_that_could_not_be_read_is_told_with_the_reason() -> None:
    told = table(report(image(LEAKED_KEY), failures=(("gone.tar", f"no such file {KEY}"),)), 120)

    assert f"\n\ncould not be read  gone.tar: no such file {preview(KEY)}\n\n1 secret in " in told
    assert told.endswith("; 1 target could not be read\n")


def test_when_nothing_could_be_read_no_image_is_called_clean() -> None:
    told = table(report(failures=(("gone.tar", "no such file"),)))

    assert told == "could not be read  gone.tar: no such file\n\nnothing was read\n"


def test_a_build_cache_is_called_so_and_hides_nothing_from_a_container() -> None:
    cache = image(finding(Occurrence("build-cache", 1, path="x")), kind="build-cache")

    assert table(report(cache)).endswith("\n1 secret in 1 build cache: 1 critical\n")


def test_a_secret_only_in_the_history_is_not_visible_but_recoverable() -> None:
    told = table(report(image(finding(IN_HISTORY))))

    assert told.endswith("\n1 secret in 1 image: 1 critical; not visible in the container but recoverable\n")


@pytest.mark.parametrize(
    "hostile", ["\x1b[31m", "\u202e", "\u2066", "\u200f", "\x9b0m", "\r", "\x07", "\ud800", "\u2028"]
)
def test_hostile_text_is_shown_escaped(hostile: str) -> None:
    told = table(everywhere(f"a{hostile}b"))

    assert hostile not in told
    assert "a\\" in told


def test_markup_in_a_name_is_text() -> None:
    told = table(everywhere("[red]a[/red] [link=x] :smile:"), 200)

    assert "layer 1  [red]a[/red] [link=x] :smile:!" in told


def test_a_shown_secret_is_escaped_too() -> None:
    told = table(report(image(finding(secret=b"\x1b[31mabc\xff\n"))), show_secrets=True)

    assert "\x1b" not in told
    assert "  \\x1b[31mabc\\xff\\n\n" in told


def test_colours_are_used_only_when_asked_for() -> None:
    assert "\x1b[1;31mCRITICAL\x1b[0m" in table(SMALL, color=True)
    assert "\x1b" not in table(SMALL)


TEXTS = st.one_of(
    st.text(min_size=1, max_size=200),
    st.text("漢字かな한글🎉é\u0301ab/ .", min_size=1, max_size=200),
    st.integers(1, 400).map(lambda length: "x" * length),
    st.lists(st.sampled_from(["a", "bb", "  ", "/", "漢", "x" * 50]), min_size=1).map("".join),
)


@given(text=TEXTS, width=st.sampled_from([40, 60, 80, 200]), color=st.booleans())
@settings(deadline=None, max_examples=60)
def test_no_line_is_wider_than_the_page(text: str, width: int, color: bool) -> None:
    lines = Text.from_ansi(table(everywhere(text), width, color=color)).plain.splitlines()

    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("text", ["x" * 500, "opt/" + "/".join(["directory"] * 60), "漢字" * 200])
def test_a_long_path_is_folded_and_never_cut(text: str, width: int) -> None:
    told = table(everywhere(text), width)

    assert max(map(cell_len, told.splitlines())) <= width
    assert f"{text}!{text}!{text}:2" in "".join(told.split())


@pytest.mark.parametrize("width", [40, 100])
def test_no_secret_is_anywhere_on_the_page(width: int) -> None:
    told = table(everywhere(f"a {KEY} /{EXAMPLE}/ ~1{KEY}"), width)

    assert KEY not in "".join(told.split())
    assert EXAMPLE not in "".join(told.split())


def test_a_secret_and_what_it_belongs_to_are_told_as_one() -> None:
    told = table(report(PAIRED), 200)

    assert f"belongs to   access id {redact(ACCESS_ID.encode())} (account 12)\n" in told
    assert "which is also in 1 place without the secret\n" in told
    assert f"signing key {redact(TOKEN.encode())}\n" in told
    assert "Acme access id" not in told
    assert told.splitlines()[-1] == (
        "1 secret in 1 image: 1 critical; 1 id joined to its secret; not visible in the container but recoverable"
    )
