"""Every form an image comes in on disk, made from real ones, leads to the same image."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import TargetError
from scanner.image.fields import lay_out
from scanner.image.layer import Layer
from scanner.image.oci import CACHE_CONFIG, Image, Skip, parse_document
from scanner.image.source import open_source
from tests.image.archives import (
    BUILD_CACHE,
    COMPRESSORS,
    OCI_ARCHIVE,
    SAMPLES,
    SMALL_DOCKER_ARCHIVE,
    SMALL_OCI_ARCHIVE,
    Layout,
    docker_archive,
    file_entry,
    members_of,
    sha256,
    tar_of,
    tar_of_files,
    write_folder,
    write_tar,
)

ONE, TWO = tar_of_files({"one": b"1\n"}), tar_of_files({"two": b"2\n"})


@dataclass
class Target:
    """A target that has been read whole."""

    images: list[Image]
    skips: list[Skip]
    layers: dict[str, Layer]
    size: int
    files: list[str] = field(default_factory=list)

    @property
    def image(self) -> Image:
        """The one image there is."""
        (only,) = self.images
        return only

    @property
    def reasons(self) -> list[str]:
        """All that was skipped, in words."""
        return [skip.reason for skip in (*self.skips, *(skip for image in self.images for skip in image.skips))]


def read(target: Path | str) -> Target:
    layers: dict[str, Layer] = {}
    files: list[str] = []
    with open_source(str(target)) as source:
        for name, stream in source.blobs():
            with stream:
                layers[name] = Layer(stream, 512, 512)
                for block in layers[name].blocks():
                    files += [member.path for member in block.members]
        images, skips = source.images()
        return Target(images, skips, layers, source.size, files)


def refused(target: Path | str) -> str:
    with pytest.raises(TargetError) as error:
        read(target)
    return str(error.value)


def facts(target: Target) -> list[tuple[str, str, list[str]]]:
    """What every form keeps of an image: its id, its platform, and the layers' diff_ids, claimed and found."""
    found = []
    for image in target.images:
        claimed = [ref.diff_id for ref in image.layers]
        assert claimed == [target.layers[ref.blob].diff_id for ref in image.layers]
        found.append((image.image_id, image.platform, claimed))
    return found


def digests(target: Target) -> list[tuple[str, list[str]]]:
    """What only OCI forms keep: the digests of the manifest and of the layers as stored."""
    return [(image.digest, [layer.digest for layer in image.layers]) for image in target.images]


@pytest.fixture(params=[SMALL_OCI_ARCHIVE, SMALL_DOCKER_ARCHIVE, OCI_ARCHIVE], ids=["buildah", "docker", "buildkit"])
def archive(request: pytest.FixtureRequest) -> Path:
    """A plain archive of a real builder."""
    path: Path = request.param
    return path


# --- real archives ----------------------------------------------------------------------------------------------------


def test_a_buildkit_archive_is_one_image_with_its_attestation() -> None:
    target = read(OCI_ARCHIVE)
    image = target.image
    index = json.loads(members_of(OCI_ARCHIVE)["index.json"])
    assert (image.kind, image.platform, target.reasons) == ("image", "linux/amd64", [])
    assert image.image_id == sha256(members_of(OCI_ARCHIVE)[f"blobs/sha256/{image.image_id[7:]}"])
    assert [layer.digest for layer in image.layers] == [target.layers[layer.blob].digest for layer in image.layers]
    kinds = [document.kind for document in image.documents]
    assert (kinds.count("attestation"), kinds.count("manifest")) == (1, 2)  # the image's, and the attestation's
    assert index["manifests"][0]["digest"] in {document.digest for document in image.documents}
    assert "https://slsa.dev/provenance/v1" in [document.subtype for document in image.documents]


def test_a_docker_archive_is_one_image_with_its_tag() -> None:
    target = read(SMALL_DOCKER_ARCHIVE)
    manifest = json.loads(members_of(SMALL_DOCKER_ARCHIVE)["manifest.json"])
    assert tuple(manifest[0]["RepoTags"]) == target.image.references
    assert len(manifest[0]["Layers"]) == len(target.image.layers)
    assert target.reasons == []
    assert {"manifest", "v1"} == {document.kind for document in target.image.documents}


