"""The form of Classify: texts, labels, models and how they are asked; and a checked task out of its values."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gradio as gr

from playground.catalog import ModelCard
from playground.classify.label_sets import LabelSet, label_sets
from playground.classify.records import MAX_SAMPLES, Item, Task, task
from playground.classify.texts import MAX_BYTES, columns_of, items_of_csv, items_of_lines
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import Failed
from playground.ui.remember import Remember, between, flag, one_of, some_of, text
from playground.ui.words import note, problem

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LINES, FILE = "Lines", "CSV file"
OWN, NONE = "own", "(none)"
METHODS = [("Likelihood, where the model gives it", "auto"), ("Samples, from all", "samples")]


@dataclass(frozen=True)
class ClassifyForm:
    """The form's components, in the order of their values in `Asked`."""

    source: gr.Radio
    lines: gr.Textbox
    file: gr.File
    text_column: gr.Dropdown
    truth_column: gr.Dropdown
    labels: gr.Textbox
    multi: gr.Checkbox
    threshold: gr.Slider
    describe: gr.Checkbox
    calibrate: gr.Checkbox
    method: gr.Radio
    samples: gr.Slider
    temperature: gr.Slider
    seed: gr.Number
    template: gr.Textbox
    models: gr.Dropdown

    @property
    def inputs(self) -> list[Any]:
        return [getattr(self, one.name) for one in fields(self)]


@dataclass(frozen=True)
class Asked:
    """The form's values, as they came."""

    source: Any
    lines: Any
    file: Any
    text_column: Any
    truth_column: Any
    labels: Any
    multi: Any
    threshold: Any
    describe: Any
    calibrate: Any
    method: Any
    samples: Any
    temperature: Any
    seed: Any
    template: Any
    models: Any

    def checked(self) -> tuple[Task, tuple[Item, ...]]:
        """The task and its texts.

        Raises:
            InvalidRequest: a value is not valid; names it, or its line.
        """
        if not self.models:
            raise InvalidRequest("No model is chosen.", "Choose at least one under Models.")
        names, descriptions = read_labels(self.labels)
        made = task(
            names,
            multi_label=bool(self.multi),
            descriptions=descriptions if self.describe else (),
            template=self.template or "",
            calibrate=bool(self.calibrate),
            threshold=self.threshold,
            method=self.method,
            samples=self.samples,
            temperature=self.temperature,
            seed=self.seed,
        )
        if self.source != FILE:
            return made, items_of_lines(self.lines or "", made)
        truth = "" if self.truth_column in (None, NONE) else self.truth_column
        return made, items_of_csv(file_bytes(self.file), made, self.text_column or "", truth)


def build_form(cards: tuple[ModelCard, ...] | list[ModelCard], remember: Remember) -> ClassifyForm:
    """Adds the form's components, wired among themselves."""
    sets = label_sets()
    ids = [card.id for card in cards]
    first = [i for i in ("starter-phi", "starter-mistral") if i in ids] or ids[:1]
    source = gr.Radio([LINES, FILE], value=LINES, label="Texts from", elem_id="classify_source")
    lines = gr.Textbox(
        label="Texts",
        info="One a line. A tab and the true label after it let the answers be checked.",
        placeholder="I love it!\tpositive\nNever again.\tnegative",
        lines=6,
        max_lines=14,
        elem_id="classify_lines",
    )
    with gr.Column(visible=False, elem_id="classify_csv") as csv_box:
        file = gr.File(label="CSV file", file_types=[".csv", ".tsv", ".txt"], type="filepath", elem_id="classify_file")
        with gr.Row():
            text_column = gr.Dropdown(
                [], label="Column of the texts", elem_id="classify_text_column", min_width=120, interactive=True
            )
            truth_column = gr.Dropdown(
                [NONE],
                value=NONE,
                label="Column of the truth",
                info="Several labels are parted by ;",
                elem_id="classify_truth_column",
                min_width=120,
                interactive=True,
            )
        file_note = gr.HTML("", elem_id="classify_file_note", elem_classes="pg-maybe")
    chosen = gr.Dropdown(
        [*((one.name, one.id) for one in sets), ("My own labels", OWN)],
        value=sets[0].id,
        label="Label set",
        info="Fills in the labels below, which may be changed.",
        elem_id="classify_set",
    )
    labels = gr.Textbox(
        set_text(sets[0]),
        label="Labels",
        info="One a line, with what it means after a colon if you like; or all in one line, parted by commas.",
        lines=4,
        max_lines=12,
        elem_id="classify_labels",
    )
    multi = gr.Checkbox(
        False, label="Several labels may fit", info="Each is asked about by itself.", elem_id="classify_multi"
    )
    threshold = gr.Slider(
        0, 1, 0.5, step=0.01, label="Threshold", info="A label fits from this probability on.",
        elem_id="classify_threshold", visible=False,
    )  # fmt: skip
    models = gr.Dropdown(
        [(card.name, card.id) for card in cards],
        value=first,
        multiselect=True,
        max_choices=8,
        label="Models",
        info="All get the same texts, side by side.",
        elem_id="classify_models",
    )
    with gr.Accordion("How it is asked", open=False, elem_id="classify_how"):
        describe = gr.Checkbox(
            False,
            label="Tell what the labels mean",
            info="Puts the descriptions before the text. Small models may do worse with them.",
            elem_id="classify_describe",
        )
        calibrate = gr.Checkbox(
            False,
            label="Calibrate",
            info="Divides by what each label gets for a text without content, such as N/A: takes off a model's liking "
            "for one label (Zhao et al. 2021).",
            elem_id="classify_calibrate",
        )
        method = gr.Radio(
            METHODS,
            value="auto",
            label="Probability",
            info="Samples: the model is asked several times, and the share of a label stands for its probability.",
            elem_id="classify_method",
        )
        with gr.Row():
            samples = gr.Slider(1, MAX_SAMPLES, 5, step=1, label="Samples", elem_id="classify_samples", min_width=140)
            temperature = gr.Slider(
                0, 2, 1, step=0.05, label="Temperature", info="Of samples.", elem_id="classify_temperature",
                min_width=140,
            )  # fmt: skip
        seed = gr.Number(0, label="Seed of the first sample", precision=0, minimum=0, elem_id="classify_seed")
        template = gr.Textbox(
            "",
            label="Prompt",
            info="In your own words: {text} and {labels}, also {descriptions}; {text} and {label}, also {description}, "
            "where several may fit. Empty: the app's own.",
            lines=2,
            max_lines=8,
            elem_id="classify_template",
        )
    source.change(
        lambda now: (gr.update(visible=now != FILE), gr.update(visible=now == FILE)), source, [lines, csv_box], **QUICK
    )
    multi.change(lambda now: gr.update(visible=bool(now)), multi, threshold, **QUICK)
    chosen.input(_fill, chosen, [labels, multi], **QUICK)
    labels.input(fn=None, js=f"() => '{OWN}'", outputs=chosen)
    file.change(_columns, file, [text_column, truth_column, file_note], **QUICK)
    remember.keep("classify.lines", lines, text)
    remember.keep("classify.set", chosen, one_of([*(one.id for one in sets), OWN]))
    remember.keep("classify.labels", labels, text)
    remember.keep("classify.multi", multi, flag)
    remember.keep("classify.threshold", threshold, between(0, 1))
    remember.keep("classify.models", models, some_of(ids))
    remember.keep("classify.describe", describe, flag)
    remember.keep("classify.calibrate", calibrate, flag)
    remember.keep("classify.method", method, one_of([value for _, value in METHODS]))
    remember.keep("classify.samples", samples, between(1, MAX_SAMPLES))
    remember.keep("classify.temperature", temperature, between(0, 2))
    remember.keep("classify.template", template, text)
    remember.after(lambda values: [gr.update(visible=values.get("classify.multi") is True)], [threshold])
    return ClassifyForm(
        source, lines, file, text_column, truth_column, labels, multi, threshold, describe, calibrate, method, samples,
        temperature, seed, template, models,
    )  # fmt: skip


