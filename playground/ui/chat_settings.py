"""The settings of chat columns: one form that holds for all columns or for one of them.

The form is read when something is asked; `read` and `show` turn it into a column's settings and back. Holds no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from playground.chat.request import PROMPT_LOOKUP
from playground.errors import InvalidRequest
from playground.talks.columns import Column, Parameters
from playground.talks.tree import Tree
from playground.ui.remember import Remember, between, flag, one_of, text

TARGETS = [("All columns", -1), ("Column 1", 0), ("Column 2", 1), ("Column 3", 2), ("Column 4", 3)]
LIKES = ("As the model likes", "")
EFFORTS = [LIKES, *((word.capitalize(), word) for word in ("none", "low", "medium", "high", "auto"))]
KEEPS = [LIKES, ("Keep", "keep"), ("Drop", "drop")]
FORMS = [("Free", ""), ("JSON Schema", "json_schema"), ("Regular expression", "regex"), ("Choices", "choices")]
APPROVALS = [("Calls with effects", "effects"), ("Every call", "always"), ("No call", "never")]
FORM_HINTS = {
    "": "The model writes what it likes.",
    "json_schema": 'A JSON Schema; the answer always parses and validates. {"type": "object", "properties": …}',
    "regex": r"The whole answer matches it, such as \d{4}-\d{2}-\d{2}",
    "choices": "One choice a line; the answer is one of them.",
}


@dataclass(frozen=True)
class Settings:
    """The form's components; `parts` is their order in events, after which come nothing but the events' own inputs."""

    target: gr.Dropdown
    parts: list[Any]


@dataclass(frozen=True)
class Form:
    """The values of the form, in the order of `Settings.parts`."""

    system: str
    own: bool
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: float | None
    top_k: float | None
    min_p: float | None
    repetition_penalty: float | None
    stop: str
    effort: str
    budget: float | None
    keeps: str
    stable: float | None
    tools: list[str]
    tool_choice: str
    approval: str
    bound: str
    bound_text: str
    speculation: str


def read(column: Column, form: Form) -> Column:
    """The column with the settings of the form."""
    choices = tuple(line.strip() for line in form.bound_text.splitlines() if line.strip())
    if form.bound and not form.bound_text.strip():
        name = next(label for label, value in FORMS if value == form.bound)
        raise InvalidRequest(f"The answer format is {name}, and none is given.", "Fill it in, or choose Free.")
    parameters = Parameters(
        temperature=None if form.own else form.temperature,
        top_p=None if form.own else form.top_p,
        max_new_tokens=None if form.own else int(form.max_new_tokens),
        top_k=_whole(form.top_k),
        min_p=form.min_p,
        repetition_penalty=form.repetition_penalty,
        stop=tuple(line for line in form.stop.splitlines() if line),
        reasoning_effort=form.effort or None,
        reasoning_budget=_whole(form.budget),
        keep_reasoning={"keep": True, "drop": False}.get(form.keeps),
        tool_choice=form.tool_choice or "auto",
        json_schema=form.bound_text if form.bound == "json_schema" else "",
        regex=form.bound_text.strip() if form.bound == "regex" else "",
        choices=choices if form.bound == "choices" else (),
        stable_probes=_whole(form.stable),
        speculation=form.speculation or "",
    )
    return replace(
        column, system_prompt=form.system, seed=_whole(form.seed), tools=tuple(form.tools or ()), parameters=parameters
    )


def show(column: Column, before: Form) -> list[Any]:
    """The form's values for a column; sliders that the column leaves to the model stay where they are."""
    own = column.parameters
    bound = "json_schema" if own.json_schema else "regex" if own.regex else "choices" if own.choices else ""
    form = replace(
        before,
        system=column.system_prompt,
        own=own.temperature is None and own.top_p is None and own.max_new_tokens is None,
        temperature=before.temperature if own.temperature is None else own.temperature,
        top_p=before.top_p if own.top_p is None else own.top_p,
        max_new_tokens=before.max_new_tokens if own.max_new_tokens is None else own.max_new_tokens,
        seed=column.seed,
        top_k=own.top_k,
        min_p=own.min_p,
        repetition_penalty=own.repetition_penalty,
        stop="\n".join(own.stop),
        effort=own.reasoning_effort or "",
        budget=own.reasoning_budget,
        keeps={None: "", True: "keep", False: "drop"}[own.keep_reasoning],
        stable=own.stable_probes,
        tools=list(column.tools),
        tool_choice=own.tool_choice,
        bound=bound,
        bound_text=own.json_schema or own.regex or "\n".join(own.choices),
        speculation=own.speculation,
    )
    return list(vars(form).values())


