"""Checksums that tokens carry. All tokens are made up; each checksum was computed from its definition by hand."""

import pytest

from scanner.detect.proof import PROOFS, Context, Verdict
from scanner.detect.ruleset import Ruleset

MATCHES = Verdict(True, "checksum matches")
FAILS = Verdict(False, "checksum does not match")

TOKENS = [
    ("crc32-base62", "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", "checksum matches"),
    ("crc32-base62", "vcp_wPlPiuRovWzLEQXt733tuIMKzuhFNQC90y3AUq4W08obhUQfi51ywmY4", "checksum matches"),
    (
        "github-fine-grained",
        "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",
        "checksum matches",
    ),
    ("gitlab-routable", "glpat-bzoxCnU6dzRpMnqt_CBqqN_90-B1AS8e6OjIEA.01.120bv1ix1", "checksum matches"),
    ("crc32-hex", "ATBBdXcewaxOXRrtGsURjawaPIWNBEB0A23D", "checksum matches"),
    (
        "crc32-hex",
        "packagist_ort_9c41e07b5f2a8d6340b1cfe29a7d5838e6142cb09f73a5d1c8be20000000c67d3283",
        "checksum matches",
    ),
    ("grafana-service-account", "glsa_rq4IeQnwBunaFb7uU3qlqWzuA1M4Ui5P_30bc5590", "checksum matches"),
    ("cloudflare", "cfut_bKIRHd4wXssSfSMmmykxOOmzr5qYjv0KlFu38QTPd0a74e12", "checksum matches"),
    ("confluent", "cfltZtrpgLLBdknp2j7PBg0sWAORPX3fGNwaYF/oS2D6JlSkOB2P6nbgQmSMZS4A", "checksum matches"),
    ("bech32", "AGE-SECRET-KEY-12Y2LNWE9NTVVUNTAGJP0HYCPQMDWPJJCL756N78TG3XJ3WJP2L6QGRPQL6", "checksum matches"),
    ("azure-devops-token", "pcd3djli5eioqrqcgmipbxmkib274podlnkpwbgpjgrq7z6n5f5a", "checksum matches"),
    (
        "azure-annotated-key",
        "jAHI8TgaYx6por2wkffHR1F74AOXC53Kz2sBOztnVLvd9pzskWlKJQQJ99BJAClli1AAAAAAAAEFACOG104Y",
        "checksum matches, made in 2025-10",
    ),
    ("azure-key", "fvzsXq2B6kJclkpDE/m0kIJ1T6LcoYJCYNoG/C6mWv+ACRtytB+N", "checksum matches"),
    ("azure-key", "pg112XbS0Gkcdg-Ep03ZbhwkhkX9eyiWl26J8iy6nkbjAzFu38YOwg==", "checksum matches"),
    ("azure-key", "6SQvXAXteDqsNfwkI7fnQzsRTGppg2E/9+ASbSFI7mA=", "checksum matches, may listen"),
    (
        "azure-key",
        "ShLXfSG5Ul2uiASl/VRemSNGcSgoh6DEb3uWtcfDrW340NiTBjADy5RTARSuu/fmJiDCvx/8Uh5KACDbjCKebw==",
        "checksum matches, read-only key",
    ),
    (
        "azure-key",
        "XwYrq0HkUKKVifpEKJ8BOADhzHaGI3UKrXTLjEt1G1V0i8Y6hWDnlVopzbREfVCoRRYdY1h3BOsn+AStSmUYLQ==",
        "checksum matches",
    ),
]


def judge(proof: str, secret: str) -> Verdict | None:
    return PROOFS[proof](secret.encode(), Context())


@pytest.mark.parametrize(("proof", "token", "text"), TOKENS, ids=[token[:12] for _, token, _ in TOKENS])
def test_a_checksum_matches_until_a_character_is_changed(proof: str, token: str, text: str) -> None:
    changed = token[:20] + ("Q" if token[20] != "Q" else "P") + token[21:]

    assert judge(proof, token) == Verdict(True, text)
    assert judge(proof, changed.lower() if token.islower() else changed) == FAILS


def test_atlassians_checksum_covers_the_equals_sign() -> None:
    atlassian = (
        "ATATT3xFfgFNvrQE9lRZNC-dmGiYX4diTWcqU8X03cWJ8qnwrugyqAxspZV0ePfNAlGKPfvYoCKg78PGaQxxUpZ_JUpx8x59mAc_gLya"
        "0xjDhBGllNdbIfkxPp966F8Dd1TLkOK-Akco8UJHx3iE82PMYZPIzj6_56gB0-8s0U=22D6A819"
    )

    assert judge("crc32-hex", atlassian) == MATCHES
    assert judge("crc32-hex", atlassian.replace("=", "-")) == FAILS


@pytest.mark.parametrize(
    ("proof", "secret"),
    [
        ("gitlab-routable", "glpat-5gIUFFcTZKTL8UpsIyl2"),
        ("confluent", "C4/xeRLibgnF/xOQ4Qjy6AoHPZm7hudyF4eB/S5dBhbx2jDt7Sap7bz5UNoP77tZ"),
        ("cloudflare", "cfut_bKIRHd4wXssSfSMmmykxOOmzr5qYjv0KlFu38QTPd0a7"),
        ("azure-client-secret", "SQa7Q~oDbyfs8Q_BXPNKTxjowfB_VyBhXMRJNGwP"),
        ("azure-client-secret", "SQa8Q~oDbyfs8Q_BXPNKTxjowfB_VyBhXMRJNGwQ"),
        ("azure-key", "tTuR74CxJfpLY5vDu+vvOkvOwpubigujkI0uz9Mvl5AK1noua5qx41o0WwDlc9ToQt05pzbzLFEvpcz3bIdODg=="),
    ],
)
def test_forms_without_a_checksum_prove_nothing_and_fail_nothing(proof: str, secret: str) -> None:
    assert judge(proof, secret) is None


def test_gitlabs_checksum_covers_the_prefix_of_an_instance() -> None:
    token = b"glpat-bzoxCnU6dzRpMnqt_CBqqN_90-B1AS8e6OjIEA.01.121we5jxb"
    gitlab = PROOFS["gitlab-routable"]

    assert gitlab(token, Context(b"TOKEN=acme-")) == MATCHES
    assert gitlab(token, Context(b"TOKEN=")) == FAILS


def test_an_applications_secret_at_azure_may_have_a_checksum() -> None:
    assert judge("azure-client-secret", "SQa8Q~oDbyfs8Q_BXPNKTxjowfB_VyBhXMRJNGwP") == MATCHES


def test_the_examples_of_the_signatures_hold(ruleset: Ruleset) -> None:
    failed = []
    for signature in ruleset.signatures:
        for example in signature.examples if signature.proof else ():
            before, _, after = (part.encode() for part in example.text.partition(example.secret))
            verdict = PROOFS[signature.proof](example.secret.encode(), Context(before, after))
            if verdict is not None and not verdict.holds:
                failed.append((signature.id, verdict.text))

    assert failed == []
