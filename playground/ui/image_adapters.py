"""The fold of LoRAs and embeddings: which lie here, which fit the chosen models, how strongly each works.

What is chosen is kept as JSON in one hidden field, so that it is remembered, recalled from pictures and sent with a run
like any other control. Knows names and headers, no weights.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from playground.catalog import ModelCard
from playground.errors import InvalidRequest, PlaygroundError
from playground.images.adapter_use import checked_uses
from playground.models.adapter_files import InversionFile, LoraFile
from playground.models.adapter_fit import misfit, short_family
from playground.models.adapter_shelf import Shelf, Shelved, open_shelf, place_for
from playground.protocol import AdapterUse, Failed
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.words import empty, note, problem, size

SLOTS = 6
LONGEST = 4_000
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SYNTAX = "A prompt can name LoRAs too, as <lora:name:0.8>; embeddings are words of the prompt or negative prompt."


def uses_of(chosen: object) -> tuple[AdapterUse, ...]:
    """What the fold's hidden field asks for.

    Raises:
        InvalidRequest: it is no list of adapters.
    """
    if not isinstance(chosen, str) or len(chosen) > LONGEST:
        raise InvalidRequest("The list of LoRAs cannot be read.", "Take them out and add them again.")
    try:
        return checked_uses(json.loads(chosen or "[]"))
    except (ValueError, RecursionError):
        raise InvalidRequest("The list of LoRAs cannot be read.", "Take them out and add them again.") from None


def text_of_uses(uses: Sequence[AdapterUse]) -> str:
    """The hidden field's value."""
    return json.dumps([asdict(use) for use in uses]) if uses else "[]"


class AdapterFold:
    """The fold; `chosen` is one of a run's inputs, read by `uses_of`."""

    def __init__(self, context: AppContext, prompt: gr.Textbox, models: gr.Dropdown, remember: Remember) -> None:
        self._context, self._prompt, self._models, self._remember = context, prompt, models, remember
        with gr.Accordion("LoRAs and embeddings", open=False, elem_id="image_adapters") as fold:
            with gr.Row():
                self._add = gr.Dropdown(
                    [], value=None, label="Add a LoRA", info="It changes the style or brings in a subject.",
                    elem_id="image_adapters_add", min_width=140,
                )  # fmt: skip
                self._word = gr.Dropdown(
                    [], value=None, label="Add an embedding", info="Its name becomes a word of the prompt.",
                    elem_id="image_adapters_word", min_width=140,
                )  # fmt: skip
            self._slots = [_Slot(number) for number in range(SLOTS)]
            self._apart = gr.Checkbox(
                False, label="Text encoder apart", info="Sets how strongly each LoRA changes what the words mean.",
                elem_id="image_adapters_apart", visible=False,
            )  # fmt: skip
            self._list = gr.HTML("", elem_id="image_adapters_list", elem_classes="pg-maybe")
            self._file: gr.UploadButton | None = None
            if _may_add(context):
                self._file = gr.UploadButton(
                    "Add a .safetensors file",
                    file_types=[".safetensors"],
                    type="filepath",
                    size="sm",
                    elem_id="image_adapters_file",
                )
            self._said = gr.HTML("", elem_id="image_adapters_said", elem_classes="pg-maybe")
            self.chosen = gr.Textbox("[]", label="LoRAs", visible="hidden", elem_id="image_adapters_chosen")
        self._wire(fold)
        remember.keep("image.adapters", self.chosen, _acceptable)

    # --- events ---

    def _wire(self, fold: gr.Accordion) -> None:
        listed = [self._add, self._word, self._list]
        at = [self._models, self._remember.state]
        gr.on([fold.expand, self._models.change], self._listed, at, listed, **QUICK)
        self._add.input(_added, [self.chosen, self._add], [self.chosen, self._add, self._said], **QUICK)
        self._word.input(
            fn=None,
            js="(prompt, word) => word ? [prompt.trim() ? prompt.trim() + ', ' + word : word, null] : [prompt, null]",
            inputs=[self._prompt, self._word],
            outputs=[self._prompt, self._word],
        )
        shown = [part for slot in self._slots for part in slot.parts]
        gr.on(
            [self.chosen.change, self._apart.input], _shown, [self.chosen, self._apart], [*shown, self._apart], **QUICK
        )
        for number, slot in enumerate(self._slots):
            slot.wire(number, self.chosen, self._apart)
        if self._file is not None:
            self._file.upload(
                self._uploaded, [self._file, *at], [self._said, *listed],
                show_progress="hidden", concurrency_limit=None, api_visibility="private",
            )  # fmt: skip

    async def _listed(self, models: Any, state: Any, request: gr.Request) -> list[Any]:
        return await asyncio.to_thread(self._updates, models, owner_of(request, owner_in(state)))

    def _updates(self, models: Any, owner: str) -> list[Any]:
        shelf = open_shelf(self._context.settings, owner)
        cards = [self._context.catalog[i] for i in models or [] if i in self._context.catalog]
        entries = shelf.entries()
        fitting = [one for one in entries if one.file is not None and not _why_not(one, cards)]
        choices = [[(_choice(one), one.name) for one in fitting if one.kind == kind] for kind in ("lora", "embedding")]
        return [
            *(gr.update(choices=found, value=None, interactive=bool(found)) for found in choices),
            list_html(entries, cards, shelf, self._context.settings.is_private),
        ]

    async def _uploaded(self, path: str | None, models: Any, state: Any, request: gr.Request) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        settings = self._context.settings

        def keep() -> str:
            shelf = open_shelf(settings, owner)
            return shelf.add(Path(str(path)), Path(str(path)).name, place_for(settings, owner)).name

        try:
            said = note(f"{await asyncio.to_thread(keep)} is kept.")
        except PlaygroundError as error:
            said = problem(Failed.of(error))
        return [said, *await asyncio.to_thread(self._updates, models, owner)]


