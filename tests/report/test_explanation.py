"""What `signatures explain` prints, to the letter."""

from pathlib import Path

from scanner.detect.explain import explain
from scanner.detect.ruleset import compile_ruleset
from scanner.finding import redact
from scanner.report.explanation import lines
from tests.detect.engine import signature

TOKEN = b"acme_0k3j5h7g9f"


def told(cache: Path, text: bytes, *, show_secrets: bool = False) -> str:
    ruleset = compile_ruleset(
        (
            signature(id="other", prefilter=("acne_[a-z]{4}",), keywords=("Acme",)),
            signature(filters=("placeholder",), proof="crc32-base62"),
        ),
        cache,
    )
    return "\n".join(lines(explain(text, ruleset), show_secrets=show_secrets))


def test_an_explanation_reads_like_this(tmp_path: Path) -> None:
    text = TOKEN + b"\nacme_" + b"x" * 10

    assert (
        told(tmp_path, text)
        == f"""\
acme-token: found
  prefilter            yes  matches up to line 1, byte 9
  pattern              yes  matches at line 1, byte 1: {redact(TOKEN)}
  filter placeholder   yes  lets it through
  proof                -    checksum does not match, so the confidence is low
  claimed              yes  no other signature has a better claim to these bytes

acme-token: not found
  prefilter            yes  matches up to line 2, byte 9
  pattern              yes  matches at line 2, byte 1: …… (15 characters)
  filter placeholder   no   rejects a value that documentation puts where the secret goes
  proof                -    checksum does not match, so the confidence is low

their prefilters match nowhere, so these look no closer:
  other: pattern would match; keyword 'acme' is there

1 secret found; 1 candidate refused"""
    )


def test_the_secret_is_shown_only_when_asked_for(tmp_path: Path) -> None:
    assert TOKEN.decode() not in told(tmp_path, TOKEN)
    assert TOKEN.decode() in told(tmp_path, TOKEN, show_secrets=True)


def test_a_text_that_nothing_touches_is_one_line(tmp_path: Path) -> None:
    assert told(tmp_path, b"nothing") == "0 secrets found; 0 candidates refused"
