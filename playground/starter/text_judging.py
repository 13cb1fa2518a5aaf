"""Sentences to judge as praise or blame, in five languages."""

from __future__ import annotations

import random

from playground.starter.text_turns import Turn, held_out, note
from playground.starter.text_wording import ask, capital, expand, fill, pick

# Patterns of praise and blame. [x] is what is judged, [w] a word of praise or blame that fits any gender.
_OPINIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "things": ("film|movie|book|food|service|hotel|room|meal|phone|game|song|show|concert|trip|pizza|coffee|"
                   "restaurant|staff|weather|car|house|party|lesson|story|music|product|shop|place|cake|soup|view|app|"
                   "teacher|play|museum|train|garden|dress|camera|bed",),
        "good": ("great|wonderful|amazing|excellent|fantastic|lovely|beautiful|delicious|brilliant|perfect|nice|superb|"
                 "good|awesome|pleasant|charming|delightful|fun|outstanding|terrific|friendly|helpful|tasty|fresh|"
                 "impressive|magnificent|enjoyable|marvellous|incredible|first-class",),
        "bad": ("terrible|awful|horrible|bad|boring|disgusting|ugly|poor|dreadful|disappointing|nasty|rude|broken|"
        "useless|"
                "dirty|annoying|stale|bland|unpleasant|painful|sad|noisy|miserable|shabby|overpriced|pathetic|"
                "frustrating|worthless|mediocre|lousy",),
        "both": ("the [x] {was|is} {so |very |really |just |simply ||}[w]", "[a]{really |very |}[w] [x]",
                 "what [a][w] [x]", "this {was|is} [a]{really |very |}[w] [x]", "I {think|find|found} the [x] [w]",
                 "it was [a][w] [x]", "{my|our} [x] {was|is} [w]", "[w] [x], {I must say|really}"),
        "praise": ("I {love|loved|like|enjoyed|really liked|adored} {this|the|that} [x]",
                   "I am {happy|pleased|delighted|satisfied} with the [x]", "best [x] ever",
                   "I would {buy|recommend|choose} {this|the} [x] again", "I am so happy today", "the [x] made me "
                   "{smile|happy|laugh}", "the [x] was better than I hoped", "thank you for the [w] [x]",
                   "everyone liked the [x]", "the [x] was not bad at all"),
        "blame": ("I {hate|hated|dislike|disliked|did not like|don't like|regret} {this|the|that} [x]",
                  "I am {unhappy|angry|sad|disappointed|upset} about the [x]", "worst [x] ever",
                  "I want my money back for the [x]", "never again this [x]", "I feel so sad today",
                  "the [x] was not {good|nice|great}", "the [x] made me {angry|sad|cry}",
                  "the [x] was worse than I feared", "nobody liked the [x]", "I would not recommend {this|the} [x]"),
    },
    "es": {
        "things": ("la película|el libro|la comida|el hotel|el servicio|la canción|el viaje|el café|la fiesta|el "
        "juego|la "
                   "casa|el concierto|la clase|el restaurante|la playa|el regalo",),
        "good": ("genial|excelente|increíble|agradable|fantástic@|maravillos@|estupend@|bonit@|buen@",),
        "bad": ("horrible|terrible|fatal|desagradable|mal@|aburrid@|fe@|espantos@|decepcionante",),
        "both": ("[x] {es|fue|era} {muy |realmente |}[w]", "{creo que|pienso que} [x] es [w]", "[x] me pareció [w]"),
        "praise": ("me {gusta|encanta|encantó|gustó} [x]", "recomiendo [x]", "estoy {contento|feliz} con [x]",
                   "todo salió bien con [x]", "hoy estoy muy feliz"),
        "blame": ("no me {gusta|gustó} [x]", "odio [x]", "no recomiendo [x]", "estoy {triste|enfadado} por [x]",
                  "[x] fue un desastre", "hoy estoy muy triste"),
    },
    "fr": {
        "things": ("le film|le livre|la chanson|l'hôtel|le repas|le service|la fête|le jeu|le voyage|la maison|le "
        "concert|"
                   "la leçon|le restaurant|la plage|le café|le cadeau",),
        "good": ("magnifique|superbe|formidable|agréable|incroyable|sympathique|sublime|fantastique|remarquable|"
                 "admirable",),
        "bad": ("horrible|terrible|minable|désagréable|pénible|détestable|médiocre|lamentable|triste|insupportable",),
        "both": ("[x] {est|était} {vraiment |très |}[w]", "je trouve [x] [w]", "[x], c'est [w]"),
        "praise": ("j'{aime|adore|ai adoré} [x]", "je recommande [x]", "je suis content après [x]",
                   "[x] m'a beaucoup plu", "aujourd'hui je suis heureux"),
        "blame": ("je n'aime pas [x]", "je déteste [x]", "je ne recommande pas [x]", "je suis déçu par [x]",
                  "[x] ne m'a pas plu", "aujourd'hui je suis triste"),
    },
    "de": {
        "things": ("der Film|das Buch|das Essen|das Hotel|das Lied|die Reise|der Kaffee|das Fest|das Spiel|das "
        "Haus|das "
                   "Konzert|der Unterricht|das Restaurant|der Strand|das Geschenk|die Musik",),
        "good": ("toll|wunderbar|großartig|schön|ausgezeichnet|fantastisch|angenehm|super|perfekt|lecker|herrlich|"
        "gut",),
        "bad": ("schrecklich|furchtbar|schlecht|langweilig|hässlich|enttäuschend|eklig|grauenhaft|nervig|mies|"
        "traurig",),
        "both": ("[x] {ist|war} {sehr |wirklich |echt |}[w]", "ich finde, [x] ist [w]", "[x]? einfach [w]"),
        "praise": ("[x] hat mir {sehr |}gefallen", "[x] gefällt mir", "ich bin {froh|zufrieden}, [x] war ein Erfolg",
                   "[x] macht mich glücklich", "heute bin ich sehr froh"),
        "blame": ("[x] hat mir nicht gefallen", "[x] gefällt mir nicht", "ich bin {traurig|wütend}, [x] war ein "
        "Reinfall",
                  "[x] macht mich traurig", "heute bin ich sehr traurig"),
    },
    "zh": {
        "things": ("这部电影|这本书|这顿饭|这家酒店|这首歌|这次旅行|这杯咖啡|这个聚会|这个游戏|这栋房子|音乐会|这"
        "堂课|这家餐厅|海滩|"
                   "这个礼物|服务",),
        "good": ("好|棒|精彩|美|出色|舒服|有趣|完美|让人开心|值得推荐",),
        "bad": ("差|糟糕|无聊|难看|可怕|难受|让人失望|烦人|没意思|让人生气",),
        "both": ("[x]{很|非常|真|特别}[w]", "我觉得[x]{很|非常}[w]"),
        "praise": ("我{喜欢|很喜欢|爱}[x]", "我推荐[x]", "[x]让我很高兴", "我对[x]很满意", "今天我很开心"),
        "blame": ("我{不喜欢|讨厌|很不喜欢}[x]", "我不推荐[x]", "[x]让我很难过", "我对[x]很失望", "今天我很难过"),
    },
}  # fmt: skip
LABELS = {
    "en": ("positive", "negative"), "es": ("positivo", "negativo"), "fr": ("positif", "négatif"),
    "de": ("positiv", "negativ"), "zh": ("正面", "负面"),
}  # fmt: skip
_ASKED = {
    "en": (
        "{is this|is the following|is this sentence|is this text|is this review} {positive or negative|negative or "
        "positive}{:|?|: |} [q]",
        "[q] {Is that|Is this|Is it} {positive or negative|negative or positive}?",
        "{what is the sentiment of|sentiment of|sentiment:|classify as positive or negative:|sentiment of this:} [q]",
        "positive or negative{:|?} [q]",
        "classify the sentiment{ as positive or negative|}: [q]",
        "Text: [q]\n\nWhich of these labels fits the text best: {positive, negative|negative, positive}? Answer "
        "with the "
        "label only.",
    ),
    "es": ("{¿es positivo o negativo|¿esto es positivo o negativo}? [q]", "clasifica como positivo o negativo: [q]",
           "[q] ¿es positivo o negativo?"),
    "fr": ("{est-ce positif ou négatif|positif ou négatif} ? [q]", "classe comme positif ou négatif : [q]",
           "[q] Est-ce positif ou négatif ?"),
    "de": ("{ist das positiv oder negativ|positiv oder negativ}? [q]", "ordne ein, positiv oder negativ: [q]",
           "[q] Ist das positiv oder negativ?"),
    "zh": ("{这是正面还是负面|正面还是负面}？[q]", "判断正面或负面：[q]", "[q]这是正面还是负面？"),
}  # fmt: skip
_QUOTES = {"en": ("'", '"', "", ""), "es": ('"', ""), "fr": ('"', ""), "de": ('"', ""), "zh": ('"', "")}
_FEMININE = ("la ", "l'")
_UNCOUNTED = {"food", "service", "staff", "weather", "music"}