class _Slot:
    """One chosen LoRA: its weight, its weight in the text encoder, and a button that takes it out."""

    def __init__(self, number: int) -> None:
        with gr.Row(
            visible=False, equal_height=True, elem_classes="pg-adapter", elem_id=f"image_adapter_{number}"
        ) as row:
            self.unet = gr.Slider(
                -2, 2, 1, step=0.05, label="Weight", elem_id=f"image_adapter_weight_{number}", min_width=140, scale=4
            )
            self.text = gr.Slider(
                -2, 2, 1, step=0.05, label="Text encoder", visible=False,
                elem_id=f"image_adapter_text_{number}", min_width=140, scale=4,
            )  # fmt: skip
            self.out = gr.Button("Take out", size="sm", elem_id=f"image_adapter_out_{number}", min_width=80, scale=1)
        self.row = row

    @property
    def parts(self) -> list[Any]:
        return [self.row, self.unet, self.text]

    def wire(self, number: int, chosen: gr.Textbox, apart: gr.Checkbox) -> None:
        def weighed(now: str, unet: float, text: float, own: bool) -> str:
            uses = list(_kept(now))
            if number < len(uses):
                uses[number] = AdapterUse(uses[number].name, float(unet), float(text if own else unet))
            return text_of_uses(uses)

        def taken_out(now: str) -> str:
            uses = _kept(now)
            return text_of_uses([*uses[:number], *uses[number + 1 :]])

        gr.on([self.unet.release, self.text.release], weighed, [chosen, self.unet, self.text, apart], chosen, **QUICK)
        self.out.click(taken_out, chosen, chosen, **QUICK)


def _added(chosen: str, name: str | None) -> list[Any]:
    uses = _kept(chosen)
    if not name or any(use.name == name for use in uses):
        return [gr.skip(), None, ""]
    if len(uses) >= SLOTS:
        full = Failed(f"{SLOTS} LoRAs are chosen, which is the most here.", "Name more in the prompt: <lora:name:0.8>.")
        return [gr.skip(), None, problem(full)]
    return [text_of_uses([*uses, AdapterUse(name)]), None, ""]


