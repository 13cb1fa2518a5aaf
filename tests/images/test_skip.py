"""Skip leaves out the picture that is being made, within a step, and goes on with the next one."""

from __future__ import annotations

from playground.cancel import CancelToken, Linked
from playground.images.memory import Plan
from playground.images.request import checked_image
from playground.images.run import paint
from playground.protocol import Notice, Step
from tests.images.conftest import ask, pictures


def test_the_next_picture_is_made_as_if_nothing_had_been_skipped(tiny):
    request = checked_image(ask(steps=3, batch_size=3, sampler="DDIM"), tiny.card)
    whole: list = []
    paint(tiny, request, CancelToken(), whole.append, Plan(1))

    token, events = CancelToken(), []

    def emit(event):
        events.append(event)
        if isinstance(event, Step) and event.index == 4:  # the second picture's first step
            token.skip()

    stats = paint(tiny, request, Linked(token), emit, Plan(1))
    assert [p.index for p in pictures(events)] == [0, 2]
    assert [p.seed for p in pictures(events)] == [7, 9]
    assert pictures(events)[1].png == pictures(whole)[2].png
    assert [e.text for e in events if isinstance(e, Notice)] == ["One picture was skipped."]
    assert [e.index for e in events if isinstance(e, Step)] == [1, 2, 3, 4, 7, 8, 9]
    assert stats.seconds_per_image == stats.seconds / 2


def test_a_skip_is_taken_once():
    token = CancelToken()
    token.skip()
    assert Linked(token).take_skip()
    assert not token.take_skip()
    assert not token.cancelled
