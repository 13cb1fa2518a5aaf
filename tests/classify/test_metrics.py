"""Figures against their definitions, spelt out text by text, and against sklearn where it is installed."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.classify.metrics import agreement, figures

LABELS = ("a", "b", "c", "d")
single = st.sampled_from(LABELS).map(lambda label: (label,))
several = st.sets(st.sampled_from(LABELS)).map(lambda labels: tuple(sorted(labels)))


def pairs(labels: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(st.tuples(labels, labels), min_size=1, max_size=30)


@settings(deadline=None)
@given(pairs(several))
def test_each_label_is_counted_as_defined(found: list) -> None:
    made = figures(LABELS, [t for t, _ in found], [p for _, p in found], multi=True)
    assert made is not None
    tp_all = fp_all = fn_all = 0
    f1s = []
    for one in made.labels:
        tp = sum(one.label in t and one.label in p for t, p in found)
        fp = sum(one.label not in t and one.label in p for t, p in found)
        fn = sum(one.label in t and one.label not in p for t, p in found)
        assert one.precision == (tp / (tp + fp) if tp + fp else None)
        assert one.recall == (tp / (tp + fn) if tp + fn else None)
        assert one.f1 == (pytest.approx(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else None)
        f1s += [one.f1] if one.f1 is not None else []
        tp_all, fp_all, fn_all = tp_all + tp, fp_all + fp, fn_all + fn
    assert made.macro_f1 == (pytest.approx(sum(f1s) / len(f1s)) if f1s else None)
    total = 2 * tp_all + fp_all + fn_all
    assert made.micro_f1 == (pytest.approx(2 * tp_all / total) if total else None)
    assert made.accuracy == pytest.approx(sum(t == p for t, p in found) / len(found))
    assert 0 <= made.low <= made.accuracy <= made.high <= 1
    assert made.confusion is None


@settings(deadline=None)
@given(pairs(single))
def test_the_confusion_matrix_holds_every_text_and_its_diagonal_is_what_is_right(found: list) -> None:
    made = figures(LABELS, [t for t, _ in found], [p for _, p in found], multi=False)
    assert made is not None
    assert made.confusion is not None
    assert sum(map(sum, made.confusion)) == len(found) == made.n
    assert sum(made.confusion[i][i] for i in range(4)) == made.hits
    assert [sum(row) for row in made.confusion] == [one.support for one in made.labels]
    assert [sum(column) for column in zip(*made.confusion, strict=True)] == [one.predicted for one in made.labels]
    assert made.micro_f1 == pytest.approx(made.accuracy)  # with one label a text they are the same


@settings(deadline=None)
@given(pairs(single))
def test_agreement_is_symmetric_and_full_with_oneself(found: list) -> None:
    one, other = [t for t, _ in found], [p for _, p in found]
    there, back = agreement("x", "y", one, other), agreement("y", "x", other, one)
    assert there is not None
    assert back is not None
    assert (there.share, there.kappa) == (pytest.approx(back.share), pytest.approx(back.kappa))
    itself = agreement("x", "x", one, one)
    assert itself is not None
    assert itself.share == 1
    assert itself.kappa == (pytest.approx(1) if len(set(one)) > 1 else None)


def test_kappa_of_a_known_table() -> None:
    """Cohen 1960: 45 both yes, 15 and 25 differ, 15 both no: (0.6 - 0.54) / (1 - 0.54)."""
    one = [("y",)] * 60 + [("n",)] * 40
    other = [("y",)] * 45 + [("n",)] * 15 + [("y",)] * 25 + [("n",)] * 15
    found = agreement("x", "y", one, other)
    assert found is not None
    assert found.kappa == pytest.approx((0.6 - 0.54) / 0.46)


def test_nothing_gives_no_figures() -> None:
    assert figures(LABELS, [], [], multi=False) is None
    assert agreement("x", "y", [], []) is None


def test_a_sample_without_a_label_is_wrong_and_stands_outside_the_matrix() -> None:
    made = figures(("a", "b"), [("a",), ("b",)], [("a",), ()], multi=False)
    assert made is not None
    assert made.accuracy == 0.5
    assert made.confusion == ((1, 0), (0, 0))


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="sklearn is an oracle where it is installed")
@settings(max_examples=50, deadline=None)
@given(pairs(single))
def test_sklearn_finds_the_same(found: list) -> None:
    from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score

    truth, given_ = [t[0] for t, _ in found], [p[0] for _, p in found]
    made = figures(LABELS, [t for t, _ in found], [p for _, p in found], multi=False)
    assert made is not None
    assert made.macro_f1 == pytest.approx(f1_score(truth, given_, average="macro", zero_division=0))
    assert made.confusion == tuple(map(tuple, confusion_matrix(truth, given_, labels=list(LABELS)).tolist()))
    agreed = agreement("x", "y", [t for t, _ in found], [p for _, p in found])
    assert agreed is not None
    if agreed.kappa is not None:
        assert agreed.kappa == pytest.approx(cohen_kappa_score(truth, given_), nan_ok=True)
