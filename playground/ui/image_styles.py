"""Styles and presets of the form of Text to image: a choice of styles, a button that writes them in, and kept forms.

A style that is chosen and not written in is applied when the run starts; the picture's record tells of both.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.shelf import Shelf
from playground.images.styles import applied, styles
from playground.protocol import Failed
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.words import note, problem

FOLDER = "presets"
MOST_VALUE = 20_000
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class Styles:
    """The fold; `wire` connects it with the form's controls by name, as `image_recall.filled` calls them."""

    def __init__(self, context: AppContext, remember: Remember) -> None:
        self._context, self._remember = context, remember
        self._presets = Shelf(context.settings.data_path / FOLDER, "preset")
        with gr.Accordion("Styles and presets", open=False, elem_id="image_styles_fold"):
            self.chosen = gr.Dropdown(
                self._choices(),
                value=[],
                multiselect=True,
                label="Styles",
                info="Texts written around the prompt, from styles.toml or styles.csv in the data folder.",
                elem_id="image_styles",
            )
            with gr.Row(elem_classes="pg-quiet"):
                self.write = gr.Button("Write into the prompt", size="sm", min_width=40, elem_id="image_styles_write")
                self.reload = gr.Button("Read the files again", size="sm", min_width=40, elem_id="image_styles_reload")
            self.preset = gr.Dropdown(
                [],
                value=None,
                allow_custom_value=True,
                label="Preset",
                info="All settings of this form under a name: choose one, or type a new name and save.",
                elem_id="image_preset",
            )
            with gr.Row(elem_classes="pg-quiet"):
                self.load = gr.Button("Load", size="sm", min_width=40, elem_id="image_preset_load")
                self.save = gr.Button("Save", size="sm", min_width=40, elem_id="image_preset_save")
                self.delete = gr.Button("Delete", size="sm", min_width=40, elem_id="image_preset_delete")
            self.said = gr.HTML("", elem_id="image_styles_said", elem_classes="pg-maybe")

    def wire(self, form: dict[str, Any]) -> None:
        """Connects the fold; `form` has "prompt" and "negative" among its controls."""
        names, controls, state = list(form), list(form.values()), self._remember.state
        prompt, negative = form["prompt"], form["negative"]

        def write(chosen: list[str], text: str, unwanted: str) -> list[Any]:
            try:
                known = styles(self._context.settings.data_path)
                texts = applied(text, unwanted, [_known(known, name) for name in chosen or []])
            except PlaygroundError as error:
                return [gr.skip(), gr.skip(), gr.skip(), problem(Failed.of(error))]
            return [*texts, [], note("Written into both prompts; no style is chosen any more.")]

        def read_again() -> list[Any]:
            try:
                return [gr.update(choices=list(styles(self._context.settings.data_path))), note("Read.")]
            except PlaygroundError as error:
                return [gr.skip(), problem(Failed.of(error))]

        def keep(data: dict[Any, Any], request: gr.Request) -> list[Any]:
            owner = owner_of(request, owner_in(data[state]))
            kept = {n: data[c] for n, c in form.items() if _plain(data[c])} | {"styles": data[self.chosen]}
            return self._told(owner, lambda: f"Kept as {self._presets.put(owner, data[self.preset], kept)}.")

        def forget(data: dict[Any, Any], request: gr.Request) -> list[Any]:
            owner = owner_of(request, owner_in(data[state]))

            def work() -> str:
                self._presets.delete(owner, str(data[self.preset] or ""))
                return "Deleted."

            return self._told(owner, work)

        def load(name: str | None, state: Any, request: gr.Request) -> list[Any]:
            try:
                kept = self._presets.get(owner_of(request, owner_in(state)), name or "")
                known = list(styles(self._context.settings.data_path))
            except PlaygroundError as error:
                return [*[gr.skip() for _ in names], gr.skip(), problem(Failed.of(error))]
            chosen = [one for one in kept.get("styles", []) if one in known]
            updates = [gr.update(value=kept[one]) if one in kept else gr.skip() for one in names]
            return [*updates, chosen, note(f"The form stands as in {name}.")]

        self.write.click(write, [self.chosen, prompt, negative], [prompt, negative, self.chosen, self.said], **QUICK)
        self.reload.click(read_again, None, [self.chosen, self.said], **QUICK)
        self.save.click(keep, {self.preset, state, self.chosen, *controls}, [self.preset, self.said], **QUICK)
        self.delete.click(forget, {self.preset, state}, [self.preset, self.said], **QUICK)
        self.load.click(load, [self.preset, state], [*controls, self.chosen, self.said], **QUICK)
        self.preset.focus(self._listed, state, self.preset, **QUICK)

    def _listed(self, state: Any, request: gr.Request) -> Any:
        try:
            return gr.update(choices=self._presets.names(owner_of(request, owner_in(state))))
        except PlaygroundError:
            return gr.update(choices=[])

    def _told(self, owner: str, work: Any) -> list[Any]:
        try:
            said = note(work())
            return [gr.update(choices=self._presets.names(owner)), said]
        except PlaygroundError as error:
            return [gr.skip(), problem(Failed.of(error))]

    def _choices(self) -> list[str]:
        try:
            return list(styles(self._context.settings.data_path))
        except PlaygroundError:
            return []  # told when the files are read again, or a style is used


def _known(known: dict[str, Any], name: str) -> Any:
    if name not in known:
        raise InvalidRequest(f"There is no style {name[:60]!r}.", "Read the files again.")
    return known[name]


def _plain(value: Any) -> bool:
    """Whether a control's value is one that a preset keeps."""
    if isinstance(value, str):
        return len(value) < MOST_VALUE
    return value is None or isinstance(value, bool | int | float | list)
