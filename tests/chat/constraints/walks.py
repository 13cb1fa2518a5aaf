"""Random answers without a model: bytes that the grammar allows, drawn by seed."""

from __future__ import annotations

import json
import random
from typing import Any

from playground.chat.constraints.engine import END, byte_tokenizer, matcher
from playground.chat.constraints.grammar import Compiled, compiled
from playground.chat.constraints.spec import Spec


def schema_spec(schema: Any) -> Spec:
    return Spec("json_schema", json.dumps(schema))


def allowed(mask: bytes) -> list[int]:
    bits = int.from_bytes(mask, "little")
    return [byte for byte in range(END + 1) if bits >> byte & 1]


def walk(grammar: Compiled, seed: int, most: int = 3000) -> bytes | None:
    """A whole answer, closing more eagerly after a while; None where `most` bytes are not enough."""
    rng = random.Random(seed)
    state = matcher(byte_tokenizer(), grammar.grammar)
    text = bytearray()
    for at in range(most):
        if state.is_stopped():
            break
        bytes_ = allowed(state.compute_bitmask())
        assert not state.is_error(), state.get_error()
        closing = [byte for byte in bytes_ if byte in (*b'"]}', END)]
        plain = [byte for byte in bytes_ if byte < 128]
        if closing and rng.random() < (0.15 if at < most // 2 else 0.9):
            byte = rng.choice(closing)
        else:
            byte = rng.choice(plain if plain and rng.random() < 0.8 else bytes_)
        if byte == END:
            break
        assert state.consume_token(byte)
        text.append(byte)
    return bytes(text) if state.is_accepting() else None


def takes(grammar: Compiled, text: str) -> bool:
    """Whether the grammar would write the text."""
    state = matcher(byte_tokenizer(), grammar.grammar)
    data = list(text.encode())
    return bool(state.try_consume_tokens(data) == len(data) and state.is_accepting())


def of_schema(schema: Any) -> Compiled:
    return compiled(schema_spec(schema))
