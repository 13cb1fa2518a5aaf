"""Battle: two unnamed models answer one question at one pace; a vote, then the names and the figures."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from html import escape
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Failed, Message, Token
from playground.scores.battles import Tally, start_battle, tallies, vote
from playground.scores.evened import Evened, Side
from playground.store import Contender
from playground.ui.api_battles import named_in, two_models
from playground.ui.chat_layout import LATEX
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.running import Running
from playground.ui.stream import UPDATE_S, batches
from playground.ui.words import chat_figures, empty, note, problem, waiting

PLACE = "battle"
PACE = 60  # characters a second at most, about as fast as one reads along
CHOICES = {"a": "A is better", "b": "B is better", "tie": "A tie", "both_bad": "Both are bad"}
EXAMPLES = ("What is 17 plus 25?", "Explain in one sentence what a rainbow is.", "Write a haiku about rain.")
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LONG: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
ON, OFF = gr.update(interactive=True), gr.update(interactive=False)
SKIP = gr.skip()


class BattleTab:
    """The tab's components and what they do."""

    def __init__(self, context: AppContext, running: Running, remember: Remember) -> None:
        self._context, self._running = context, running
        self._figures: dict[str, dict[str, ChatStats]] = {}  # by battle: each model's, until the vote
        gr.HTML(note("Two models answer without their names, at one pace. You vote, and see who they were."))
        with gr.Row(equal_height=True):
            self._logs = {side: _log(side) for side in ("a", "b")}
        self._said = gr.HTML(empty("No battle yet.", "Ask something, or click an example."), elem_id="battle_said")
        with gr.Row(elem_id="battle_votes", visible=False) as self._votes:
            votes = {
                choice: gr.Button(text, elem_id=f"battle_{choice}_wins", min_width=110)
                for choice, text in CHOICES.items()
            }
            skip = gr.Button("Skip", elem_id="battle_skip", min_width=80, elem_classes="pg-quiet-button")
        with gr.Row(equal_height=True):
            self._box = gr.Textbox(
                label="Question to both", placeholder="Ask both something", container=False, scale=6, max_length=8000,
                elem_id="battle_message",
            )  # fmt: skip
            self._start = gr.Button(
                "Start", variant="primary", elem_id="battle_start", elem_classes="pg-run", min_width=88
            )
            self._stop = gr.Button(
                "Stop", elem_id="battle_stop", elem_classes="pg-stop", min_width=88, interactive=False
            )
        with gr.Row(elem_classes="pg-pills"):
            examples = [gr.Button(e, size="sm", elem_id=f"battle_example_{i}") for i, e in enumerate(EXAMPLES)]
        self._ladder = gr.HTML("", elem_id="battle_ladder")
        self._id = gr.Textbox("", visible=False, elem_id="battle_id")
        self._state = remember.state

        outputs = [*self._logs.values(), self._said, self._votes, self._start, self._stop, self._id, self._box]
        gr.on([self._start.click, self._box.submit], self._run, [self._box, self._state], outputs, **LONG)
        for button, text in zip(examples, EXAMPLES, strict=True):
            filled = button.click(fn=None, js=f"() => {text!r}", outputs=self._box)
            filled.then(self._run, [self._box, self._state], outputs, **LONG)
        self._stop.click(self._end, **QUICK)
        voted = [self._said, self._votes, self._ladder, self._id]
        for choice, button in votes.items():
            button.click(self._voter(choice), [self._id, self._state], voted, **QUICK)
        skip.click(
            lambda: [note("Skipped: no vote was kept."), gr.update(visible=False), SKIP, ""], None, voted, **QUICK
        )

    def _end(self, request: gr.Request) -> None:
        self._running.stop(str(request.session_hash), PLACE)

    def wire(self, ready: Any) -> None:
        """Shows the ladder once the page knows whose it is."""
        ready.then(self._show_ladder, self._state, self._ladder, **QUICK)

    # --- a battle ---

    async def _run(self, question: str, state: Any, request: gr.Request) -> AsyncIterator[Any]:
        session, owner = str(request.session_hash), owner_of(request, owner_in(state))
        if not question.strip():
            yield [SKIP] * 8
            return
        token = self._running.start(session, PLACE)
        asked = [{"role": "user", "content": question}]
        try:
            models = await two_models(self._context, "chat")
        except PlaygroundError as error:
            self._running.finish(session, PLACE, token)
            yield [SKIP, SKIP, problem(Failed.of(error)), gr.update(visible=False), ON, OFF, "", SKIP]
            return
        hidden = gr.update(visible=False)
        yield [asked, asked, waiting("Both are asked"), hidden, OFF, ON, "", ""]
        fight = _Fight(self._context, models, question, owner, token)
        tasks = [asyncio.create_task(fight.follow(side)) for side in ("a", "b")]
        try:
            more = True
            while more and not fight.error and not token.cancelled:
                await asyncio.sleep(UPDATE_S)
                more = fight.evened.advance(max(1, round(PACE * UPDATE_S)))
                yield [*fight.logs(asked), waiting("Both are answering"), hidden, OFF, ON, "", SKIP]
        finally:
            mine = self._running.holds(session, PLACE, token)
            self._running.finish(session, PLACE, token)
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
        if not mine:
            return
        yield [*fight.logs(asked), *await self._ended(fight, token, question, owner), SKIP]

    async def _ended(self, fight: _Fight, token: CancelToken, question: str, owner: str) -> list[Any]:
        hidden = gr.update(visible=False)
        if fight.error is not None:
            return [problem(fight.error), hidden, ON, OFF, ""]
        if not all(fight.evened.ended.values()):
            return [note("Stopped: there is nothing to vote on."), hidden, ON, OFF, ""]
        sides = (fight.contender("a"), fight.contender("b"))
        void = named_in(self._context, sides)
        if void:
            who = ", ".join(f"{letter} is {self._name(s.model)}" for letter, s in zip("AB", sides, strict=True))
            return [note(f"{void} {who}."), hidden, ON, OFF, ""]
        try:
            # The sides were drawn when the models were; the store is told them as they stand on the page.
            store = self._context.store
            begun = await asyncio.to_thread(lambda: start_battle(store(), owner, "chat", question, sides, rng=None))
        except PlaygroundError as error:
            return [problem(Failed.of(error)), hidden, ON, OFF, ""]
        self._figures[begun.id] = fight.stats
        while len(self._figures) > 500:
            del self._figures[next(iter(self._figures))]
        return [note("Which is better?"), gr.update(visible=True), ON, OFF, begun.id]

    # --- a vote ---

    def _voter(self, choice: str) -> Any:
        async def cast(battle_id: str, state: Any, request: gr.Request) -> list[Any]:
            owner = owner_of(request, owner_in(state))
            try:
                reveal = await asyncio.to_thread(lambda: vote(self._context.store(), owner, battle_id, choice))
            except PlaygroundError as error:
                return [problem(Failed.of(error)), gr.update(visible=False), SKIP, ""]
            stats = self._figures.pop(battle_id, {})
            rows = "".join(
                f"<div><b>{side}: {escape(self._name(model))}</b>{' won' if model == reveal.winner else ''}"
                f"{chat_figures(stats[model]) if model in stats else ''}</div>"
                for side, model in (("A", reveal.model_a), ("B", reveal.model_b))
            )
            said = f'<div class="pg-reveal"><span>{escape(CHOICES[choice])}.</span>{rows}</div>'
            return [said, gr.update(visible=False), await self._ladder_html(owner), ""]

        return cast

    async def _show_ladder(self, state: Any, request: gr.Request) -> str:
        return await self._ladder_html(owner_of(request, owner_in(state)))

    async def _ladder_html(self, owner: str) -> str:
        found = await asyncio.to_thread(lambda: tallies(self._context.store(), owner, "chat"))
        if not found:
            return ""
        rows = sorted(found.items(), key=lambda row: -_share(row[1]))
        body = "".join(
            f'<tr><th scope="row">{escape(self._name(model))}</th><td class="pg-num">{t.battles}</td>'
            f'<td class="pg-num">{t.wins}</td><td class="pg-num">{t.losses}</td><td class="pg-num">{t.ties}</td>'
            f'<td class="pg-num">{t.both_bad}</td></tr>'
            for model, t in rows
        )
        head = "".join(f'<th class="pg-num">{name}</th>' for name in ("Battles", "Won", "Lost", "Ties", "Both bad"))
        return (
            f'<div class="pg-scroll"><table class="pg-table"><thead><tr><th>Your votes</th>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def _name(self, model: str) -> str:
        return self._context.catalog[model].name if model in self._context.catalog else model


class _Fight:
    """Two answers under way; which model stands on which side is decided by their order."""

    def __init__(self, context: AppContext, models: list[str], question: str, owner: str, token: CancelToken) -> None:
        self._engine, self._question, self._owner, self._token = context.engine, question, owner, token
        self._models: dict[Side, str] = {"a": models[0], "b": models[1]}
        self._seed = secrets.randbelow(2**31)
        self.evened = Evened()
        self.stats: dict[str, ChatStats] = {}
        self.error: Failed | None = None

    async def follow(self, side: Side) -> None:
        """Listens to one side's answer; its thought is not shown, since it would tell the model."""
        model = self._models[side]
        request = ChatRequest(model, (Message("user", self._question),), seed=self._seed, owner=self._owner)
        async with aclosing(batches(self._engine, request, self._token)) as found:
            async for batch in found:
                for event in batch:
                    if isinstance(event, Token) and event.kind == "answer":
                        self.evened.feed(side, event.text)
                    elif isinstance(event, Failed):
                        self.error = Failed(f"One of the two could not answer: {event.error}", event.hint, event.code)
                    elif isinstance(event, Done):
                        if isinstance(event.stats, ChatStats):
                            self.stats[model] = event.stats
                        if not self._token.cancelled:
                            self.evened.end(side)

    def logs(self, asked: list[dict[str, str]]) -> list[list[dict[str, str]]]:
        """The messages of both sides as far as they are shown."""
        return [
            [*asked, {"role": "assistant", "content": self.evened.shown(side)}] if self.evened.shown(side) else asked
            for side in ("a", "b")
        ]  # type: ignore[misc]

    def contender(self, side: Side) -> Contender:
        """One side for the store."""
        return Contender(self._models[side], self.evened.texts[side], "", {"seed": self._seed})


def _log(side: str) -> gr.Chatbot:
    """One side's answer; on a phone the sides stand below each other."""
    with gr.Column(min_width=300):
        return gr.Chatbot(
            [], label=f"Answer {side.upper()}", elem_id=f"battle_{side}", height="44vh", buttons=[],
            feedback_options=None, allow_tags=False, latex_delimiters=LATEX, layout="bubble",
            placeholder=f"**{side.upper()}**",
        )  # fmt: skip


def _share(tally: Tally) -> float:
    """Won battles as a share, ties as half."""
    return (tally.wins + tally.ties / 2) / max(1, tally.battles)


def build_battle(context: AppContext, running: Running, remember: Remember) -> BattleTab:
    """Adds the tab's contents."""
    return BattleTab(context, running, remember)
