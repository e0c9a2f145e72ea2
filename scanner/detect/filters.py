"""Reasons to say that a value is no secret, each a named function that a signature may ask for.

The judgement of templated, sequential, identifier-like and gibberish values is detect-secrets' own
(``detect_secrets.filters.heuristic`` and its trained gibberish model); what is added here is what configuration
files and build instructions need.
"""

import base64
import os
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

from scanner.detect.keystores import only_certificates


@dataclass(frozen=True)
class Candidate:
    """A value that matched, with what is needed to judge it.

    Attributes:
        secret: the value.
        line: the line it stands on, as far as the window shows it.
        column: where on that line the value starts.
        path: the file it stands in; empty for metadata.
    """

    secret: str
    line: str
    column: int
    path: str

    @cached_property
    def lead(self) -> str:
        """What stands on the line before the value, in lower case."""
        return self.line[: self.column].lower()

    @cached_property
    def own_lead(self) -> str:
        """The end of `lead` without earlier assignments: a line of build history holds many."""
        return _ASSIGNMENTS.sub("", self.lead[-160:])[-80:]

    @cached_property
    def name(self) -> str:
        """What the value is assigned to, as it is written; empty where no name can be told."""
        found = _NAME.search(self.line[max(0, self.column - 160) : self.column])
        return found.group(1) if found else ""

    @property
    def quoted(self) -> bool:
        """Whether it stands between two quotes of a kind, so that nothing in it is code of the file it is in."""
        before, after = self.line[: self.column][-1:], self.line[self.column + len(self.secret) :][:1]
        return before == after and before in ('"', "'", "`")

    @cached_property
    def relaxed(self) -> bool:
        """Whether it stands where secrets are set for real: metadata of the image, or a file of settings."""
        return not self.path or bool(_SETTINGS.search(self.path))


_ASSIGNMENTS = re.compile(r"^.*[=:][^\s=:]*[\s,;&](?=.)", re.DOTALL)
_NAME = re.compile(
    r"""(?<![A-Za-z0-9_.:-])([A-Za-z0-9_.:-]*[A-Za-z0-9_])(?:\[\d*)?[\\"'\])]*(?:(?<=\w):?\s&?str(?:ing)?(?=\s))?\s*
      (?:(?:[,\s]|\s\{)\s*["']?(?:value|default)["']?\s*[=:]|=>|[?.+|]{0,2}:{0,3}={1,3}|!==?|[:,>])?\s*[bru@]?[\\"'`]*$""",
    re.IGNORECASE | re.VERBOSE,
)
_SETTINGS = re.compile(
    r"""(?:^|/)(?:\.env[^/]*|[._]netrc|netrc|\.?pgpass|\.git-credentials|\.npmrc|\.pypirc|\.htpasswd|[^/]*\.(?:env|tfvars|properties|ini|cfg|cnf|conf)|credentials[^/]*|secrets?\.[^/]*
      | wp-config[^/]*|settings\.py|(?:docker-)?compose[^/]*\.ya?ml|(?:application|database|mongoid|values)[^/]*\.ya?ml
      | appsettings[^/]*\.json|local\.settings\.json|config\.(?:php|json|ya?ml|toml)|\.(?:bash|zsh)[^/]*|\.profile)$""",
    re.IGNORECASE | re.VERBOSE,
)
_PLACEHOLDER = re.compile(
    r"""example|sample|placeholder|change_?-?me|replace|dummy|redacted|insert|your[-_.]?\w|yourpass|undefined
      | <[^>]*> | \.\.\.|…|x{4,}|\*{3,}|\#{4,}|0{8,}|1{8,}|123456|abcdef12|abcdefg|deadbeef|foobar|todo|\bfake|none$
      | fixme|not[-_]?a[-_]?real|notsecret|secret[-_]?here|^user@\w+$|null$|my[-_]?(?:secret|token|key|pass)""",
    re.IGNORECASE | re.VERBOSE,
)
_REFERENCE = re.compile(
    # By their form: a long password may well hold "${" or "}}", but not what closes the one and opens the other.
    r"""^\$\w | ^%\(\w | ^%\w+%$ | ^%[srdv]$ | <%=
      | \$\{[^{}()\[\]]*(?:\}|$) | \{\{[^{}]*\}\} | \{\{-?(?:[.$][\w.]*)?$ | ^[^{]*\}\} | \$\((?:\w[^()]*)?(?:\)|$)
      | ^env[.:(] | ^(?:process|os|config|self|this|settings|options|args|opts|params|props|ctx|req|request|vault
        |secrets|steps|inputs|vars|data|var|local)[.\[(]""",
    re.IGNORECASE | re.VERBOSE,
)
_OPENING = re.compile(r"[$%@&#!]?[{(<\[]")
_COMMON = frozenset(
    "password passwd secret token admin root user guest test default pass letmein welcome qwerty changeit "
    "postgres mysql redis mongo rabbitmq guest1 true false yes no on off required optional string".split()
)
_HASH_WORDS = re.compile(
    r"sha-?(?:1|224|256|384|512)|md5|checksum|integrity|digest|fingerprint|commit|revision|git_?sha|etag|hash|h1:|"
    r"resolved|public[-_ ]?key|pubkey|cache[-_ ]?key|\brev\b|thumbprint|nonce",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"""^[A-Za-z_$][\w$]*(?:(?:\.|::|->|\#|/|-)[A-Za-z_$][\w$]*)+$   # a dotted, scoped or dashed name
      | ^[a-z]+(?:[A-Z][a-z]+)+\d?$ | ^(?:[A-Z][a-z]+){2,}\d?$       # camelCase, PascalCase
      | ^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$ | ^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$  # CONSTANT_NAME, snake_case
      | [();{}\[\]<>|\\,"'`] | ^[a-z]+://[^@]*$ | ^[/~.][\w./@-]+$ | ^\w:\\ | ^[\d.,:/-]+$ | ^[=!<>&+*-]""",
    re.VERBOSE,
)

