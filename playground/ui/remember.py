"""What a browser remembers between visits: settings of the forms and the owner id, in one BrowserState.

Every value that comes back is checked before it is shown, since a browser can send anything and models come and go.
No secret ever passes here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from playground.settings import Settings
from playground.ui.owner import BROWSER_ID, new_browser_id

STORAGE_KEY = "playground"
KEY_FILE = "browser-secret"
LONGEST_TEXT = 8000

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Kept:
    key: str
    component: Any
    check: Check
    default: Any
    watch: bool


class Remember:
    """Collects the components whose values survive a reload; `wire` is called once, after all tabs are built."""

    def __init__(self, settings: Settings) -> None:
        self.state = gr.BrowserState({}, storage_key=STORAGE_KEY, secret=installation_secret(settings.data_path))
        self._kept: list[Kept] = []
        self._after: list[tuple[Callable[[dict[str, Any]], list[Any]], list[Any]]] = []

    def keep(self, key: str, component: Any, check: Check, watch: bool = True) -> None:
        """This component's value is remembered under `key`, and comes back only if `check` accepts it.

        Without `watch` a change of it alone is no reason to save: it is saved when something else changes.
        """
        self._kept.append(Kept(key, component, check, component.value, watch))

    def after(self, show: Callable[[dict[str, Any]], list[Any]], outputs: list[Any]) -> None:
        """`show(values)` gives the updates of `outputs` that depend on remembered values, such as what is visible."""
        self._after.append((show, outputs))

    def wire(self, page: gr.Blocks, reset: gr.Button) -> Any:
        """Restores on load, saves on every change in the browser alone; returns the load event to chain on."""
        parts = [kept.component for kept in self._kept]
        outputs = [self.state, *parts, *(o for _, more in self._after for o in more)]

        def restore(state: Any) -> list[Any]:
            return self._shown(state)

        def forget(state: Any) -> list[Any]:
            owner = state.get("owner") if isinstance(state, dict) else None
            return self._shown({"owner": owner})

        loaded = page.load(restore, self.state, outputs, queue=False, show_progress="hidden", api_visibility="private")
        # Changes that the page makes while it is still being built must not replace what is remembered.
        ready = loaded.then(fn=None, js="() => { window.playgroundReady = true; }")
        reset.click(forget, self.state, outputs, queue=False, show_progress="hidden", api_visibility="private")
        keys = ", ".join(f'"{kept.key}"' for kept in self._kept)
        gr.on(
            [kept.component.change for kept in self._kept if kept.watch],
            fn=None,
            inputs=[self.state, *parts],
            outputs=self.state,
            js=f"""(state, ...values) => {{
                if (!window.playgroundReady) return state;
                const form = {{}};
                [{keys}].forEach((key, i) => {{ form[key] = values[i]; }});
                return {{...state, form}};
            }}""",
            show_progress="hidden",
            trigger_mode="always_last",
        )
        return ready

    def _shown(self, state: Any) -> list[Any]:
        state = state if isinstance(state, dict) else {}
        form = state.get("form") if isinstance(state.get("form"), dict) else {}
        owner = state.get("owner")
        if not (isinstance(owner, str) and BROWSER_ID.fullmatch(owner)):
            owner = new_browser_id()
        values = {}
        for kept in self._kept:
            given = form.get(kept.key, kept.default)
            values[kept.key] = given if _accepted(kept.check, given) else kept.default
        more = [update for show, _ in self._after for update in show(values)]
        return [{"owner": owner, "form": values}, *values.values(), *more]


def _accepted(check: Check, value: Any) -> bool:
    try:
        return bool(check(value))
    except TypeError:  # compared or counted a value of the wrong type
        return False


def text(value: Any) -> bool:
    """A text of sensible length."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def one_of(choices: Any) -> Check:
    """One of these values."""
    allowed = list(choices)
    return lambda value: value in allowed


def some_of(choices: Any) -> Check:
    """A list of these values, not empty."""
    allowed = list(choices)
    return lambda value: isinstance(value, list) and bool(value) and all(v in allowed for v in value)


def between(low: float, high: float, empty: bool = False) -> Check:
    """A number of this range; None too where `empty`."""

    def check(value: Any) -> bool:
        if value is None:
            return empty
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    return check


def flag(value: Any) -> bool:
    """True or False."""
    return isinstance(value, bool)


def owner_in(state: Any) -> object:
    """The browser's id inside the state, unchecked."""
    return state.get("owner") if isinstance(state, dict) else None


def installation_secret(folder: Path) -> str:
    """The key with which this installation encrypts what browsers keep; made once, readable by this user alone."""
    path = folder / KEY_FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        secret = secrets.token_hex(16)
        file.write(secret)
    return secret
