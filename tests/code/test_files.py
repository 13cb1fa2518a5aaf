"""Files are found in answers by the names at their blocks; a name never leads outside."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.code import files as module
from playground.code.files import CodeFile, files_in, safe_path
from playground.errors import InvalidRequest


def names(answer: str) -> list[str]:
    return [file.path for file in files_in(answer).files]


@pytest.mark.parametrize(
    "block",
    [
        "```python app/main.py\nx = 1\n```",
        "```python:app/main.py\nx = 1\n```",
        '```python title="app/main.py"\nx = 1\n```',
        "```python filename=app/main.py\nx = 1\n```",
        "```{.python filename='app/main.py'}\nx = 1\n```",
        "```python (app/main.py)\nx = 1\n```",
        "```app/main.py\nx = 1\n```",
        "~~~python app/main.py\nx = 1\n~~~",
        "**app/main.py**\n```python\nx = 1\n```",
        "**`app/main.py`**:\n\n```python\nx = 1\n```",
        "`app/main.py`\n```python\nx = 1\n```",
        "### app/main.py\n```python\nx = 1\n```",
        "### 2. `app/main.py`\n\n```python\nx = 1\n```",
        "1. `app/main.py` - the entry point\n```python\nx = 1\n```",
        "File: app/main.py\n```python\nx = 1\n```",
        "app/main.py:\n```python\nx = 1\n```",
        "app/main.py (updated)\n```python\nx = 1\n```",
        "Now create app/main.py with this:\n```python\nx = 1\n```",
        "Put this into `app/main.py`, please:\n```\nx = 1\n```",
        "- **app/main.py**\n  ```python\n  x = 1\n  ```",
        "```python ./app/main.py\nx = 1\n```",
        "```python app\\main.py\nx = 1\n```",
        "```python /app/main.py\nx = 1\n```",
        "````python app/main.py\nx = 1\n````",
    ],
)
def test_a_name_is_found_wherever_models_put_it(block):
    [file] = files_in(f"Here it is.\n\n{block}\n\nThat is all.").files
    assert (file.path, file.text) == ("app/main.py", "x = 1\n")
    assert file.language in ("python", "")


@pytest.mark.parametrize(
    ("first", "ending"),
    [
        ("# src/a.py", "py"),
        ("# file: src/a.py", "py"),
        ("// src/a.js", "js"),
        ("/* src/a.css */", "css"),
        ("<!-- src/a.html -->", "html"),
        ("-- src/a.sql", "sql"),
        ("; src/a.ini", "ini"),
        ("# filename: src/a.toml", "toml"),
    ],
)
def test_a_comment_on_the_first_line_names_the_file_and_stays(first, ending):
    [file] = files_in(f"```x\n{first}\nbody\n```").files
    assert (file.path, file.text) == (f"src/a.{ending}", f"{first}\nbody\n")


def test_a_name_may_stand_below_the_program_that_runs_the_file():
    [file] = files_in("```bash\n#!/usr/bin/env bash\n# run.sh\necho 1\n```").files
    assert (file.path, file.text) == ("run.sh", "#!/usr/bin/env bash\n# run.sh\necho 1\n")


def test_a_comment_that_json_cannot_hold_is_taken_out():
    assert files_in("```json\n// package.json\n{}\n```").files == (CodeFile("package.json", "{}\n", "json"),)


@pytest.mark.parametrize(
    "block",
    [
        "```python\nx = 1\n```",
        "```bash\npip install x\n```",
        "Run `main.py`:\n```bash\npython main.py\n```",
        "Then run main.py:\n```console\n$ python main.py\n```",
        "Version 3.11, e.g. this:\n```python\nx = 1\n```",
        "Both `a.py` and `b.py` need this:\n```python\nx = 1\n```",
        "This is how it works\n```python\n# a comment about e.g.\nx = 1\n```",
        "```python v1.2\nx = 1\n```",
        "```\n1.5\n```",
        "As a.b says, nothing.\n```python\nx = 1\n```",
    ],
)
def test_a_block_without_a_name_is_counted_and_left(block):
    found = files_in(block)
    assert (found.files, found.unnamed) == ((), 1)


def test_names_without_endings_and_with_odd_ones():
    answer = (
        "**Dockerfile**\n```dockerfile\nFROM x\n```\n`.gitignore`\n```\n*.pyc\n```\n### Makefile\n```make\nall:\n```"
    )
    answer += "\n`app/[id]/page.tsx`\n```tsx\nx\n```\n`.github/workflows/ci.yml`\n```yaml\nx: 1\n```"
    assert names(answer) == ["Dockerfile", ".gitignore", "Makefile", "app/[id]/page.tsx", ".github/workflows/ci.yml"]


def test_several_files_keep_their_order_and_text():
    answer = "`b.py`\n```python\nx = 1\n\n```\ntext\n`a.py`\n```python\n```\n`c.py`\n```python\n    indented\n```"
    assert [(f.path, f.text) for f in files_in(answer).files] == [
        ("b.py", "x = 1\n\n"), ("a.py", ""), ("c.py", "    indented\n")
    ]  # fmt: skip


def test_a_file_that_comes_twice_is_taken_as_it_stands_last():
    found = files_in("`a.py`\n```\n1\n```\n`b.py`\n```\n2\n```\n`a.py`\n```\n3\n```")
    assert [(f.path, f.text) for f in found.files] == [("b.py", "2\n"), ("a.py", "3\n")]
    assert found.notes == ("a.py comes more than once; the last is kept.",)


def test_an_answer_that_ends_inside_a_block_says_so():
    found = files_in("`a.py`\n```python\nx = 1\ny =")
    assert (found.files[0].text, found.notes) == (
        "x = 1\ny =\n",
        ("a.py may not be whole: the answer ends inside of it.",),
    )


def test_a_longer_fence_holds_shorter_ones():
    inner = "# Title\n\n```python\nx = 1\n```\nEnd"
    for answer in (f"````markdown README.md\n{inner}\n````", f"```markdown README.md\n{inner}\n```\n"):
        assert files_in(answer).files == (CodeFile("README.md", inner + "\n", "markdown"),)


def test_a_block_in_a_list_loses_its_indent():
    assert files_in("1. `a.py`\n\n   ```python\n   if x:\n       y\n  z\n   ```").files[0].text == "if x:\n    y\nz\n"


LEADING_OUT = ["../evil.py", "a/../../evil.py", "a/..", "C:/evil.py", "C:\\evil.py", "a\0.py", "a|b.py", "", ".", "/"]
LEADING_OUT += ["a/./..", "x" * 201, "d/" * 21 + "a.py", "a/ ./b.py", "con\n.py"]


@pytest.mark.parametrize("name", LEADING_OUT)
def test_a_name_that_leads_outside_is_no_path(name):
    assert safe_path(name) is None


def test_a_block_with_such_a_name_is_told():
    found = files_in("```python ../../evil.py\nx\n```\n```python ok.py\nx\n```")
    assert [f.path for f in found.files] == ["ok.py"]
    assert found.notes == ("The file '../../evil.py' was left out: its path leads outside of the project.",)


@given(st.text(alphabet='ab./\\:`~ \n#*_-py"=', max_size=120))
@settings(deadline=None, max_examples=300)
def test_any_answer_is_read_and_paths_stay_inside(answer):
    for file in files_in(answer).files:
        assert safe_path(file.path) == file.path
        assert not file.path.startswith("/")
        assert ".." not in file.path.split("/")


@given(
    st.lists(
        st.tuples(st.sampled_from(["a.py", "b/c.js", "Makefile"]), st.text(alphabet="x `\n~", max_size=30)), max_size=4
    )
)
@settings(deadline=None)
def test_what_is_fenced_comes_back(parts):
    """The oracle is what was written: a fence longer than any run of backticks inside."""
    wanted = {}
    answer = ""
    for name, text in parts:
        body = text.strip("\n") + "\n" if text.strip("\n") else ""
        answer += f"Text.\n\n``````` {name}\n{body}```````\n\n"
        wanted.pop(name, None)
        wanted[name] = body
    if not any("```````" in body for body in wanted.values()):
        assert {f.path: f.text for f in files_in(answer).files} == wanted


def test_too_long_an_answer_or_too_many_files_are_told(monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    with pytest.raises(InvalidRequest, match="more than 2 files"):
        files_in("".join(f"`{i}a.py`\n```\n```\n" for i in range(3)))
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    with pytest.raises(InvalidRequest, match="11 characters"):
        files_in("x" * 11)


@pytest.mark.parametrize(
    "line", ["`" * 20_000, "# " + " " * 50_000, "*" * 20_000, "a/" * 20_000, "(" * 20_000, "```x " + "a=" * 20_000]
)
def test_long_lines_cost_little(line):
    """Every pattern looks at a bounded part of a line; a quadratic one would take minutes here."""
    for answer in (line, f"{line}\n```python\n{line}\n```", f"```python {line}\nx\n```"):
        files_in(answer * 5)