_ACCOUNT = re.compile(r"^[\w.-]{1,32}:[x*!]?:\d{1,10}:\d{1,10}:")
"""An entry of /etc/passwd, whose name stands before it where grep says which file it is in."""

_ALGORITHM = re.compile(r"^PB(?:E|KDF2)With[A-Z][\w/]{2,40}$")
"""Java's standard names of what makes keys of passwords; every JDK comes with its source."""


def placeholder(candidate: Candidate) -> bool:
    """A value that documentation puts where the secret goes."""
    found = _PLACEHOLDER.search(candidate.secret)
    if found and (len(found.group()) > 5 or not looks_random(candidate.secret)):
        return True  # a random value may well hold four x in a row, or the letters of a short word
    return len(set(candidate.secret)) < 4 or candidate.secret.endswith(("...", "…"))  # the rest was left out


def templated(candidate: Candidate) -> bool:
    """A reference to a value and not a value: ``${X}``, ``{{ x }}``, ``<x>``, ``os.environ[...]``."""
    return (
        _heuristic().is_templated_secret(candidate.secret)
        or _heuristic().is_prefixed_with_dollar_sign(candidate.secret)
        or bool(_REFERENCE.search(candidate.secret))
        or (bool(_OPENING.match(candidate.secret)) and not looks_random(candidate.secret))
    )


def sequential(candidate: Candidate) -> bool:
    """A run of an alphabet, such as ``0123456789abcdef``."""
    return bool(_heuristic().is_sequential_string(candidate.secret))


def uuid(candidate: Candidate) -> bool:
    """A UUID: an identifier far more often than a secret."""
    return bool(_heuristic().is_potential_uuid(candidate.secret))


def identifier(candidate: Candidate) -> bool:
    """A value that the line calls an id."""
    return bool(_heuristic().is_likely_id_string(candidate.secret, candidate.line))


def indirect(candidate: Candidate) -> bool:
    """A call or a look-up on the right-hand side: ``secret = get_secret()``."""
    return bool(_heuristic().is_indirect_reference(candidate.line[:1000]))


def lettered(candidate: Candidate) -> bool:
    """A value without a letter."""
    return bool(_heuristic().is_not_alphanumeric_string(candidate.secret))


