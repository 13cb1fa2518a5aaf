"""The text that bytes hold, and in which encoding they were read. Knows no files.

UTF-8, then what a byte order mark says, then GB 18030 where the text is mostly Chinese, then Windows-1252; whatever is
not UTF-8 is told to the user, since a guess can be wrong.
"""

from __future__ import annotations

import codecs
import re

from playground.errors import InvalidRequest

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MOST_BROKEN = 0.01  # of all bytes: more than this is no UTF-8 with a few broken characters
LEAST_CHINESE = 0.3  # of all characters that are no space
MOST_CONTROLS = 0.01
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # without tab, line breaks, form feed and escape
_CHINESE = re.compile(r"[\u3400-\u9fff]")


def decoded(name: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text with line feeds alone as line ends, and what the user should know of how it was read.

    Raises:
        InvalidRequest: the bytes are no text.
    """
    text, notes = _decoded(data)
    if text is None or len(_CONTROL.findall(text)) > MOST_CONTROLS * len(text):
        raise InvalidRequest(f"{name} is no text.", "Attach a text, Markdown, CSV, PDF or code file.")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""), notes


def _decoded(data: bytes) -> tuple[str | None, tuple[str, ...]]:
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass  # the other encodings are for such files
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), ()
            except UnicodeDecodeError:
                return None, ()
    if b"\0" in data:
        return None, ()
    replaced = data.decode("utf-8-sig", "replace")
    broken = replaced.count("\ufffd")
    valid = sum(c > "\x7f" for c in replaced) - broken
    if valid > broken and broken <= MOST_BROKEN * len(data):
        what = "One character is broken and stands" if broken == 1 else f"{broken:,} characters are broken and stand"
        return replaced, (f"{what} as \ufffd.",)
    chinese = _as_chinese(data)
    if chinese is not None:
        return chinese, ("The file is not UTF-8; it was read as GB 18030.",)
    return data.decode("cp1252", "replace"), ("The file is not UTF-8; it was read as Windows-1252.",)


def _as_chinese(data: bytes) -> str | None:
    """The text in GB 18030, if it is mostly Chinese: most western bytes are valid there, too, as rare letters."""
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    letters = len("".join(text.split()))
    # Both bytes of a common letter are above 0xA0, which those of accented western letters beside plain ones are not.
    common = len(re.findall(rb"[\xb0-\xf7][\xa1-\xfe]", data))
    found = len(_CHINESE.findall(text))
    return text if found >= LEAST_CHINESE * letters and common >= 0.9 * found else None
