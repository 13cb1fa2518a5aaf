"""These packages stand below the engine and the page: they import neither, and nothing that is slow to load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("talks", "attach", "code", "batches")
ABOVE = {"batches": {"talks"}, "code": {"attach"}}
BASE = {"errors", "protocol", "store"}
HEAVY = ("torch", "transformers", "diffusers", "gradio", "sqlalchemy", "pypdf", "pydantic")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_the_base_and_itself_alone(package):
    for path in (ROOT / "playground" / package).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            parts = {name.split(".")[1] for name in names if name.startswith("playground.")}
            assert parts <= {package, *BASE, *ABOVE.get(package, ())}, path


def test_they_load_nothing_heavy():
    modules = [
        f"playground.{p.parent.name}.{p.stem}" for name in PACKAGES for p in (ROOT / "playground" / name).glob("*.py")
    ]
    code = f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]"
    code += f"; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
