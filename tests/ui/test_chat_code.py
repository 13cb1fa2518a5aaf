"""The files of an answer on the page: listed, checked and packed, with nothing of the model's text as live HTML."""

from __future__ import annotations

import zipfile
from pathlib import Path

from playground.ui.chat_code import code_html

ANSWER = """Two files.

`app/main.py`
```python
from app.tools import add

print(add(2, missing))
```

`app/tools.py`
```python
def add(a, b):
    return a + b
```
"""


def test_files_are_listed_checked_and_packed(tmp_path: Path) -> None:
    html = code_html(ANSWER, tmp_path)
    assert "<b>2 files</b>" in html
    assert "app/main.py" in html
    assert "1 undefined name" in html
    assert "line 3" in html
    (path,) = tmp_path.glob("*.zip")
    assert path.name in html
    assert zipfile.ZipFile(path).namelist() == ["app/main.py", "app/tools.py"]


def test_an_answer_without_named_files_shows_none(tmp_path: Path) -> None:
    assert code_html("Just words.", tmp_path) == ""
    assert code_html("```python\nprint(1)\n```", tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_names_are_escaped(tmp_path: Path) -> None:
    html = code_html("`<img src=x>.py`\n```python\nx = <b>\n```\n`a.py`\n```python\n<script>\n```\n", tmp_path)
    assert "<img" not in html
    assert "<script" not in html
