"""Archives with random damage give a result or a `LayerleakError`, and nothing else."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.errors import LayerleakError
from scanner.image.fields import lay_out
from scanner.image.history import map_layers, parse_history
from scanner.image.layer import Layer
from scanner.image.oci import as_map
from scanner.image.source import open_source
from tests.image.archives import COMPRESSORS, SMALL_DOCKER_ARCHIVE, SMALL_OCI_ARCHIVE

FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=12)
JUNK = st.sampled_from([b"", b'"', b"{}", b"[[[[", b"\0" * 512, b"sha256:", b"9", b"-1", b"../"])


def read_all(path: Path) -> None:
    """Everything a scan does with a target, but for the matching."""
    with open_source(str(path)) as source:
        for _, stream in source.blobs():
            with stream:
                layer = Layer(stream, 4096, 4096)
                for _ in layer.blocks():
                    pass
            layer.footprint.touches({b"etc", b"root/.env"})
        images, _ = source.images()
    for image in images:
        for document in (image.config, *image.documents):
            if document is not None:
                text = lay_out(document)
                text.place(len(text.data) // 2) if text.regions else None
        steps = parse_history(as_map(image.config.value if image.config else None).get("history"))
        assert len(map_layers(steps, len(image.layers))) == len(image.layers)


@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
@pytest.mark.parametrize("archive", [SMALL_OCI_ARCHIVE, SMALL_DOCKER_ARCHIVE], ids=["oci", "docker"])
def test_a_damaged_archive_gives_a_result_or_an_error_that_explains_itself(
    archive: Path, codec: str | None, tmp_path: Path
) -> None:
    original = archive.read_bytes()
    compressed = COMPRESSORS[codec](original) if codec else original
    path = tmp_path / "damaged"

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(FLIPS, st.floats(0.3, 1), JUNK, st.floats(0, 1), st.booleans())
    def check(flips: list[tuple[float, int]], kept: float, junk: bytes, where: float, inside: bool) -> None:
        data = bytearray(original if inside else compressed)
        for position, bits in flips:
            data[int(position * len(data))] ^= bits
        at = int(where * len(data))
        data[at : at + len(junk)] = junk
        del data[int(kept * len(data)) or 1 :]
        path.write_bytes(COMPRESSORS[codec](bytes(data)) if codec and inside else data)
        with suppress(LayerleakError):
            read_all(path)

    check()
