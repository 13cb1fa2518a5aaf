"""llguidance without a model: grammars tried byte by byte, and the limits under which every grammar runs.

The only place beside `matcher.py` and `tokens.py` that knows the library.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLParserLimits, LLTokenizer

END = 256  # after the 256 bytes

# The writing of JSON: no line breaks, a space where people put one, no \uXXXX, by which a name could be written twice.
JSON_OPTIONS = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
    "json_allowed_escapes": 'nrbtf\\"',
}


class _Bytes:
    """A vocabulary of the 256 bytes and an end token, in the form that llguidance's wrapper asks for."""

    eos_token_id = END
    bos_token_id = None
    tokens = (*(bytes([i]) for i in range(256)), b"<end>")
    special_token_ids = (END,)

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


@cache
def limits() -> LLParserLimits:
    """Bounds on memory and time: some 100 MB of lexer states at most, and a step of some 10 ms."""
    from llguidance import LLParserLimits

    return LLParserLimits(max_lexer_states=50_000, max_grammar_size=200_000, verbose_errors=False)


@cache
def byte_tokenizer() -> LLTokenizer:
    from llguidance import LLTokenizer, TokenizerWrapper

    return LLTokenizer(TokenizerWrapper(_Bytes()), slices=[])


def matcher(tokenizer: LLTokenizer, grammar: str) -> LLMatcher:
    """A fresh matcher; what is wrong with the grammar is told by its `is_error`."""
    from llguidance import LLMatcher

    return LLMatcher(tokenizer, grammar, log_level=0, limits=limits())


def json_grammar(schema: Any) -> str:
    from llguidance import LLMatcher

    options: Any = JSON_OPTIONS
    return str(LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options))


def trouble(grammar: str) -> str:
    """Why the engine cannot take a grammar, in a few words; empty where it can."""
    return reason(matcher(byte_tokenizer(), grammar))


def reason(failed: LLMatcher) -> str:
    """What put a matcher into its error state, in a few words; empty where it is in none."""
    if not failed.is_error():
        return ""
    text = failed.get_error()
    found = re.search(r"error: (.+)", text)
    line = found[1] if found else text.strip().splitlines()[0]
    return re.sub(r"^at \d+\(\d+\): ", "", line)[:200]


@lru_cache(maxsize=512)
def _leaf(schema: str) -> LLMatcher:
    return matcher(byte_tokenizer(), json_grammar(json.loads(schema)))


def leaf(schema: Any) -> LLMatcher:
    """A matcher, byte by byte, of the JSON values that fit a schema; shared, so copy it before feeding it."""
    return _leaf(json.dumps(schema))
