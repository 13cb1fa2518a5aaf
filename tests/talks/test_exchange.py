"""Conversations go out as JSON and Markdown and come in again; foreign lists come in, hostile files do not."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.protocol import Message, ToolCall
from playground.talks import exchange
from playground.talks.columns import Column, Conversation, ask, conversation
from playground.talks.exchange import export, file_name, import_file
from playground.talks.markdown import from_markdown, to_markdown
from playground.talks.message_list import from_messages
from playground.talks.reading import messages
from playground.talks.tree import Attached, Node, chain

TEXT = st.text(max_size=30) | st.sampled_from(
    [
        "",
        "\n",
        "\n\n",
        "# You",
        "### You\n\nHi",
        "<!-- playground:user -->",
        "a\n<!-- playground:end -->\nb",
        "\\<!-- playground:x",
        "\\\\<!-- playground:x {} -->\n",
        "</details>",
        "<\\/details>\n<summary>x",
        "\n\n</details>",
        "a\r\nb",
        "\r",
        "```\ncode\n```",
        "<script>alert(1)</script>",
        "-->",
        "\u2028\x0b\x85 x",
        " trailing \n ",
    ]
)
TURNS = st.lists(
    st.builds(
        Node,
        id=st.just(0),
        parent=st.just(0),
        role=st.just("user"),
        content=TEXT,
        documents=st.lists(st.builds(Attached, TEXT, TEXT), max_size=2).map(tuple),
        created=st.sampled_from(["", "2026-01-01T00:00:00+00:00"]),
    )
    | st.builds(
        Node,
        id=st.just(0),
        parent=st.just(0),
        role=st.just("assistant"),
        content=TEXT,
        reasoning=TEXT,
        tool_calls=st.lists(st.builds(ToolCall, TEXT, TEXT, TEXT), max_size=2).map(tuple),
        model=TEXT,
        state=st.sampled_from(["done", "stopped"]),
    )
    | st.builds(
        Node, id=st.just(0), parent=st.just(0), role=st.just("tool"), content=TEXT, tool_call_id=TEXT, name=TEXT
    ),
    max_size=5,
).filter(lambda nodes: all(n.role != "tool" or (i and nodes[i - 1].role != "user") for i, n in enumerate(nodes)))
COLUMNS = st.builds(Column, model=TEXT, system_prompt=TEXT, tree=TURNS.map(chain))
TALKS = st.lists(COLUMNS, min_size=1, max_size=3).map(lambda columns: Conversation(tuple(columns), len(columns)))


@given(TALKS)
@settings(max_examples=200, deadline=None)
def test_markdown_is_read_back_exactly(talk):
    text = to_markdown(talk, "A title")
    assert from_markdown(text) == ("A title", talk)
    assert import_file(text.encode(), "phi").talk == talk


@given(TALKS, st.text(max_size=20))
@settings(max_examples=50, deadline=None)
def test_json_is_read_back_exactly(talk, title):
    file = export(talk, title, "json")
    assert import_file(file.data, "other").talk == talk
    assert file.name.endswith(".json")


SAMPLE = Conversation(
    (
        Column(
            "starter-mistral",
            "Be brief.",
            tree=chain(
                [
                    Node(
                        0, 0, "user", "7+5?", documents=(Attached("a.txt", "### a.txt\n\nlong"),), images=(b"x", b"y")
                    ),
                    Node(0, 0, "assistant", "12", reasoning="Seven and five.", model="starter-mistral"),
                ]
            ),
        ),
    ),
    1,
)


def test_markdown_reads_like_a_conversation():
    shown = "\n".join(line for line in to_markdown(SAMPLE, "Sums").split("\n") if not line.startswith("<!--"))
    assert (
        shown
        == """# Sums


## starter-mistral

### System prompt

Be brief.

### You (with 2 pictures, not in this file)

7+5?

<details><summary>a.txt</summary>

### a.txt

long

</details>

### starter-mistral

<details><summary>Reasoning</summary>

Seven and five.

</details>



12

"""
    )


def test_the_first_version_of_the_markdown_is_read_for_ever():
    text = """# Sums

<!-- playground:conversation {"version": 1} -->

<!-- playground:column {"model": "phi"} -->
## phi

<!-- playground:user -->
### You

One
more?

<!-- playground:assistant {"model": "phi", "state": "failed", "error": "Broke."} -->
### phi

<!-- playground:reasoning -->
<details><summary>Reasoning</summary>

Hm.

</details>

<!-- playground:answer -->


Yes.

