"""Which effort the text of a message is given, in five languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.chat.auto_effort import auto_effort, points

# ruff: noqa: E501
TABLE = {
    "none": (
        "", " ?! ", "hi", "Hello!", "Hello there, good morning!", "thanks a lot", "How are you?", "ok", "Photosynthesis",
        "¡Hola! ¿Cómo estás?", "Gracias", "Salut, ça va ?", "Merci beaucoup !", "Guten Morgen!", "Danke schön",
        "你好", "你好吗？", "谢谢你！",
        "Translate to French: The dog is in the garden.",
        "Translate into German: If Tom has 12 apples, how many are left after each of 3 friends takes two?",
        "Is this positive or negative: I love this little book!",
        "What is the opposite of hot? Answer in one word.",
        "Classify the sentiment: 'never again this hotel'",
        "Traduce al inglés: buenos días",
        "¿Es positivo o negativo? Odio la película.",
        "Comment dit-on chat en anglais ?",
        "Est-ce positif ou négatif ? le film est superbe",
        "Übersetze: der Hund",
        "Was heißt Hund auf Englisch?",
        "把这句话翻译成英文：今天天气很好",
        "这是正面还是负面？我很喜欢",
    ),
    "low": (
        "Rewrite this more kindly: go away.", "Résume ce texte : il a plu.", "总结：今天下雨了，大家都在家里。",
        "What is the capital of France?", "Who are you?",  "Tell me a story about a cat.", "Summarize: it rained.",
        "¿Cuál es la capital de España?",  "Wie heißt du?",  "你叫什么名字？",
    ),
    "medium": (
        "What is 47 plus 38?", "12 * 9", "Why is the sky blue?", "How many legs does a spider have?",
        "Explain quantum computing", "¿Cuánto es 15 + 9?", "¿Por qué llueve?", "Combien font 7 fois 8 ?",
        "Pourquoi le ciel est-il bleu ?", "Wie viel ist 12 mal 3?", "Warum ist der Himmel blau?", "3加5等于多少？",
        "为什么天空是蓝色的？", "Write a haiku in Python code",
    ),
    "high": (
        "Tom has 12 apples, buys 5 more and then loses 6. How many apples are left?",
        "Prove that the square root of 2 is irrational.", "Think step by step: which is heavier?",
        "Why does this fail?\n```python\ndef f(x): return x +\n```",
        "Write a function that sorts a list, then explain why it is O(n log n).",
        "What is 3 * (4 + 5) - 6 / 2 + 7?",
        "Ana tiene 12 manzanas, compra 5 y luego pierde 6. ¿Cuántas quedan?", "Piensa paso a paso: ¿qué pesa más?",
        "Léa a 12 pommes, puis elle en achète 5. Combien en reste-t-il en tout, si elle en perd 3 ?",
        "Démontre que 2 est premier ; démontrer aussi pour 3.",
        "Mia hat 12 Äpfel, kauft 5 und verliert dann 6. Wie viele sind übrig?", "Beweise, dass es unendlich viele Primzahlen gibt.",
        "小明有12个苹果，又买了5个，然后吃了6个，还剩下多少个？", "证明根号2是无理数。",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("effort", "text"), [(effort, text) for effort, texts in TABLE.items() for text in texts])
def test_the_table_of_efforts(effort: str, text: str) -> None:
    assert auto_effort(text) == effort, points(text)


def test_a_long_message_weighs_more_than_a_short_one() -> None:
    assert auto_effort("Tell me about the cat. " * 60) == "medium"
    assert points("The cat sat. " * 500) > points("The cat sat.")


@given(st.text(max_size=400))
def test_any_text_gets_an_effort_and_always_the_same(text: str) -> None:
    assert auto_effort(text) == auto_effort(text) in TABLE


@pytest.mark.parametrize("piece", ["hi ", "a", "1 + ", "if ", "你", "translate ", "¿", " \n", "```", "good morning, "])
def test_a_hostile_length_ends(piece: str) -> None:
    assert auto_effort(piece * 50_000 + "!?x") in TABLE  # a blow-up would take hours
