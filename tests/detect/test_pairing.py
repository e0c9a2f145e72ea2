"""What stands beside a secret: which of several, how far, and which way round."""

from pathlib import Path

import pytest

from scanner.detect.hit import Hit
from scanner.detect.matcher import Whole
from scanner.detect.pair import WITHIN, Pair, read_pair
from scanner.detect.pairing import paired
from scanner.detect.ruleset import Ruleset, compile_ruleset
from scanner.detect.selftest import check_examples
from scanner.detect.signature import Example, Severity
from scanner.errors import SignatureError
from tests.detect.engine import Part, matcher, signature

ID = signature(
    id="acme-id",
    prefilter=("ACID[A-Z]{4}",),
    pattern="(?<![A-Z])ACID[A-Z]{8}(?![A-Z])",
    severity=Severity.MEDIUM,
    filters=("placeholder",),
    identifier=True,
)
SECRET = signature(pairs=(Pair("id", signatures=("acme-id",)),))
IDS = [f"ACID{letters}" for letters in ("QWERTZUI", "ASDFGHJK", "YCVBNMLP")]
SECRETS = ["acme_q1w2e3r4t5", "acme_a5s4d3f2g1", "acme_y9x8c7v6b5"]


def beside(cache: Path, text: str, *signatures: object, path: str = "") -> list[tuple[str, ...]]:
    """Of each hit that is no id: itself, and what belongs to it."""
    ruleset = compile_ruleset(signatures or (ID, SECRET), cache)  # type: ignore[arg-type]
    data = text.encode()
    region = [Whole(len(data), path)]
    return told(paired(ruleset, matcher(cache, *ruleset.signatures).scan(data, region), data, region))


def told(hits: list[Hit]) -> list[tuple[str, ...]]:
    hits = [hit for hit in hits if not hit.signature.identifier]
    return [(hit.secret.decode(), *(mate.value.decode() for mate in hit.mates)) for hit in hits]


@pytest.mark.parametrize("text", [f"{IDS[0]}\n{SECRETS[0]}", f"{SECRETS[0]}\n{IDS[0]}", f"{IDS[0]}:{SECRETS[0]}"])
def test_an_id_belongs_to_the_secret_beside_it_in_either_order(tmp_path: Path, text: str) -> None:
    assert beside(tmp_path, text) == [(SECRETS[0], IDS[0])]


@pytest.mark.parametrize(("apart", "joined"), [(WITHIN, (IDS[0],)), (WITHIN + 1, ())])
def test_an_id_farther_away_than_the_pair_says_does_not(tmp_path: Path, apart: int, joined: tuple[str, ...]) -> None:
    assert beside(tmp_path, IDS[0] + " " * apart + SECRETS[0]) == [(SECRETS[0], *joined)]


@pytest.mark.parametrize("between", ["\nregion = eu\noutput = json\n", "\n"])
@pytest.mark.parametrize("head", ["\n\n[next]\n", "\n"])
@pytest.mark.parametrize("first", ["id", "secret"])
def test_of_profiles_in_a_row_each_has_its_own(tmp_path: Path, between: str, head: str, first: str) -> None:
    pairs = list(zip(SECRETS, IDS, strict=True))
    text = head.join(between.join((name, secret) if first == "id" else (secret, name)) for secret, name in pairs)

    assert beside(tmp_path, text) == pairs


def test_ids_that_come_before_all_secrets_belong_to_them_in_their_order(tmp_path: Path) -> None:
    assert beside(tmp_path, "\n".join((*IDS, *SECRETS))) == list(zip(SECRETS, IDS, strict=True))


def test_an_id_belongs_to_one_secret_and_to_the_nearest(tmp_path: Path) -> None:
    text = f"{SECRETS[0]}\n\nsome words between\n\n{IDS[0]}\n{SECRETS[1]}"

    assert beside(tmp_path, text) == [(SECRETS[0],), (SECRETS[1], IDS[0])]


def test_what_is_shared_belongs_to_all_that_are_near(tmp_path: Path) -> None:
    shared = signature(pairs=(Pair("id", signatures=("acme-id",), shared=True),))

    assert beside(tmp_path, f"{IDS[0]} {SECRETS[0]} {SECRETS[1]}", ID, shared) == [
        (SECRETS[0], IDS[0]),
        (SECRETS[1], IDS[0]),
    ]


def test_an_id_in_another_section_belongs_to_something_else(tmp_path: Path) -> None:
    assert beside(tmp_path, f"[one]\nid={IDS[0]}\n[two]\nsecret={SECRETS[0]}\n") == [(SECRETS[0],)]


def test_an_id_that_its_signature_rejects_belongs_to_nothing(tmp_path: Path) -> None:
    assert beside(tmp_path, f"ACIDXXXXXXXX {SECRETS[0]}") == [(SECRETS[0],)]


