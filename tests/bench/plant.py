"""Fake credentials for the benchmark's images: well-formed, random, made at run time, and none of them opens anything.

A plant is a secret, the text that holds it, and the place that text is put in. The same seed makes the same plants,
except for the OpenSSH key, which ``ssh-keygen`` makes; the images' folder keeps a list of what was planted.
"""

import base64
import binascii
import json
import math
import random
import shutil
import string
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SEED = 20_250_131
LOWER = string.ascii_lowercase + string.digits
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URL64 = ALNUM + "-_"
BASE64 = ALNUM + "+/"

PLACES = (
    "text file",
    "config file",
    "deep directory",
    "end of a huge file",
    "deleted file",
    "overwritten file",
    "ENV",
    "ARG in history",
    "LABEL",
)
"""Kinds of places that secrets are planted in."""


@dataclass(frozen=True)
class Plant:
    """A planted secret.

    Attributes:
        kind: what it is, "npm token".
        place: one of `PLACES`.
        layer: name of the layer its file is in; empty for the config.
        path: of its file; for the config, the variable's or label's name.
        value: the secret.
        text: what the file says, the secret in it. Appended where the file exists already.
        needles: any of these in a report's finding says that it was found.
    """

    kind: str
    place: str
    layer: str
    path: str
    value: str
    text: str
    needles: tuple[str, ...] = field(default=())

    @property
    def line(self) -> int:
        """Line of the text that the secret starts on, counted from 0."""
        return self.text[: self.text.index(self.value)].count("\n")


_PYPI = base64.b64decode("CHB5cGkub3Jn")
"""Length and name of the index that a token is for, as every PyPI token has it."""


class Maker:
    """Makes credentials out of one stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def of(self, alphabet: str, length: int) -> str:
        """Random characters of an alphabet; mixed, so that no filter takes them for a word or a number."""
        while True:
            text = "".join(self._random.choice(alphabet) for _ in range(length))
            digits = any(c.isdigit() for c in text) or not any(c.isdigit() for c in alphabet)
            if digits and any(c.isalpha() for c in text) and len(set(text)) >= min(length, len(set(alphabet))) // 2:
                return text

    def digits(self, length: int) -> str:
        """Random digits, the first not a zero."""
        return str(self._random.randrange(10 ** (length - 1), 10**length))

    def octets(self, length: int) -> bytes:
        """Random octets."""
        return self._random.randbytes(length)

    def checked(self, prefix: str) -> str:
        """A token as GitHub and npm make them: the last six characters are the CRC-32 of the thirty before."""
        body = self.of(ALNUM, 30)
        return f"{prefix}{body}{base62(binascii.crc32(body.encode()), 6)}"

    def password(self) -> str:
        """A password as generators make them, without characters that a URL would quote."""
        return f"{self.of(ALNUM, 9)}_{self.of(ALNUM, 8)}"

    def jwt(self) -> str:
        """A signed JSON Web Token (RFC 7519)."""
        claims = {"sub": self.of(HEX, 24), "iat": 1_735_689_600, "scope": "orders:write", "iss": "checkout"}
        parts = [_compact({"alg": "HS256", "typ": "JWT"}), _compact(claims), self.octets(32)]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

    def pypi(self) -> str:
        """A PyPI upload token: a macaroon (version 2) for that location, with an identifier and a signature."""
        identifier = _compact({"v": 1, "permissions": "user", "user": self.of(HEX, 32)})
        body = b"\x02\x01" + _PYPI + b"\x02" + bytes([len(identifier)]) + identifier + b"\x00\x00"
        body += b"\x06\x20" + self.octets(32)
        return "pypi-" + base64.urlsafe_b64encode(body).rstrip(b"=").decode()

    def rsa(self) -> str:
        """An RSA key in PKCS#1 (RFC 8017, appendix A.1.2)."""
        return pem("RSA PRIVATE KEY", self._rsa())

    def rsa_pkcs8(self) -> str:
        """An RSA key in PKCS#8 (RFC 5208)."""
        algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
        return pem("PRIVATE KEY", _der(0x30, _der_integer(0) + algorithm + _der(0x04, self._rsa())))

    def _rsa(self) -> bytes:
        """The DER of a key of 1024 bits: small, so that making it takes no time."""
        exponent = 65_537
        while True:
            p, q = self._prime(512), self._prime(512)
            totient = (p - 1) * (q - 1)
            if p != q and math.gcd(exponent, totient) == 1:
                break
        d = pow(exponent, -1, totient)
        numbers = (0, p * q, exponent, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
        return _der(0x30, b"".join(_der_integer(number) for number in numbers))

    def ed25519(self) -> str:
        """An Ed25519 key in PKCS#8 (RFC 8410, section 7)."""
        return pem("PRIVATE KEY", bytes.fromhex("302e020100300506032b657004220420") + self.octets(32))

    def _prime(self, bits: int) -> int:
        while True:
            number = self._random.getrandbits(bits) | 1 | 3 << bits - 2
            if all(number % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)) and self._probable(number):
                return number

    def _probable(self, number: int) -> bool:
        """Miller and Rabin's test."""
        odd, twos = number - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1
        for _ in range(24):
            x = pow(self._random.randrange(2, number - 1), odd, number)
            if x in (1, number - 1):
                continue
            for _ in range(twos - 1):
                x = x * x % number
                if x == number - 1:
                    break
            else:
                return False
        return True


