"""The chains that each owner keeps, and those that come with the app to start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from playground.images.chain.document import Chain, dump, parse
from playground.images.chain.steps import Crop, Generate, ImageToImage, Save, SecondPass, Sharpen, Upscale
from playground.images.shelf import Shelf

FOLDER = "chains"

EXAMPLES = (
    Chain(
        (
            Generate(prompt="a red circle on a white background"),
            SecondPass(scale=2.0, strength=0.4),
            Sharpen(radius=1.5, amount=80),
            Save(),
        ),
        "Generate, second pass, sharpen",
    ),
    Chain((Upscale(factor=2.0), Sharpen(radius=1.5, amount=60), Save()), "Upscale a picture"),
    Chain(
        (
            ImageToImage(prompt="a blue circle on a white background", model="starter-sd", strength=0.6),
            SecondPass(scale=1.5, strength=0.3),
            Save(),
        ),
        "Make a picture over",
    ),
    Chain((Crop(ratio="1:1"), Upscale(width=256, height=256), Save(format="webp")), "Square pictures as WebP"),
)


class KeptChains:
    """The owner's chains below the data folder; errors as those of `Shelf`."""

    def __init__(self, data: Path) -> None:
        self._shelf = Shelf(data / FOLDER, "chain")

    def names(self, owner: str) -> list[str]:
        """The names of the owner's chains."""
        return self._shelf.names(owner)

    def get(self, owner: str, name: str) -> Chain:
        """One of the owner's chains, checked anew."""
        return parse(self._shelf.get(owner, name))

    def put(self, owner: str, name: str, chain: Chain) -> str:
        """Keeps a chain under a name, in place of an earlier one; returns the name."""
        return self._shelf.put(owner, name, dump(replace(chain, name="")))

    def rename(self, owner: str, name: str, new: str) -> str:
        """Gives a chain another name."""
        return self._shelf.rename(owner, name, new)

    def delete(self, owner: str, name: str) -> None:
        """Deletes a chain."""
        self._shelf.delete(owner, name)
