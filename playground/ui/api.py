"""The public API: stable names and defaults, apart from the page's own events, so that the page can change.

Gradio validates nothing from hints, so every value goes through the engine's own checks; an error of one model stands
in that model's row ("error"), an error of the whole call is raised as one sentence. Annotations are live here, since
gradio reads the return hint of each function as an object; a generator carries the hint of one yield.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import gradio as gr

from playground.errors import InvalidRequest
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    ClassifyRequest,
    Done,
    Failed,
    Message,
    Scores,
    Token,
    plain,
)
from playground.ui.api_batches import register_batches
from playground.ui.api_battles import register_battles
from playground.ui.api_classify import register_classify
from playground.ui.api_files import all_uploaded
from playground.ui.api_images import register_images
from playground.ui.api_models import register_models
from playground.ui.api_shared import model_ids, sentence, told
from playground.ui.context import AppContext
from playground.ui.owner import owner_of

UPDATE_S = 0.08  # at most about a dozen updates a second reach a client
DEFAULT_CHAT = ["starter-phi"]
NOT_YET = ("tools",)


@dataclass
class Answer:
    """One model's row of /chat while it grows."""

    model: str
    text: str = ""
    reasoning: str = ""
    stats: ChatStats = field(default_factory=ChatStats)
    error: str = ""

    def row(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": [],
            "stats": asdict(self.stats),
            "error": self.error,
        }


def register(context: AppContext) -> None:
    """Adds every function of the public API to the Blocks that are being built."""
    _register_chat(context)
    register_classify(context)
    register_images(context)
    _register_tables(context)
    register_battles(context)
    register_models(context)
    register_batches(context)