def lock_file(candidate: Candidate) -> bool:
    """A value in a dependency lock file, a checksum list or an API description."""
    name = os.path.basename(candidate.path)
    return bool(name) and (
        _heuristic().is_lock_file(name)
        or _heuristic().is_swagger_file(candidate.path)
        or name in {"go.sum", "RECORD", "pnpm-lock.yaml", "npm-shrinkwrap.json", "uv.lock", "known_hosts"}
        or name.endswith((".md5sums", ".sha256", ".sha512", ".sha1", ".map", ".svg", ".css"))
    )


def gibberish(candidate: Candidate) -> bool:
    """A value made of words, as the trained model of detect-secrets judges it."""
    secret = candidate.secret
    if not set(secret) - set(string.hexdigits + "-"):
        return False
    return not bool(_gibberish_detector().is_gibberish(secret.lower()))


def common(candidate: Candidate) -> bool:
    """A word that every default configuration uses as its password, or a value that repeats its own name."""
    secret = candidate.secret.lower()
    if secret in _COMMON or (_unleet(secret) in _COMMON and not (candidate.path and candidate.relaxed)):
        return True
    return len(secret) > 3 and secret in candidate.own_lead and not looks_random(candidate.secret)


def unpaired(candidate: Candidate) -> bool:
    """Base64 that does not hold ``user:password``, or holds a pair that documentation uses."""
    try:
        pair = base64.b64decode(candidate.secret + "=" * (-len(candidate.secret) % 4)).decode()
    except ValueError:
        return True
    user, colon, password = pair.partition(":")
    if not (user and colon and len(password) > 2 and pair.isprintable()) or user.startswith("{"):
        return True
    inner = replace(candidate, secret=password)
    return placeholder(inner) or templated(inner) or password.lower() in _COMMON or password == user


def hashed(candidate: Candidate) -> bool:
    """A value that the line calls a digest, a commit or a public key."""
    return bool(_HASH_WORDS.search(candidate.own_lead))


def code(candidate: Candidate) -> bool:
    """A name, also of an algorithm, an account, a path, a plain URL or an expression of a programming language."""
    secret = candidate.secret
    if any(known.search(secret) for known in (_EXPRESSION, _ALGORITHM, _ACCOUNT)) or (
        _CALL.search(secret) and not candidate.quoted
    ):
        return True
    return bool(_CALL.search(secret) or _CODE.search(secret)) and not looks_random(secret)


def undigited(candidate: Candidate) -> bool:
    """A value without a digit; a random token of any length worth the name has one."""
    return not any(char.isdigit() for char in candidate.secret)


def misnamed(candidate: Candidate) -> bool:
    """A value whose name ends in what goes with a secret but is none: ``PASSWORD_FILE``, ``token_url``."""
    if candidate.name in {"PWD", "OLDPWD"}:
        return True  # the shell's working directory
    return bool(_MISNAMED.search(candidate.name)) or "page token" in candidate.own_lead


def wordy(candidate: Candidate) -> bool:
    """A value that does not look random; in metadata and settings only one that is letters and words alone.

    People do set weak passwords, but in source text and documentation nearly every such value is an example.
    """
    secret = candidate.secret
    if looks_random(secret):
        return False
    return not candidate.relaxed or undigited(candidate)


def spoken(candidate: Candidate) -> bool:
    """A phrase: words with spaces between them."""
    words = candidate.secret.split()
    return len(words) > 2 and all(word.isalpha() for word in words)


def certificates_only(candidate: Candidate) -> bool:
    """A Java key store without a key: the authorities that every JDK trusts, most of all."""
    return only_certificates(candidate.secret.encode("latin-1"))


def certificates_so_far(candidate: Candidate) -> bool:
    """A Java key store too large to be looked through, whose first entries are certificates."""
    return only_certificates(candidate.secret.encode("latin-1"), so_far=True)


def shipped_test(candidate: Candidate) -> bool:
    """A value in the tests, the examples or the manual of an installed package, which everybody can read."""
    return bool(_PACKAGES.search(candidate.path) and _TESTS.search(candidate.path))


