"""What a hub's model weighs, from the headers of its files: ranges of some kilobytes, never the weights themselves.

The hub library can do this for one safetensors file, but trusts every server to heed the range: one that does not
would send gigabytes into memory. Here no more than a header is taken from any answer, and GGUF files work too.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from playground.catalog import Build, ModelCard
from playground.errors import ModelUnavailable
from playground.models import gguf_header
from playground.models.facts import Facts, file_facts, gguf_facts, kind_of, notes_on, onnx_facts
from playground.models.headers import parse_header
from playground.models.hub_errors import Repo, no_such_file, offline, plain_errors
from playground.models.hub_files import HubFile, choose_files, gguf_parts
from playground.models.sizes import ComponentSize, ModelSize, names_in, untied

if TYPE_CHECKING:
    from playground.settings import Settings

TIMEOUT = (5.0, 15.0, 15.0, 5.0)  # seconds to connect, between bytes read and written, and for a free connection
FIRST = 96 * 1024  # bytes asked for at first; most headers of safetensors are smaller
MOST = 4 * 1024**2  # bytes asked for at once when a header goes on
SMALL = 4 * 1024**2  # no config is larger
AT_ONCE = 8  # headers that are read side by side
ID = re.compile(r"[\w.-]+/[\w.-]+")


def hub_facts(card: ModelCard, settings: Settings, dtype: str = "bfloat16", *, endpoint: str | None = None) -> Facts:
    """The facts of a hub model as its card names it, for a load as `dtype`.

    Args:
        endpoint: the hub's address; None for the one that HF_ENDPOINT names.

    Raises:
        ModelUnavailable: offline, gated, not there, not to be loaded, or the hub cannot be reached.
    """
    repo = Repo.of(card)
    if settings.is_offline:
        raise offline(repo)
    with plain_errors(repo, bool(settings.hub_token)):
        hub = _Hub(repo, settings.hub_token, endpoint)
        readers: dict[str, Callable[[_Hub, ModelCard, str], Facts]] = {
            "gguf": _gguf, "single-file": _single, "onnx": _onnx, "folder": _folder,
        }  # fmt: skip
        facts = readers[card.format](hub, card, dtype)
    return replace(facts, builds=tuple(_builds(hub.files, card)))


def hub_card(text: str, settings: Settings, *, endpoint: str | None = None) -> ModelCard:
    """A card for `owner/name`, or for one file in it, `owner/name/path.gguf` or `.safetensors`. Asks the hub for kinds.

    Raises:
        ModelUnavailable: as `hub_facts`.
    """
    owner, name, *rest = text.split("/")
    source, file = f"{owner}/{name}", "/".join(rest)
    fields: dict[str, Any] = {"id": "hub", "name": text, "source": source, "licence": "see its page"}
    if file:
        fields |= {"file": file, "format": "gguf" if file.endswith(".gguf") else "single-file"}
        return ModelCard(**fields, kind="chat" if file.endswith(".gguf") else "image")
    card = ModelCard(**fields, kind="chat")
    repo = Repo.of(card)
    if settings.is_offline:
        raise offline(repo)
    with plain_errors(repo, bool(settings.hub_token)):
        names = {file.name for file in _Hub(repo, settings.hub_token, endpoint).files}
    if "model_index.json" in names:
        return card.model_copy(update={"kind": "image"})
    if "config.json" not in names or not any(n.endswith(".safetensors") for n in names):
        _point_at_files(source, names)
    return card


def _point_at_files(source: str, names: set[str]) -> None:
    """Raises for a repository of single files, naming one; a repository with none of them gets its own error later."""
    found = sorted(n for n in names if n.endswith(".gguf")) or sorted(n for n in names if n.endswith(".safetensors"))
    if found:
        raise ModelUnavailable(
            f"{source} holds no model folder, but {len(found)} single files.",
            f"Name one of them, for instance {source}/{found[0]}.",
        )


# --- formats ---------------------------------------------------------------------------------------------------------


def _folder(hub: _Hub, card: ModelCard, dtype: str) -> Facts:
    index = hub.json("model_index.json") if card.kind == "image" else {}
    components = names_in(index) if index else None
    chosen = choose_files(card, hub.files, dtype, components).then
    names = [c for c in components or () if f"{c}/config.json" in hub.names] if components else [""]
    configs = {c: hub.json(f"{c}/config.json".lstrip("/")) for c in names}
    headers = hub.headers([file.name for file in chosen])
    parts = []
    for component in dict.fromkeys(file.name.rpartition("/")[0] for file in chosen):
        files = [file.name for file in chosen if file.name.rpartition("/")[0] == component]
        tensors = tuple(t for name in files for t in headers[name])
        part = ComponentSize(component or "model", tensors, tuple(Path(name) for name in files))
        parts.append(part if component else untied(part, configs.get("", {})))
    top = configs.get("", {})
    kind = "image" if card.kind == "image" else kind_of(top)
    weight = sum(file.bytes for file in chosen)
    return Facts(card.name, kind, hub.where, ModelSize(tuple(parts)), configs, download=weight, notes=notes_on(top))


def _gguf(hub: _Hub, card: ModelCard, dtype: str) -> Facts:
    names = gguf_parts(card.file)
    headers = []
    for name in names:
        stream = hub.open(name)
        headers.append(gguf_header.parse_gguf(cast(BinaryIO, stream), stream.size, name.rpartition("/")[2]))
    merged = gguf_header.merge(headers[0], headers[1:])
    return gguf_facts(card.name, hub.where, merged, merged.file_bytes)


def _single(hub: _Hub, card: ModelCard, dtype: str) -> Facts:
    tensors = hub.headers([card.file])[card.file]
    return file_facts(card.name, hub.where, tensors, (Path(card.file),), hub.bytes_of(card.file))


def _onnx(hub: _Hub, card: ModelCard, dtype: str) -> Facts:
    choice = choose_files(card, hub.files, dtype)
    weights = sum(f.bytes for f in choice.then)
    return onnx_facts(card.name, hub.where, hub.json(choice.last[0].name), weights, weights)


def _builds(files: Sequence[HubFile], card: ModelCard) -> Iterator[Build]:
    """GGUF files and folders of ONNX files that lie beside the weights."""
    for file in files:
        if file.name.endswith(".gguf") and file.name != card.file and file.bytes:
            yield Build(name=file.name, format="gguf", bytes=file.bytes, source=card.source, file=file.name)
    folders: dict[str, int] = {}
    for file in files:
        if re.search(r"\.onnx([._]data)?$", file.name):
            folder = file.name.rpartition("/")[0]
            folders[folder] = folders.get(folder, 0) + file.bytes
    for folder, weight in folders.items():
        if weight and folder != card.file:
            name = f"{folder or 'ONNX files'}"
            yield Build(name=name, format="onnx", bytes=weight, source=card.source, file=folder)


# --- bytes -----------------------------------------------------------------------------------------------------------


class _Hub:
    """One repository at one commit: its listing, its small files, and the starts of its large ones."""

    def __init__(self, repo: Repo, token: str, endpoint: str | None) -> None:
        from huggingface_hub import HfApi, constants
        from huggingface_hub.utils import build_hf_headers

        self.repo = repo
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._headers = build_hf_headers(token=token or False)
        info = HfApi(endpoint=self._endpoint, token=token or False).model_info(
            repo.source, revision=repo.revision, timeout=TIMEOUT[0], files_metadata=True
        )
        self._revision = info.sha or repo.revision
        self.files = tuple(HubFile(s.rfilename, s.size or 0, s.blob_id or "") for s in info.siblings or ())
        self.names = {file.name for file in self.files}
        self.where = f"{self._endpoint}/{repo.source} at {self._revision[:12]}"

    def bytes_of(self, name: str) -> int:
        return next((file.bytes for file in self.files if file.name == name), 0)

    def open(self, name: str) -> RemoteFile:
        if name not in self.names:
            raise no_such_file(self.repo, name)
        return RemoteFile(f"{self._endpoint}/{self.repo.source}/resolve/{self._revision}/{quote(name)}", self._headers)

    def headers(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """The tensors of each safetensors file."""

        def read(name: str) -> list[Any]:
            stream = self.open(name)
            return parse_header(cast(BinaryIO, stream), stream.size, name)

        with ThreadPoolExecutor(max(1, min(AT_ONCE, len(names)))) as threads:
            return dict(zip(names, threads.map(read, names), strict=True))

    def json(self, name: str) -> dict[str, Any]:
        """A small JSON object.

        Raises:
            ModelUnavailable: it is not there, too large or something else.
        """
        stream = self.open(name)
        try:
            if stream.size > SMALL:
                raise ValueError
            table = json.loads(stream.read(stream.size))
            if not isinstance(table, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise ModelUnavailable(
                f"{self.repo.name}: {name} on the hub is no JSON object.", "Choose another revision."
            ) from None
        return table


class RemoteFile:
    """A file behind a URL that is read forward, block by block; just enough of a stream for reading headers.

    A server that heeds no ranges is read from the start and left as soon as enough has come.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        # A compressed answer would make ranges and lengths meaningless.
        self._url, self._headers = url, {**headers, "Accept-Encoding": "identity"}
        self._at = 0
        self._start, self._block = 0, b""
        self._ask = FIRST
        self._size = -1

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        if self._size < 0:
            self._fetch(1)
        return self._size

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; fewer at the end of the file."""
        count = min(count, max(0, self.size - self._at))
        if self._at < self._start or self._at + count > self._start + len(self._block):
            self._fetch(count)
        begin = self._at - self._start
        data = self._block[begin : begin + count]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def _fetch(self, count: int) -> None:
        """Fills the block from here on."""
        wanted = max(count, self._ask)
        self._ask = min(MOST, 2 * self._ask)
        with self._answer(f"bytes={self._at}-{self._at + wanted - 1}") as answer:
            if answer.status_code == 206:
                span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
                if span is None or int(span[1]) != self._at:
                    raise _odd(self._url, f"Content-Range {answer.headers.get('Content-Range')!r}")
                self._size, skip = int(span[2]), 0
            else:
                length = answer.headers.get("Content-Length", "")
                if not length.isdigit():
                    raise _odd(self._url, "no Content-Length")
                self._size, skip = int(length), self._at
            wanted = min(wanted, self._size - self._at)
            self._start, self._block = self._at, _taken(answer.iter_bytes(), skip, wanted)

    @contextmanager
    def _answer(self, span: str) -> Iterator[Any]:
        from huggingface_hub import get_session
        from huggingface_hub.utils import hf_raise_for_status

        headers = {**self._headers, "Range": span}
        with get_session().stream("GET", self._url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as answer:
            if answer.status_code == 416:  # an empty file has no first byte
                raise _odd(self._url, "no bytes")
            if answer.status_code >= 400:
                answer.read()
            hf_raise_for_status(answer)
            yield answer


def _taken(chunks: Iterator[bytes], skip: int, count: int) -> bytes:
    """`count` bytes of what comes after the first `skip`; the rest is not waited for."""
    parts, have = [], 0
    for chunk in chunks:
        piece, skip = chunk[skip:], max(0, skip - len(chunk))
        parts.append(piece)
        have += len(piece)
        if have >= count:
            break
    return b"".join(parts)[:count]


def _odd(url: str, what: str) -> ModelUnavailable:
    return ModelUnavailable(f"The answer to {url.partition('?')[0]} has {what}.", "Check HF_ENDPOINT.")