def read_labels(value: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and descriptions out of the box: one a line, with a colon before what it means; or parted by commas.

    Raises:
        InvalidRequest: it is no text.
    """
    if not isinstance(value, str):
        raise InvalidRequest(f"The labels must be text, got {repr(value)[:40]}.", "Write one a line.")
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    if len(lines) == 1 and "," in lines[0] and ":" not in lines[0]:
        lines = [part.strip() for part in re.split(",", lines[0]) if part.strip()]
    parts = [line.partition(":") for line in lines]
    return tuple(name.strip() for name, _, _ in parts), tuple(about.strip() for _, _, about in parts)


def set_text(one: LabelSet) -> str:
    """A ready set as the labels box has it."""
    return "\n".join(f"{label}: {about}" for label, about in zip(one.labels, one.descriptions, strict=True))


def example_text(one: LabelSet) -> str:
    """A set's examples as the texts box has them."""
    return "\n".join(f"{text}\t{'; '.join(labels) or 'none'}" for text, labels in one.examples)


def file_bytes(path: object) -> bytes:
    """The bytes of the file that was picked.

    Raises:
        InvalidRequest: none was, or it is too large.
    """
    if not isinstance(path, str) or not path:
        raise InvalidRequest("No CSV file is chosen.", "Choose one, or paste lines.")
    file = Path(path)
    if file.stat().st_size > MAX_BYTES:
        raise InvalidRequest(f"The file has {file.stat().st_size / 1e6:.0f} MB; at most 20 MB are taken.", "Split it.")
    return file.read_bytes()


def _fill(chosen: str) -> Any:
    found = next((one for one in label_sets() if one.id == chosen), None)
    if found is None:
        return gr.skip(), gr.skip()
    return set_text(found), found.multi_label


def _columns(path: object) -> Any:
    """The pickers' choices; the column that looks like the texts is picked by its name."""
    if not path:
        return gr.update(choices=[], value=None), gr.update(choices=[NONE], value=NONE), ""
    try:
        found = list(columns_of(file_bytes(path)))
    except PlaygroundError as error:
        return gr.update(choices=[], value=None), gr.update(choices=[NONE], value=NONE), problem(Failed.of(error))
    texts = _picked(found, ("text", "texts", "sentence", "review", "message", "comment", "content")) or found[0]
    truth = _picked(found, ("label", "labels", "truth", "class", "category", "intent", "sentiment")) or NONE
    return (
        gr.update(choices=found, value=texts),
        gr.update(choices=[NONE, *found], value=truth),
        note(f"{len(found)} columns: {', '.join(found)[:200]}"),
    )


def _picked(columns: list[str], names: tuple[str, ...]) -> str:
    return next((column for name in names for column in columns if column.strip().lower() == name), "")