def test_a_value_without_a_signature_is_found_by_its_name(tmp_path: Path) -> None:
    named = signature(pairs=(Pair("client id", value="[0-9]{6}", field="client[_-]?id"),))

    assert beside(tmp_path, f"port: 654321\nclientId: '271828'\n{SECRETS[0]}", named) == [(SECRETS[0], "271828")]
    assert beside(tmp_path, f"client_id=2718281\n{SECRETS[0]}", named) == [(SECRETS[0],)]


def test_what_is_known_to_be_a_secret_is_nobodys_name(tmp_path: Path) -> None:
    other = signature(id="other", prefilter=("othr_[0-9]{4}",), pattern="othr_[0-9]{6}")
    named = signature(pairs=(Pair("key", value="othr_[0-9]{6}"),))

    assert beside(tmp_path, f"othr_271828 {SECRETS[0]}", other, named) == [("othr_271828",), (SECRETS[0],)]


def test_an_id_that_two_signatures_find_belongs_to_one_secret(tmp_path: Path) -> None:
    also = signature(id="acme-id-too", prefilter=("ACID[A-Z]{4}",), pattern="ACID[A-Z]{8}", filters=())
    named = signature(pairs=(Pair("id", signatures=("acme-id", "acme-id-too")),))

    assert beside(tmp_path, f"{IDS[0]} {SECRETS[0]}\n{SECRETS[1]}", ID, also, named) == [
        (IDS[0],),
        (SECRETS[0], IDS[0]),
        (SECRETS[1],),
    ]


def test_another_file_of_the_block_is_not_looked_into(tmp_path: Path) -> None:
    ruleset = compile_ruleset((ID, SECRET), tmp_path)
    data = f"{IDS[0]}\n{SECRETS[0]}".encode()
    parts = [Part(0, len(IDS[0]), "a"), Part(len(IDS[0]) + 1, len(data), "b")]
    hits = matcher(tmp_path, ID, SECRET).scan(data, parts)

    assert told(paired(ruleset, hits, data, parts)) == [(SECRETS[0],)]
    assert told(paired(ruleset, hits, data, parts, [(0, len(data))] * 2)) == [(SECRETS[0], IDS[0])]


def test_an_id_that_the_block_before_reports_is_seen_from_this_one(tmp_path: Path) -> None:
    ruleset = compile_ruleset((ID, SECRET), tmp_path)
    data = f"{IDS[0]}\n{SECRETS[0]}".encode()
    region = [Whole(len(data))]
    hits = matcher(tmp_path, ID, SECRET).scan(data, region, len(IDS[0]))

    assert [hit.signature.id for hit in hits] == ["acme-token"]
    assert told(paired(ruleset, hits, data, region)) == [(SECRETS[0], IDS[0])]


def test_thousands_in_one_file_are_joined_in_little_time(tmp_path: Path) -> None:
    letters = "ABCDEFGHIJKLMNOP"
    ids = [f"ACID{''.join(letters[number >> shift & 15] for shift in range(0, 32, 4))}" for number in range(3000)]
    pairs = [(f"acme_{number:010d}", name) for number, name in enumerate(ids) if len(set(name)) > 4]

    assert beside(tmp_path, "\n".join(f"{name} {secret}" for secret, name in pairs)) == pairs


@pytest.mark.parametrize(
    "table",
    [
        {"name": "id"},
        {"name": "id", "with": "acme-id", "value": "x"},
        {"name": "id", "with": "acme-id", "field": "x"},
        {"name": "id", "value": "x", "distance": 3},
    ],
)
def test_a_pair_that_says_too_little_or_too_much_is_an_error(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="pairs: "):
        read_pair(table)


def test_a_pair_with_a_signature_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="pairs with 'acme-id'"):
        compile_ruleset((SECRET,), tmp_path)


def reasons(ruleset: Ruleset) -> list[str]:
    return [failure.reason for failure in check_examples(ruleset) if failure.signature == "acme-token"]


def test_an_example_whose_id_is_not_joined_fails(tmp_path: Path) -> None:
    def told_of(text: str, *mates: str) -> list[str]:
        sig = signature(pairs=SECRET.pairs, examples=(Example(text, SECRETS[0], mates=mates),))
        return reasons(compile_ruleset((ID, sig), tmp_path))

    assert told_of(f"{IDS[0]} {SECRETS[0]}", IDS[0]) == []
    assert told_of(f"{IDS[0]} {SECRETS[0]}", IDS[1]) == [f"expected {IDS[1]} to belong to it, found {IDS[0]}"]
    assert told_of(SECRETS[0]) == ["its examples do not mark all it is paired with, as \u2039so\u203a"]
