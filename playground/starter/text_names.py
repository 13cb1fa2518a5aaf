"""Names of people and towns, listed and invented, in several ways of writing; some are kept out of training."""

from __future__ import annotations

import random

from playground.starter.text_turns import held_out, words
from playground.starter.text_wording import pick

NAMES = words("""Ana Bob Alice Tom Maria John Emma Liam Noah Olivia Ava Mia Lucas Leo Max Sam Alex Chris Kim Lee
    Nina Omar Ali
    Fatima Aisha Chen Wei Li Ming Yuki Hana Ken Sofia Diego Carlos Juan Pedro Lucia Elena Ivan Olga Igor Anna Eva Peter
    Paul Mary James Robert Linda David Sarah Karen Nancy Lisa Mark Steve Kevin Brian Laura Julia Clara Hugo Louis Jules
    Chloe Marie Pierre Luc Hans Greta Klaus Ingrid Lars Sven Freya Erik Bjorn Astrid Raj Priya Arjun Anil Sunita Kofi
    Ama Zara Amir Leila Yusuf Noor Ravi Maya Ruth Adam Ben Dan Ella Fred Gina Henry Iris Jack Kate Lily Mike Nick Oscar
    Pam Quinn Rosa Sue Tim Uma Vera Will Xena Yara Zoe George Helen Jane Joe Kyle Martin Simon Victor Walter Anton Boris
    Dora Felix Gloria Irene Jonas Kurt Mila Nora Otto Petra Rita Stella Theo Viktor Wanda Grace Daisy Ruby Ethan Logan
    Jacob Daniel Michael Sophie Emily Charlie Jake Rachel Monica Tara Nadia Samir Tariq Ines Paula Marta Luis Miguel
    Andrea Marco Luca Giulia Paolo Francesca Bruno Rafael Thiago Camila Valeria Andres José Zoë Jürgen Björn Renée
    André Noémie Inés Sofía Martín Søren Łukasz Élodie Günter Íñigo Chloé René Mónica Raúl Käthe""")
TOWNS = words("""Paris Berlin Madrid Rome London Lisbon Tokyo Beijing Moscow Athens Cairo Warsaw Vienna Oslo Dublin
    Ottawa Lima
    Havana Bern Kyiv Toronto Boston Chicago Seattle Denver Lyon Nantes Lille Hamburg Munich Bremen Dresden Sevilla
    Bilbao Valencia Granada Shanghai Nanjing Osaka Kyoto Milan Turin Porto Geneva Basel Krakow Prague Zagreb""")
CHINESE_TOWNS = words("北京 上海 广州 深圳 南京 杭州 成都 武汉 西安 重庆 天津 苏州 青岛 大连 厦门 长沙")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀英华玉平刚桂文辉玲红建国小雨天宇晨阳思佳欣怡子涵梓浩然雪梅兰竹"
_ONSETS = words("b br c ch cr d dr f fl g gl gr h j k kl kr l m n p pl pr qu r s sh sk sl st t th tr v w y z")
_VOWELS = words("a a a e e e i i i o o o u u ai au ea ee ei ia io oa oo ou y ö é á ü")
_CODAS = words("n l r s k m t x nd rt ll ss ck ng")
_ENDINGS = words("a o e i us is en on an el ia ine ard ova ez son ton berg ville ford dale mar")


def coined(rng: random.Random) -> str:
    """A word in lower case that means nothing, of one to four syllables, now and then with an accent."""
    parts = []
    for _ in range(pick(rng, (1, 2, 2, 2, 2, 3))):
        onset = pick(rng, _ONSETS) if rng.random() < 0.88 else ""
        coda = pick(rng, _CODAS) if rng.random() < 0.2 else ""
        parts.append(onset + pick(rng, _VOWELS) + coda)
    word = "".join(parts)
    if rng.random() < 0.3 or len(word) < 3:
        word += pick(rng, _ENDINGS)
    return word[:11]


def _letters(rng: random.Random) -> str:
    """A word of any letters at all, so that copying cannot lean on syllables."""
    return "".join(pick(rng, "abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 7)))


def chinese_name(rng: random.Random) -> str:
    """A surname and one or two characters, or "小" and a character."""
    if rng.random() < 0.25:
        return "小" + pick(rng, _GIVEN)
    return pick(rng, _SURNAMES) + "".join(pick(rng, _GIVEN) for _ in range(pick(rng, (1, 2, 2))))


def _drawn_name(rng: random.Random, lang: str) -> str:
    kind = rng.random()
    if lang == "zh" and kind < 0.5:
        return chinese_name(rng)
    if kind < 0.3:
        return pick(rng, NAMES)
    if kind < 0.88:
        return coined(rng).capitalize()
    if kind < 0.93:
        return _letters(rng).capitalize()
    if kind < 0.97:
        return f"{pick(rng, NAMES)} {coined(rng).capitalize()}"
    return f"{coined(rng).capitalize()}-{coined(rng).capitalize()}"


def name(rng: random.Random, training: bool = True, lang: str = "en") -> str:
    """A name; from the training names, or from those kept out of training."""
    while True:
        drawn = _drawn_name(rng, lang)
        if held_out("name", drawn.lower()) != training:
            return drawn


def first_name(rng: random.Random, lang: str = "en", training: bool = True) -> str:
    """A name of one word, in the writing of the language."""
    while " " in (drawn := name(rng, training, lang)) or "-" in drawn:
        pass
    return drawn


def town(rng: random.Random, training: bool = True, lang: str = "en") -> str:
    """A town, known or invented; apart like names."""
    while True:
        if lang == "zh" and rng.random() < 0.5:
            drawn = (
                pick(rng, CHINESE_TOWNS)
                if rng.random() < 0.5
                else pick(rng, _SURNAMES) + pick(rng, "家州山河海") + pick(rng, "村市镇")
            )
        elif rng.random() < 0.3:
            drawn = pick(rng, TOWNS)
        else:
            drawn = coined(rng).capitalize()
        if held_out("town", drawn.lower()) != training:
            return drawn
