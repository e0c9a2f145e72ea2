"""Where a secret came from: through variables, moved files, other stages; and where the trail ends."""

import base64
import json
import time

import pytest

from scanner.finding import Excerpt
from scanner.hits import FieldHit, FileHit
from scanner.image.fields import Place
from scanner.image.oci import Document, Image, LayerRef
from scanner.trace.attribution import Attribution
from tests.trace.dockerfiles import blamed, found, given
from tests.trace.images import SECRET, entry, hit, image, in_field, layer

VALUE = SECRET.decode()
BUILDKIT = "buildkit.dockerfile.v0"

MULTI_STAGE = """\
FROM alpine AS base
FROM base AS deps
ARG TOKEN
COPY id_rsa /keys/id_rsa
RUN mkdir /out && echo "token=${TOKEN}" > /out/app.ini
WORKDIR /work
RUN cp /out/app.ini settings.ini
FROM base AS mid
COPY --from=deps /work/ /srv/
FROM base
COPY --from=mid /srv/settings.ini /etc/app/
COPY --from=1 /keys /root/.ssh/
COPY --from=nginx:1 /etc/nginx /etc/nginx
"""
HISTORY = [
    entry("COPY /srv/settings.ini /etc/app/ # buildkit", comment=BUILDKIT),
    entry("COPY /keys /root/.ssh/ # buildkit", comment=BUILDKIT),
    entry("COPY /etc/nginx /etc/nginx # buildkit", comment=BUILDKIT),
]


def in_layer(index: int, path: str) -> tuple[Image, list[object]]:
    return image(HISTORY, 3), [layer(path, secret_in=path) if at == index else layer("x") for at in range(3)]


def test_a_value_is_followed_through_stages_and_copies_to_its_argument() -> None:
    made, layers = in_layer(0, "etc/app/settings.ini")
    told = found(made, given(MULTI_STAGE), *layers)  # type: ignore[arg-type]

    assert blamed(told) == [("ARG", 3, 3, "guess"), ("COPY", 11, 11, "dockerfile")]
    assert told.introduced_by
    assert told.introduced_by.stage == "deps"


def test_a_directory_of_another_stage_leads_to_what_put_the_file_there() -> None:
    made, layers = in_layer(1, "root/.ssh/id_rsa")
    assert blamed(found(made, given(MULTI_STAGE), *layers)) == [  # type: ignore[arg-type]
        ("COPY", 4, 4, "guess"),
        ("COPY", 12, 12, "dockerfile"),
    ]


def test_what_comes_from_an_image_ends_there() -> None:
    made, layers = in_layer(2, "etc/nginx/key")
    assert blamed(found(made, given(MULTI_STAGE), *layers)) == [("COPY", 13, 13, "dockerfile")] * 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "origin"),
    [
        (f"ARG T={VALUE}\nRUN echo $T > /k", ("ARG", 2, "dockerfile")),
        (f"ENV T={VALUE}\nENV U=x-$T\nRUN echo ${{U}} > /k", ("ENV", 2, "dockerfile")),
        (f"ENV T={VALUE}\nRUN tool --write /k", ("ENV", 2, "dockerfile")),  # it has every variable, named or not
        (f"RUN echo {VALUE} > /k", ("RUN", 2, "dockerfile")),
        ("ARG A\nARG TOKEN\nRUN echo $A$TOKEN > /k", ("ARG", 3, "guess")),
        ("ARG A\nARG B\nRUN echo $A$B > /k", ("RUN", 4, "dockerfile")),
        (r"ARG A" + "\n" + r"RUN echo \$A > /k", ("RUN", 3, "dockerfile")),
        (f"COPY <<EOF /k\nx={VALUE}\nEOF", ("COPY", 2, "dockerfile")),
        (f"ARG T={VALUE}\nCOPY <<EOF /k\nx=$T\nEOF", ("ARG", 2, "dockerfile")),
    ],
)
def test_a_variable_is_blamed_where_its_value_or_its_name_says_so(lines: str, origin: tuple[str, int, str]) -> None:
    last = lines.splitlines()[-1] if "<<" not in lines else "COPY <<EOF /k"
    history = [entry(line, empty=True, comment=BUILDKIT) for line in lines.splitlines() if line[:4] in ("ARG ", "ENV ")]
    history.append(entry(("RUN /bin/sh -c " + last[4:] if last.startswith("RUN") else last) + " # buildkit"))
    told = found(image(history, 1), given(f"FROM scratch\n{lines}\n"), layer("k", secret_in="k"))

    assert told.introduced_by
    by, at = told.introduced_by, told.introduced_by.dockerfile
    assert at
    assert (by.keyword, at.start_line, by.basis) == origin