def base62(number: int, width: int) -> str:
    """A number in base 62, digits first, padded with zeros."""
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = digits[rest] + text
    return text.rjust(width, "0")


def pem(label: str, der: bytes) -> str:
    """PEM (RFC 7468)."""
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _der(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _der_integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def openssh_key() -> str | None:
    """A key as ``ssh-keygen`` writes it, or None where that is not installed."""
    if shutil.which("ssh-keygen") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "deploy", "-f", str(path))
        subprocess.run(command, check=True, capture_output=True)
        return path.read_text()


def plants(seed: int = SEED) -> list[Plant]:
    """All plants, in the order that they are made in."""
    make = Maker(seed)
    return [*_in_texts(make), *_in_configs(make), *_keys(make), *_hidden(make), *_in_metadata(make)]


def _app(kind: str, place: str, path: str, form: str, value: str, *needles: str) -> Plant:
    """A plant in the application's layer; the form holds ``{}`` where the secret goes."""
    return Plant(kind, place, "app", path, value, form.replace("{}", value), needles or (value,))


def _in_texts(make: Maker) -> Iterator[Plant]:
    def text(kind: str, path: str, form: str, value: str, *needles: str) -> Plant:
        return _app(kind, "text file", path, form, value, *needles)

    stripe = make.of(ALNUM, 24)
    yield text("GitHub token", "srv/app/release.sh", 'set -e\ngh_token="{}"\ngit push\n', make.checked("ghp_"))
    yield text("Stripe key", "srv/app/billing.py", 'import stripe\n\nstripe.api_key = "{}"\n', f"sk_live_{stripe}")
    yield text("GitLab token", "srv/app/mirror.sh", "export GITLAB_TOKEN={}\n", f"glpat-{make.of(URL64, 20)}")
    yield text("JSON Web Token", "srv/app/smoke.http", "Authorization: Bearer {}\n", make.jwt())
    slack = f"xoxb-{make.digits(12)}-{make.digits(13)}-{make.of(ALNUM, 24)}"
    yield text("Slack bot token", "srv/app/notify.js", 'const client = new WebClient("{}");\n', slack)
    hook = f"T{make.of(LOWER, 8)}/B{make.of(LOWER, 10)}".upper() + f"/{make.of(ALNUM, 24)}"
    yield text("Slack webhook", "srv/app/alert.py", 'HOOK = "https://hooks.slack.com/services/{}"\n', hook)
    openai = f"sk-proj-{make.of(URL64, 74)}T3BlbkFJ{make.of(URL64, 74)}"
    yield text("OpenAI key", "srv/app/summary.py", 'OPENAI_API_KEY = "{}"\n', openai)
    yield text("Hugging Face token", "srv/app/model.py", 'token="{}"\n', f"hf_{make.of(string.ascii_letters, 34)}")
    telegram = f"{make.digits(10)}:AA{make.of(URL64, 33)}"
    yield text("Telegram bot token", "srv/app/bot.py", 'TELEGRAM_BOT_TOKEN = "{}"\n', telegram)
    yield text("Google API key", "srv/app/static/map.js", 'const apiKey = "{}";\n', f"AIza{make.of(URL64, 35)}")
    sendgrid = f"SG.{make.of(URL64, 22)}.{make.of(URL64, 43)}"
    yield text("SendGrid key", "srv/app/mail.rb", 'SENDGRID_API_KEY = "{}"\n', sendgrid)


