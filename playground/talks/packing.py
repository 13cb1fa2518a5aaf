"""A conversation apart from its pictures and sound, so that a save writes each of them once. Pure, no database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from playground.errors import InvalidRequest
from playground.talks.columns import Conversation
from playground.talks.records import from_json, to_json

MOST_BYTES = 64 * 2**20


def packed(talk: Conversation) -> tuple[str, dict[str, bytes]]:
    """The conversation as JSON with hashes in place of its files, and the files by their SHA-256.

    Raises:
        InvalidRequest: both together have more than 64 MiB.
    """
    files: dict[str, bytes] = {}

    def by_hash(data: bytes) -> bytes:
        digest = hashlib.sha256(data)
        files[digest.hexdigest()] = data
        return digest.digest()

    body = to_json(with_files(talk, by_hash))
    size = len(body) + sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise InvalidRequest(
            f"The conversation has {size / 2**20:.0f} MiB; at most {MOST_BYTES // 2**20} MiB are kept.",
            "Export it, and go on in a new one.",
        )
    return body.decode(), files


def unpacked(body: str, files: Mapping[str, bytes] | None) -> Conversation:
    """The conversation that `packed` took apart; without `files`, with hashes in place of them."""
    talk = from_json(body)
    return talk if files is None else with_files(talk, lambda digest: files[digest.hex()])


def with_files(talk: Conversation, change: Callable[[bytes], bytes]) -> Conversation:
    """The conversation with every picture and recording changed."""
    columns = []
    for column in talk.columns:
        nodes, waiting = (
            tuple(
                replace(node, images=tuple(map(change, node.images)), audio=tuple(map(change, node.audio)))
                if node.images or node.audio
                else node
                for node in some
            )
            for some in (column.tree.nodes, column.waiting)
        )
        columns.append(replace(column, tree=replace(column.tree, nodes=nodes), waiting=waiting))
    return replace(talk, columns=tuple(columns))
