"""Files become text under a heading; encodings are told, and what is no text is refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.attach import documents
from playground.attach.documents import document, fenced, shown_name
from playground.errors import InvalidRequest


@pytest.mark.parametrize(
    ("name", "kind", "language"),
    [
        ("notes.txt", "text", ""),
        ("NOTES", "text", ""),
        ("readme.MD", "markdown", ""),
        ("a.csv", "csv", "csv"),
        ("main.py", "code", "python"),
        ("app.test.tsx", "code", "typescript"),
        ("Dockerfile", "code", "dockerfile"),
        ("data.json", "code", "json"),
        (".gitignore", "text", ""),
    ],
)
def test_the_name_says_what_kind_it_is(name, kind, language):
    made = document(name, b"a = 1\r\nb = 2\r")
    assert (made.kind, made.language, made.body) == (kind, language, "a = 1\nb = 2\n")


def test_the_model_reads_a_heading_and_the_content():
    assert document("notes.txt", b"Hello").text == "Document notes.txt:\n\nHello"
    assert document("a.py", b"x = '```'").text == "Document a.py:\n\n````python\nx = '```'\n````"


@pytest.mark.parametrize(
    ("name", "data", "about"),
    [
        ("a.csv", b"name,age\nAna,3\nBen,4\n", "CSV, 3 rows with the first, 2 columns"),
        ("a.csv", b'name;text\nAna;"two\nlines"\n', "CSV, 2 rows with the first, 2 columns"),
        ("a.tsv", b"a\tb,c\n", "CSV, 1 rows with the first, 2 columns"),
        ("a.csv", b"a\n" + b"x" * 200_000, ""),
    ],
)
def test_a_table_is_told_with_its_size(name, data, about):
    assert document(name, data).about == about


GERMAN = "Größe, Maß und Übermut: schöne Grüße aus Köln.\n" * 3
CHINESE = "今天天气很好，我们去公园散步。hello\n" * 3


@pytest.mark.parametrize(
    ("text", "encoding", "note"),
    [
        (GERMAN, "utf-8", ""),
        (GERMAN, "utf-8-sig", ""),
        (GERMAN, "utf-16", ""),
        (CHINESE, "utf-16", ""),
        (CHINESE, "utf-32", ""),
        (GERMAN, "cp1252", "Windows-1252"),
        ("naïve café — “quoted”, 5 € à la carte\n", "cp1252", "Windows-1252"),
        ("élève, forêt, à bientôt où ça", "latin-1", "Windows-1252"),
        (CHINESE, "gb18030", "GB 18030"),
        (CHINESE, "gbk", "GB 18030"),
    ],
)
def test_encodings_are_recognized_and_told(text, encoding, note):
    made = document("a.txt", text.encode(encoding))
    assert made.body == text
    assert (note in made.notes[0]) if note else (made.notes == ())


def test_a_few_broken_characters_are_told():
    data = CHINESE.encode() * 20
    made = document("a.txt", data[:30] + b"\xff" + data[30:])
    assert made.notes == ("One character is broken and stands as \ufffd.",)
    assert made.body.replace("\ufffd", "") == CHINESE * 20


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip))
@settings(deadline=None)
def test_utf8_is_read_as_it_is(text):
    wanted = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    if wanted.strip():
        assert document("a.txt", text.encode()).body == wanted


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.txt", b"", "a.txt is empty"),
        ("a.txt", b" \n", "empty"),
        ("a.txt", bytes(range(256)) * 4, "a.txt is no text"),
        ("a.txt", b"\xff\xfe\x00", "no text"),
        ("a.txt", b"\x00\x01\x02" * 50, "no text"),
        ("a.exe", b"MZ\x90\x00\x03\x00\x00\x00\x04\x00", "no text"),
        ("a.png", b"\x89PNG", "Attach it as a picture"),
        ("a.mp3", b"ID3", "Attach it as a recording"),
        ("a.docx", b"PK", "Save it as PDF"),
        ("a.xlsx", b"PK", "CSV"),
        ("../../etc/passwd", b"", "passwd is empty"),
    ],
)
def test_what_is_no_text_is_refused_by_name(name, data, told):
    with pytest.raises(InvalidRequest, match=told):
        document(name, data)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data):
    try:
        made = document("a.txt", data)
    except InvalidRequest:
        return
    assert made.body.strip()
    made.text.encode()


def test_a_large_file_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(documents, "MOST_BYTES", 10)
    with pytest.raises(InvalidRequest, match="at most"):
        document("a.txt", b"x" * 11)


def test_names_are_shown_safely():
    assert shown_name("C:\\Users\\ana\\a b.txt") == "a b.txt"
    assert shown_name("a\n\x1b[31m\u202eb.txt") == "a [31m b.txt"
    assert shown_name("/") == "file"
    assert shown_name("x" * 500 + ".tar.gz") == "x" * 116 + "….gz"
    assert shown_name("\ud800.txt") == "?.txt"


@given(st.text(alphabet="`\nab", max_size=30))
@settings(deadline=None)
def test_a_fence_cannot_be_closed_from_inside(text):
    first, *lines, last = fenced(text, "py").split("\n")
    assert first == last + "py"
    assert last not in "\n".join(lines)
