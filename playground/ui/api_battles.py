"""Blind battles over the API: two unnamed answers to one prompt, one vote, then the names.

Nothing that would tell a name goes out before the vote: no thinking, no speed, and pictures without their parameters.
Annotations are live here, since gradio reads the return hint of each function as an object.
"""

import asyncio
import io
import random
import secrets
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken, ChatRequest, Failed, Image, ImageRequest, Message, Token
from playground.scores.self_naming import says_its_name
from playground.store import Contender
from playground.ui.api_files import downloadable
from playground.ui.api_shared import sentence, told
from playground.ui.context import AppContext
from playground.ui.outputs import outputs_folder
from playground.ui.owner import owner_of

_draw = random.SystemRandom()


def register_battles(context: AppContext) -> None:
    """Adds /battle and /vote to the Blocks that are being built."""

    async def battle(
        prompt: str = "",
        kind: str = "chat",
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> dict:
        """Two unnamed answers to a prompt; give the battle's id to /vote.

        Where an answer says whose it is, `void` holds why there is nothing to vote on, and the id is empty.
        """
        from playground.scores.battles import start_battle

        owner = owner_of(request, "")
        try:
            models = await two_models(context, kind)
            seed = secrets.randbelow(2**31)
            sides = await asyncio.gather(*(_contender(context, kind, model, prompt, seed, owner) for model in models))
            pair = (sides[0], sides[1])
            void = named_in(context, pair)
            if void:
                texts = {side: one.text for side, one in zip("ab", pair, strict=True)}
                return {"battle": "", "kind": kind, "prompt": prompt, "void": void} | texts
            begun = await asyncio.to_thread(lambda: start_battle(context.store(), owner, kind, prompt, pair))  # type: ignore[arg-type]
        except PlaygroundError as error:
            raise told(error) from None
        shown = {side: getattr(begun, side) for side in "ab"}
        answers = {s: downloadable(Path(a.path)) if kind == "image" else a.text for s, a in shown.items()}
        return {"battle": begun.id, "kind": kind, "prompt": prompt} | answers

    async def vote(battle: str = "", choice: str = "tie", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Takes the vote "a", "b", "tie" or "both_bad" on a battle and returns the names."""
        from playground.scores.battles import vote as cast

        try:
            reveal = await asyncio.to_thread(lambda: cast(context.store(), owner_of(request, ""), battle, choice))
        except PlaygroundError as error:
            raise told(error) from None
        names = {"a": reveal.model_a, "b": reveal.model_b, "winner": reveal.winner}
        return {"battle": battle, "choice": choice} | names

    for function in (battle, vote):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


async def two_models(context: AppContext, kind: str) -> list[str]:
    """Two different models of a kind that can answer at once, without a download, drawn at random.

    Raises:
        InvalidRequest: the kind is unknown, or fewer than two can run.
    """
    if kind not in ("chat", "image"):
        raise InvalidRequest(f"kind must be chat or image, got {kind!r}.")
    states = await context.engine.models()
    able = [s.id for s in states if s.kind == kind and s.state in ("ready", "not loaded") and s.on_disk]
    if len(able) < 2:
        raise InvalidRequest(f"A battle needs two models of kind {kind}; {len(able)} can run here.")
    return _draw.sample(able, 2)


def named_in(context: AppContext, pair: Sequence[Contender]) -> str:
    """Why two answers cannot be voted on, as a sentence; "" where neither names a model or its maker."""
    cards = [context.catalog[side.model] for side in pair if side.model in context.catalog]
    names = [name for card in cards for name in (card.id, card.name, "" if card.shipped else card.source)]
    for side, letter in zip(pair, "AB", strict=True):
        said = says_its_name(side.text, names)
        if said:
            return f"{letter} says {said!r:.60}, which may tell whose answer it is, so there is nothing to vote on."
    return ""


async def _contender(context: AppContext, kind: str, model: str, prompt: str, seed: int, owner: str) -> Contender:
    """One side's answer, or the error that ended it."""
    if kind == "chat":
        wanted: ChatRequest | ImageRequest = ChatRequest(model, (Message("user", prompt),), seed=seed, owner=owner)
    else:
        wanted = ImageRequest(model, prompt, seed=seed, preview_every=0, owner=owner)
    text, path = "", ""
    async for event in context.engine.submit(wanted, CancelToken()):
        if isinstance(event, Token) and event.kind == "answer":
            text += event.text
        elif isinstance(event, Image):
            path = str(await asyncio.to_thread(_unnamed, context, event.png))
        elif isinstance(event, Failed):
            raise PlaygroundError(sentence(event))
    return Contender(model, text, path, {"seed": seed})


def _unnamed(context: AppContext, png: bytes) -> Path:
    """The picture's pixels alone, under a name that says nothing."""
    from PIL import Image as Pictures

    path = outputs_folder(context.settings) / f"battle-{secrets.token_hex(12)}.png"
    with Pictures.open(io.BytesIO(png)) as picture:
        pixels = picture.convert("RGB")
    pixels.info.clear()
    pixels.save(path)
    return path
