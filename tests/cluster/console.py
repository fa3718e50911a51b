"""The fenced blocks of a README, and a new shell that runs the commands in them word by word.

In a block ``console`` a line that begins with ``$ `` is a command, one that begins with ``> `` goes on with it, and
what stands below is what it prints: ``...`` alone stands for any lines, and within a line for any text. The word after
the language says where a block is for: none, a site's login node; ``elsewhere``, another machine; ``key``, a profile.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Block:
    heading: str
    language: str
    place: str
    """The word after the language, or ""."""
    text: str

    def commands(self) -> list[Command]:
        found: list[Command] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:], []))
            elif line.startswith("> ") or line == ">":
                found[-1] = Command(f"{found[-1].words}\n{line[2:]}", [])
            else:
                found[-1].printed.append(line)
        return found


@dataclasses.dataclass(frozen=True)
class Command:
    words: str
    printed: list[str]
    """The lines that the README shows below it."""

    def differs(self, output: str) -> str:
        """What the README shows and the command did not print, in order; "" where it is all there."""
        if not self.printed:
            return ""
        lines = [_shown(line) for line in self.printed]
        pattern = "".join(r"(?:.*\n)*?" if line == "..." else f"{_pattern(line)}\n" for line in lines)
        printed = "".join(f"{_shown(line)}\n" for line in output.splitlines())
        return (
            ""
            if re.fullmatch(pattern, printed)
            else f"$ {self.words}\nshows\n{chr(10).join(lines)}\nprinted\n{printed}"
        )


def _shown(line: str) -> str:
    """Without what only fills a line: rules, and how wide a column happened to be."""
    return " ".join(line.split())


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


def blocks(readme: Path, section: str) -> Iterator[Block]:
    """The blocks below the heading ``## section``, each with the nearest ``###`` above it."""
    text = readme.read_text(encoding="utf-8")
    (_, _, rest) = text.partition(f"\n## {section}\n")
    assert rest, f"{readme} has no section {section}"
    rest = re.split(r"^## ", rest, maxsplit=1, flags=re.M)[0]
    heading = ""
    for found in re.finditer(r"^### (?P<heading>.+)$|^```(?P<info>\w.*)\n(?P<text>(?:.*\n)*?)```$", rest, re.M):
        if found["heading"]:
            heading = found["heading"]
        else:
            language, _, place = found["info"].partition(" ")
            yield Block(heading, language, place, found["text"])


class Shell:
    """One interactive-like bash without start files, and without this process's environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.log: list[str] = []

    def run(self, words: str, limit_s: float = 240) -> tuple[int, str]:
        """Exit status and what it printed, errors among it."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        mark = f"mark-{secrets.token_hex(8)}"
        self._shell.stdin.write(f"{{ {words}\n}} < /dev/null\necho {mark} $?\n")
        self._shell.stdin.flush()
        late = threading.Timer(limit_s, self._shell.kill)
        late.start()
        printed: list[str] = []
        for line in self._shell.stdout:
            before, found, status = line.partition(mark)
            printed.append(before)
            if found:
                late.cancel()
                output = "".join(printed)
                self.log.append(f"$ {words}\n{output}")
                return int(status), output
        raise AssertionError(f"not over after {limit_s:.0f} s:\n$ {words}\n{''.join(printed)}")

    def close(self) -> None:
        self._shell.kill()
        self._shell.communicate()
