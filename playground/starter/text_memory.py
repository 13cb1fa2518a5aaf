"""Facts that the user tells and asks for later, in any of five languages: name, colour, number, pet, town, food."""

from __future__ import annotations

import random
from dataclasses import dataclass

from playground.starter.text_names import first_name, name, town
from playground.starter.text_turns import Turn, note
from playground.starter.text_wording import ask, pick, say
from playground.starter.text_words import COLOURS, FOODS, PETS

KINDS = ("name", "colour", "number", "pet", "town", "food", "friend")

_TELL: dict[str, dict[str, tuple[str, ...]]] = {
    "name": {
        "en": ("{my name is|my name's|I am|I'm|call me|you can call me|the name is|please call me|this is} [v]{.|!|}",
               "{hi|hello|hey}{,|!|} {my name is|I am|I'm|this is|call me} [v]{.|!|}",
               "{remember|remember that|please remember that} my name is [v]{.|}",
               "{my name is|I am|I'm} [v]{, nice to meet you| and I am new here|. How are you?|, what about you?}"),
        "es": ("{me llamo|mi nombre es|soy|puedes llamarme|hola, soy|hola, me llamo} [v]{.|!|}",
               "{recuerda que|recuerda:} me llamo [v]."),
        "fr": ("{je m'appelle|mon nom est|je suis|appelle-moi|bonjour, je suis|salut, je m'appelle} [v]{.|}",
               "{retiens que|souviens-toi :} je m'appelle [v]."),
        "de": ("{ich heiße|mein Name ist|ich bin|nenn mich|hallo, ich bin|hi, ich heiße} [v]{.|}",
               "{merk dir|merke dir}: Ich heiße [v]."),
        "zh": ("{我叫|我的名字是|我是|你好，我叫|你好，我是|请叫我}[v]{。|}", "请记住，我叫[v]。"),
    },
    "colour": {
        "en": ("my {favourite|favorite} {colour|color} is [v]{.|!|}", "I {like|love} {the colour |the color |"
        "}[v]{.|!|}",
               "{remember|please remember}{ that|} my {favourite|favorite} {colour|color} is [v]{.|}",
               "[v] is my {favourite|favorite} {colour|color}{.|!|}"),
        "es": ("mi color {favorito|preferido} es el [v].", "me gusta el color [v]."),
        "fr": ("ma couleur préférée est le [v].", "j'aime le [v]. C'est ma couleur préférée."),
        "de": ("meine Lieblingsfarbe ist [v].", "ich mag die Farbe [v]."),
        "zh": ("我最喜欢的颜色是[v]。", "我喜欢[v]。"),
    },
    "number": {
        "en": ("{remember|please remember|keep in mind|memorise|note} {the number|this number:} [v]{.|}",
               "my {number|lucky number|favourite number|favorite number} is [v]{.|}"),
        "es": ("{recuerda|apunta} el número [v].", "mi número {favorito|de la suerte|} es el [v]."),
        "fr": ("{retiens|note} le {nombre|numéro} [v].", "mon {numéro|nombre} {préféré|} est le [v]."),
        "de": ("{merk dir|notiere} die Zahl [v].", "meine {Zahl|Glückszahl|Lieblingszahl} ist [v]."),
        "zh": ("{请记住|记住|记下}数字[v]。", "我的{幸运|}数字是[v]。"),
    },
    "pet": {
        "en": ("I have [v]{.|!|}", "my pet is [v]{.|!|}", "{at home |}I {have|own} [v]{.|}"),
        "es": ("{en casa |}tengo [v].",),
        "fr": ("{à la maison, |}j'ai [v].",),
        "de": ("{ich habe|zu Hause habe ich} [v].",),
        "zh": ("我{家|}有[v]。",),
    },
    "town": {
        "en": ("I {live in|am from|come from} [v]{.|!|}", "my {town|city|home} is [v]{.|}", "I'm from [v]{.|}"),
        "es": ("{vivo en|soy de|vengo de} [v].", "mi ciudad es [v]."),
        "fr": ("{j'habite à|je vis à|je viens de} [v].", "ma ville est [v]."),
        "de": ("{ich wohne in|ich lebe in|ich komme aus} [v].", "meine Stadt ist [v]."),
        "zh": ("{我住在|我来自}[v]。", "我的城市是[v]。"),
    },
    "food": {
        "en": ("my {favourite|favorite} food is [v]{.|}", "I {like|love} to eat [v]{.|}"),
        "es": ("{me gusta|me encanta} comer [v].",),
        "fr": ("{j'aime|j'adore} manger [v].",),
        "de": ("ich esse {gern|am liebsten} [v].",),
        "zh": ("我{最|}喜欢吃[v]。",),
    },
    "friend": {
        "en": ("my {best |}friend is {called|named} [v]{.|}", "my {best |}friend's name is [v]{.|}"),
        "es": ("mi {mejor |}amigo se llama [v].",),
        "fr": ("mon {meilleur |}ami s'appelle [v].",),
        "de": ("mein {bester |}Freund heißt [v].",),
        "zh": ("我{最好|}的朋友叫[v]。",),
    },
}  # fmt: skip
_ASK = {
    "name": {
        "en": "{what is my name|what's my name|whats my name|do you remember my name|who am I|say my name|tell me "
        "my name|"
        "do you know my name|can you remember my name|what was my name|what am I called}?",
        "es": "{¿cómo me llamo|¿cuál es mi nombre|¿recuerdas mi nombre|¿sabes mi nombre|¿quién soy}?",
        "fr": "{comment je m'appelle|quel est mon nom|tu te souviens de mon nom|qui suis-je|connais-tu mon nom} ?",
        "de": "{wie heiße ich|wie ist mein Name|weißt du meinen Namen|kennst du meinen Namen|wer bin ich}?",
        "zh": "{我叫什么名字|我叫什么|你记得我的名字吗|我的名字是什么|我是谁}？",
    },
    "colour": {
        "en": "{what is|what's|whats|what was|tell me|do you remember|do you know} my {favourite|favorite} "
        "{colour|color}?",
        "es": "{¿cuál es mi color favorito|¿qué color me gusta|¿recuerdas mi color favorito}?",
        "fr": "{quelle est ma couleur préférée|tu te souviens de ma couleur préférée} ?",
        "de": "{was ist meine Lieblingsfarbe|welche Farbe mag ich}?",
        "zh": "{我最喜欢什么颜色|我最喜欢的颜色是什么|我喜欢什么颜色}？",
    },
    "number": {
        "en": "{what is|what's|whats|what was|tell me|do you remember|which was} {my|the} number?",
        "es": "{¿cuál es mi número|¿qué número era|¿recuerdas el número}?",
        "fr": "{quel est mon numéro|quel était le nombre|tu te souviens du nombre} ?",
        "de": "{was ist meine Zahl|welche Zahl war es|wie war die Zahl}?",
        "zh": "{我的数字是什么|数字是多少|你记得那个数字吗}？",
    },
    "pet": {
        "en": "{what {pet|animal} do I have|which animal do I have|what is my pet|do you remember my pet|what's my "
        "pet}?",
        "es": "{¿qué animal tengo|¿qué mascota tengo}?",
        "fr": "{quel animal ai-je|j'ai quel animal} ?",
        "de": "{welches Tier habe ich|was für ein Haustier habe ich}?",
        "zh": "{我有什么宠物|我养什么动物|我有什么动物}？",
    },
    "town": {
        "en": "{where do I live|where am I from|where do I come from|do you know where I live|which town do I live in|"
        "what is my {town|city}}?",
        "es": "{¿dónde vivo|¿de dónde soy|¿cuál es mi ciudad}?",
        "fr": "{où est-ce que j'habite|d'où je viens|quelle est ma ville} ?",
        "de": "{wo wohne ich|woher komme ich|was ist meine Stadt}?",
        "zh": "{我住在哪里|我来自哪里|我的城市是哪里}？",
    },
    "food": {
        "en": "{what is my {favourite|favorite} food|what do I like to eat}?",
        "es": "¿qué me gusta comer?",
        "fr": "qu'est-ce que j'aime manger ?",
        "de": "{was esse ich gern|was esse ich am liebsten}?",
        "zh": "我{最|}喜欢吃什么？",
    },
    "friend": {
        "en": "{what is my {best |}friend {called|named}|what is my friend's name|who is my {best |}friend}?",
        "es": "{¿cómo se llama mi amigo|¿quién es mi amigo}?",
        "fr": "{comment s'appelle mon ami|qui est mon ami} ?",
        "de": "{wie heißt mein Freund|wer ist mein Freund}?",
        "zh": "{我的朋友叫什么|我的朋友是谁}？",
    },
}
_NOTED = {
    "name": {"en": "{Nice to meet you|Hello|Hi}, [v]!", "es": "¡{Encantado|Hola}, [v]!",
    "fr": "{Enchanté|Bonjour}, [v] !",
             "de": "{Freut mich|Hallo}, [v]!", "zh": "{很高兴认识你|你好}，[v]！"},
    "colour": {"en": "{[c] is a nice colour.|I will remember that you like [v].}", "es": "El [v] es un color bonito.",
               "fr": "Le [v] est une belle couleur.", "de": "[c] ist eine schöne Farbe.", "zh": "[v]很好看。"},
    "number": {"en": "I will remember the number [v].", "es": "Recordaré el número [v].",
               "fr": "Je retiens le nombre [v].", "de": "Ich merke mir die Zahl [v].", "zh": "我会记住数字[v]。"},
    "pet": {"en": "[c] is a nice {pet|friend}!", "es": "¡Qué bien, [v]!", "fr": "[c], c'est bien !",
            "de": "[c], wie schön!", "zh": "[v]，真好！"},
    "town": {"en": "I will remember that you live in [v].", "es": "Recordaré que vives en [v].",
             "fr": "Je retiens que tu habites à [v].", "de": "Ich merke mir, dass du in [v] wohnst.",
             "zh": "我会记住你住在[v]。"},
    "food": {"en": "I will remember that you like [v].", "es": "Recordaré que te gusta comer [v].",
             "fr": "Je retiens que tu aimes manger [v].", "de": "Ich merke mir, dass du gern [v] isst.",
             "zh": "我会记住你喜欢吃[v]。"},
    "friend": {"en": "I will remember your friend [v].", "es": "Recordaré a tu amigo [v].",
               "fr": "Je retiens le nom de ton ami, [v].", "de": "Ich merke mir deinen Freund [v].",
               "zh": "我会记住你的朋友[v]。"},
}  # fmt: skip
_KNOWN = {
    "name": {"en": "Your name is [v].", "es": "Te llamas [v].", "fr": "Tu t'appelles [v].", "de": "Du heißt [v].",
             "zh": "你叫[v]。"},
    "colour": {"en": "Your favourite colour is [v].", "es": "Tu color favorito es el [v].",
               "fr": "Ta couleur préférée est le [v].", "de": "Deine Lieblingsfarbe ist [v].",
               "zh": "你最喜欢的颜色是[v]。"},
    "number": {"en": "{Your|The} number is [v].", "es": "El número es [v].", "fr": "Le nombre est [v].",
               "de": "Die Zahl ist [v].", "zh": "数字是[v]。"},
    "pet": {"en": "You have [v].", "es": "Tienes [v].", "fr": "Tu as [v].", "de": "Du hast [v].", "zh": "你有[v]。"},
    "town": {"en": "You live in [v].", "es": "Vives en [v].", "fr": "Tu habites à [v].", "de": "Du wohnst in [v].",
             "zh": "你住在[v]。"},
    "food": {"en": "You like to eat [v].", "es": "Te gusta comer [v].", "fr": "Tu aimes manger [v].",
             "de": "Du isst gern [v].", "zh": "你喜欢吃[v]。"},
    "friend": {"en": "Your friend is called [v].", "es": "Tu amigo se llama [v].", "fr": "Ton ami s'appelle [v].",
               "de": "Dein Freund heißt [v].", "zh": "你的朋友叫[v]。"},
}  # fmt: skip
_NOT_TOLD = {"en": "You have not told me that yet.", "es": "Todavía no me lo has dicho.",
             "fr": "Tu ne me l'as pas encore dit.", "de": "Das hast du mir noch nicht gesagt.",
             "zh": "你还没有告诉我。"}  # fmt: skip