def _shown(chosen: str, apart: bool) -> list[Any]:
    uses = _kept(chosen)
    own = apart or any(use.unet != use.text_encoder for use in uses)
    updates: list[Any] = []
    for number in range(SLOTS):
        use = uses[number] if number < len(uses) else None
        if use is None:
            updates += [gr.update(visible=False), gr.skip(), gr.skip()]
            continue
        label = f"{use.name}: weight" if not own else f"{use.name}: denoiser"
        low, high = min(-2.0, use.unet, use.text_encoder), max(2.0, use.unet, use.text_encoder)
        updates += [
            gr.update(visible=True),
            gr.update(value=use.unet, label=label, minimum=low, maximum=high),
            gr.update(value=use.text_encoder, visible=own, minimum=low, maximum=high),
        ]
    return [*updates, gr.update(visible=bool(uses), value=own)]


def _kept(chosen: str) -> tuple[AdapterUse, ...]:
    """As `uses_of`; nothing where the field holds something else, which a run then tells."""
    return uses_of(chosen) if _acceptable(chosen) else ()


def _acceptable(value: Any) -> bool:
    try:
        uses_of(value)
    except InvalidRequest:
        return False
    return True


def _may_add(context: AppContext) -> bool:
    """Whether anybody can; who may is asked again when a file comes."""
    settings = context.settings
    return settings.is_private or (settings.profile != "public" and settings.auth is not None)


# --- words ---


def _why_not(entry: Shelved, cards: Sequence[ModelCard]) -> str:
    """Why it fits none of the models; empty where it fits one."""
    if entry.file is None:
        return entry.reason
    reasons = [misfit(card, entry.file) for card in cards]
    return f"{reasons[0][0].upper()}{reasons[0][1:]}." if reasons and all(reasons) else ""


def _choice(entry: Shelved) -> str:
    assert entry.file is not None, "only what can be used is offered"
    return f"{entry.name} ({short_family(entry.file)})"


def facts_of(entry: Shelved) -> str:
    """LoRA for SD 1.x, rank 16, 37 MB."""
    file = entry.file
    if isinstance(file, LoraFile):
        return f"LoRA for {short_family(file)}, rank {file.rank}, {size(entry.bytes)}"
    if isinstance(file, InversionFile):
        vectors = "1 vector" if file.vectors == 1 else f"{file.vectors} vectors"
        return f"embedding for {short_family(file)}, {vectors}, {size(entry.bytes)}"
    return size(entry.bytes)


def list_html(entries: Sequence[Shelved], cards: Sequence[ModelCard], shelf: Shelf, private: bool) -> str:
    """Every file with what it is; what fits none of the models comes last, in a fold, with the reason."""
    if not entries:
        where = shelf.where() if private else "The one who runs this app puts them into its folder."
        return empty("No LoRAs or embeddings yet", where)
    lines: dict[bool, list[str]] = {True: [], False: []}
    for one in entries:
        why = _why_not(one, cards)
        words = ", ".join(one.file.words[:4])[:160] if isinstance(one.file, LoraFile) else ""
        about = facts_of(one) + (f". Trained on: {words}" if words else "")
        text = f"{about}. {why}" if why else about
        lines[not why].append(f"<li><b>{escape(one.name)}</b> <span>{escape(text)}</span></li>")
    fits, rest = "".join(lines[True]), "".join(lines[False])
    shown = f'<ul class="pg-adapters">{fits}</ul>' if fits else note("None of them fits the chosen models.")
    if rest:
        count = len(lines[False])
        title = f"{count} cannot be used with the chosen models" if cards else f"{count} cannot be used"
        shown += (
            f'<details class="pg-adapters-rest"><summary>{title}</summary><ul class="pg-adapters">{rest}</ul></details>'
        )
    return shown + note(SYNTAX)