def _in_configs(make: Maker) -> Iterator[Plant]:
    def config(kind: str, path: str, form: str, value: str, *needles: str) -> Plant:
        return _app(kind, "config file", path, form, value, *needles)

    key_id, secret = "AKIA" + make.of(string.ascii_uppercase + "234567", 16), make.of(BASE64, 40)
    form = "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
    filled = form.format(id=key_id, secret=secret)
    aws = ("app", "root/.aws/credentials")
    yield Plant("AWS access key id", "config file", *aws, key_id, filled, (key_id,))
    yield Plant("AWS secret key", "config file", *aws, secret, filled, (secret,))
    npmrc = "//npm.corp.internal/:_authToken={}\n"
    yield config("npm token", "root/.npmrc", npmrc, make.checked("npm_"))
    yield config("PyPI token", "root/.pypirc", "[pypi]\nusername = __token__\npassword = {}\n", make.pypi())
    login = base64.b64encode(f"builder:{(password := make.password())}".encode()).decode()
    auths = '{"auths": {"hub.corp.internal": {"auth": "{}"}}}\n'
    yield config("docker login", "root/.docker/config.json", auths, login, login, password)
    yield config("netrc password", "root/.netrc", "machine git.corp.internal login ci password {}\n", make.password())
    url = "services:\n  api:\n    environment:\n      DATABASE_URL: postgresql://shop:{}@db.corp.internal:5432/shop\n"
    yield config("Postgres URL", "srv/app/compose.yaml", url, make.password())
    mongo = "mongo:\n  uri: mongodb+srv://shop:{}@cluster0.a1b2c.mongodb.net/orders\n"
    yield config("MongoDB URL", "srv/app/config/mongo.yml", mongo, make.password())
    env = "DEBUG=false\nDB_HOST=db\nDB_PASSWORD={}\n"
    yield config(".env password", "srv/app/.env", env, make.password())
    properties = "server.port=8080\nspring.datasource.password={}\n"
    yield config("Spring password", "srv/app/application.properties", properties, make.password())
    azure = base64.b64encode(make.octets(64)).decode()
    account = "DefaultEndpointsProtocol=https;AccountName=shopdata;AccountKey={};EndpointSuffix=core.windows.net"
    yield config("Azure storage key", "srv/app/appsettings.json", '{"Storage": "' + account + '"}\n', azure)
    yield config("Vault token", "root/.vault-token", "{}\n", f"hvs.{make.of(URL64, 95)}")
    yield config("DigitalOcean token", "root/.config/doctl.yaml", "access-token: {}\n", f"dop_v1_{make.of(HEX, 64)}")
    databricks = "[DEFAULT]\nhost = https://dbc-4f1d.cloud.databricks.com\ntoken = {}\n"
    yield config("Databricks token", "root/.databrickscfg", databricks, f"dapi{make.of(HEX, 32)}")


