"""PDFs are read page by page in a process of their own; bombs, scans and locked ones are one sentence each."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from pypdf import PdfReader

from playground.attach import pdf as module
from playground.attach.documents import document
from playground.errors import InvalidRequest, PlaygroundError
from tests.attach.files import pdf


def test_every_page_stands_under_its_number():
    made = document("report.pdf", pdf(["Hello world", "Second (page", ""]))
    assert made.kind == "pdf"
    assert made.body == "[Page 1]\nHello world\n\n[Page 2]\nSecond (page"
    assert made.text.startswith("Document report.pdf (PDF, 3 pages):\n\n[Page 1]")
    assert made.notes == ("1 page of report.pdf has no text, such as scans.",)


def test_the_text_is_what_pypdf_reads():
    data = pdf([f"Line {i} of the report" for i in range(5)])
    wanted = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    found = [part.split("\n", 1)[1] for part in document("a.pdf", data).body.split("\n\n")]
    assert found == wanted


def test_the_bytes_say_that_it_is_a_pdf_whatever_the_name():
    assert document("report", pdf(["Hello"])).kind == "pdf"


BOMB = b"BT /F1 12 Tf " + b"(a) Tj " * 12_000_000 + b"ET"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (lambda: pdf(["Hello"], password="secret"), "needs a password"),
        (lambda: pdf(["", ""], picture=True), "its 2 pages are pictures"),
        (lambda: pdf([""]), "no text on its 1 page"),
        (lambda: b"%PDF-1.7\nnothing more", "no PDF that can be read"),
        (lambda: pdf(["Hello"])[:-300], "no PDF that can be read"),
        (lambda: pdf([BOMB]), "unpacks to more"),
    ],
    ids=["locked", "scan", "blank", "junk", "half", "bomb"],
)
def test_what_cannot_be_read_is_one_sentence(data, told):
    with pytest.raises(InvalidRequest, match=told) as error:
        document("a.pdf", data())
    assert str(error.value).startswith("a.pdf ")
    assert len(str(error.value)) < 400


def test_one_that_only_forbids_printing_is_read():
    assert "Hello" in document("a.pdf", pdf(["Hello"], password="")).body


def test_pages_before_a_bomb_are_kept():
    made = document("a.pdf", pdf(["First", "Second", BOMB, "Fourth"]))
    assert made.body == "[Page 1]\nFirst\n\n[Page 2]\nSecond"
    assert made.notes == ("Of the 4 pages of a.pdf the first 2 were read: the next one is broken.",)


def test_more_pages_or_characters_than_the_limit_are_told(monkeypatch):
    monkeypatch.setattr(module, "MOST_PAGES", 2)
    made = document("a.pdf", pdf(["One", "Two", "Three"]))
    assert "Three" not in made.body
    assert made.notes == ("Of the 3 pages of a.pdf the first 2 were read.",)
    monkeypatch.setattr(module, "MOST_CHARACTERS", 4)
    assert document("a.pdf", pdf(["One", "Two", "Three"])).body == "[Page 1]\nOne\n\n[Page 2]\nT"


LOOP = """
import json, sys, time
print(json.dumps({"pages": 9}))
print(json.dumps({"text": "First", "images": 0}), flush=True)
sys.stdout.write('{"text": "half a li')
sys.stdout.flush()
time.sleep(600)
"""


def test_a_process_that_never_ends_is_stopped_and_its_pages_kept(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(LOOP)
    monkeypatch.setattr(module, "WORKER", worker)
    monkeypatch.setattr(module, "MOST_WAIT_S", 8.0)  # long enough to start, on a busy machine too
    made = module.pdf_document("a.pdf", b"")
    assert made.body == "[Page 1]\nFirst"
    assert made.notes == ("Of the 9 pages of a.pdf the first 1 were read.",)
    worker.write_text("import time; time.sleep(600)")
    monkeypatch.setattr(module, "MOST_WAIT_S", 0.5)
    with pytest.raises(InvalidRequest, match="took too long"):
        module.pdf_document("a.pdf", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may not bound a process's memory")
def test_the_process_has_no_more_memory_and_time_than_it_is_given(tmp_path):
    """The same limits as in the worker, on a program that takes all it can get."""
    hungry = tmp_path / "hungry.py"
    hungry.write_text(
        f"import sys; sys.path.insert(0, {str(module.WORKER.parent)!r})\n"
        "from pdf_worker import limit\n"
        "limit(300 * 2**20, 1)\n"
        "try:\n    bytes(2**30)\nexcept MemoryError:\n    print('bounded', flush=True)\n"
        "while True:\n    pass\n"
    )
    done = subprocess.run([sys.executable, "-I", hungry], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "bounded\n"
    assert done.returncode < 0


def test_no_secret_reaches_the_process(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text("import json, os; print(json.dumps({'pages': 1}))\n"
                      "print(json.dumps({'text': ' '.join(os.environ), 'images': 0}))")  # fmt: skip
    monkeypatch.setattr(module, "WORKER", worker)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "OPENAI" not in module.pdf_document("a.pdf", b"").body


def test_a_worker_that_breaks_is_told(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text("raise ImportError('no such thing')")
    monkeypatch.setattr(module, "WORKER", worker)
    with pytest.raises(InvalidRequest, match="ImportError: no such thing"):
        module.pdf_document("a.pdf", b"")


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(PlaygroundError, match="pypdf"):
        document("a.pdf", pdf(["Hello"]))


def test_lines_of_the_process_are_understood_up_to_the_last_whole_one():
    lines = [json.dumps({"pages": 3}), json.dumps({"text": "a\ud800", "images": 2}), '{"te']
    found = module._understood("\n".join(lines).encode())
    assert (found.pages, found.texts, found.images, found.error) == (3, ("a?",), 2, "")
