"""The table holds every card; what was not measured is None."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from playground.catalog import Catalog, ModelCard, load_catalog
from playground.errors import InvalidRequest
from playground.protocol import ModelState
from playground.scores.metrics import COLUMNS
from playground.scores.table import explain, score_table
from playground.store import ScoreRow


def row(metric, value, date="2026-01-01T00:00:00+00:00", model="m", **more) -> ScoreRow:
    return ScoreRow(metric, value, "s", 5, model, "abc", date, **more)


@pytest.fixture
def catalog() -> Catalog:
    chat = ModelCard(id="m", name="M", kind="chat", source="o/m", licence="MIT", parameters=7, context=99)
    image = ModelCard(id="p", name="P", kind="image", source="o/p", licence="Own", native_size=512)
    return Catalog({card.id: card for card in (chat, image)})


def test_every_card_of_the_real_catalog_has_a_row_without_figures():
    catalog = load_catalog()
    table = score_table(catalog, [])
    assert [line["id"] for line in table] == [card.id for card in catalog]
    assert all(line[column] is None for line in table for column in COLUMNS)
    assert all(line["licence"] for line in table)
    json.dumps(table, allow_nan=False)


def test_published_figures_and_price_stand_apart_from_measured_ones():
    catalog = load_catalog()
    for line, card in zip(score_table(catalog, []), catalog, strict=True):
        assert len(line["published"]) == len(card.published)
        assert all(figure["source"] for figure in line["published"])
        if card.price:
            assert line["price"]["dated"]
    assert any(card.published for card in catalog)


def test_the_newest_figure_stands_for_its_column(catalog):
    old, new = (
        row("chat.ttft@1", 9.0, "2026-01-01T00:00:00+00:00"),
        row("chat.ttft@1", 0.2, "2026-02-01T00:00:00+00:00"),
    )
    for rows in ([old, new], [new, old]):
        assert score_table(catalog, rows)[0]["ttft_s"] == 0.2


def test_figures_go_to_their_own_card_and_column(catalog):
    rows = [row("image.clipscore.starter-clip@1", 28.0, model="p"), row("memory.rss_growth@1", 5e8)]
    chat, image = score_table(catalog, rows)
    assert (chat["peak_memory_bytes"], chat["quality"]) == (5e8, None)
    assert (image["peak_memory_bytes"], image["quality"]) == (None, 28.0)


def test_a_metric_of_another_version_is_not_shown(catalog):
    assert score_table(catalog, [row("chat.ttft@7", 1.0)])[0]["ttft_s"] is None


def test_kinds(catalog):
    assert [line["id"] for line in score_table(catalog, [], kind="image")] == ["p"]
    assert len(score_table(catalog, [], kind="all")) == 2
    with pytest.raises(InvalidRequest, match="audio"):
        score_table(catalog, [], kind="audio")  # type: ignore[arg-type]


def test_state_fills_in_what_the_card_leaves_open(catalog):
    states = [ModelState("p", "image", "ready", parameters=42), ModelState("m", "chat", "ready", parameters=1)]
    chat, image = score_table(catalog, [], states)
    assert (chat["parameters"], image["parameters"]) == (7, 42)
    assert image["state"] == "ready"


def test_explain_tells_how(catalog):
    spread = {"low": 0.2, "high": 0.3, "interval": "lowest to highest"}
    about = {"dtype": "float32", "device": "cpu", "versions": {"torch": "2.13"}, "seed": 3}
    settings = {"hardware": "Some CPU", "max_new_tokens": 64}
    figure = row("chat.ttft@1", 0.25, **spread, **about, settings=settings)
    text = explain(score_table(catalog, [figure])[0], "ttft_s")
    for part in ("chat.ttft@1", "median", "0.25 s", "n = 5", "0.2 to 0.3", "m at abc", "float32", "cpu (Some CPU)",
                 "seed 3", "torch 2.13", "2026-01-01", "max_new_tokens 64"):  # fmt: skip
        assert part in text, part


def test_explain_has_nothing_to_say_of_an_empty_cell(catalog):
    line = score_table(catalog, [])[0]
    assert explain(line, "quality") == ""
    with pytest.raises(InvalidRequest, match="beauty"):
        explain(line, "beauty")


def test_the_table_needs_neither_torch_nor_sqlalchemy():
    code = "import sys, playground.scores.table; print({'torch', 'sqlalchemy', 'gradio'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_command_line_measures_and_keeps(tmp_path, monkeypatch, capsys, scripted):
    import playground.engine
    from playground.scores.__main__ import main

    monkeypatch.setenv("PLAYGROUND_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(
        playground.engine, "open_engine", lambda settings, catalog: scripted(catalog["phi-4"], ttfts=(0.5,))
    )
    assert main(["measure", "phi-4", "--json"]) == 0
    printed = {figure["metric"]: figure["value"] for figure in json.loads(capsys.readouterr().out)}
    assert printed["chat.ttft@1"] == 0.5
    assert main(["table", "--json"]) == 0
    table = {line["id"]: line for line in json.loads(capsys.readouterr().out)}
    assert table["phi-4"]["ttft_s"] == 0.5


def test_ctrl_c_keeps_what_was_measured(tmp_path, monkeypatch, capsys, scripted):
    import playground.engine
    from playground.scores.__main__ import main

    def answer(request):
        if "3 + 4" in request.messages[-1].content:
            signal.raise_signal(signal.SIGINT)
        return "7"

    monkeypatch.setenv("PLAYGROUND_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(
        playground.engine, "open_engine", lambda settings, catalog: scripted(catalog["phi-4"], answer=answer)
    )
    assert main(["measure", "phi-4", "--json"]) == 0
    metrics = {figure["metric"] for figure in json.loads(capsys.readouterr().out)}
    assert "chat.ttft@1" in metrics
    assert "chat.mini@1" not in metrics
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_command_line_prints_the_stored_figures(tmp_path, monkeypatch, capsys):
    from playground.scores.__main__ import main
    from playground.store import Store

    monkeypatch.setenv("PLAYGROUND_DATA_DIR", str(tmp_path))
    store = Store(f"sqlite:///{tmp_path / 'playground.sqlite3'}")
    store.add_scores("local", [row("chat.ttft@1", 0.125, model="starter-phi")])
    store.add_scores("ana", [row("chat.ttft@1", 0.5, model="starter-mistral")])
    store.close()
    assert main(["table", "--json", "--kind", "chat"]) == 0
    table = {line["id"]: line for line in json.loads(capsys.readouterr().out)}
    assert table["starter-phi"]["ttft_s"] == 0.125
    assert table["starter-mistral"]["ttft_s"] is None
    assert main(["measure", "no-such-model"]) == 1
    assert "no-such-model" in capsys.readouterr().err