def alike(columns: Sequence[Column]) -> bool:
    """Whether one form can stand for all of them."""
    bare = [replace(column, model="", tree=Tree(), waiting=()) for column in columns]
    return all(column == bare[0] for column in bare)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def speculations(drafts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Choices of what guesses tokens; `drafts` are (name, id) of text models that run here."""
    return [("Nothing", ""), ("Prompt lookup", PROMPT_LOOKUP), *((f"{name} drafts", card) for name, card in drafts)]


def build_settings(remember: Remember, tools: Sequence[str], drafts: Sequence[tuple[str, str]]) -> Settings:
    """Adds the settings fold; `drafts` are (name, id) of text models that run here."""
    with gr.Accordion("Settings", open=False, elem_id="chat_settings"):
        target = gr.Dropdown(
            TARGETS[:3],
            value=-1,
            label="Settings of",
            info="All columns at once, or one that shall differ.",
            elem_id="chat_target",
        )
        system = gr.Textbox(
            "",
            label="System prompt",
            info="Instructions that stand before every conversation.",
            lines=2,
            max_length=8000,
            elem_id="chat_system",
        )
        sampling = _sampling()
        with gr.Accordion("Thinking", open=False, elem_id="chat_thinking"):
            thinking = _thinking()
        with gr.Accordion("Tools", open=False, elem_id="chat_tools_fold"):
            calling = _tools(tools)
        with gr.Accordion("Answer format", open=False, elem_id="chat_format"):
            bound = _bound()
        with gr.Accordion("More sampling", open=False, elem_id="chat_more"):
            more = _more()
            with gr.Row():
                guesses = gr.Dropdown(
                    speculations(drafts),
                    value="",
                    label="Guess tokens ahead",
                    info="The answer stays the same; how often guesses were right is told under it.",
                    elem_id="chat_speculation",
                )
    parts = [system, *sampling, *more, *thinking, *calling, *bound, guesses]
    checks = [text, flag, between(0, 2), between(0.05, 1), between(16, 4096), between(0, 2**31 - 1, empty=True),
              between(0, 1000, empty=True), between(0, 1, empty=True), between(0.5, 3, empty=True), text,
              one_of(v for _, v in EFFORTS), between(0, 100_000, empty=True), one_of(v for _, v in KEEPS),
              between(2, 20, empty=True),
              _among(tools), one_of(["auto", "none", "required", *tools]), one_of(v for _, v in APPROVALS),
              one_of(v for _, v in FORMS), text, one_of([v for _, v in speculations(drafts)])]  # fmt: skip
    names = list(Form.__dataclass_fields__)
    for name, part, check in zip(names, parts, checks, strict=True):
        remember.keep(f"chat.{name}", part, check)
    return Settings(target, parts)


def _sampling() -> list[Any]:
    own = gr.Checkbox(
        True, label="Each model's own settings", info="Off: the sliders below hold instead.", elem_id="chat_own"
    )
    with gr.Row():
        temperature = gr.Slider(
            0, 2, 0.7, step=0.05, label="Temperature", info="0 always takes the likeliest word.",
            elem_id="chat_temperature", interactive=False,
        )  # fmt: skip
        top_p = gr.Slider(
            0.05, 1, 0.95, step=0.05, label="Top p", info="Only words within this share of probability.",
            elem_id="chat_top_p", interactive=False,
        )  # fmt: skip
        length = gr.Slider(
            16, 4096, 512, step=16, label="Max new tokens", info="Where an answer is cut at the latest.",
            elem_id="chat_max_new_tokens", interactive=False,
        )  # fmt: skip
        seed = gr.Number(
            None, label="Seed", info="The same seed gives the same answer. Empty: a fresh one.", precision=0,
            minimum=0, maximum=2**31 - 1, elem_id="chat_seed",
        )  # fmt: skip
    lock = "(own) => [0, 1, 2].map(() => ({__type__: 'update', interactive: !own}))"
    own.change(fn=None, js=lock, inputs=own, outputs=[temperature, top_p, length])
    return [own, temperature, top_p, length, seed]


def _more() -> list[Any]:
    with gr.Row():
        top_k = gr.Number(
            None, label="Top k", info="Only so many of the likeliest words; 0 is no limit.", precision=0, minimum=0,
            maximum=1000, elem_id="chat_top_k",
        )  # fmt: skip
        min_p = gr.Number(
            None, label="Min p", info="Only words at least this likely beside the likeliest.", minimum=0, maximum=1,
            elem_id="chat_min_p",
        )  # fmt: skip
        penalty = gr.Number(
            None, label="Repetition penalty", info="Above 1 makes words that were used less likely.", minimum=0.5,
            maximum=3, elem_id="chat_repetition_penalty",
        )  # fmt: skip
    stop = gr.Textbox(
        "", label="Stop texts", info="One a line. An answer ends before the first of them.", lines=2, max_length=2000,
        elem_id="chat_stop_texts",
    )  # fmt: skip
    return [top_k, min_p, penalty, stop]


def _thinking() -> list[Any]:
    with gr.Row():
        effort = gr.Dropdown(
            EFFORTS, value="", label="Depth", info="How long a model that thinks may think; Auto reads the question.",
            elem_id="chat_effort",
        )  # fmt: skip
        budget = gr.Number(
            None, label="Tokens of thought", info="Ends the thought after so many. Empty: as the depth says.",
            precision=0, minimum=0, maximum=100_000, elem_id="chat_budget",
        )  # fmt: skip
        keeps = gr.Dropdown(
            KEEPS, value="", label="Earlier thoughts", info="Whether later turns read them again.", elem_id="chat_keeps"
        )
        stable = gr.Number(
            None, label="End on a stable answer", info="After so many equal drafts in a row. Empty: never.",
            precision=0, minimum=2, maximum=20, elem_id="chat_stable",
        )  # fmt: skip
    return [effort, budget, keeps, stable]


def _tools(tools: Sequence[str]) -> list[Any]:
    chosen = gr.CheckboxGroup(
        list(tools), value=[], label="Functions that models may call", info="None of them reaches a network.",
        elem_id="chat_tools",
    )  # fmt: skip
    with gr.Row():
        choice = gr.Dropdown(
            ["auto", "none", "required", *tools], value="auto", label="Tool choice",
            info="Required: a call must come first. A name: this one.", elem_id="chat_tool_choice",
        )  # fmt: skip
        approval = gr.Dropdown(
            APPROVALS, value="effects", label="Ask me before", info="Which calls wait for your yes.",
            elem_id="chat_approval",
        )  # fmt: skip
    return [chosen, choice, approval]


def _bound() -> list[Any]:
    kind = gr.Radio(FORMS, value="", label="Answers must fit", elem_id="chat_bound")
    given = gr.Textbox(
        "", label="Format", info=FORM_HINTS["json_schema"], lines=4, max_length=20_000, visible=False,
        elem_id="chat_bound_text",
    )  # fmt: skip
    kind.change(
        lambda value: gr.update(visible=bool(value), info=FORM_HINTS.get(value, "")),
        kind,
        given,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return [kind, given]


def _among(names: Sequence[str]) -> Any:
    """A check: a list of these names, which may be empty."""
    return lambda value: isinstance(value, list) and all(one in names for one in value)
