"""Which commit brought a file of a repository, and who wrote it; from the commits and trees that a layer holds.

Source: the manual of git, chapter "Git Internals - Git Objects", and gitformat-commit in git-commit-tree(1).
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

MEMORY = 64 << 20
"""Bytes of commits and trees that are kept of one layer; of what is beyond, no commit is told."""

_STEPS = 200_000
"""Trees that are looked through for one file."""

_AUTHOR = re.compile(rb"^author (.{0,500}?) (\d{1,12}) [+-]\d{4}$", re.MULTILINE)
_TREE = re.compile(rb"tree ([0-9a-f]{40})\n")
_ENTRY = re.compile(rb"\d{5,6} ([^\0]+)\0(.{20})", re.DOTALL)


@dataclass(frozen=True)
class Commit:
    """A commit of git.

    Attributes:
        id: its name, in hex.
        author: name and address.
        date: when it was written, RFC 3339; empty where it says no time.
        path: of the file that was asked about, in the repository; empty if that is the commit itself.
    """

    id: str
    author: str
    date: str
    path: str = ""


class Repository:
    """Commits and trees of all repositories in a layer; several threads may add to one."""

    def __init__(self) -> None:
        self._commits: dict[str, bytes] = {}
        self._trees: dict[str, bytes] = {}
        self._size = 0
        self._lock = Lock()
        self._parents: dict[str, list[tuple[str, bytes]]] | None = None
        self._roots: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, name: str, content: bytes) -> None:
        """Takes note of an object."""
        if kind not in ("commit", "tree"):
            return
        with self._lock:
            if self._size + len(content) <= MEMORY:
                self._size += len(content)
                (self._commits if kind == "commit" else self._trees)[name] = content

    def commit_of(self, member: str) -> Commit | None:
        """The earliest commit that has an object in its tree, as far as is known; that itself, of a commit.

        Args:
            member: the object as a member of an archive: its kind and its name.
        """
        kind, _, name = member.partition(" ")
        if kind == "commit":
            return self._commit(name, "") if name in self._commits else None
        if kind != "blob":
            return None
        found = [
            self._commit(commit, path)
            for tree, path in self._above(name).items()
            for commit in self._roots.get(tree, ())
        ]
        return min(found, key=lambda commit: (commit.date, commit.id), default=None)

    def _above(self, name: str) -> dict[str, str]:
        """Every tree from which a way leads to a file, with its path from there."""
        if self._parents is None:
            self._parents = self._turned()
        above: dict[str, str] = {}
        todo = [(name, b"")]
        while todo and len(above) < _STEPS:
            child, path = todo.pop()
            for tree, entry in self._parents.get(child, ()):
                if tree not in above:
                    whole = entry + b"/" + path if path else entry
                    above[tree] = whole.decode("utf-8", "backslashreplace")
                    todo.append((tree, whole))
        return above

    def _turned(self) -> dict[str, list[tuple[str, bytes]]]:
        """For every object the trees that name it."""
        for name, content in self._commits.items():
            if match := _TREE.match(content):
                self._roots[match[1].decode()].append(name)
        parents: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        for name, content in self._trees.items():
            for match in _ENTRY.finditer(content):
                parents[match[2].hex()].append((name, match[1]))
        return parents

    def _commit(self, name: str, path: str) -> Commit:
        match = _AUTHOR.search(self._commits[name])
        if match is None:
            return Commit(name, "", "", path)
        try:
            date = datetime.fromtimestamp(int(match[2]), UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError, OSError):
            date = ""
        return Commit(name, match[1].decode("utf-8", "backslashreplace"), date, path)