def test_a_build_cache_is_read_with_the_diff_ids_of_its_annotations() -> None:
    target = read(BUILD_CACHE)
    assert (target.image.kind, len(target.image.layers), target.reasons) == ("build-cache", 10, [])
    assert len(facts(target)) == 1


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.iterdir() if (path / "expected.json").exists()))
def test_every_sample_image_is_read_whole(sample: str) -> None:
    (path,) = (SAMPLES / sample).glob("image*")
    target = read(path)
    assert len(facts(target)) == 1
    assert target.reasons == []


# --- the same image in other forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_an_archive_compressed_as_a_whole_is_the_same(archive: Path, codec: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(COMPRESSORS[codec](archive.read_bytes()))
    target, plain = read(path), read(archive)
    assert facts(plain) == facts(target)
    assert digests(plain) == digests(target)
    assert plain.image.references == target.image.references
    assert plain.image.documents == target.image.documents
    assert (target.reasons, target.size) == ([], 0)


@pytest.mark.parametrize("prefix", ["./", "/", ".//"])
def test_an_archive_of_prefixed_names_is_the_same(archive: Path, prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of(file_entry(prefix + name, data) for name, data in members_of(archive).items()))
    assert facts(read(archive)) == facts(read(path))
    assert digests(read(archive)) == digests(read(path))


def test_an_archive_unpacked_to_a_folder_is_the_same(archive: Path, tmp_path: Path) -> None:
    target, plain = read(write_folder(tmp_path, members_of(archive))), read(archive)
    assert facts(plain) == facts(target)
    assert digests(plain) == digests(target)
    assert plain.image.documents == target.image.documents
    assert plain.size == target.size


def test_a_folder_packed_is_the_same(tmp_path: Path) -> None:
    files = {str(path.relative_to(BUILD_CACHE)): path.read_bytes() for path in BUILD_CACHE.rglob("*") if path.is_file()}
    target = read(write_tar(tmp_path / "cache.tar", files))
    assert facts(read(BUILD_CACHE)) == facts(target)
    assert digests(read(BUILD_CACHE)) == digests(target)


