"""The count below a picture prompt: exact without the weights, while another picture is made, and on every model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from playground.catalog import load_catalog
from playground.local_engine import LocalEngine
from playground.protocol import Counted
from playground.settings import Settings
from playground.ui.context import AppContext
from playground.ui.prompt_count import counted, in_words
from tests.scripted import ScriptedEngine

FOLDER = Path(__file__).parents[2] / "assets" / "starter" / "starter-sd"


@pytest.fixture
def context(tmp_path: Path):
    settings, catalog = Settings(data_dir=tmp_path, offline=True), load_catalog()
    engine = LocalEngine(settings, catalog)
    yield AppContext(settings, catalog, engine, lambda: pytest.fail("no database is needed"))
    engine.close()


def said(context: AppContext, text: str, *models: str) -> str:
    return asyncio.run(counted(context, text, models, "ana"))


def test_a_prompt_is_counted_without_loading_the_model(context):
    text = "a big crimson star left of a teal square"
    tokens = len(CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")(text, add_special_tokens=False).input_ids)
    assert f"{tokens}/75 tokens" in said(context, text, "starter-sd")
    assert f"{tokens}/75 tokens" in said(context, f"({text}:1.3)", "starter-sd")  # a weight takes none
    assert context.engine.pool().states() == []


def test_long_prompts_tell_their_chunks_and_models_that_are_not_here_are_left_out(context):
    html = said(context, "star BREAK square", "starter-sd", "sd-1.4")
    assert "2 chunks" in html
    assert "1.4" not in html
    assert said(context, "a star", "sd-1.4") == ""
    assert said(context, "  ", "starter-sd") == ""


def test_what_may_surprise_is_said_and_escaped(context):
    assert "pg-note" in said(context, "a (star", "starter-sd")
    assert "<b>" not in said(context, "<lora:<b>:1> (star", "starter-sd")


def test_models_that_count_alike_share_a_line():
    catalog = load_catalog()
    context = AppContext(Settings(), catalog, ScriptedEngine(catalog), lambda: pytest.fail("no database is needed"))
    assert said(context, "one two", "starter-sd", "starter-sd-small") == '<span class="pg-count">2/75 tokens</span>'


def test_a_limit_is_told_where_there_is_one():
    assert in_words(Counted(12)) == "12 tokens"
    assert in_words(Counted(300, 256)) == "300/256 tokens; what is over is cut off"
    assert in_words(Counted(118, 75, (75, 43))) == "118 tokens: 43/75, 2 chunks"
