"""The files that an answer holds in its fenced blocks, by the names that stand at them. Reads text alone, runs nothing.

A name is looked for where models put it: in the info string (```python app/main.py, title="…", python:app/main.py), in
a comment on the first line, and in the line above the block. Fences follow CommonMark 0.31, section 4.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from playground.errors import InvalidRequest

MOST_CHARACTERS = 4_000_000
MOST_FILES = 500
MOST_PATH = 200
MOST_DEPTH = 20

_OPEN = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>.*)$")
_PATH = r"(?:[\w@.+-]+[/\\])*[\w@.+-]*\.?[\w@+-]+"
_WITH_ENDING = re.compile(r"^(?:\.{0,2}[/\\])?(?:[\w@.+()\[\]-]+[/\\])*[\w@.+()\[\]-]*\.[A-Za-z][\w+-]{0,14}$")
_WHOLE_NAMES = {"dockerfile", "makefile", "procfile", "license", "gemfile", "rakefile", "jenkinsfile", "vagrantfile"}
_WHOLE_NAMES |= {".gitignore", ".dockerignore", ".env", ".env.example", ".editorconfig"}
_ATTRIBUTE = re.compile(
    r"""(?:title|filename|file|path|name)\s*[=:]\s*(?:"([^"]+)"|'([^']+)'|([^\s,}]+))""", re.IGNORECASE
)
_COMMENT = re.compile(r"^\s*(?:#+!?|//+|--+|;+|%+|/\*+|<!--|\"\"\"|\"|REM)\s*(.*?)\s*(?:\*/|-->|\"\"\")?\s*$")
_LABEL = re.compile(r"^(?:file(?:\s?name)?|path|filepath)\s*[:=]\s*", re.IGNORECASE)
_MARKED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|__([^_]+(?:_[^_]+)*)__")
_ABOVE = re.compile(r"^(?:#{1,6}\s+|[-*+]\s+|\d+[.)]\s+|>\s+)*")
_NO_COMMENTS = {".json", ".csv", ".md", ".txt"}
# A block that shows a command is not the file that the line above speaks of.
_COMMANDS = {"bash", "sh", "shell", "zsh", "console", "shell-session", "cmd", "bat", "powershell", "output"}
_SCRIPTS = (".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1")
MOST_LINE = 500  # characters of a line in which a name is looked for
_TEXTS_WITH_FENCES = {"markdown", "md", "mdx"}


@dataclass(frozen=True)
class CodeFile:
    """One file of an answer; `path` is relative, with slashes, and leads nowhere outside."""

    path: str
    text: str
    language: str = ""


@dataclass(frozen=True)
class Files:
    """The files of an answer in their order; `unnamed` blocks had no name; `notes` are sentences on what was odd."""

    files: tuple[CodeFile, ...]
    unnamed: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Block:
    info: str
    lines: tuple[str, ...]
    above: str
    closed: bool


def files_in(answer: str) -> Files:
    """The named files of an answer. One that comes twice is taken as it stands last.

    Raises:
        InvalidRequest: the answer is longer than 4,000,000 characters or names more than 500 files.
    """
    if len(answer) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"The answer has {len(answer):,} characters; at most {MOST_CHARACTERS:,} are searched for files."
        )
    found: dict[str, CodeFile] = {}
    unnamed, notes = 0, []
    for block in _blocks(answer.replace("\r\n", "\n").split("\n")):
        language, name, lines = _named(block)
        if not name:
            unnamed += 1
            continue
        path = safe_path(name)
        if path is None:
            notes.append(f"The file {name[:100]!r} was left out: its path leads outside of the project.")
            continue
        if path in found:
            notes.append(f"{path} comes more than once; the last is kept.")
        if not block.closed:
            notes.append(f"{path} may not be whole: the answer ends inside of it.")
        found.pop(path, None)
        found[path] = CodeFile(path, "\n".join(lines) + "\n" if lines else "", language)
        if len(found) > MOST_FILES:
            raise InvalidRequest(f"The answer names more than {MOST_FILES} files.", "Ask for fewer at once.")
    return Files(tuple(found.values()), unnamed, tuple(dict.fromkeys(notes)))


def file_in(answer: str, path: str) -> tuple[str, bool]:
    """The text of the one file that was asked for, and whether it is whole, of an answer as models give it.

    The block that is named so, else the longest block; else all of the answer, which may have come without a fence.
    """
    blocks = list(_blocks(answer.replace("\r\n", "\n").split("\n")))
    if not blocks:
        return answer.strip("\n") + "\n" if answer.strip() else "", False
    named = [block for block in blocks if safe_path(_named(block)[1]) == path]
    best = max(named or blocks, key=lambda block: sum(map(len, block.lines)))
    lines = _named(best)[2] if named else best.lines
    return "\n".join(lines) + "\n" if lines else "", best.closed


def safe_path(name: str) -> str | None:
    """The name as a relative path with slashes, None where it leads outside or no system could hold it."""
    # Models write /src/app.py for a place in the project.
    path = PurePosixPath(name.strip().replace("\\", "/").removeprefix("./").lstrip("/"))
    parts = path.parts
    if not parts or len(name) > MOST_PATH or len(parts) > MOST_DEPTH:
        return None
    if any(
        part == ".." or part.rstrip(". ") == "" or not part.isprintable() or set(part) & set('<>:"|?*')
        for part in parts
    ):
        return None
    return "/".join(parts)


