"""From hits to findings: who is blamed, and what is said of each place."""

from scanner.finding import Finding, Instruction
from scanner.hits import FieldHit
from scanner.image.fields import Place
from scanner.image.oci import Document
from scanner.trace.attribution import Attribution
from scanner.trace.findings import findings
from tests.trace.images import SECRET, entry, hit, image, in_field, layer, scanned

KEY = b"k"
VALUE = SECRET.decode()


def only(scan_of: object) -> Finding:
    scan = scan_of
    (found,) = findings(scan, Attribution(scan.image), KEY)  # type: ignore[attr-defined, arg-type]
    return found


def test_a_file_is_blamed_on_the_instruction_of_its_layer() -> None:
    made = image([entry("COPY conf /conf # buildkit"), entry("CMD sh", empty=True)], 1)

    found = only(scanned(made, layer("conf/key", secret_in="conf/key")))

    (place,) = found.occurrences
    assert (place.kind, place.path, place.state, place.via) == ("file", "conf/key", "present", "COPY")
    assert place.instruction == Instruction("COPY", "COPY conf /conf", 0, "history")
    assert found.introduced_by == place.instruction


def test_a_deleted_file_names_what_deleted_it() -> None:
    made = image([entry("COPY conf /conf"), entry("RUN /bin/sh -c rm /conf/key # buildkit")], 2)

    found = only(scanned(made, layer("conf/key", secret_in="conf/key"), layer("conf/.wh.key")))

    (place,) = found.occurrences
    assert (place.state, place.removed_by) == ("deleted", Instruction("RUN", "RUN rm /conf/key", 1, "history"))


def test_one_value_in_two_layers_is_one_finding_with_two_places() -> None:
    made = image([entry("COPY a /"), entry("RUN chmod 600 /key")], 2)
    copy = layer("key", secret_in="key")

    found = only(scanned(made, copy, copy))

    assert [(p.layer, p.state) for p in found.occurrences] == [(0, "overwritten"), (1, "present")]
    assert found.introduced_by == Instruction("COPY", "COPY a /", 0, "history")


def test_a_hard_link_is_another_place() -> None:
    made = image([entry("RUN ln /key /alias")], 1)

    found = only(scanned(made, layer("key", "alias->key", secret_in="key")))

    assert [p.path for p in found.occurrences] == ["key", "alias"]


def test_a_value_in_the_arg_prefix_of_a_run_is_blamed_on_the_arg() -> None:
    run = f"RUN |2 MODE=fast NPM_TOKEN={VALUE} /bin/sh -c npm ci # buildkit"
    made = image([entry("ARG MODE", empty=True), entry("ARG NPM_TOKEN", empty=True), entry(run)], 1)

    found = only(scanned(made, layer("x"), fields=(in_field(made, "/history/2/created_by", run.index(VALUE)),)))

    (place,) = found.occurrences
    assert (place.kind, place.via, place.field) == ("history", "ARG", "/history/2/created_by")
    assert place.instruction == Instruction("ARG", "ARG NPM_TOKEN", 1, "history")


def test_a_file_that_holds_an_args_value_was_introduced_by_the_arg() -> None:
    run = f"|1 TOKEN={VALUE} /bin/sh -c echo $TOKEN > /t"
    made = image([entry("/bin/sh -c #(nop)  ARG TOKEN", empty=True), entry(run)], 1)
    fields = (in_field(made, "/history/1/created_by", run.index(VALUE)),)

    found = only(scanned(made, layer("t", secret_in="t"), fields=fields))

    assert [p.instruction and p.instruction.keyword for p in found.occurrences] == ["RUN", "ARG"]
    assert found.introduced_by == Instruction("ARG", "ARG TOKEN", 0, "history")


def test_an_env_is_blamed_on_the_last_instruction_that_set_it() -> None:
    made = image(
        [entry("ENV TOKEN=first", empty=True), entry(f"ENV TOKEN={VALUE} B=2", empty=True)],
        0,
        config={"Env": ["PATH=/bin", f"TOKEN={VALUE}"]},
    )

    found = only(scanned(made, fields=(in_field(made, "/config/Env/1"),)))

    assert found.introduced_by == Instruction("ENV", f"ENV TOKEN={VALUE} B=2", 1, "history")