def test_an_argument_before_from_is_where_its_default_stands() -> None:
    text = f"ARG T={VALUE}\nFROM scratch\nARG T\nRUN echo $T > /k\n"
    told = found(image([entry("RUN /bin/sh -c echo $T > /k # buildkit")], 1), given(text), layer("k", secret_in="k"))

    assert blamed(told) == [("ARG", 1, 1, "dockerfile"), ("RUN", 4, 4, "dockerfile")]


def test_a_moved_file_was_let_in_by_what_first_wrote_it_also_without_a_dockerfile() -> None:
    history = [
        entry("/bin/sh -c #(nop) COPY dir:1 in /conf/ ", empty=True),
        entry("/bin/sh -c mv /conf/bot.txt /srv/bot.old", empty=True),
        entry('/bin/sh -c #(nop) CMD ["sh"]'),
    ]
    told = found(image(history, 1), None, layer("srv/bot.old", secret_in="srv/bot.old"))

    assert told.introduced_by
    assert (told.introduced_by.keyword, told.occurrences[0].via) == ("COPY", "RUN")


@pytest.mark.parametrize(
    "command",
    [
        "cp -a /conf/a.txt /conf/b.txt /srv/",
        "cat /conf/b.txt > /srv/b.txt",
        "mkdir -p /srv && ln /conf/b.txt /srv/b.txt",
        "install -m 600 /conf/b.txt /srv/b.txt; rm /conf/b.txt",
        "cp -r /conf/* /srv/",
        "cp -r /conf/. /srv",
    ],
)
def test_commands_that_carry_a_file_are_seen_through(command: str) -> None:
    text = f"FROM scratch AS a\nCOPY dir/ /conf/\nWORKDIR /w\nRUN {command}\nFROM scratch\nCOPY --from=a /srv /srv\n"
    made = image([entry("COPY /srv /srv # buildkit", comment=BUILDKIT)], 1)

    told = found(made, given(text), layer("srv/b.txt", secret_in="srv/b.txt"))
    assert blamed(told) == [("COPY", 2, 2, "guess"), ("COPY", 6, 6, "dockerfile")]


def test_a_secret_mount_whose_secret_stays_is_named_and_one_that_stays_out_is_not() -> None:
    text = (
        "FROM scratch\n"
        "RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install x\n"
        "RUN --mount=type=secret,id=gh --mount=type=secret,id=npm cat /run/secrets/gh > /k\n"
        "RUN --mount=type=secret,id=env,target=/e cp /e /e.bak\n"
    )
    history = [
        entry("RUN /bin/sh -c pip install x # buildkit"),
        entry("RUN /bin/sh -c cat /run/secrets/gh > /k # buildkit"),
        entry("RUN /bin/sh -c cp /e /e.bak # buildkit"),
    ]
    made, what = image(history, 3), given(text)

    told = found(made, what, layer("x"), layer("k", secret_in="k"), layer("e.bak", secret_in="e.bak", secret=SECRET))
    assert [place.secret_mounts for place in told.occurrences] == [("gh",), ("env",)]
    assert blamed(told)[0] == ("RUN", 3, 3, "dockerfile")


def test_a_secret_that_stands_in_the_instruction_was_not_mounted() -> None:
    text = f"FROM scratch\nRUN --mount=type=secret,id=gh echo {VALUE} > /k\n"
    made = image([entry(f"RUN /bin/sh -c echo {VALUE} > /k # buildkit")], 1)

    assert found(made, given(text), layer("k", secret_in="k")).occurrences[0].secret_mounts == ()


