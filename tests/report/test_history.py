from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from scanner.finding import HistoryLine, redact

from .factory import (
    ACCESS_ID,
    BASE,
    COPY,
    DELETED,
    DOWNGRADED,
    EXAMPLE,
    KEY,
    LEAKED_KEY,
    PAIRED,
    REMOVE,
    SMALL,
    TOKEN,
    everywhere,
    finding,
    image,
    report,
    story,
)
from .test_table import TEXTS


def test_an_image_is_told_like_this() -> None:
    expected = f"""\
registry.example/shop/api:1.4  linux/amd64  sha256:1f0c8e2d9a7b  image
  0  2024-05-01    29.6 MiB  layer 0    ADD rootfs.tar.gz / [base image]
     LOW  Acme secret key  {redact(EXAMPLE.encode())}  in layer 0  usr/share/doc/acme:3  downgraded:
       Acme's documentation prints it
  1  2024-05-02           -             ENV ACME_TOKEN={redact(TOKEN.encode())} MODE=fast
     HIGH  Acme token  {redact(TOKEN.encode())}  in config Env  /config/Env/1 and 1 more place
  2  2024-05-02       300 B  layer 1    COPY .env /app/.env (Dockerfile:7)
     CRITICAL  Acme secret key  {redact(KEY.encode())}  in layer 1  app/.env:2 (deleted by RUN rm
       /app/.env in layer 2)
  3  2024-05-02           ?  layer 2    RUN rm /app/.env
"""
    assert expected == story(SMALL, 100)


def test_a_narrow_page_puts_the_instruction_below_its_facts() -> None:
    assert "  2  2024-05-02       300 B  layer 1\n     COPY .env /app/.env (Dockerfile:7)\n" in story(SMALL, 60)


def test_a_layer_without_an_entry_is_told_after_those_with_one() -> None:
    told = story(report(image(finding(replace(DELETED, instruction=None), introduced_by=None), history=())))

    assert "  -  -                300 B  layer 1    no entry of its own; COPY .env /app/.env (Dockerfile:7)\n" in told
    assert f"     CRITICAL  Acme secret key  {redact(KEY.encode())}  in layer 1  app/.env:2" in told


def test_a_layer_of_which_nothing_is_known_says_so() -> None:
    layers = tuple(replace(layer, instruction=None) for layer in image().layers)

    assert "layer 0    no entry in the history\n" in story(report(image(history=(), layers=layers)))


def test_a_finding_that_belongs_to_no_line_is_told_at_the_end() -> None:
    told = story(report(image(finding(replace(DELETED, layer=None, instruction=None), introduced_by=None))))

    assert "\n tied to no instruction\n     CRITICAL  Acme secret key  " in told


def test_a_finding_is_told_where_it_entered_and_where_it_went() -> None:
    told = story(report(image(finding(DELETED, introduced_by=BASE))))

    assert told.count("CRITICAL") == 2


def test_what_is_not_sure_is_called_a_guess() -> None:
    lines = (
        HistoryLine(replace(COPY, basis="guess", dockerfile=None), "", 1, 5, False),
        HistoryLine(REMOVE, "nonsense\x1b[0m", 2, 5, False),
    )
    told = story(report(image(history=lines)))

    assert "  2  -                  5 B  layer 1    COPY .env /app/.env (a guess)\n" in told
    assert "  3  ?                  5 B  layer 2    RUN rm /app/.env (its layer is a guess)\n" in told


def test_images_are_told_one_after_the_other_and_failures_last() -> None:
    told = story(report(image(LEAKED_KEY), image(DOWNGRADED), failures=(("gone.tar", "no such file"),)))

    assert told.count("registry.example/shop/api:1.4") == 2
    assert told.endswith("\ncould not be read  gone.tar: no such file\n")


def test_secrets_are_shown_only_when_asked_for() -> None:
    told = everywhere(f"a {KEY} {EXAMPLE}")

    assert KEY not in "".join(story(told).split())
    assert EXAMPLE not in "".join(story(told).split())
    assert KEY in story(SMALL, 200, show_secrets=True)


@pytest.mark.parametrize("hostile", ["\x1b[31m", "\u202e", "\x07"])
def test_hostile_text_is_shown_escaped(hostile: str) -> None:
    assert hostile not in story(everywhere(f"a{hostile}b"))


@given(text=TEXTS, width=st.sampled_from([40, 60, 80, 200]))
@settings(deadline=None, max_examples=60)
def test_no_line_is_wider_than_the_page(text: str, width: int) -> None:
    assert max(map(cell_len, story(everywhere(text), width).splitlines())) <= width


def test_an_id_is_told_with_its_secret_and_by_itself_where_that_is_not() -> None:
    told = story(report(PAIRED), 200)

    hidden = redact(ACCESS_ID.encode())
    assert f", belongs to access id {hidden} (account 12), belongs to signing key {redact(TOKEN.encode())}" in told
    assert [line.split()[:4] for line in told.splitlines() if "Acme access id" in line] == [
        ["MEDIUM", "Acme", "access", "id"]
    ]