def _keys(make: Maker) -> Iterator[Plant]:
    def key(kind: str, path: str, value: str, line: int = 1) -> Plant:
        return _app(kind, "text file", path, "{}", value, value.splitlines()[line])

    yield key("RSA key", "srv/app/tls/server.key", make.rsa(), 2)
    yield key("Ed25519 key", "srv/app/tls/signing.pem", make.ed25519())
    if openssh := openssh_key():
        # Only from its third line on does a key without passphrase hold anything of its own.
        yield key("OpenSSH key", "root/.ssh/id_ed25519", openssh, 3)


def _hidden(make: Maker) -> Iterator[Plant]:
    def hidden(kind: str, place: str, layer: str, path: str, form: str, value: str, *needles: str) -> Plant:
        return Plant(kind, place, layer, path, value, form.replace("{}", value), needles or (value,))

    deep, huge = "deep directory", "end of a huge file"
    nested = "srv/web/node_modules/lodash/fp/.cache/build/2024/a/b/c/d/e/f/g/h/i/j/k/.npmrc"
    yield hidden("npm token", deep, "node", nested, "//npm.corp.internal/:_authToken={}\n", make.checked("npm_"))
    nested = "usr/share/doc/bash/inputrc.d/a/b/c/d/e/f/g/h/i/j/k/l/m/credentials.ini"
    yield hidden("Shopify token", deep, "rootfs", nested, "shopify_token = {}\n", f"shpat_{make.of(HEX, 32)}")
    nested = "usr/lib/python3/site-packages/django/contrib/admin/templates/admin/a/b/c/d/e/local_settings.py"
    yield hidden("MySQL URL", deep, "python", nested, 'DATABASE = "mysql://root:{}@10.3.0.7/shop"\n', make.password())
    for number, (kind, form, value) in enumerate(
        (
            ("GitHub OAuth token", "\ngithub_token = {}\n", make.checked("gho_")),
            ("Stripe restricted key", '\n{"stripe": "{}"}\n', f"rk_live_{make.of(ALNUM, 24)}"),
            ("npm token", "\nNPM_TOKEN={}\n", make.checked("npm_")),
        )
    ):
        # The path of a huge file is known when the layer is composed: the largest, the second, the third.
        yield hidden(kind, huge, "huge", f"#{number}", form, value)
    account = {
        "type": "service_account",
        "project_id": "shop-prod",
        "private_key_id": make.of(HEX, 40),
        "private_key": "{}",
        "client_email": "deploy@shop-prod.iam.gserviceaccount.com",
    }
    key = make.rsa_pkcs8()
    form = json.dumps(account, indent=2).replace('"{}"', "{}")
    quoted = json.dumps(key)
    yield hidden("GCP service account", "deleted file", "app", "tmp/gcp.json", form, quoted, key.splitlines()[2])
    yield hidden(
        *("GitHub app token", "overwritten file", "app", "srv/app/.git-credentials"),
        *("https://x-access-token:{}@github.com\n", make.checked("ghs_")),
    )


def _in_metadata(make: Maker) -> Iterator[Plant]:
    def metadata(kind: str, place: str, name: str, form: str, value: str) -> Plant:
        return Plant(kind, place, "", name, value, form.replace("{}", value), (value,))

    yield metadata("Anthropic key", "ENV", "ANTHROPIC_API_KEY", "{}", f"sk-ant-api03-{make.of(URL64, 93)}AA")
    yield metadata("Redis URL", "ENV", "REDIS_URL", "redis://default:{}@cache.corp.internal:6379/0", make.password())
    yield metadata("npm token", "ARG in history", "NPM_TOKEN", "{}", make.checked("npm_"))
    yield metadata("GitLab deploy token", "LABEL", "com.corp.deploy", "{}", f"gldt-{make.of(URL64, 20)}")
