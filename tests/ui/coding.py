"""A script that plans and writes a small project, for the tests of planned code."""

from __future__ import annotations

from collections.abc import Mapping

from playground.code.plan import Plan, plan_as_json
from playground.protocol import ChatRequest, ChatStats, Done, Loading, Request, Token
from tests.code.test_plan import PLAN
from tests.code.test_planned import GOOD, wanted
from tests.scripted import Play, Script


def coder(plan: Plan | str = PLAN, files: Mapping[str, str] = GOOD, every: float = 0.0, piece: int = 20) -> Play:
    """Answers a request for a plan with `plan`, one for a file with its text, a piece each `every` seconds."""

    def play(request: Request) -> Script:
        assert isinstance(request, ChatRequest)
        said = (
            (plan if isinstance(plan, str) else plan_as_json(plan)) if request.json_schema else files[wanted(request)]
        )
        parts = [said[i : i + piece] for i in range(0, len(said), piece)]
        stats = ChatStats(stop_reason="end", completion_tokens=len(parts), tokens_per_s=1 / (every or 0.01))
        tokens = [(every, Token(request.column, part)) for part in parts]
        return [(0.0, Loading(request.model, 0.5)), *tokens, (0.0, Done(stats))]

    return play
