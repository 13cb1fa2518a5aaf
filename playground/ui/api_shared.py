"""What every function of the public API needs: checked model ids, and errors as one sentence."""

from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import Failed
from playground.ui.context import AppContext

MOST_MODELS = 8


def model_ids(models: Any, context: AppContext, kind: str) -> list[str]:
    """The model ids of a call: a list, or one id as text.

    Raises:
        gr.Error: no list of one to eight ids, an unknown id, or a model of another kind.
    """
    ids = [models] if isinstance(models, str) else models
    try:
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids) or not 1 <= len(ids) <= MOST_MODELS:
            raise InvalidRequest(f"models must be a list of 1 to {MOST_MODELS} model ids.", "See /models for the ids.")
        for card in (context.catalog[i] for i in ids):
            if card.kind != kind:
                raise InvalidRequest(f"{card.id} is not a model of kind {kind}.", "See /models for the kinds.")
    except PlaygroundError as error:
        raise told(error) from None
    return ids


def sentence(event: Failed) -> str:
    """What went wrong and what to do, as one text."""
    return f"{event.error} {event.hint}".strip()


def told(error: PlaygroundError) -> gr.Error:
    """The error as gradio hands it to a client: the sentence, never a traceback."""
    return gr.Error(str(error), print_exception=False)
