"""The modules that a project declares as requirements, by the names under which they are imported."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from playground.code.files import CodeFile

# Packages whose modules are called otherwise; all others are imported by their name, with _ for - and .
OTHERWISE = {
    "attrs": ("attr", "attrs"),
    "beautifulsoup4": ("bs4",),
    "django-rest-framework": ("rest_framework",),
    "djangorestframework": ("rest_framework",),
    "faiss-cpu": ("faiss",),
    "faiss-gpu": ("faiss",),
    "google-generativeai": ("google",),
    "grpcio": ("grpc",),
    "mysqlclient": ("MySQLdb",),
    "opencv-contrib-python": ("cv2",),
    "opencv-python": ("cv2",),
    "opencv-python-headless": ("cv2",),
    "pillow": ("PIL",),
    "protobuf": ("google",),
    "psycopg2-binary": ("psycopg2",),
    "pyjwt": ("jwt",),
    "pyqt5": ("PyQt5",),
    "pyqt6": ("PyQt6",),
    "pyserial": ("serial",),
    "python-dateutil": ("dateutil",),
    "python-docx": ("docx",),
    "python-dotenv": ("dotenv",),
    "python-jose": ("jose",),
    "python-multipart": ("multipart",),
    "python-telegram-bot": ("telegram",),
    "pyyaml": ("yaml",),
    "scikit-image": ("skimage",),
    "scikit-learn": ("sklearn",),
    "setuptools": ("setuptools", "pkg_resources"),
}
_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def declared(files: Sequence[CodeFile]) -> set[str]:
    """Module names out of every requirements*.txt and pyproject.toml among the files; broken ones declare nothing."""
    return {module for file in files for package in _packages(file) for module in _modules(package)}


def _packages(file: CodeFile) -> Iterator[str]:
    last = file.path.rsplit("/", 1)[-1].lower()
    if last.startswith("requirements") and last.endswith(".txt"):
        for line in file.text.splitlines():
            found = _NAME.match(line)
            if found:
                yield found[1]
    elif last == "pyproject.toml":
        try:
            written = tomllib.loads(file.text)
        except (tomllib.TOMLDecodeError, RecursionError):  # told as a syntax error
            return
        for requirement in _of_pyproject(written):
            found = _NAME.match(requirement) if isinstance(requirement, str) else None
            if found:
                yield found[1]


def _of_pyproject(written: dict[str, Any]) -> Iterator[Any]:
    project = written.get("project")
    if isinstance(project, dict):
        yield from _list(project.get("dependencies"))
        optional = project.get("optional-dependencies")
        for group in optional.values() if isinstance(optional, dict) else ():
            yield from _list(group)
    groups = written.get("dependency-groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        yield from _list(group)
    tool = written.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    dependencies = poetry.get("dependencies") if isinstance(poetry, dict) else None
    yield from dependencies if isinstance(dependencies, dict) else ()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _modules(package: str) -> tuple[str, ...]:
    name = re.sub(r"[-_.]+", "-", package).lower()
    return OTHERWISE.get(name, (package.replace("-", "_").replace(".", "_"), name.replace("-", "_")))
