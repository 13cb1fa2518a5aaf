"""How a model is asked for labels: the wording, and the checks of texts and labels. Knows no model.

A template of the user's own names what goes where: `{text}` always; `{labels}` and `{descriptions}` where one label is
chosen; `{label}` and `{description}` where each label is asked about by itself. Other braces are text, and what is
filled in is never read for names again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playground.chat.request import MAX_CHARACTERS, check_text
from playground.errors import InvalidRequest
from playground.protocol import ClassifyRequest

MAX_LABELS = 100
MAX_LABEL_CHARACTERS = 200
MAX_DESCRIPTION = 1000  # characters, as of the template
MAX_TEMPLATE = 20_000
MAX_TEXTS = 10_000
MAX_ALL_CHARACTERS = 5_000_000

ONE_OF = "Text: {text}\n\nWhich of these labels fits the text best: {labels}? Answer with the label only."
YES_NO = 'Text: {text}\n\nDoes the label "{label}" fit the text? Answer yes or no.'
ANY_OF = "Text: {text}\n\nWhich of these labels fit the text: {labels}? Answer with every one that fits, or with none."
# What labels mean comes first, so that it is read once for all texts.
MEANINGS = "The labels mean:\n{descriptions}\n\n"
MEANING = 'The label "{label}" means: {description}\n\n'

_NAMES = re.compile(r"\{(text|labels|label|descriptions|description)\}")


@dataclass(frozen=True)
class Questions:
    """Checked labels and how they are asked for; made by `questions`."""

    labels: tuple[str, ...]
    descriptions: tuple[str, ...] = ()
    template: str = ""
    multi_label: bool = False

    def one_of(self, text: str) -> str:
        """The question for the label that fits best."""
        return _filled(self.template or self._head() + ONE_OF, self._values(text))

    def any_of(self, text: str) -> str:
        """The question for all labels that fit, at once."""
        return _filled(self.template or self._head() + ANY_OF, self._values(text))

    def yes_no(self, text: str) -> list[str]:
        """A question for each label by itself."""
        about = self.descriptions or ("",) * len(self.labels)
        found = []
        for label, description in zip(self.labels, about, strict=True):
            template = self.template or (MEANING if description else "") + YES_NO
            found.append(_filled(template, self._values(text) | {"label": label, "description": description}))
        return found

    def _head(self) -> str:
        return MEANINGS if any(self.descriptions) else ""

    def _values(self, text: str) -> dict[str, str]:
        meanings = zip(self.labels, self.descriptions, strict=False)
        lines = "\n".join(f"- {label}: {meaning}" for label, meaning in meanings if meaning)
        return {"text": text, "labels": ", ".join(self.labels), "descriptions": lines}


def questions(
    labels: object,
    multi_label: bool = False,
    descriptions: object = (),
    template: object = "",
    *,
    at_once: bool = False,
) -> Questions:
    """The checked labels with their wording.

    Args:
        at_once: all labels are asked for in one question, also where several may fit.

    Raises:
        InvalidRequest: labels are missing, empty, equal or too many; descriptions are not one for each; the template
            has no place for the text or the label.
    """
    found = checked_labels(labels, multi_label)
    about = _descriptions(descriptions, found)
    check_text("The prompt template", template)
    assert isinstance(template, str)
    if len(template) > MAX_TEMPLATE:
        raise InvalidRequest(
            f"The prompt template has {len(template):,} characters; at most {MAX_TEMPLATE:,} are taken.", "Shorten it."
        )
    if template.strip():
        named = set(_NAMES.findall(template))
        by_one = multi_label and not at_once
        if "text" not in named:
            raise InvalidRequest("The prompt template has no {text}.", "Write {text} where the text belongs.")
        if by_one and "label" not in named:
            raise InvalidRequest(
                "The prompt template has no {label}, and several labels may fit.",
                "Write {label} where each label is asked about, and let it be answered by yes or no.",
            )
        if not by_one and (wrong := named & {"label", "description"}):
            raise InvalidRequest(
                f"The prompt template names {{{min(wrong)}}}, and all labels are asked for in one question here.",
                "Write {labels}, or leave the template away.",
            )
    return Questions(found, about, template if template.strip() else "", multi_label)


def check_classify(request: ClassifyRequest) -> None:
    """Raises InvalidRequest where labels, wording or texts are not valid; one bad text among many is told later."""
    questions(request.labels, request.multi_label, request.descriptions, request.template)
    if request.texts:
        checked_texts(request.texts)
    else:
        checked_text(request.text)


def checked_labels(labels: object, multi_label: bool) -> tuple[str, ...]:
    """The labels without space around them; raises InvalidRequest where they are missing, empty, equal or too many."""
    if not isinstance(labels, list | tuple) or not labels:
        raise InvalidRequest("There are no labels.", "Give the labels to choose from, such as positive and negative.")
    if len(labels) > MAX_LABELS:
        raise InvalidRequest(f"At most {MAX_LABELS} labels are taken, got {len(labels)}.", "Use fewer.")
    found: list[str] = []
    for label in labels:
        check_text("A label", label)
        name = label.strip()
        if not 0 < len(name) <= MAX_LABEL_CHARACTERS:
            raise InvalidRequest(f"A label must have 1 to {MAX_LABEL_CHARACTERS} characters, got {name[:40]!r}.")
        if name in found:
            raise InvalidRequest(f"The label {name!r} stands there twice.", "Give each label once.")
        found.append(name)
    if len(found) == 1 and not multi_label:
        raise InvalidRequest(
            f"One label, {found[0]!r}, leaves nothing to choose.", "Give a second one, or let several labels fit."
        )
    return tuple(found)


def checked_text(text: object) -> str:
    """The text itself; raises InvalidRequest where it is no text, empty or too long."""
    check_text("The text to classify", text)
    assert isinstance(text, str)
    if not text.strip():
        raise InvalidRequest("The text to classify is empty.", "Write a text first.")
    if len(text) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"The text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken.", "Shorten it."
        )
    return text


def checked_texts(texts: object) -> tuple[str, ...]:
    """Many texts, each of which may still be refused by `checked_text`; raises InvalidRequest for too much in all."""
    if not isinstance(texts, list | tuple) or not texts:
        raise InvalidRequest("There are no texts to classify.", "Write one on each line.")
    if len(texts) > MAX_TEXTS:
        raise InvalidRequest(
            f"There are {len(texts):,} texts; at most {MAX_TEXTS:,} are taken at once.", "Split them into several runs."
        )
    total = sum(len(text) for text in texts if isinstance(text, str))
    if total > MAX_ALL_CHARACTERS:
        raise InvalidRequest(
            f"The texts have {total:,} characters in all; at most {MAX_ALL_CHARACTERS:,} are taken at once.",
            "Split them into several runs.",
        )
    return tuple(texts)


def _descriptions(descriptions: object, labels: Sequence[str]) -> tuple[str, ...]:
    if not descriptions:
        return ()
    if not isinstance(descriptions, list | tuple) or len(descriptions) != len(labels):
        got = len(descriptions) if isinstance(descriptions, list | tuple) else repr(descriptions)[:40]
        raise InvalidRequest(
            f"There must be one description for each of the {len(labels)} labels, got {got}.", "Leave some empty."
        )
    for description in descriptions:
        check_text("A description", description)
        if len(description) > MAX_DESCRIPTION:
            raise InvalidRequest(
                f"A description has {len(description):,} characters; at most {MAX_DESCRIPTION:,} are taken.",
                "Shorten it.",
            )
    return tuple(" ".join(description.split()) for description in descriptions)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _NAMES.sub(lambda found: values.get(found[1], found[0]), template)