def documented(candidate: Candidate) -> bool:
    """The password of a URL that shows what such URLs look like: known pairs, and weak ones for no real host."""
    url = _USER_HOST.search(candidate.line[max(0, candidate.column - 80) :])
    if looks_random(candidate.secret) or not url:
        return False
    user, password, host = (part.lower() for part in url.groups())
    return (
        password in _COMMON
        or password == user
        or _unleet(password) in _COMMON
        or bool(_NO_HOST.search(host))
        or (not candidate.relaxed and undigited(candidate))
    )


def looks_random(value: str) -> bool:
    """Whether a value changes its character class, and avoids syllables, as only random ones do."""
    digits = any(char.isdigit() for char in value)
    if len(value) < (8 if digits else 14):  # without a digit it takes more letters to tell
        return False
    # Separators part the words of a name; only the classes beside them tell.
    classes = [_class(char) for char in value if char not in "-_.:/"]
    if len(set(classes)) < 2:
        return False
    changes = sum(left != right for left, right in pairwise(classes))
    if changes < max(3.0, (0.2 if digits else 0.45) * len(classes)):
        return False
    worded = sum(len(run) for run in _RUN.findall(_unleet(value) if len(value) < 14 else value) if _spoken(run))
    return worded < (0.6 if changes >= 0.4 * len(value) else 0.4) * len(value)


def _class(char: str) -> str:
    return "l" if char.islower() else "u" if char.isupper() else "d" if char.isdigit() else "s"


def _spoken(run: str) -> bool:
    pairs = [left + right for left, right in pairwise(run.lower())]
    return sum(pair in _PAIRS for pair in pairs) > 0.5 * len(pairs)


def _unleet(value: str) -> str:
    """Undoes the digits that people put for letters, and drops what they append to satisfy a rule."""
    return value.rstrip(string.digits + string.punctuation).translate(_LEET)