def _choices(table: dict[str, tuple[str, ...]], key: str) -> str:
    return "{" + table[key][0] + "}"


def opinion(rng: random.Random, positive: bool, lang: str = "en") -> str:
    """A sentence that praises or blames something, with no mark at its end."""
    table = _OPINIONS[lang]
    pattern = pick(rng, table["both"] + table["praise" if positive else "blame"])
    thing = expand(rng, _choices(table, "things"))
    word = expand(rng, _choices(table, "good" if positive else "bad"))
    if lang == "es":
        word = word.replace("@", "a" if thing.startswith(_FEMININE) else "o")
    text = fill(expand(rng, pattern), x=thing, w=word, a="" if thing in _UNCOUNTED else "a ")
    return _with_articles(text) if lang == "en" else text


def _with_articles(text: str) -> str:
    """English: "a" before a vowel is "an"."""
    words = text.split(" ")
    for i in range(len(words) - 1):
        if words[i] == "a" and words[i + 1][:1] in "aeiou" and not words[i + 1].startswith("use"):
            words[i] = "an"
    return " ".join(words)


def sentiment_turn(rng: random.Random, lang: str = "en", training: bool = True) -> tuple[Turn, bool]:
    """A sentence to judge, and whether it is positive; training and held-out sentences are disjoint."""
    while True:
        positive = rng.random() < 0.5
        text = opinion(rng, positive, lang)
        if held_out("opinion", text.lower()) != training:
            break
    shown = capital(text) + pick(rng, ("。", "。", "！", "") if lang == "zh" else (".", ".", "!", ""))
    if rng.random() < 0.15:
        shown = shown.lower()
    quote = pick(rng, _QUOTES[lang])
    word = LABELS[lang][not positive]
    user = asked_about(rng, pick(rng, _ASKED[lang]), lang, q=f"{quote}{shown}{quote}")
    end = "。" if lang == "zh" else "."
    thought = note(lang, f"The text says: {text}. That sounds {word}.")
    return Turn(user, labelled(user, word, end), thought, word), positive


def labelled(user: str, label: str, end: str) -> str:
    """The label as an answer: a sentence of its own, or for programs, who ask for the label only, as they wrote it."""
    return label if "label only" in user else capital(label) + end


def asked_about(rng: random.Random, pattern: str, lang: str, **slots: str) -> str:
    """A request with a text in it; one with line breaks, as programs write, keeps its wording."""
    return fill(expand(rng, pattern), **slots) if "\n" in pattern else ask(rng, pattern, lang, **slots)
