"""What a Python file offers, told from its syntax tree: imports, classes, functions. Runs nothing."""

from __future__ import annotations

import ast
import warnings

MOST_BYTES = 2**20
MOST_LINE = 160

NOT_OURS = "<attached>"
# What the parser warns of in such a file is nothing that this app's log should hold. A filter for good, since the
# temporary ones of `warnings` are not safe among threads.
warnings.filterwarnings("ignore", module=NOT_OURS)


def outline(source: str) -> list[str]:
    """The lines of the outline, indented by class; a file that does not parse gives one line that says where.

    Names that begin with an underscore are left out, except for methods such as `__init__`.
    """
    try:
        tree = ast.parse(source, NOT_OURS)
        lines = [*_imports(tree), *_definitions(tree.body, "")]
    except SyntaxError as error:
        return [f"(line {error.lineno}: {error.msg})"]
    except (ValueError, RecursionError, MemoryError):  # a NUL character, or brackets nested without end
        return ["(cannot be parsed)"]
    return [line if len(line) <= MOST_LINE else line[: MOST_LINE - 1] + "…" for line in lines]


def _imports(tree: ast.Module) -> list[str]:
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            names["." * node.level + (node.module or "")] = None
    return [f"imports {', '.join(names)}"] if names else []


def _definitions(body: list[ast.stmt], indent: str) -> list[str]:
    lines = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _public(node.name):
            word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            lines.append(f"{indent}{word} {node.name}({ast.unparse(node.args)}){returns}{_said(node)}")
        elif isinstance(node, ast.ClassDef) and _public(node.name):
            bases = ", ".join(ast.unparse(base) for base in (*node.bases, *node.keywords))
            lines.append(f"{indent}class {node.name}{f'({bases})' if bases else ''}{_said(node)}")
            lines += _definitions(node.body, indent + "    ")
    return lines


def _public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def _said(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    """The first line of the docstring, as a comment."""
    text = (ast.get_docstring(node) or "").strip().split("\n", 1)[0]
    return f"  # {text}" if text else ""
