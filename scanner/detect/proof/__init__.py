"""What can be proven of a secret without asking anybody: checksums and structure.

Each proof takes the secret and says what it found. A proof that fails lowers the confidence of a hit; it never
drops one, since issuers change their formats without telling. None of them raises, whatever it is given.
"""

from collections.abc import Mapping

from scanner.detect.proof import azure, checksums, claims, cloud, keys, logins, macaroon, stores
from scanner.detect.proof.verdict import Context, Judge, Proof, PublicHalf, Verdict

__all__ = ["PROOFS", "Context", "Proof", "PublicHalf", "Verdict"]


def _alone(judge: Judge) -> Proof:
    return lambda secret, _context: judge(secret)


PROOFS: Mapping[str, Proof] = {
    "aws-access-key-id": _alone(cloud.aws_access_key_id),
    "aws-bedrock-key": _alone(cloud.aws_bedrock_key),
    "azure-annotated-key": _alone(azure.annotated_key),
    "azure-client-secret": _alone(azure.client_secret),
    "azure-devops-token": _alone(azure.devops_token),
    "azure-key": _alone(azure.identifiable_key),
    "bech32": _alone(checksums.bech32),
    "cloudflare": _alone(checksums.cloudflare),
    "confluent": _alone(checksums.confluent),
    "crc32-base62": _alone(checksums.crc32_base62),
    "crc32-hex": _alone(checksums.crc32_hex),
    "discord-bot": _alone(claims.discord_bot),
    "gcp-service-account": cloud.gcp_service_account,
    "gcp-service-account-base64": _alone(cloud.gcp_service_account_base64),
    "github-fine-grained": _alone(checksums.github_fine_grained),
    "gitlab-routable": checksums.gitlab_routable,
    "grafana-api-key": _alone(claims.grafana_api_key),
    "grafana-cloud": _alone(claims.grafana_cloud),
    "grafana-service-account": _alone(checksums.grafana_service_account),
    "java-keystore": _alone(stores.java_keystore),
    "jfrog-reference": _alone(claims.jfrog_reference),
    "jwt": _alone(claims.jwt),
    "macaroon": _alone(macaroon.macaroon),
    "mapbox": _alone(claims.mapbox),
    "onepassword": _alone(claims.onepassword),
    "private-key": _alone(keys.private_key),
    "sentry-organization": _alone(claims.sentry_organization),
    "user-password": _alone(logins.user_password),
    "wireguard-key": _alone(keys.wireguard_key),
}
"""Proofs by the name that signatures use."""
