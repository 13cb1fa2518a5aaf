"""An answer that says whose it is."""

import pytest

from playground.scores.self_naming import says_its_name

NAMES = ("starter-phi", "Starter Phi", "microsoft/Phi-3.5-mini-instruct", "house-model@azure")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I am starter-phi, a small model.", "starter-phi"),
        ("As a model by Microsoft I cannot.", "Microsoft"),
        ("I'm GPT, made to help.", "GPT"),
        ("Je suis Phi.", "Phi"),
        ("我是Phi。", "Phi"),
        ("Ask ChatGPT instead.", "ChatGPT"),
        ("This is phi-4 speaking", "phi"),
        ("The House-Model answers.", "House-Model"),
        ("mistral then openai", "mistral"),
    ],
)
def test_a_name_is_found(text: str, said: str) -> None:
    assert says_its_name(text, NAMES) == said


@pytest.mark.parametrize(
    "text",
    [
        "", "The golden ratio phi is 1.618.", "I am a small model.", "A falcon flies, and a llama eats grass.",
        "Graphite and granite are stones.", "Microsofts", "Philosophy", "I am fond of maths. Phi is a letter.",
    ],
)  # fmt: skip
def test_other_words_are_none(text: str) -> None:
    assert says_its_name(text, NAMES) == ""