def _register_chat(context: AppContext) -> None:
    engine = context.engine

    async def chat(  # type: ignore[misc]  # gradio wants the hint of one yield
        message: str = "",
        models: list[str] = DEFAULT_CHAT,
        system_prompt: str = "",
        history: list = [],  # noqa: B006
        temperature: float | None = None,
        top_p: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
        reasoning_effort: str | None = None,
        json_schema: dict | None = None,
        tools: list | None = None,
        stop: list[str] | None = None,
        top_k: int | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        regex: str | None = None,
        choices: list[str] | None = None,
        grammar: str | None = None,
        images: list | None = None,
        audio: list | None = None,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> list[dict]:
        """Answers of one or more text models, streamed as a list with one item a model.

        `images` and `audio` are uploaded files that belong to the message.
        """
        _refuse_unsupported({"tools": tools})
        ids = model_ids(models, context, "chat")
        answers = [Answer(model) for model in ids]
        files = await asyncio.to_thread(_files, images, audio)
        requests = [
            ChatRequest(
                model=model,
                messages=_messages(message, system_prompt, _history_of(history, i, len(ids)), *files),
                column=i,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                min_p=min_p,
                repetition_penalty=repetition_penalty,
                max_new_tokens=max_new_tokens,
                seed=seed,
                stop=tuple(stop or ()),
                reasoning_effort=reasoning_effort,
                owner=owner_of(request, ""),
                json_schema=_schema_text(json_schema),
                regex=regex or "",
                choices=_choices(choices),
                grammar=grammar or "",
            )
            for i, model in enumerate(ids)
        ]
        async for _ in run_side_by_side(context, requests, answers):
            yield [answer.row() for answer in answers]

    async def batch_chat(  # type: ignore[misc]
        prompts: list[str] = [],  # noqa: B006
        models: list[str] = DEFAULT_CHAT,
        system_prompt: str = "",
        temperature: float | None = None,
        top_p: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> list[dict]:
        """Answers to many prompts: a row for each prompt and model, streamed as they are finished."""
        if not isinstance(prompts, list) or not prompts or not all(isinstance(p, str) for p in prompts):
            raise told(
                InvalidRequest("prompts must be a list of texts.", 'For example ["Hello", "What is 2 plus 3?"].')
            )
        rows: list[dict] = []
        ids = model_ids(models, context, "chat")
        for number, prompt in enumerate(prompts):
            answers = [Answer(model) for model in ids]
            requests = [
                ChatRequest(
                    model=model,
                    messages=_messages(prompt, system_prompt, []),
                    column=i,
                    temperature=temperature,
                    top_p=top_p,
                    max_new_tokens=max_new_tokens,
                    seed=seed,
                    owner=owner_of(request, ""),
                )
                for i, model in enumerate(ids)
            ]
            async for _ in run_side_by_side(context, requests, answers):
                pass
            rows += [{"prompt": prompt, "index": number} | answer.row() for answer in answers]
            yield rows

    async def classify(
        text: str = "",
        labels: list[str] = [],  # noqa: B006
        models: list[str] = DEFAULT_CHAT,
        multi_label: bool = False,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> list[dict]:
        """Probabilities of labels for a text, by each model's likelihood."""
        rows = []
        for model in model_ids(models, context, "chat"):
            row: dict[str, Any] = {"model": model, "scores": {}, "error": ""}
            wanted = ClassifyRequest(model, text, tuple(labels or ()), bool(multi_label), owner_of(request, ""))
            async for event in engine.submit(wanted, CancelToken()):
                if isinstance(event, Scores):
                    row["scores"] = dict(event.scores)
                elif isinstance(event, Failed):
                    row["error"] = sentence(event)
            rows.append(row)
        return rows

    for function in (chat, batch_chat, classify):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _register_tables(context: AppContext) -> None:
    async def models() -> list[dict]:
        """Every model with its kind, state, licence, size and device."""
        return [plain(state) for state in await context.engine.models()]

    async def score_table(kind: str = "all", request: gr.Request = None) -> list[dict]:  # type: ignore[assignment]
        """The score table: facts, published figures and what the caller measured here."""
        from playground.scores.table import score_table as table

        if kind not in ("chat", "image", "all"):
            raise told(InvalidRequest(f"kind must be chat, image or all, got {kind!r}."))
        states = await context.engine.models()
        rows = await asyncio.to_thread(lambda: context.store().scores(owner_of(request, "")))
        return table(context.catalog, rows, states, kind)  # type: ignore[arg-type]  # checked above

    for function in (models, score_table):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


# --- shared pieces --------------------------------------------------------------------------------------------------


async def run_side_by_side(
    context: AppContext, requests: Sequence[ChatRequest], answers: Sequence[Answer]
) -> AsyncIterator[None]:
    """Runs chat requests at the same time, filling `answers`; yields when any has news, and at the end."""
    cancel = CancelToken()
    news = asyncio.Event()

    async def follow(request: ChatRequest, answer: Answer) -> None:
        async for event in context.engine.submit(request, cancel):
            if isinstance(event, Token):
                if event.kind == "reasoning":
                    answer.reasoning += event.text
                else:
                    answer.text += event.text
            elif isinstance(event, Done) and isinstance(event.stats, ChatStats):
                answer.stats = event.stats
            elif isinstance(event, Failed):
                answer.error = sentence(event)
            news.set()

    tasks = [asyncio.create_task(follow(r, a)) for r, a in zip(requests, answers, strict=True)]
    everything = asyncio.gather(*tasks)
    try:
        while not everything.done():
            waiter = asyncio.ensure_future(news.wait())
            both: set[asyncio.Future[Any]] = {waiter, everything}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            news.clear()
            if not everything.done():
                yield
                await asyncio.sleep(UPDATE_S)
        everything.result()
        yield
    finally:
        cancel.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _history_of(history: Any, column: int, columns: int) -> list[Any]:
    """The history of one model: `history` is one list of messages for all, or one such list per model."""
    if not history:
        return []
    if not isinstance(history, list):
        raise told(InvalidRequest("history must be a list of messages.", 'Each {"role": "user", "content": "…"}.'))
    if all(isinstance(part, list) for part in history):
        if len(history) != columns:
            raise told(InvalidRequest(f"history holds {len(history)} conversations for {columns} models."))
        return history[column]
    return history


def _files(images: Any, audio: Any) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The uploaded pictures and recordings of a message."""
    try:
        return all_uploaded(images, "picture"), all_uploaded(audio, "recording")
    except InvalidRequest as error:
        raise told(error) from None


def _messages(
    message: Any,
    system_prompt: Any,
    history: list[Any],
    images: tuple[bytes, ...] = (),
    audio: tuple[bytes, ...] = (),
) -> tuple[Message, ...]:
    """System prompt, history and the new message with its files as the protocol's messages."""
    turns: list[Message] = []
    if isinstance(system_prompt, str) and system_prompt.strip():
        turns.append(Message("system", system_prompt))
    for turn in history:
        if not (isinstance(turn, dict) and turn.get("role") in ("system", "user", "assistant")):
            raise told(InvalidRequest(f"A message of the history cannot be read: {json.dumps(turn)[:80]}."))
        turns.append(Message(turn["role"], str(turn.get("content", ""))))
    text = message if isinstance(message, str) else str(message)
    turns.append(Message("user", text, images=images, audio=audio))
    return tuple(turns)


def _schema_text(schema: Any) -> str:
    """A JSON Schema as text, given as an object or as text; empty for none."""
    if schema is None or isinstance(schema, str):
        return schema or ""
    try:
        return json.dumps(schema)
    except (RecursionError, TypeError, ValueError) as error:
        raise told(InvalidRequest(f"json_schema cannot be written as JSON: {error}.", "Give an object.")) from None


def _choices(choices: Any) -> Any:
    """The choices as the protocol has them; what is no list is left to the engine's check."""
    return tuple(choices) if isinstance(choices, list) else choices or ()


def _refuse_unsupported(values: dict[str, Any]) -> None:
    given = [name for name in NOT_YET if values[name]]
    if given:
        raise told(InvalidRequest(f"No model here takes {' or '.join(given)} yet.", "Leave it away."))