_ACTUALLY = {
    "en": "{actually|no, actually|sorry, I was wrong:|wait,} ", "es": "{no, espera:|perdón:} ",
    "fr": "{non, en fait|pardon,} ",
    "de": "{nein, Moment:|Verzeihung:} ", "zh": "{不对，|等等，}",
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A value as it is said in each language; names, numbers and towns are the same in all."""

    kind: str
    said: dict[str, str]

    def __getitem__(self, lang: str) -> str:
        return self.said[lang]


def _same(kind: str, value: str) -> Told:
    return Told(kind, dict.fromkeys(_KNOWN["name"], value))


def draw_value(rng: random.Random, kind: str, training: bool = True, lang: str = "en") -> Told:
    """A value for one kind of fact; names and towns come from the training ones or from the held-out ones."""
    if kind == "name":
        value = name(rng, training, lang)
        return _same(kind, value.lower() if training and rng.random() < 0.12 else value)
    if kind == "friend":
        return _same(kind, first_name(rng, lang, training))
    if kind == "town":
        return _same(kind, town(rng, training, lang))
    if kind == "number":
        return _same(kind, str(rng.randint(1, pick(rng, (9, 99, 99, 999, 9999)))))
    return Told(kind, pick(rng, {"colour": COLOURS, "pet": PETS, "food": FOODS}[kind]))


def tell_turn(rng: random.Random, told: Told, lang: str = "en", again: bool = False) -> Turn:
    """The user tells a fact; `again` corrects an earlier one."""
    pattern = pick(rng, _TELL[told.kind][lang])
    if again:
        pattern = pick(rng, (_ACTUALLY[lang], _ACTUALLY[lang], "")) + pattern
    value = told[lang]
    answer = say(rng, _NOTED[told.kind][lang], v=value, c=value[:1].upper() + value[1:])
    return Turn(ask(rng, pattern, lang, v=value), answer, note(lang, f"The user tells me a {told.kind}: {value}."))


def recall_turn(rng: random.Random, kind: str, told: Told | None, lang: str = "en") -> Turn:
    """The user asks for a fact; `told` is None where it was never told."""
    user = ask(rng, _ASK[kind][lang], lang)
    if told is None:
        return Turn(user, _NOT_TOLD[lang], note(lang, f"The user asks for the {kind}. I was not told."))
    value = told[lang]
    thought = note(lang, f"The user asks for the {kind}. Earlier: {value}.")
    return Turn(user, say(rng, _KNOWN[kind][lang], v=value), thought, "" if " " in value else value)


def confirm_turn(rng: random.Random, told: Told) -> Turn:
    """Questions that are answered with the name in a sentence."""
    user = ask(rng, "{greet me|say hello to me|say hi to me|say goodbye to me by name|say hello with my name}{.|!|}")
    word = "Goodbye" if "bye" in user.lower() else "Hello"
    return Turn(user, f"{word}, {told['en']}!", f"The name is {told['en']}.")