<!-- playground:end -->
"""
    title, talk = from_markdown(text)
    asked, answer = talk.column(0).tree.path
    assert (title, asked.content) == ("Sums", "One\nmore?")
    assert (answer.content, answer.reasoning, answer.state, answer.error) == ("Yes.", "Hm.", "failed", "Broke.")
    assert from_markdown(text.replace("\n", "\r\n")) == (title, talk)


def test_only_shown_columns_are_written():
    talk = replace(ask(conversation(["a", "b"]), "Hi"), shown=1)
    [column] = from_markdown(to_markdown(talk, "x"))[1].columns
    assert (column.model, column.tree.path) == ("a", talk.columns[0].tree.path)


MARKED = to_markdown(SAMPLE, "Sums")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# A diary", "marks are missing"),
        (MARKED.replace('{"version": 1}', '{"version": 2}'), "version 2"),
        (MARKED.replace('{"model": "starter-mistral"}', '{"model": 3}', 1), "model 3"),
        (MARKED.replace('{"model": "starter-mistral"}', "{broken}", 1), "line 5 cannot be read"),
        (MARKED.replace('{"model": "starter-mistral"}', "{" * 5000 + "}", 1), "cannot be read"),
        (MARKED.replace("playground:user", "playground:answer"), "'answer' in line"),
        (MARKED.replace("playground:column", "playground:user"), "'user' in line"),
        (MARKED.replace("playground:reasoning", "playground:unheard_of"), "'unheard_of'"),
        (MARKED.split("<!-- playground:column")[0], "0 columns"),
        (MARKED.replace('"starter-mistral"} -->\n### ', '"m", "state": "running"} -->\n### '), "state 'running'"),
    ],
)
def test_marks_that_do_not_fit_are_told(text, told):
    with pytest.raises(InvalidRequest, match=told):
        import_file(text.encode(), "phi")


# --- lists of messages ---------------------------------------------------------------------------------------------

PICTURE = base64.b64encode(b"png bytes").decode()
FOREIGN = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
        {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}},
    ]},
    {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    ]},
    {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
    {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
    {"role": "user", "content": "Sure?"},
    {"role": "user", "content": "Really?"},
]  # fmt: skip


@pytest.mark.parametrize("wrap", [lambda found: found, lambda found: {"model": "gpt", "messages": found}])
def test_a_list_of_messages_is_read(wrap):
    found = import_file(json.dumps(wrap(FOREIGN)).encode(), "phi")
    column = found.talk.column(0)
    assert column.model == "phi"
    assert messages(column.tree, None, column.system_prompt) == (
        Message("system", "Be brief."),
        Message("user", "What is this?", images=(b"png bytes",), audio=(b"png bytes",)),
        Message("assistant", "", "Hm.", (ToolCall("c1", "look", "{}"),)),
        Message("tool", "a cat", tool_call_id="c1", name="look"),
        Message("assistant", "A cat."),
        Message("user", "Sure?\n\nReally?"),
    )
    assert found.notes == (
        "Pictures at web addresses were left out: nothing is fetched.",
        "User's messages in a row were joined.",
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "marks are missing"),
        (b"\xff\xfe\x00", "byte 0 is not UTF-8"),
        (b"{", "no JSON: .* in line 1"),
        (b"[" * 200_000, "no JSON"),
        (b'{"a": 1}', "neither"),
        (b'{"messages": 3}', "neither"),
        (b"[]", "0 messages"),
        (b"[3]", "Entry 1"),
        (b'[{"role": "user"}, {"content": "x"}]', "Entry 2"),
        (b'[{"role": "robot", "content": "x"}]', "role 'robot'"),
        (b'[{"role": "user", "content": "x"}, {"role": "tool", "content": "x"}]', "role 'tool'"),
        (b'[{"role": "user", "content": 3}]', "content of message 1"),
        (b'[{"role": "user", "content": [{"type": "text", "text": 3}]}]', "text of message 1"),
        (b'[{"role": "assistant", "tool_calls": 3}]', "no list"),
        (b'[{"role": "assistant", "tool_calls": [3]}]', "no function"),
        (
            b'[{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,%%%"}]}]',
            "no base64",
        ),
        (json.dumps([{"role": "user", "content": "x"}] * 10_001).encode(), "10001 messages"),
        (b'{"format": "playground.conversation", "version": 1}', "columns"),
    ],
)
def test_a_hostile_file_is_one_sentence(data, told):
    with pytest.raises(InvalidRequest, match=told) as error:
        import_file(data, "phi")
    assert len(str(error.value)) < 400


def test_a_huge_file_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(exchange, "MOST_BYTES", 100)
    with pytest.raises(InvalidRequest, match="at most"):
        import_file(b"[" + b" " * 100, "phi")


def test_a_file_of_too_many_parts_is_refused_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(exchange, "MOST_PARTS", 100)
    with pytest.raises(InvalidRequest, match="more than 100 parts"):
        import_file(b"[" + b"[]," * 100 + b"[]]", "phi")


def test_half_characters_in_a_list_are_replaced():
    talk, _ = from_messages([{"role": "user", "content": "a\ud800b"}], "phi")
    assert talk.column(0).tree.path[0].content == "a�b"


def test_a_file_name_is_safe_everywhere():
    assert file_name("../../etc/passwd: a?", "md") == "etc-passwd-a.md"
    assert file_name("What is größer? 你好", "json") == "What-is-größer-你好.json"
    assert file_name("///", "md") == "conversation.md"
    assert len(file_name("x" * 500, "md")) == 63
    with pytest.raises(InvalidRequest, match="'pdf'"):
        export(SAMPLE, "x", "pdf")