def _blocks(lines: Sequence[str]) -> Iterator[_Block]:
    """Every fenced block, the last one also where it never ends."""
    at, above = 0, ""
    while at < len(lines):
        opened = _opened(lines[at])
        if opened is None:
            above = lines[at] if lines[at].strip() else above
            at += 1
            continue
        inside: list[str] = []
        nested, closed = 0, False
        language = opened["info"].split(" ", 1)[0].strip("{}.").lower()
        at += 1
        while at < len(lines):
            line = lines[at]
            at += 1
            if _closes(line, opened["fence"]):
                if not nested:
                    closed = True
                    break
                nested -= 1
            # Models often write a Markdown file with fences of the same length inside.
            elif language in _TEXTS_WITH_FENCES and _nests(line, opened["fence"]):
                nested += 1
            inside.append(_without_indent(line, opened["indent"]))
        if inside and not closed and not inside[-1].strip():
            inside.pop()
        yield _Block(opened["info"].strip(), tuple(inside), above.strip(), closed)
        above = ""


def _opened(line: str) -> re.Match[str] | None:
    found = _OPEN.match(line)
    # An info string after backticks holds none: `a` ``` b is a line of text.
    return None if found is None or (found["fence"][0] == "`" and "`" in found["info"]) else found


def _closes(line: str, fence: str) -> bool:
    text = line.strip()
    return len(text) >= len(fence) and set(text) == {fence[0]}


def _nests(line: str, fence: str) -> bool:
    """Whether this line opens a block whose end would close the outer one."""
    found = _opened(line)
    return found is not None and bool(found["info"]) and found["fence"].startswith(fence)


def _without_indent(line: str, indent: str) -> str:
    """The line without as much space as stood before the fence."""
    cut = 0
    while cut < min(len(indent), len(line)) and line[cut] in " \t":
        cut += 1
    return line[cut:]


# --- names ---------------------------------------------------------------------------------------------------------


def _named(block: _Block) -> tuple[str, str, tuple[str, ...]]:
    """Language, name ('' where there is none) and lines of a block."""
    language, name = _in_info(block.info)
    if name:
        return language, name, block.lines
    # Before the name may stand which program runs the file.
    at = 1 if block.lines[:1] and block.lines[0].startswith("#!") else 0
    name = _in_comment(block.lines[at]) if len(block.lines) > at else ""
    if name:
        # A comment is kept, except where the format has none, so that it could only do harm there.
        keeps = PurePosixPath(name).suffix.lower() not in _NO_COMMENTS
        return language, name, block.lines if keeps else block.lines[at + 1 :]
    name = _above(block.above)
    if language in _COMMANDS and not name.lower().endswith(_SCRIPTS):
        name = ""
    return language, name, block.lines


def _in_info(info: str) -> tuple[str, str]:
    """Language and name out of an info string."""
    info = info[:MOST_LINE]
    attribute = _ATTRIBUTE.search(info)
    words = info.split()
    language = words[0].strip("{}.").lower() if words and "=" not in words[0] else ""
    if attribute:
        return language.split(":")[0], next(filter(None, attribute.groups()))
    if ":" in language:  # python:app/main.py
        head, tail = words[0].split(":", 1)
        if _is_path(tail):
            return head.lower(), tail
    for i, word in enumerate(words[:3]):
        inner = word.strip("()[]\"'")
        if _is_path(inner) and not (i == 0 and inner.islower() and "." not in inner):  # ```dockerfile is a language
            return ("" if i == 0 else language), inner
    return language, ""


def _in_comment(line: str) -> str:
    found = _COMMENT.match(line) if len(line) <= MOST_LINE else None
    text = _LABEL.sub("", found[1]) if found else ""
    return text if _is_path(text) else ""


def _above(line: str) -> str:
    """The one name that the line above a block gives, in backticks, in bold, or alone."""
    if len(line) > MOST_LINE:
        return ""
    text = _ABOVE.sub("", line).strip()
    marked = {next(filter(None, found.groups())).strip() for found in _MARKED.finditer(text)}
    marked = {name.strip("`*:").strip() for name in marked}
    named = [name for name in marked if _is_path(name)]
    if len(named) == 1:
        return named[0]
    bare = _LABEL.sub("", text.strip("*_ ")).rstrip(":").strip("*_`\"' ")
    bare = re.sub(r"\s*\((?:new|updated|complete|full|final)\)$", "", bare, flags=re.IGNORECASE)
    if not named and _is_path(bare):
        return bare
    spoken = {word.strip("`*_\"',;:()") for word in text.split()} if text.endswith(":") and not marked else set()
    paths = [word for word in spoken if _is_path(word)]
    return paths[0] if len(paths) == 1 else ""


def _is_path(text: str) -> bool:
    if not text or len(text) > MOST_PATH + 50:
        return False
    last = text.replace("\\", "/").rsplit("/", 1)[-1].lower()
    if last in _WHOLE_NAMES and re.fullmatch(_PATH, text):
        return True
    # Versions and abbreviations have a dot too: v1.2, e.g, 3.11
    return bool(_WITH_ENDING.match(text)) and last not in ("e.g", "i.e") and not re.fullmatch(r"v?[\d.]+\w?", last)
