"""The cards: complete, checked, and a user's own beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.catalog import ASSETS, ModelCard, load_catalog, read_cards
from playground.errors import PlaygroundError, UnknownModel

CARD = """
[[card]]
id = "mine"
name = "Mine"
kind = "chat"
source = "someone/mine"
licence = "MIT"
"""


def test_the_catalog_has_the_starters_and_the_models_people_come_for() -> None:
    catalog = load_catalog()
    for card_id in ("starter-phi", "starter-mistral", "starter-sd", "starter-sd-small", "starter-clip"):
        assert catalog[card_id].shipped
    for card_id in (
        "phi-4",
        "phi-3.5-mini",
        "mistral-small",
        "o4-mini",
        "gpt-5.6-terra",
        "sd-1.4",
        "sd-1.5",
        "sdxl-base",
    ):
        assert catalog[card_id].licence
    assert catalog["phi-4"].context == 16_384
    assert catalog["mistral-small"].source.endswith("2501")


def test_every_published_figure_and_price_has_a_source() -> None:
    for card in load_catalog():
        assert all(figure.source.startswith("https://") for figure in card.published), card.id
        assert card.price is None or card.price.source.startswith("https://")


def test_memory_is_parameters_times_bytes() -> None:
    size = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "int4": 0.5}
    for card in load_catalog():
        for dtype, count in card.memory.items():
            assert card.parameters is not None
            assert count == card.parameters * size[dtype], (card.id, dtype)


def test_kv_cache_of_phi_35_is_that_of_plain_multi_head_attention() -> None:
    # 2 tensors * 32 layers * 32 heads * 96 wide * 2 bytes
    assert load_catalog()["phi-3.5-mini"].kv_bytes_per_token == 2 * 32 * 32 * 96 * 2


def test_own_cards_are_added_and_replace(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(CARD + CARD.replace('"mine"', '"phi-4"'))
    catalog = load_catalog(own)
    assert catalog["mine"].source == "someone/mine"
    assert catalog["phi-4"].name == "Mine"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('kind = "chat"', 'kind = "smell"'), ["mine", "kind"]),
        (('licence = "MIT"', ""), ["mine", "licence"]),
        (('licence = "MIT"', 'licence = "MIT"\nparamaters = 3'), ["mine", "paramaters"]),
        (('licence = "MIT"', 'licence = "MIT"\ndefaults = { steps = 0 }'), ["mine", "defaults.steps"]),
        (('id = "mine"', 'id = "My Model"'), ["My Model", "id"]),
        (('id = "mine"', ""), ["card 1", "id"]),
        (("[[card]]", "[[crad]]"), ["[[card]]"]),
        (("[[card]]", "[[card]"), ["cannot be read"]),
    ],
)
def test_a_malformed_card_names_file_card_and_field(tmp_path: Path, change: tuple[str, str], named: list[str]) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(CARD.replace(*change))
    with pytest.raises(PlaygroundError) as caught:
        read_cards(own)
    for part in [str(own), *named]:
        assert part in str(caught.value)


def test_two_cards_of_one_id_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(CARD + CARD)
    with pytest.raises(PlaygroundError, match="twice"):
        read_cards(own)


def test_an_unknown_model_is_told_with_the_closest_names() -> None:
    with pytest.raises(UnknownModel, match="starter-phi"):
        load_catalog()["starter-phy"]


def test_only_keeps_the_ruler() -> None:
    catalog = load_catalog().only(("starter-sd",))
    assert [card.id for card in catalog] == ["starter-sd", "starter-clip"]
    with pytest.raises(UnknownModel):
        load_catalog().only(("nothing",))


@pytest.mark.parametrize(
    "card_id", ["starter-phi", "starter-mistral", "starter-sd", "starter-sd-small", "starter-clip"]
)
def test_a_shipped_cards_parameters_are_those_of_its_files(card_id: str) -> None:
    from playground.models.sizes import model_size

    card = load_catalog()[card_id]
    assert card.folder is not None
    assert model_size(card.folder).parameters == card.parameters


def test_shipped_files_are_small_enough_to_clone() -> None:
    files = [file for file in ASSETS.rglob("*") if file.is_file()]
    assert max(file.stat().st_size for file in files) < 9_000_000
    assert sum(file.stat().st_size for file in files) < 90_000_000


def test_an_added_card_is_there_after_a_restart_and_can_be_removed(tmp_path: Path) -> None:
    kept = tmp_path / "models.toml"
    catalog = load_catalog(added=kept)
    card = ModelCard(
        id="my-model",
        name='My "model", ärger\n',
        kind="chat",
        source="me/my-model",
        licence="unknown",
        format="gguf",
        file="q4/a b.gguf",
        memory={"bfloat16": 12},
        capabilities=("system-prompt",),
        defaults={"temperature": 0.5},
    )
    catalog.add(card)
    assert catalog.is_own("my-model")
    again = load_catalog(added=kept)
    assert again["my-model"] == card
    assert again.is_own("my-model")
    with pytest.raises(PlaygroundError, match="already"):
        again.add(card)
    again.remove("my-model")
    assert "my-model" not in again
    assert "my-model" not in load_catalog(added=kept)
    with pytest.raises(PlaygroundError, match="comes with the app"):
        again.remove("starter-phi")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": "gguf", "file": "model.bin"}, "ends in .gguf"),
        ({"format": "single-file", "file": "a.safetensors"}, "serves image cards only"),
        ({"file": "a.safetensors"}, "takes no file"),
        ({"format": "gguf", "file": "../a.gguf"}, "must lie inside source"),
        ({"format": "gguf", "file": "/etc/a.gguf"}, "must lie inside source"),
    ],
)
def test_a_card_whose_file_does_not_fit_its_format_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelCard(id="x", name="X", kind="chat", source="me/x", licence="-", **fields)
