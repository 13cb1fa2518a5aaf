"""Patterns against Python's `re` and against the engine; the shortest end against trying all."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from playground.chat.constraints.automaton import automaton, shortest_text
from playground.chat.constraints.engine import json_grammar, leaf, trouble
from playground.chat.constraints.formats import FORMATS
from playground.chat.constraints.patterns import MAX_REPEATS, Pattern, Unsupported, checked, parsed

ATOMS = st.sampled_from([
    "a", "b", "é", "0", "-", "\\.", ".", "[ab]", "[^a]", "[a-c0-9]", "\\d", "\\w", "\\s", "\\W", "[^\\d]", "\\/",
    "\\x41", "\\u00e9", "\\n", "[\\]\\-]", "[]x]", "🙂",
])  # fmt: skip
QUANTIFIERS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{1,3}", "{2,}", "*?", "{0}"])


def pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.tuples(st.sampled_from(["({})", "(?:{})", "(?P<n>{})", "(?i:{})", "(?s:{})"]), inner)
    return st.one_of(
        st.tuples(ATOMS, QUANTIFIERS).map("".join),
        st.tuples(inner, inner).map("".join),
        st.tuples(group.map(lambda pair: pair[0].format(pair[1])), QUANTIFIERS).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
    )


BODIES = st.recursive(st.tuples(ATOMS, QUANTIFIERS).map("".join), pieces, max_leaves=5)
PATTERNS = st.tuples(st.sampled_from(["", "^"]), BODIES, st.sampled_from(["", "$"])).map("".join)
TEXTS = st.text(st.sampled_from("aabbcA0-_.é🙂]/x \n٣K"), max_size=7)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, TEXTS)
def test_all_that_read_a_pattern_agree(text: str, sample: str) -> None:
    try:
        pattern = checked(text)
    except Unsupported:
        assume(False)
        raise
    found = automaton(text).matches(sample)
    if not pattern.ascii_only or sample.isascii():
        # In Python's, letters and digits are those of Unicode, and $ stands before a line break too: it takes more.
        assert bool(re.search(text, sample)) or not found
        if sample.isascii() and not sample.endswith("\n"):
            assert bool(re.search(text, sample)) == found
    schema = {"type": "string", "pattern": text}
    if trouble(json_grammar(schema)):
        return  # one that nothing matches, or that the engine finds too complex
    state, data = leaf(schema).deep_copy(), list(json.dumps(sample, ensure_ascii=False).encode())
    assert (state.try_consume_tokens(data) == len(data) and state.is_accepting()) == found


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.integers(0, 4), st.sampled_from(["", "a", "b0", "-"]))
def test_the_shortest_end_is_one_and_none_is_shorter(text: str, least: int, prefix: str) -> None:
    try:
        checked(text)
    except Unsupported:
        assume(False)
    machine = automaton(text)
    rest = shortest_text((text,), prefix, least)
    shorter = range(3 if rest is None else min(3, len(rest)))
    for size in shorter:
        for characters in itertools.product("ab0-.é xA\n_]/🙂", repeat=size):
            other = prefix + "".join(characters)
            assert len(other) < least or not machine.matches(other), other
    if rest is not None:
        assert machine.matches(prefix + rest)
        assert len(prefix + rest) >= least


def test_several_patterns_are_met_at_once() -> None:
    text = shortest_text(("^[a-m]+$", "[h-z]{2}", "l$"), "h", 4)
    assert text is not None
    assert re.fullmatch("(?=.*[h-z]{2})[a-m]{3}l", "h" + text)
    assert shortest_text(("^a", "^b")) is None


@pytest.mark.parametrize(("text", "bounded"), [("^a{3}$", True), ("a{3}", False), ("^a+$", False), ("^(a|b)$", True),
                                               ("^a|b$", False), ("^a$|^b$", True), ("^a\\$", False)])  # fmt: skip
def test_short_patterns_are_known(text: str, bounded: bool) -> None:
    assert checked(text) == Pattern(text, False, bounded)


def test_too_much_is_refused() -> None:
    for text in ("a{9999999}", "(a{70}){70}", f"({'a' * 60}){{{MAX_REPEATS}}}", "a" * 3000, "(" * 99 + "a" + ")" * 99):
        with pytest.raises(Unsupported):
            automaton(checked(text).text)
    assert parsed("a{3}") is parsed("a{3}")


GOOD = {
    "date": ["2024-02-29", "1999-12-31"], "time": ["23:59:59Z", "01:02:03.5+02:00"], "ipv4": ["255.0.10.1"],
    "date-time": ["2024-02-29T01:02:03Z"], "duration": ["P1Y2M3DT4H5M6S", "PT30M", "P4W"], "uri": ["https://a.b/c?d#e"],
    "email": ["first.last+tag@mail.example.com"], "hostname": ["a-b.example.com"], "ipv6": ["::1", "1:2::8", "::"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
}  # fmt: skip
BAD = {
    "date": ["1900-02-29", "2024-04-31"], "time": ["24:00:00Z", "12:00"], "ipv4": ["256.1.1.1", "01.1.1.1"],
    "date-time": ["2024-01-01 00:00:00Z"], "duration": ["P", "PT", "P1H"], "uri": ["no", "http:// x"],
    "email": ["a@b@c", "@x.y"], "hostname": ["-a", "a_b"], "ipv6": ["1:2", ":::"], "uuid": ["123"],
}  # fmt: skip


@pytest.mark.parametrize("name", list(FORMATS))
def test_formats(name: str) -> None:
    machine = automaton(FORMATS[name])
    assert checked(FORMATS[name]).bounded
    assert all(machine.matches(text) for text in GOOD[name])
    assert not any(machine.matches(text) for text in BAD[name])
