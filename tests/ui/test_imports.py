"""The page comes first: what takes seconds to import waits until it is served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "diffusers", "transformers", "sqlalchemy", "plotly", "accelerate", "peft", "scipy")


def test_the_page_imports_nothing_heavy() -> None:
    """Pandas is not in the list: gradio itself imports it."""
    code = f"import sys, playground.ui.page; print([m for m in {HEAVY!r} if m in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_fonts_are_the_systems_own() -> None:
    from playground.ui.theme import page_theme

    theme = page_theme()
    assert theme._stylesheets == []
    assert "@font-face" not in "".join(theme._font_css)
