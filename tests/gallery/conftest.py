"""A store of its own for each test, and real pictures in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from playground.gallery.kept import Pictures
from playground.images.metadata import write_png
from playground.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite3")
    yield store
    store.close()


@pytest.fixture
def pictures(store: Store) -> Pictures:
    return Pictures(store)


@pytest.fixture
def add(pictures: Pictures, tmp_path: Path) -> Callable[..., str]:
    """Keeps a picture of this prompt, and returns its id."""

    def one(prompt: str = "a cat", owner: str = "ana", model: str = "starter-sd", seed: int = 7) -> str:
        path = tmp_path / f"{abs(hash((prompt, owner, model, seed)))}.png"
        text = f"{prompt}\nSteps: 4, Seed: {seed}, Model: {model}"
        path.write_bytes(write_png(Image.new("RGB", (32, 24), "teal"), text, {"prompt": prompt, "seed": seed}))
        asked = {"prompt": prompt, "seed": seed, "width": 32, "height": 24}
        made = {"parameters": text, "seconds": 0.5}
        return pictures.add(owner, "text_to_image", model, asked, made, str(path))

    return one
