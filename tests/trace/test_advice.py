"""What to write instead of an ARG or ENV with a secret in it."""

import pytest

from scanner.image.dockerfile import Scope, parse_dockerfile
from scanner.trace.advice import advice
from tests.trace.images import SECRET

VALUE = SECRET.decode()


def advised(lines: str, at: int = 1) -> tuple[str, ...]:
    dockerfile = parse_dockerfile(f"FROM node\n{lines}\n")
    return advice(Scope(dockerfile, dockerfile.stages[0], {}), at, VALUE)


@pytest.mark.parametrize("setting", ["ARG NPM_TOKEN", f"ARG NPM_TOKEN={VALUE}", f"ENV CI=1 NPM_TOKEN={VALUE}"])
def test_a_run_that_reads_the_variable_gets_it_as_a_mount(setting: str) -> None:
    assert advised(f"{setting}\nRUN --network=default npm config set //r/:_authToken ${{NPM_TOKEN}} && npm ci") == (
        f"remove {setting[:3]} NPM_TOKEN",
        "RUN --mount=type=secret,id=npm_token,env=NPM_TOKEN --network=default "
        "npm config set //r/:_authToken ${NPM_TOKEN} && npm ci",
        "docker build --secret id=npm_token,env=NPM_TOKEN …",
    )


@pytest.mark.parametrize(
    ("path", "command", "ident"),
    [
        ("/root/.npmrc", "npm ci", "npmrc"),
        ("~/.netrc", "go mod download", "netrc"),
        ("/etc/pip.conf", "pip install -r r.txt", "pip_conf"),
        ("/root/.git-credentials", "git clone https://h/r", "git_credentials"),
        ("/root/.m2/settings.xml", "mvn package", "maven_settings"),
        ("/usr/local/cargo/credentials.toml", "cargo build", "cargo_credentials"),
        ("/etc/apt/auth.conf", "apt-get update", "apt_auth"),
    ],
)
def test_the_file_of_a_package_manager_is_mounted_and_neither_written_nor_removed(
    path: str, command: str, ident: str
) -> None:
    told = advised(f'ARG T\nRUN echo "x=$T" > {path} && \\\n    {command} && \\\n    rm -f {path}')
    assert told == (
        "remove ARG T",
        f"RUN --mount=type=secret,id={ident},target={path.replace('~', '/root')} {command}",
        f"docker build --secret id={ident},src={path.rpartition('/')[2]} …",
    )


def test_a_run_that_only_writes_the_file_is_removed() -> None:
    assert advised("ARG T\nRUN echo $T > /root/.npmrc")[1] == (
        "remove line 3, and where /root/.npmrc is read: RUN --mount=type=secret,id=npmrc,target=/root/.npmrc …"
    )


@pytest.mark.parametrize(
    "rest", ["&& if x; then npm ci; fi", "&& npm ci | tee log", "&& echo 'a && b'", "&& x $(npm ci) && rm /root/.npmrc"]
)
def test_a_command_that_cannot_be_taken_apart_is_not_rewritten(rest: str) -> None:
    assert advised(f"ARG T\nRUN echo $T > /root/.npmrc {rest}")[1] == (
        "in line 3, neither write nor remove /root/.npmrc: RUN --mount=type=secret,id=npmrc,target=/root/.npmrc …"
    )


def test_a_variable_that_no_run_reads_is_for_the_container_or_for_nothing() -> None:
    assert advised(f"ENV T={VALUE}\nRUN make") == (
        "leave T out of the image, and give it to the container that needs it: docker run --env T",
    )
    assert advised("ARG T\nRUN echo '\\$T'") == ("no RUN of this stage names T: remove the ARG",)


def test_other_instructions_and_unclear_variables_get_no_advice() -> None:
    assert advised(f"RUN echo {VALUE}") == ()
    assert advised("ARG A B\nRUN echo $A") == ()
