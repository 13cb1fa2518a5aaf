"""The public API around classifying many texts: /classify_texts and /label_sets.

Annotations are live here, since gradio reads the hints of each function as objects; a generator carries the hint of one
yield.
"""

import asyncio
import time
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import gradio as gr

from playground.classify.label_sets import LabelSet, label_sets
from playground.classify.records import Item, Result, Task, task
from playground.classify.run import classify as run_classify
from playground.classify.tables import agreements_of, as_csv, rows_of, summary_of
from playground.classify.texts import items_of_csv, items_of_list
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken
from playground.ui.api_files import uploaded
from playground.ui.api_shared import model_ids, told
from playground.ui.context import AppContext
from playground.ui.owner import owner_of

UPDATE_S = 0.5
DEFAULT_CHAT = ["starter-phi"]


def register_classify(context: AppContext) -> None:
    """Adds the functions."""

    async def classify_texts(  # type: ignore[misc]  # gradio wants the hint of one yield
        texts: list = [],  # noqa: B006
        labels: list[str] = [],  # noqa: B006
        models: list[str] = DEFAULT_CHAT,
        multi_label: bool = False,
        truths: list | None = None,
        label_set: str = "",
        descriptions: list[str] | None = None,
        template: str = "",
        calibrate: bool = False,
        threshold: float = 0.5,
        method: str = "auto",
        samples: int = 5,
        temperature: float = 1.0,
        seed: int = 0,
        file: dict | None = None,
        text_column: str = "",
        truth_column: str = "",
        csv: bool = False,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> dict:
        """Labels of many texts, or of a CSV file's column, by one or more models; streamed as texts are finished.

        `label_set` names one of /label_sets, whose labels are taken where none are given. `descriptions` says what the
        labels mean, one for each. `method`: "auto" takes likelihoods where the model gives them and samples elsewhere;
        "samples" asks every model `samples` times. With `csv` the last update carries the table as CSV text.
        """
        ids = model_ids(models, context, "chat")
        try:
            asked = _task(
                labels, multi_label, label_set, descriptions, template, calibrate=bool(calibrate), threshold=threshold,
                method=method, samples=samples, temperature=temperature, seed=seed,
            )  # fmt: skip
            data = uploaded(file, "CSV file")
            items = await asyncio.to_thread(_items, texts, truths, data, text_column, truth_column, asked)
        except PlaygroundError as error:
            raise told(error) from None
        result = Result(asked, items, tuple(dict.fromkeys(ids)))
        cards = [context.catalog[model] for model in result.models]
        due = time.monotonic() + UPDATE_S
        async with aclosing(
            run_classify(context.engine, cards, result, CancelToken(), owner_of(request, ""))
        ) as events:
            async for _ in events:
                now = time.monotonic()
                if now >= due:
                    update = _told(result)
                    due = now + max(UPDATE_S, 10 * (time.monotonic() - now))
                    yield update
        last = _told(result)
        yield last | {"csv": as_csv(result)} if csv else last

    async def label_sets_() -> list[dict]:
        """The ready sets of labels, each with what its labels mean and example texts with their true labels."""
        return [_plain(one) for one in label_sets()]

    gr.api(classify_texts, api_name="classify_texts", concurrency_limit=None)
    gr.api(label_sets_, api_name="label_sets", concurrency_limit=None)


def _task(labels: Any, multi_label: Any, label_set: Any, descriptions: Any, template: Any, **settings: Any) -> Task:
    if label_set:
        found = next((one for one in label_sets() if one.id == label_set), None)
        if found is None:
            names = ", ".join(one.id for one in label_sets())
            raise InvalidRequest(f"There is no label set {str(label_set)[:40]!r}.", f"There are {names}.")
        if not labels:
            labels, multi_label = list(found.labels), found.multi_label
    return task(labels, multi_label=multi_label, descriptions=descriptions or (), template=template or "", **settings)


def _items(texts: Any, truths: Any, data: bytes | None, text: Any, truth: Any, asked: Task) -> tuple[Item, ...]:
    if data is None:
        return items_of_list(texts, truths, asked)
    if texts:
        raise InvalidRequest("There are texts and a file.", "Give one of them.")
    return items_of_csv(data, asked, str(text or ""), str(truth or ""))


def _told(result: Result) -> dict[str, Any]:
    return {
        "done": sum(len(result.of(model)) for model in result.models),
        "total": len(result.items) * len(result.models),
        "models": summary_of(result),
        "agreement": [asdict(one) for one in agreements_of(result)],
        "rows": list(rows_of(result)),
    }


def _plain(one: LabelSet) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "about": one.about,
        "multi_label": one.multi_label,
        "labels": dict(zip(one.labels, one.descriptions, strict=True)),
        "examples": [{"text": text, "labels": list(labels)} for text, labels in one.examples],
    }
