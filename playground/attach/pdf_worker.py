"""Reads the text of one PDF in a process of its own: bytes come in on stdin, JSON lines go out on stdout.

Run as a file with `python -I`; it imports nothing of this package, so that nothing but pypdf is loaded. The first line
is `{"pages": n}` or `{"error": kind, "detail": text}`, then comes one `{"text": …, "images": n}` a page, each written
at once: whoever stops this process keeps the pages it had. The limits on memory and time are the system's own.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from typing import Any


def tell(**values: Any) -> None:
    """One line out."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def limit(memory: int, seconds: int) -> None:
    """Bounds this process, where the system can; elsewhere the parent's timeout and pypdf's own limits remain."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):  # macOS refuses some
            continue


def pictures_on(page: Any) -> int:
    """How many pictures a page shows, without decoding one."""
    things = (page.get("/Resources") or {}).get("/XObject") or {}
    return sum(1 for thing in things.values() if thing.get_object().get("/Subtype") == "/Image")


def read(data: bytes, most_pages: int, most_characters: int) -> None:
    """Tells every page of a PDF, up to the limits."""
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        tell(error="encrypted", detail="")
        return
    tell(pages=len(reader.pages))
    characters = 0
    for page in reader.pages[:most_pages]:
        text = page.extract_text() or ""
        tell(text=text[: most_characters - characters], images=0 if text.strip() else pictures_on(page))
        characters += len(text)
        if characters >= most_characters:
            break


def main() -> None:
    """Arguments: bytes of memory, seconds of CPU, pages, characters."""
    memory, seconds, pages, characters = map(int, sys.argv[1:])
    limit(memory, seconds)
    try:
        read(sys.stdin.buffer.read(), pages, characters)
    except MemoryError:
        tell(error="memory", detail="")
    except Exception as error:  # noqa: BLE001  a broken PDF may raise anything, which goes to the parent as a sentence
        kind = {"DependencyError": "cipher", "LimitReachedError": "limit", "FileNotDecryptedError": "encrypted"}
        tell(error=kind.get(type(error).__name__, "broken"), detail=f"{type(error).__name__}: {error}"[:200])


if __name__ == "__main__":
    main()
