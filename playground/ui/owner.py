"""Whose pictures, scores and jobs these are: the name of a login, else an id that this browser keeps."""

from __future__ import annotations

import re
import uuid

import gradio as gr

BROWSER_ID = re.compile(r"browser:[0-9a-f]{32}")


def new_browser_id() -> str:
    """A fresh id, too long to be guessed: whoever has it sees what its owner made."""
    return f"browser:{uuid.uuid4().hex}"


def owner_of(request: gr.Request | None, browser_id: object) -> str:
    """The owner of what this call makes and may see; never empty.

    A login wins, so that no browser can claim another's name. An API call without a login belongs to its session.
    """
    username = getattr(request, "username", None)
    if username:
        return f"user:{username}"
    if isinstance(browser_id, str) and BROWSER_ID.fullmatch(browser_id):
        return browser_id
    session = getattr(request, "session_hash", None)
    return f"session:{session}" if session else "session:none"
