from __future__ import annotations

import json

from playground import doctor
from playground.models.devices import cores
from tests.models.builders import save_text


def own_catalog(tmp_path, monkeypatch) -> None:
    folder = save_text(tmp_path / "model")
    (tmp_path / "own.toml").write_text(
        f'[[card]]\nid = "mine"\nname = "Mine"\nkind = "chat"\nsource = "{folder}"\nlicence = "test"\n'
    )
    monkeypatch.setenv("PLAYGROUND_CATALOG", str(tmp_path / "own.toml"))


def test_json_report_says_what_the_machine_is_and_what_a_model_takes(tmp_path, monkeypatch, capsys):
    own_catalog(tmp_path, monkeypatch)
    monkeypatch.setenv("PLAYGROUND_DTYPE", "float32")
    assert doctor.main(["mine", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["machine"]["cores"] == cores()
    model = report["model"]
    assert model["bytes"] == sum(part["bytes"] for part in model["components"]) > 0
    assert model["bytes"] == 4 * sum(part["parameters"] for part in model["components"])
    assert model["fits"] is True


def test_a_model_over_the_budget_does_not_fit(tmp_path, monkeypatch, capsys):
    own_catalog(tmp_path, monkeypatch)
    monkeypatch.setenv("PLAYGROUND_MEMORY_BUDGET", "1000")
    assert doctor.main(["mine"]) == 0
    assert "does not fit in 1.0 kB" in capsys.readouterr().out


def test_a_card_that_is_not_here_is_judged_by_what_its_card_says(capsys):
    assert doctor.main(["phi-4", "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert model["components"] == []
    assert model["bytes"] >= 29_319_014_400


def test_unknown_model_ends_with_one_and_a_hint(capsys):
    assert doctor.main(["starter-phy"]) == 1
    captured = capsys.readouterr()
    assert "starter-phi" in captured.err
    assert captured.out == ""
