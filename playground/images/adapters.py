"""The adapters of a run: found by the names that a request and its prompts say, put on for the pictures that want them.

LoRAs are named by tags of the prompt and by the request's list; textual inversions by their names, as words of the
prompt or the negative prompt. Knows files and a loaded model, nothing of pools.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from playground.errors import InvalidRequest, ModelUnavailable
from playground.images.adapter_use import MOST, weight
from playground.images.advanced import stride
from playground.images.prompts.chunks import WORD
from playground.images.prompts.prepared import Prepared, prepared
from playground.images.prompts.words import with_words, words_in
from playground.models.adapter_files import InversionFile
from playground.models.adapter_shelf import Shelf, Shelved, sole
from playground.protocol import Event, ImageRequest, Notice

if TYPE_CHECKING:
    from playground.models.loaded import LoadedImage

ROWS = 50_000  # of a text encoder's table of words, which is copied for a textual inversion


@dataclass(frozen=True)
class Used:
    """One adapter of a picture. `source`: whether the prompt names it or the request's list; `word`: see `Picked`."""

    kind: Literal["lora", "embedding"]
    name: str
    path: Path
    unet: float = 1.0
    text_encoder: float = 1.0
    source: Literal["prompt", "list"] = "prompt"
    word: str = ""


@dataclass(frozen=True)
class Picked:
    """The adapters of each picture of a request, in order; `elements` counts the numbers that all of them hold.

    The name of a textual inversion stands in the prompt as it was written; while its picture is made, `Used.word`
    stands there in its place, which is a token of its own.
    """

    pictures: tuple[tuple[Used, ...], ...] = ()
    notes: tuple[str, ...] = ()
    elements: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Every adapter once."""
        return tuple(dict.fromkeys(one.name for picture in self.pictures for one in picture))

    def bytes_in(self, dtype: str) -> int:
        """What all of them take on the device."""
        return self.elements * (4 if dtype == "float32" else 2)

    def of(self, index: int) -> tuple[Used, ...]:
        """Those of picture `index`."""
        return self.pictures[index] if index < len(self.pictures) else ()

    def check(self, prompts: Sequence[Prepared]) -> None:
        """Refuses tags that nothing was picked for: they would be left out without a word.

        Raises:
            InvalidRequest: names the first.
        """
        for index, one in enumerate(prompts):
            if one.positive.loras and not self.of(index):
                raise InvalidRequest(
                    f"The prompt names the LoRA {one.positive.loras[0].name!r}, and no folder of LoRAs was opened.",
                    "Take the tag out.",
                )


NONE = Picked()


def pick(request: ImageRequest, shelf: Shelf, wildcards: Path | None = None) -> tuple[ImageRequest, Picked]:
    """The request with its seed drawn, since variants may name adapters, and the adapters of its pictures.

    Raises:
        InvalidRequest: no LoRA has a name that is used, or several files have it; too many; a weight is out of range.
        ModelUnavailable: a LoRA's file cannot be used.
    """
    if request.seed is None:
        request = replace(request, seed=secrets.randbelow(2**32 - 8))
    assert request.seed is not None
    texts = (request.prompt, request.negative_prompt)
    prompts = prepared(*texts, request.seed, request.batch_size, wildcards, stride(request))
    words: dict[str, list[Shelved]] = {}
    for one in shelf.entries():
        if one.kind != "lora":
            words.setdefault(one.name.lower(), []).append(one)
    if not words and not request.adapters and not any(one.positive.loras for one in prompts):
        return request, NONE
    numbers = {name: number for number, name in enumerate(sorted(words))}
    notes: list[str] = []
    found = tuple((*_loras(one, request, shelf, notes), *_words(one, words, numbers, notes)) for one in prompts)
    for picture in found:
        if len(picture) > MOST:
            raise InvalidRequest(f"{len(picture)} adapters are named; at most {MOST} work together.", "Name fewer.")
    return request, Picked(found, tuple(dict.fromkeys(notes)), _elements(found, words))


def _loras(prompt: Prepared, request: ImageRequest, shelf: Shelf, notes: list[str]) -> list[Used]:
    """The list's, then the prompt's, of which the last of a file counts."""
    used: dict[Path, Used] = {}
    for use in request.adapters:
        entry = shelf.lora(use.name)
        used[entry.path] = Used("lora", entry.name, entry.path, use.unet, use.text_encoder, "list")
    for tag in prompt.positive.loras:
        entry = shelf.lora(tag.name)
        unet, text = weight(entry.name, tag.unet), weight(entry.name, tag.text_encoder)
        before = used.pop(entry.path, None)
        if before is not None and (before.unet, before.text_encoder) != (unet, text):
            notes.append(f"The LoRA {entry.name!r} is named more than once; its last tag in the prompt counts.")
        used[entry.path] = Used("lora", entry.name, entry.path, unet, text)
    return list(used.values())


def _words(
    prompt: Prepared, words: Mapping[str, list[Shelved]], numbers: Mapping[str, int], notes: list[str]
) -> list[Used]:
    used = []
    for name in sorted(words_in(prompt.positive, words) | words_in(prompt.unwanted, words)):
        entry = sole([one for one in words[name] if one.kind] or words[name][:1])
        if entry.file is None:
            notes.append(f"{entry.name!r} is read as a plain word, since its file cannot be used: {entry.reason}")
            continue
        used.append(Used("embedding", entry.name, entry.path, word=WORD.format(numbers[name])))
    return used


def _elements(found: Sequence[Sequence[Used]], words: Mapping[str, list[Shelved]]) -> int:
    """Numbers that the adapters hold, and the tables of words that are copied for textual inversions."""
    from playground.models.headers import read_header

    paths = {used.path for picture in found for used in picture}
    files = [one.file for entries in words.values() for one in entries if one.path in paths]
    widths = [width for file in files if isinstance(file, InversionFile) for width in file.widths.values()]
    return sum(t.elements for path in paths for t in read_header(path)) + ROWS * sum(widths)


class Worn:
    """The adapters that are on a model; those of one picture stay on for the next that wants the same."""

    def __init__(self, loaded: LoadedImage, picked: Picked, emit: Callable[[Event], None]) -> None:
        self._loaded, self._picked, self._emit = loaded, picked, emit
        self._stack = ExitStack()
        self._of: tuple[Used, ...] = ()  # what was asked for
        self._told: set[str] = set()
        self.now: tuple[Used, ...] = ()
        """What is on: without textual inversions that do not fit the model, which are plain words then."""

    def __enter__(self) -> Worn:
        for text in self._picked.notes:
            self._say(text)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def put_on(self, prompts: Sequence[Prepared], first: int, most: int) -> tuple[Prepared, ...]:
        """Puts on what picture `first` wants; the prompts of it and of those after it, up to `most`, of the same.

        Raises:
            ModelUnavailable: a LoRA does not fit the model, and why.
        """
        wanted = self._picked.of(first)
        if wanted != self._of:
            self._stack.close()
            self._of, self.now = (), ()
            self._change(wanted)
        end = first + 1
        while end < min(first + most, len(prompts)) and self._picked.of(end) == wanted:
            end += 1
        given = {one.name.lower(): f" {one.word} " for one in self.now if one.kind == "embedding"}
        return tuple(
            replace(one, positive=with_words(one.positive, given), unwanted=with_words(one.unwanted, given))
            for one in prompts[first:end]
        )

    def _change(self, wanted: tuple[Used, ...]) -> None:
        from playground.models.adapters import Adapter, apply, check_fit

        fitting: list[tuple[Used, Adapter]] = []
        for one in wanted:
            lora = one.kind == "lora"
            adapter = Adapter(one.path, one.unet, one.text_encoder) if lora else Adapter(one.path, word=one.word)
            try:
                check_fit(self._loaded, adapter)
            except ModelUnavailable as error:
                if lora:
                    raise
                self._say(f"{one.name!r} is read as a plain word: {error.message}")
                continue
            fitting.append((one, adapter))
        if fitting:
            self._stack.enter_context(apply(self._loaded, [adapter for _, adapter in fitting]))
        self._of, self.now = wanted, tuple(one for one, _ in fitting)

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._emit(Notice(text))