def test_an_image_config_is_blamed_on_what_the_value_was_made_from() -> None:
    text = f"FROM scratch\nARG PW={VALUE}\nENV URL=db://u:$PW@h\nCMD x\n"
    history = [
        entry(f"ARG PW={VALUE}", empty=True, comment=BUILDKIT),
        entry(f"ENV URL=db://u:{VALUE}@h", empty=True, comment=BUILDKIT),
        entry("CMD x", empty=True, comment=BUILDKIT),
    ]
    made = image(history, 0, config={"Env": [f"URL=db://u:{VALUE}@h"]})
    told = found(made, given(text), fields=(in_field(made, "/config/Env/0", 9),))

    assert blamed(told) == [("ARG", 2, 2, "dockerfile"), ("ENV", 3, 3, "dockerfile")]
    assert told.excerpt == Excerpt("Dockerfile", 1, ("FROM scratch", f"ARG PW={VALUE}", "ENV URL=db://u:$PW@h"), (2,))


def attested(text: str, steps: list[object], **locations: int) -> Document:
    """Provenance of a Dockerfile with these steps, each in a line."""
    predicate = {
        "buildConfig": {"llbDefinition": steps},
        "metadata": {
            "https://mobyproject.org/buildkit@v1#metadata": {
                "source": {
                    "infos": [{"filename": "Dockerfile", "data": base64.b64encode(text.encode()).decode()}],
                    "locations": {
                        name: {"locations": [{"ranges": [{"start": {"line": line}}]}]}
                        for name, line in locations.items()
                    },
                }
            }
        },
    }
    return Document("attestation", "blobs/s", "sha256:s", json.loads(json.dumps({"predicate": predicate})))


def test_the_environment_of_a_step_is_carried_by_the_run_and_let_in_by_what_set_it() -> None:
    text = f"FROM scratch AS build\nENV T={VALUE}\nRUN make\nFROM scratch\nCOPY --from=build /o /o\n"
    step = {"id": "step0", "op": {"Op": {"exec": {"meta": {"env": [f"T={VALUE}"]}}}}}
    statement = attested(text, [step], step0=3)
    made = Image("image", config=Document("config", "c", "", {}), documents=(statement,))
    pointer = "/predicate/buildConfig/llbDefinition/0/op/Op/exec/meta/env/0"

    told = found(made, None, fields=(FieldHit(hit(), statement, Place(pointer, 2, False)),))
    assert blamed(told) == [("ENV", 2, 2, "provenance"), ("RUN", 3, 3, "provenance")]
    assert told.introduced_by
    assert told.introduced_by.stage == "build"


def test_another_dockerfile_than_the_proven_one_is_not_used_and_said() -> None:
    made = Image("image", documents=(attested("FROM a\n", []),))

    assert Attribution(made, given("FROM a\n")).notes == ()
    (note,) = Attribution(made, given("FROM b\n")).notes
    assert note.reason == "Dockerfile is not the Dockerfile in the image's provenance, which is used instead"


def test_layers_of_a_cache_are_tied_to_the_stage_of_their_length() -> None:
    text = "FROM scratch AS a\nCOPY k /k\nRUN one\nRUN two\nFROM scratch\nCOPY --from=a /o /o\n"
    config = {
        "layers": [
            {"blob": "sha256:2", "parent": 1},
            {"blob": "sha256:1", "parent": 2},
            {"blob": "sha256:0", "parent": -1},
        ]
    }
    refs = tuple(LayerRef(index, f"blob{index}", f"sha256:{index}") for index in range(3))
    made = Image("build-cache", layers=refs, config=Document("config", "c", "", config))
    told = found(made, given(text), layer("k", secret_in="k"), layer("x"), layer("x"))

    assert blamed(told) == [("COPY", 2, 2, "dockerfile")] * 2


def test_many_hits_in_one_image_are_attributed_in_time() -> None:
    text = (
        "FROM scratch AS a\n"
        + "RUN make something > /out/log && cp /a/b /c/d\n" * 300
        + "FROM scratch\nCOPY --from=a / /\n"
    )
    attribution = Attribution(image([entry("COPY / / # buildkit")], 1), given(text))
    started = time.process_time()
    for number in range(2000):
        attribution.file(0, FileHit(hit(), b"x", 0, 0, 1), f"dir/file{number}.js".encode())
    assert time.process_time() - started < 10