def test_an_env_that_no_history_entry_sets_is_a_guess() -> None:
    made = image([], 0, config={"Env": [f"TOKEN={VALUE}"]})

    found = only(scanned(made, fields=(in_field(made, "/config/Env/0"),)))

    assert found.introduced_by == Instruction("ENV", "ENV TOKEN", None, "guess")


def test_an_element_of_cmd_is_blamed_on_cmd() -> None:
    made = image([entry('CMD ["a"]', empty=True), entry('CMD ["b"]', empty=True)], 0, config={"Cmd": ["b", VALUE]})

    found = only(scanned(made, fields=(in_field(made, "/config/Cmd/1"),)))

    assert found.introduced_by == Instruction("CMD", 'CMD ["b"]', 1, "history")


def test_in_a_squashed_layer_the_instruction_is_found_by_content_and_marked_a_guess() -> None:
    history = [
        entry("/bin/sh -c #(nop) COPY dir:1 in /app ", empty=True),
        entry("/bin/sh -c echo x > /etc/token", empty=True),
        entry('/bin/sh -c #(nop) CMD ["sh"]'),
    ]
    made = image(history, 1)

    copied = only(scanned(made, layer("app/key", secret_in="app/key")))
    written = only(scanned(made, layer("etc/token", secret_in="etc/token")))

    assert copied.introduced_by == Instruction("COPY", "COPY dir:1 in /app", 0, "guess")
    assert written.introduced_by == Instruction("RUN", "RUN echo x > /etc/token", 1, "guess")


def test_without_a_history_a_layer_has_no_instruction() -> None:
    made = image([], 1)

    found = only(scanned(made, layer("key", secret_in="key")))

    assert (found.introduced_by, found.occurrences[0].instruction) == (None, None)


def test_a_history_that_does_not_fit_the_layers_is_never_sure() -> None:
    made = image([entry("COPY a /a"), entry("COPY b /b"), entry("COPY c /c")], 2)

    found = only(scanned(made, layer("b/key", secret_in="b/key"), layer("x")))

    assert found.introduced_by == Instruction("COPY", "COPY b /b", 1, "guess")


def test_a_build_argument_of_the_provenance_is_blamed_on_its_arg() -> None:
    made = image([], 0)
    statement = Document("attestation", "blobs/sha256/s", "sha256:s", {"predicate": {}})
    pointer = "/predicate/invocation/parameters/args/build-arg:TOKEN"

    found = only(scanned(made, fields=(FieldHit(hit(), statement, Place(pointer, 0, False)),)))

    assert (found.occurrences[0].kind, found.introduced_by) == (
        "attestation",
        Instruction("ARG", "ARG TOKEN", None, "provenance"),
    )


def test_fingerprints_depend_on_the_key_and_not_on_the_place() -> None:
    made = image([], 1)
    here, there = layer("a", secret_in="a"), layer("b", secret_in="b")

    def fingerprint(scan: object, key: bytes) -> str:
        return findings(scan, Attribution(made), key)[0].fingerprint  # type: ignore[arg-type]

    assert fingerprint(scanned(made, here), b"1") == fingerprint(scanned(made, there), b"1")
    assert fingerprint(scanned(made, here), b"1") != fingerprint(scanned(made, here), b"2")


def test_an_arg_is_found_behind_characters_of_several_bytes() -> None:
    run = f"RUN |2 NAME=Zoë-ΔΔΔΔ NPM_TOKEN={VALUE} /bin/sh -c npm ci # buildkit"
    made = image([entry("ARG NAME", empty=True), entry("ARG NPM_TOKEN", empty=True), entry(run)], 1)
    offset = run.encode().index(SECRET)

    found = only(scanned(made, layer("x"), fields=(in_field(made, "/history/2/created_by", offset),)))

    assert found.introduced_by == Instruction("ARG", "ARG NPM_TOKEN", 1, "history")