_PACKAGES = re.compile(
    # Not what official images have people put their own files into: /usr/src/app, and the web roots of servers.
    r"(?:site|dist)-packages/|node_modules/|(?:^|/)usr/(?:local/)?(?:lib|share|go|include)/(?!nginx/html/|caddy/|httpd/)|"
    r"(?:^|/)usr/src/(?:linux|kernels/|debug/|google|gtest|gmock)|/lib/python\d[\d.]*/|"
    r"/gems/|/vendor/|go/pkg/mod/"
)
_TESTS = re.compile(
    r"(?:^|/)(?:tests?|testing|testdata|__tests__|spec|fixtures|examples?|docs?|man\d?|demos?|mock(?:s|_\w+)?)/|(?:^|/)examples?[^/]*$|_test\.\w+$|"
    r"(?:^|/)test_[^/]*$|\.(?:test|spec)\.\w+$|(?:^|/)(?:README|CHANGELOG|CHANGES|NEWS)[^/]*$|\.(?:md|rst|pod|html?)$|\.examples?\.\w+$|\.d\.[cm]?ts$",
    re.IGNORECASE,
)
_RUN = re.compile(r"[A-Z]?[a-z]{3,}|(?<![A-Za-z0-9])[A-Z]{4,}(?![A-Za-z0-9])")
_PAIRS = frozenset(
    # The letter pairs that make up most of English text and of the words people build passwords from; two random
    # letters are one of them one time in five.
    "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic "
    "ne ea ra ce li ch ll be ma si om ur ss wo pa rd ad mi ec et ke ey us my un am ab di fo el la em ge tr no ut ho so "
    "lo ta sa il ot ct ns nc cr ry pt ok ty ig ag gi op pe pr ap ac ca fi im mp po su ur ul ts ir ol ov ew ex bl bu cl "
    "ck ki ak wi wa we vi tu ub if ds rs".split()
)
_LEET = str.maketrans("013457@$", "oieastas")
_CALL = re.compile(r"^[A-Za-z_$][\w$.>:-]*[(\[{]")
_EXPRESSION = re.compile(
    r"""^[A-Za-z_$][\w$.>:-]*(?:\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}) | ^\w+::\w | ://[^@]*$ | ^// | ^%[vwsq]
      | \(\) | \[\] | => | \$\{[^{}()\[\]]*(?:\}|$) | ^[=!<>&+*-]+$ | ^[=!<>&*|] | %[sdvq](?![0-9A-Za-z])
      | (?:\.|->|_)\w*(?:key|token|secret|passw|cred) | ^(?:bytes|varint|fixed\d+|zigzag\d+),\d""",
    re.IGNORECASE | re.VERBOSE,
)
_MISNAMED = re.compile(
    r"""(?:file|path|dir(?:ectory)?|folder|ur[li]|endpoint|host|field|name|type|hash(?:ed|er)?s?|policy|length|len|size
      |regexp?|pattern|prompt|hint|label|reset|expir(?:y|es|ation)|ttl|age|format|mode|alg(?:orithm)?|method|column
      |attr(?:ibute)?|param(?:eter)?|count|limit|min|max|required|enabled|version|class|title|text|message|msg
      |placeholder|description|desc|error|header|scope|audience|issuer|location|variable|selector|element|input|form
      |provider|manager|service|generator|encoder|validator|strategy|index|date|time|callback|handler|ref|arn|alias
      |fingerprint|_?ids?|policies|checksum|sha\d*|md5|string|map|set|list|iv|salt_?len|reuse|strength|prefix|suffix|spec|used|encryption|changed)$
      |::|public|page_?token|next_?token|continuation|csrf|xsrf|authenticity|webtoken|key(?:ing|ed|word|board|stroke|frame)s?$|(?:eos|bos|pad|unk|mask|sep|cls)_token|(?:sort|primary
      |foreign|partition|cache|group|map|hot|short_?cut)[_-]?key|token(?:s|izer|ize|ization)""",
    re.IGNORECASE | re.VERBOSE,
)
_USER_HOST = re.compile(r"://([^\s:/@]*):([^\s@/]+)@([^\s/:@?\"'<>\\]*)")
_NO_HOST = re.compile(
    r"^$|^\W|localhost|^127\.|^0\.0\.0\.0|^\[|example|\.(?:test|invalid|local)$|^(?:\w*host(?:name)?|server|host\d?|"
    r"domain|foo|bar|baz|db|database|ip|address|my\w*|your\w*|some\w*|remote|site|a|b|h|x)(?:\.\w{2,3})?$"
)


@cache
def _heuristic() -> Any:
    # Imported on first use: with what it draws in, it takes longer than scanning a small image.
    from detect_secrets.filters import heuristic

    return heuristic


@cache
def _gibberish_detector() -> "_Detector":
    # Imported on first use: the model costs more to load than a small image costs to scan.
    from detect_secrets.filters import gibberish as module
    from gibberish_detector import detector

    model = os.path.join(module.__path__[0], "rfc.model")
    # 3.7 is the limit that detect-secrets settled on for this model.
    made: _Detector = detector.create_from_model(model, 3.7)
    return made


class _Detector:
    """What we use of ``gibberish_detector.detector.Detector``, which ships no types."""

    def is_gibberish(self, payload: str) -> bool:
        raise NotImplementedError


FILTERS: Mapping[str, Callable[[Candidate], bool]] = {
    function.__name__: function
    for function in (
        undigited,
        code,
        common,
        placeholder,
        hashed,
        misnamed,
        wordy,
        spoken,
        documented,
        unpaired,
        certificates_only,
        # From here on with detect-secrets, which takes longer to import than a small image takes to scan: most
        # candidates do not come so far.
        sequential,
        templated,
        uuid,
        identifier,
        indirect,
        lettered,
        lock_file,
        gibberish,
    )
}
"""Filters by the name that signatures use, in the order in which they are asked, the cheap ones first; each returns
True for a value that is no secret."""

DOWNGRADES: Mapping[str, tuple[Callable[[Candidate], bool], str]] = {
    "certificates_so_far": (certificates_so_far, "holds certificates and no key, as far as it was looked through"),
    "shipped_test": (shipped_test, "in the tests, examples or documentation of an installed package"),
}
"""Filters that do not reject: a value they are true for is reported, with this reason, and not counted."""
