import io
import subprocess
import sys

import pytest

from scanner.report import WRITERS, Options

from .factory import KEY, SMALL, everywhere


def test_the_formats_have_these_names() -> None:
    assert list(WRITERS) == ["table", "json", "baseline"]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_hides_secrets_unless_told_otherwise(name: str) -> None:
    stream = io.StringIO()
    WRITERS[name](SMALL, stream, Options())

    assert stream.getvalue()
    assert KEY not in stream.getvalue()


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_can_be_written_to_a_stream_that_knows_only_ascii(name: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    WRITERS[name](everywhere("漢字\ud800"), stream, Options(width=100))
    stream.flush()

    assert b"\\u6f22\\u5b57\\ud800" in raw.getvalue()


def test_rich_is_not_imported_before_a_format_needs_it() -> None:
    code = "import sys, scanner.report, scanner.report.json_report; sys.exit('rich' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