@pytest.mark.builder
@pytest.mark.parametrize("form", ["docker-archive", "oci", "oci-archive", "dir"])
def test_what_skopeo_copies_is_the_same(form: str, archive: Path, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    source = "docker-archive" if archive == SMALL_DOCKER_ARCHIVE else "oci-archive"
    name = ":example/app:1" if form == "docker-archive" else ":1" if form.startswith("oci") else ""
    path = tmp_path / "out"
    copied = subprocess.run(
        ["skopeo", "copy", "--quiet", "--insecure-policy", f"{source}:{archive}", f"{form}:{path}{name}"],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    if copied.returncode:
        pytest.skip(f"skopeo cannot make this form here: {copied.stderr.strip()[-200:]}")
    target, plain = read(f"{form}:{path}{name}"), read(archive)
    assert [(config, diffs) for config, _, diffs in facts(plain)] == [(c, d) for c, _, d in facts(target)] or (
        archive == SMALL_DOCKER_ARCHIVE or form == "docker-archive"  # the config is written anew between the two
    )
    assert [diffs for _, _, diffs in facts(plain)] == [diffs for _, _, diffs in facts(target)]
    assert facts(read(path)) == facts(target)
    if form == "docker-archive":
        assert any(name.endswith("example/app:1") for name in target.image.references)


# --- several images ---------------------------------------------------------------------------------------------------


def test_every_image_and_tag_of_a_docker_archive_is_read(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "two.tar", docker_archive((["a:1", "a:latest"], [ONE, TWO]), (["b:1"], [ONE]), ([], [TWO]))
    )
    target = read(path)
    assert [image.references for image in target.images] == [("a:1", "a:latest"), ("b:1",), ()]
    assert [len(image.layers) for image in target.images] == [2, 1, 1]
    assert [sha256(ONE), sha256(TWO)] == [layer.diff_id for layer in target.layers.values()]
    assert len(facts(target)) == 3


def test_every_platform_of_an_index_is_read_and_an_index_in_an_index_too(tmp_path: Path) -> None:
    layout = Layout()
    arm = layout.image(TWO, architecture="arm64", variant="v8")
    inner = layout.document(
        {
            "schemaVersion": 2,
            "manifests": [{**layout.image(ONE), "platform": {"os": "linux", "architecture": "amd64"}}, arm],
        }
    )
    named = {**inner, "annotations": {"org.opencontainers.image.ref.name": "app:1"}}
    target = read(write_tar(tmp_path / "multi.tar", layout.done(named)))
    assert [image.platform for image in target.images] == ["linux/amd64", "linux/arm64/v8"]
    assert [image.references for image in target.images] == [("app:1",), ("app:1",)]
    assert len(facts(target)) == 2
    assert {"manifest", "index"} == {document.kind for document in target.images[0].documents}


def test_one_manifest_of_two_names_is_one_image(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image(ONE)
    names = [{**image, "annotations": {"org.opencontainers.image.ref.name": name}} for name in ("a", "b")]
    assert read(write_tar(tmp_path / "x.tar", layout.done(*names))).image.references == ("a", "b")


def test_an_archive_of_docker_25_is_one_image_and_not_two(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image(ONE)
    files = layout.done(image)
    config = json.loads(files["blobs/" + image["digest"].replace(":", "/")])["config"]["digest"]
    saved = [
        {"Config": f"blobs/sha256/{config[7:]}", "RepoTags": ["a:1"], "Layers": [f"blobs/sha256/{sha256(ONE)[7:]}"]}
    ]
    target = read(write_tar(tmp_path / "x.tar", {**files, "manifest.json": json.dumps(saved).encode()}))
    assert (image["digest"], ("a:1",)) == (target.image.digest, target.image.references)
    assert len(facts(target)) == 1


def test_a_layer_that_two_images_name_is_handed_out_once(tmp_path: Path) -> None:
    target = read(write_tar(tmp_path / "x.tar", docker_archive((["a:1"], [ONE, ONE]), (["b:1"], [ONE]))))
    assert (len(target.layers), [len(image.layers) for image in target.images]) == (1, [2, 1])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_layer_that_is_a_link_to_another_is_followed(compressed: bool, tmp_path: Path) -> None:
    files = docker_archive((["a:1"], [ONE, ONE]))
    (name,) = [name for name in files if name.endswith("layer.tar")]
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"] = [name, "other/layer.tar"]
    files["manifest.json"] = json.dumps(manifest).encode()
    link = file_entry("other/layer.tar", type=b"2", linkname=f"../{name}")
    data = tar_of([*(file_entry(key, value) for key, value in files.items()), link])
    path = tmp_path / "x"
    path.write_bytes(COMPRESSORS["gzip"](data) if compressed else data)
    target = read(path)
    assert ([name, name], 1) == ([ref.blob for ref in target.image.layers], len(target.layers))


def test_dir_of_several_platforms_has_them_all(tmp_path: Path) -> None:
    layout = Layout()
    images = [layout.image(ONE), layout.image(TWO, architecture="arm64")]
    blobs = {name.rpartition("/")[2]: data for name, data in layout.files.items() if name.startswith("blobs/")}
    for image in images:
        blobs[image["digest"][7:] + ".manifest.json"] = blobs.pop(image["digest"][7:])
    blobs["manifest.json"] = json.dumps({"schemaVersion": 2, "manifests": images}).encode()
    target = read(write_folder(tmp_path, blobs))
    assert [image.platform for image in target.images] == ["linux/amd64", "linux/arm64"]
    assert len(facts(target)) == 2


# --- what is wrong or missing is said ---------------------------------------------------------------------------------


def test_a_missing_layer_leaves_the_others(tmp_path: Path) -> None:
    files = docker_archive((["a:1"], [ONE, TWO]))
    missing = f"{sha256(ONE)[7:]}/layer.tar"
    del files[missing]
    target = read(write_tar(tmp_path / "x.tar", files))
    assert [missing] == [ref.blob for ref in target.image.layers if ref.blob not in target.layers]
    assert [-1, len(TWO)] == [ref.size for ref in target.image.layers]


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    layout = Layout()
    image, gone = layout.image(ONE), layout.image(TWO)
    del layout.files["blobs/" + gone["digest"].replace(":", "/")]
    gone["platform"] = {"os": "linux", "architecture": "arm64"}
    target = read(write_tar(tmp_path / "x.tar", layout.done(image, gone)))
    assert [image["digest"], ""] == [found.digest for found in target.images]
    assert target.reasons == ["manifest linux/arm64 is not in the archive"]


def test_blobs_that_no_manifest_names_are_left_over_and_read(tmp_path: Path) -> None:
    layout = Layout()
    image, gone = layout.image(ONE), layout.image(TWO)
    target = read(write_tar(tmp_path / "x.tar", layout.done(image)))
    left = target.images[1]
    assert ([i.kind for i in target.images], len(left.layers)) == (["image", "unreferenced"], 1)
    assert target.layers[left.layers[0].blob].diff_id == sha256(TWO)
    assert "blobs/" + gone["digest"].replace(":", "/") in [d.where for d in left.documents]


def test_a_missing_config_leaves_the_layers(tmp_path: Path) -> None:
    files = docker_archive((["a:1"], [ONE]))
    del files[json.loads(files["manifest.json"])[0]["Config"]]
    target = read(write_tar(tmp_path / "x.tar", files))
    assert [sha256(ONE)] == [target.layers[ref.blob].diff_id for ref in target.image.layers]
    assert "is not in the archive" in target.reasons[0]


def test_an_entry_without_a_config_still_has_layers(tmp_path: Path) -> None:
    files = {"a.tar": ONE, "manifest.json": b'[{"Layers": ["a.tar"]}, 7, {"Config": 9}]'}
    target = read(write_tar(tmp_path / "x.tar", files))
    assert [len(image.layers) for image in target.images] == [1, 0, 0]
    assert list(target.layers) == ["a.tar"]


def test_a_manifest_whose_digest_is_wrong_is_read_and_told(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image(ONE)
    name = "blobs/" + image["digest"].replace(":", "/")
    files = layout.done(image)
    files[name] += b"\n"
    target = read(write_tar(tmp_path / "x.tar", files))
    assert (image["digest"], 1) == (target.image.digest, len(target.image.layers))
    assert "digest does not match" in target.reasons[0]


def test_a_layer_whose_digest_and_diff_id_are_wrong_shows_it(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image(ONE, rootfs={"diff_ids": ["sha256:" + "0" * 64]})
    layout.files["blobs/" + sha256(ONE).replace(":", "/")] = TWO
    target = read(write_tar(tmp_path / "x.tar", layout.done(image)))
    (ref,) = target.image.layers
    assert (sha256(ONE), "sha256:" + "0" * 64) == (ref.digest, ref.diff_id)
    assert (sha256(TWO), sha256(TWO)) == (target.layers[ref.blob].digest, target.layers[ref.blob].diff_id)


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_media_types_may_lie(codec: str, tmp_path: Path) -> None:
    layout = Layout()
    blob = layout.blob(COMPRESSORS[codec](ONE), "application/vnd.oci.image.layer.v1.tar")
    image = {**layout.image(ONE, layers=[blob]), "mediaType": "text/html"}
    target = read(write_tar(tmp_path / "x.tar", layout.done(image)))
    assert [codec] == [layer.compression for layer in target.layers.values()]
    assert len(facts(target)) == 1


def test_diff_ids_that_are_fewer_than_the_layers_are_not_paired(tmp_path: Path) -> None:
    files = docker_archive((["a:1"], [ONE, TWO]))
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"].pop()
    files["manifest.json"] = json.dumps(manifest).encode()
    target = read(write_tar(tmp_path / "x.tar", files))
    assert [[ref.diff_id for ref in image.layers] for image in target.images] == [[""], [""]]
    assert target.reasons == ["lists 1 layers, the config 2 diff_ids: none is checked"]


def test_indexes_that_name_each_other_come_to_an_end(tmp_path: Path) -> None:
    layout = Layout()
    digest = "sha256:" + hashlib.sha256(b"no bytes have their own digest in them").hexdigest()
    itself = {"manifests": [{"digest": digest}, layout.image(ONE)]}
    layout.files["blobs/" + digest.replace(":", "/")] = json.dumps(itself).encode()
    target = read(write_tar(tmp_path / "x.tar", layout.done({"digest": digest})))
    assert len(target.images) == 1
    assert len(target.reasons) == 1


def test_indexes_nested_too_deep_are_told(tmp_path: Path) -> None:
    layout = Layout()
    descriptor = layout.image(ONE)
    for _ in range(20):
        descriptor = layout.document({"manifests": [descriptor]})
    target = read(write_tar(tmp_path / "x.tar", layout.done(descriptor)))
    assert [image.kind for image in target.images] == ["unreferenced"]
    assert "nested indexes" in target.reasons[0]


def test_an_attestation_without_its_image_is_kept(tmp_path: Path) -> None:
    layout = Layout()
    statement = layout.document({"predicate": {}}, "application/vnd.in-toto+json")
    manifest = layout.document({"layers": [statement]})
    annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": "sha256:0"}
    target = read(write_tar(tmp_path / "x.tar", layout.done({**manifest, "annotations": annotations})))
    assert (target.image.kind, [d.kind for d in target.image.documents]) == ("artifact", ["attestation"])
    assert "image of an attestation is not here; the attestation is scanned" in target.reasons


def test_a_build_cache_of_before_buildkit_0_21_is_one_too(tmp_path: Path) -> None:
    layout = Layout()
    layer = layout.blob(ONE, annotations={"containerd.io/uncompressed": sha256(ONE)})
    config = layout.document({"layers": [], "records": []}, CACHE_CONFIG)
    target = read(write_tar(tmp_path / "x.tar", layout.done(layer, config)))
    assert (target.image.kind, len(facts(target))) == ("build-cache", 1)


# --- v1, and what is no image -----------------------------------------------------------------------------------------


def v1_archive(parents: dict[str, str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {"repositories": json.dumps({"app": {"1": next(iter(parents))}}).encode()}
    for name, parent in parents.items():
        files[f"{name}/json"] = json.dumps({"id": name, "parent": parent, "os": "linux"}).encode()
        files[f"{name}/layer.tar"] = tar_of_files({name: b"x"})
    return files


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_an_archive_of_v1_layers_only_is_read_from_the_lowest_up(codec: str | None, tmp_path: Path) -> None:
    data = tar_of_files(v1_archive({"top": "middle", "middle": "base", "base": ""}))
    (tmp_path / "x").write_bytes(COMPRESSORS[codec](data) if codec else data)
    target = read(tmp_path / "x")
    assert [ref.blob for ref in target.image.layers] == ["base/layer.tar", "middle/layer.tar", "top/layer.tar"]
    assert (target.image.references, target.image.platform, len(target.image.documents)) == (("app:1",), "linux", 3)


def test_v1_layers_that_are_each_others_parents_come_to_an_end(tmp_path: Path) -> None:
    target = read(write_tar(tmp_path / "x.tar", v1_archive({"a": "b", "b": "a"})))
    assert len(target.image.layers) == 2
    assert "parents go round" in target.reasons[0]


@pytest.mark.parametrize("codec", [None, *COMPRESSORS])
def test_a_tar_of_a_file_system_is_one_layer(codec: str | None, tmp_path: Path) -> None:
    data = tar_of_files(
        {"etc/passwd": b"root\n", "manifest.json": b'{"name": "a web application"}', "index.json": b"[]"}
    )
    path = tmp_path / "rootfs"
    path.write_bytes(COMPRESSORS[codec](data) if codec else data)
    target = read(path)
    assert (target.image.kind, target.image.references) == ("filesystem", ("rootfs",))
    assert (codec or "none", sha256(data)) == (target.layers["rootfs"].compression, target.layers["rootfs"].diff_id)
    assert "etc/passwd" in target.files


def test_a_layer_whose_first_name_looks_like_json_is_no_document(tmp_path: Path) -> None:
    layer = tar_of_files({"[id].js": b"x", "{{cookiecutter}}/f": b"y"})
    (tmp_path / "x.gz").write_bytes(COMPRESSORS["gzip"](tar_of_files(docker_archive((["a:1"], [layer])))))
    assert len(facts(read(tmp_path / "x.gz"))) == 1


def test_a_whole_archive_of_many_small_zstd_frames_is_read(tmp_path: Path) -> None:
    data = SMALL_OCI_ARCHIVE.read_bytes()
    frames = [COMPRESSORS["zstd"](data[at : at + 100]) for at in range(0, len(data), 100)]
    (tmp_path / "x").write_bytes(b"".join(frames))
    assert facts(read(SMALL_OCI_ARCHIVE)) == facts(read(tmp_path / "x"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "found an empty file"),
        (b"x", "found other data"),
        (bytes(range(256)) * 40, "found other data"),
        (b"PK\x03\x04" + bytes(5000), "found other data"),
        (COMPRESSORS["gzip"](b"a text"), "found gzip data of another kind"),
        (COMPRESSORS["zstd"](b"a text" * 900), "found zstd data of another kind"),
        (b"\x1f\x8b\x08" + bytes(600), "damaged gzip data"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 600, "damaged zstd data"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(data)
    message = refused(tmp_path / "target")
    assert message.startswith(f"{tmp_path}/target: ")
    assert said in message
    assert "\n" not in message


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}/none: No such file or directory" == refused(tmp_path / "none")
    for name in ("x" * 5000, "a\0b"):
        assert "no such file, and no name of an image" in refused(name)


def test_a_folder_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "found a folder without index.json, manifest.json or repositories" in refused(tmp_path)


def test_a_transport_before_the_path_is_taken_off() -> None:
    expected = facts(read(SMALL_OCI_ARCHIVE))
    for target in (f"oci-archive:{SMALL_OCI_ARCHIVE}", f"oci-archive:{SMALL_OCI_ARCHIVE}:latest"):
        assert expected == facts(read(target))
    assert facts(read(BUILD_CACHE)) == facts(read(f"oci:{BUILD_CACHE}:latest"))


def test_a_name_behind_the_path_chooses_one_image(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", docker_archive((["docker.io/library/a:1"], [ONE]), (["b:2"], [TWO])))
    for named in ("a:1", "library/a:1", "docker.io/library/a:1", "1"):
        assert read(f"docker-archive:{path}:{named}").image.references == ("docker.io/library/a:1",)
    assert "no image goes by c; there is b:2, docker.io/library/a:1" in refused(f"docker-archive:{path}:c")


def test_an_archive_that_lost_its_index_is_no_file_system(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.done(layout.image(ONE))
    del files["index.json"]
    target = read(write_tar(tmp_path / "x.tar", files))
    assert ([image.kind for image in target.images], len(target.layers)) == (["unreferenced"], 1)
    assert "looks like an image archive, but has no readable index.json" in target.reasons[0]


def test_a_transport_promises_an_image(tmp_path: Path) -> None:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(ONE)
    assert "found a tar of other files" in refused(f"docker-archive:{path}")


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "save it to a file first" in refused(tmp_path / "pipe")


# --- hostile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:../../../secret",
        "../secret",
        "sha256:/../../../secret",
        "/etc/hostname",
        "x:\0",
        "\ud800",
        "",
        "a" * 9999,
    ],
)
@pytest.mark.parametrize("form", ["oci", "dir"])
def test_a_digest_does_not_lead_out_of_the_folder(digest: str, form: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(ONE)
    descriptor = {"digest": digest, "mediaType": "x", "size": len(ONE)}
    layout = Layout()
    if form == "oci":
        files = layout.done(layout.image(layers=[descriptor]), descriptor)
    else:
        files = {"manifest.json": json.dumps({"config": descriptor, "layers": [descriptor]}).encode()}
    target = read(write_folder(tmp_path / "layout", files))
    assert target.layers == {}
    assert len(target.image.layers) == 1


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.done(layout.image(ONE))
    name = "blobs/" + sha256(ONE).replace(":", "/")
    write_folder(tmp_path / "layout", files)
    (tmp_path / "layout" / name).rename(tmp_path / "outside")
    (tmp_path / "layout" / name).symlink_to(tmp_path / "outside")
    assert read(tmp_path / "layout").layers == {}


def test_links_in_a_circle_are_a_missing_blob(tmp_path: Path) -> None:
    layout = Layout()
    write_folder(tmp_path / "layout", layout.done(layout.image(ONE)))
    blob = tmp_path / "layout" / "blobs" / sha256(ONE).replace(":", "/")
    blob.unlink()
    blob.symlink_to(blob.name)
    assert read(tmp_path / "layout").layers == {}
    loop = [file_entry("a/layer.tar", type=b"2", linkname="../b"), file_entry("b", type=b"1", linkname="a/layer.tar")]
    manifest = file_entry("manifest.json", b'[{"Config": "b", "Layers": ["a/layer.tar"]}]')
    for codec in (None, "gzip"):
        data = tar_of([*loop, manifest])
        (tmp_path / "x").write_bytes(COMPRESSORS[codec](data) if codec else data)
        assert read(tmp_path / "x").layers == {}


@pytest.mark.parametrize(
    "value", [None, 7, "x", [], {}, [[]], {"manifests": [7, {}, {"digest": 7}]}, {"manifests": {}}]
)
def test_an_index_of_any_json_is_read_or_skipped(value: Any, tmp_path: Path) -> None:
    files = {"oci-layout": b"{}", "index.json": json.dumps(value).encode()}
    assert read(write_tar(tmp_path / "x.tar", files)).images == []


@pytest.mark.parametrize(
    "value", [{"layers": 7}, {"layers": [7, {}]}, {"layers": [], "config": []}, {"config": {"digest": {}}}, [], 7, None]
)
def test_a_manifest_of_any_json_is_read_or_skipped(value: Any, tmp_path: Path) -> None:
    layout = Layout()
    target = read(write_tar(tmp_path / "x.tar", layout.done(layout.document(value))))
    assert target.reasons or target.images


def test_an_index_that_is_no_json_leaves_the_tar_itself(tmp_path: Path) -> None:
    target = read(write_tar(tmp_path / "x.tar", {"oci-layout": b"{}", "index.json": b"{", "blobs/sha256/a": b"x"}))
    assert target.image.kind == "filesystem"
    assert "index.json" in target.files


def test_every_prefix_of_an_archive_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    for archive, step in ((OCI_ARCHIVE, 10 * 1024), (SMALL_DOCKER_ARCHIVE, 700), (SMALL_OCI_ARCHIVE, 300)):
        data = archive.read_bytes()
        for kept in range(step, len(data), step):
            path.write_bytes(data[:kept])
            try:
                target = read(path)
            except TargetError:
                continue
            told = [*target.reasons, *(p.reason for layer in target.layers.values() for p in layer.problems)]
            missing = [ref for image in target.images for ref in image.layers if ref.blob not in target.layers]
            whole = not data[kept:].strip(b"\0")
            assert told or missing or whole, kept


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_every_prefix_of_a_compressed_archive_is_read_or_refused(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    for archive in (SMALL_OCI_ARCHIVE, SMALL_DOCKER_ARCHIVE):
        data = COMPRESSORS[codec](archive.read_bytes())
        for kept in range(1, len(data), max(1, len(data) // 25)):
            path.write_bytes(data[:kept])
            try:
                target = read(path)
            except TargetError:
                continue
            assert target.reasons or any(layer.problems for layer in target.layers.values())


def test_a_source_knows_the_size_of_its_layers() -> None:
    with open_source(str(SMALL_OCI_ARCHIVE)) as source:
        assert source.concurrent
        sizes = []
        for _, stream in source.blobs():
            with stream:
                sizes.append(len(stream.read()))
        assert sum(sizes) == source.size > 0


def test_blobs_that_may_be_read_at_once_do_not_move_each_other() -> None:
    with open_source(str(OCI_ARCHIVE)) as source:
        streams = [stream for _, stream in source.blobs()]
        first = [stream.read(100) for stream in streams]
        rest = [stream.read() for stream in reversed(streams)]
        found = [sha256(head + tail) for head, tail in zip(first, reversed(rest), strict=True)]
        images, _ = source.images()
        sizes = [len(head + tail) for head, tail in zip(first, reversed(rest), strict=True)]
    assert sorted(layer.digest for layer in images[0].layers) == sorted(found)
    assert sizes == sorted(sizes, reverse=True)


def test_a_key_that_is_there_twice_hides_nothing() -> None:
    document = parse_document("config", "c.json", b'{"config": {"Env": ["A=1"]}, "config": {"Env": ["B=2"]}}')
    assert (document.value["config"], b"A=1" in lay_out(document).data) == ({"Env": ["B=2"]}, True)


def test_a_member_that_is_in_an_archive_twice_is_told(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", docker_archive((["a:1"], [ONE])))
    again = docker_archive((["a:1"], [ONE]))
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(again["manifest.json"])
        tar.addfile(member, io.BytesIO(again["manifest.json"]))
    assert "is in the archive more than once; only the last was read" in read(path).reasons


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "streamed"])
def test_a_document_gives_way_to_a_later_member_of_its_name_that_is_none(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    files = docker_archive((["a:1"], [ONE]))
    entries = [*(file_entry(name, data) for name, data in files.items()), file_entry("manifest.json", b"no document")]
    path = tmp_path / "x.tar"
    path.write_bytes(compress(tar_of(entries)))

    target = read(path)

    assert [image.references for image in target.images if image.references] == []
    assert "is in the archive more than once; only the last was read" in target.reasons
