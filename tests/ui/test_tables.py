"""The score table, the model cards and the header in HTML."""

from __future__ import annotations

import re
from typing import Any

from playground.catalog import load_catalog
from playground.protocol import Health, ModelState
from playground.ui.header import chip_row
from playground.ui.models_cards import away_html, cards_html, memory_html
from playground.ui.scores_table import figure, filtered, how_html, ordered, table_html

MB = 10**6


def a_row(card: str, **fields: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("load_s", "ttft_s", "tokens_per_s", "seconds_per_image", "peak_memory_bytes", "quality", "parameters")
    )
    base = {"id": card, "name": card.title(), "kind": "chat", "state": "ready", "licence": "MIT", "licence_url": ""}
    base |= {"context": 2048, "native_size": None, "price": None}
    return {**empty, **base, "published": [], "measured": {}, **fields}


def test_what_was_not_measured_is_empty_and_not_zero() -> None:
    html = table_html([a_row("phi")], "", "", False)
    assert html.count('<td class="pg-num"></td>') == 6
    assert "None" not in html


def test_figures_carry_units() -> None:
    row = a_row("phi", ttft_s=0.08, tokens_per_s=231.2, peak_memory_bytes=92 * MB, quality=71.9)
    row["measured"] = {"quality": {"unit": "%"}}
    assert [figure(row, k) for k in ("ttft_s", "tokens_per_s", "peak_memory_bytes", "quality", "load_s")] == [
        "0.08 s",
        "231 tok/s",
        "92.0 MB",
        "71.9 %",
        "",
    ]


def test_sorting_puts_unmeasured_rows_last_either_way() -> None:
    rows = [a_row("a"), a_row("b", ttft_s=2.0), a_row("c", ttft_s=1.0)]
    assert [r["id"] for r in ordered(rows, "ttft_s", down=False)] == ["c", "b", "a"]
    assert [r["id"] for r in ordered(rows, "ttft_s", down=True)] == ["b", "c", "a"]


def test_filters_combine() -> None:
    rows = [a_row("phi"), a_row("sd", kind="image"), a_row("flux", kind="image", licence="Apache-2.0")]
    assert [r["id"] for r in filtered(rows, "image", "Any", False, "")] == ["sd", "flux"]
    assert [r["id"] for r in filtered(rows, "all", "Apache-2.0", False, "FLUX")] == ["flux"]
    assert filtered(rows, "all", "Any", True, "") == []


def test_names_and_sources_are_escaped_and_only_web_addresses_are_links() -> None:
    claim = {"name": "<b>", "value": 1.0, "unit": "%", "source": "javascript:alert(1)", "note": ""}
    row = a_row("x", name="<script>", published=[claim])
    html = table_html([row], "", "", False) + how_html(row, lambda *_: "")
    assert "<script>" not in html
    assert "<a " not in html
    assert "&lt;b&gt;" in html


def test_the_bar_shows_who_holds_what() -> None:
    states = [ModelState("starter-phi", "chat", "ready", bytes=100 * MB)]
    html = memory_html(states, Health(True, "cpu", 2, budget_bytes=400 * MB, used_bytes=100 * MB), load_catalog())
    assert "width:25.00%" in html
    assert "Starter Phi" in html
    assert "100.0 MB of 400.0 MB in use, 300.0 MB free" in html


def buttons(html: str) -> list[tuple[str, str]]:
    return re.findall(r'data-act="(\w+)" data-key="([\w.-]+)"', html)


def test_a_card_offers_what_can_be_done_with_it_now() -> None:
    health = Health(True, "cpu", 2, budget_bytes=400 * MB)
    states = [
        ModelState("phi-4", "chat", "unavailable", reason="Needs 29 GB."),
        ModelState("sd-1.4", "image", "not loaded", on_disk=False),
        ModelState("starter-phi", "chat", "ready", bytes=100 * MB, idle_s=130.0, working_bytes=5 * MB),
        ModelState("starter-sd", "image", "ready", bytes=10 * MB, users=2, pinned=True),
        ModelState("o4-mini", "chat", "not loaded"),
    ]
    here, away = (page(states, health, load_catalog()) for page in (cards_html, away_html))
    assert "Needs 29 GB." in away
    assert buttons(away) == [("size", "phi-4")]
    assert buttons(here) == [
        ("unload", "starter-phi"), ("pin", "starter-phi"), ("size", "starter-phi"),
        ("unload", "starter-sd"), ("unpin", "starter-sd"), ("size", "starter-sd"),
        ("download", "sd-1.4"), ("load", "sd-1.4"), ("size", "sd-1.4"),
    ]  # fmt: skip
    assert "100.0 MB + 5.0 MB of work, last used 2 min ago" in here
    assert "10.0 MB, in use by 2" in here
    assert here.count("pg-pin") == 1


def test_the_header_says_what_runs() -> None:
    html = chip_row(Health(True, "cpu", 2, "bfloat16", 1000 * MB, 92 * MB, running=2, waiting=1))
    assert "CPU, 2 cores, bfloat16, 92.0 MB of 1.0 GB" in html
    assert "2 running, 1 waiting" in html
    assert "Starting torch" in chip_row(Health(True, "starting", 2))
