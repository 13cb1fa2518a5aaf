"""The few facts that the models know: opposites, colours of things, days, capitals, animals, some fixed questions."""

from __future__ import annotations

import random

from playground.starter.text_names import coined
from playground.starter.text_turns import Turn, note, words
from playground.starter.text_unknown import DO_NOT_KNOW
from playground.starter.text_wording import ask, capital, pick, say
from playground.starter.text_words import DAYS, MONTHS, Row, rows

_OPPOSITES = """hot/cold big/small fast/slow up/down left/right day/night good/bad happy/sad light/dark old/new
    open/closed early/late long/short high/low hard/soft full/empty rich/poor strong/weak wet/dry clean/dirty near/far
    thick/thin true/false loud/quiet inside/outside yes/no start/end love/hate win/lose push/pull black/white
    first/last buy/sell give/take come/go cheap/expensive easy/difficult sweet/sour wide/narrow deep/shallow
    smooth/rough alive/dead awake/asleep above/below before/after always/never friend/enemy question/answer north/south
    east/west summer/winter sharp/blunt safe/dangerous more/less many/few in/out on/off front/back top/bottom"""
_OTHER_OPPOSITES = {
    "es": "grande/pequeño caliente/frío alto/bajo rápido/lento bueno/malo feliz/triste día/noche abierto/cerrado "
    "lleno/vacío nuevo/viejo",
    "fr": "grand/petit chaud/froid haut/bas rapide/lent bon/mauvais heureux/triste jour/nuit ouvert/fermé plein/vide "
    "nouveau/vieux",
    "de": "groß/klein heiß/kalt hoch/niedrig schnell/langsam gut/schlecht glücklich/traurig Tag/Nacht "
    "offen/geschlossen "
    "voll/leer neu/alt",
    "zh": "大/小 热/冷 高/低 快/慢 好/坏 高兴/难过 白天/黑夜 开/关 满/空 新/旧",
}
OPPOSITES_OF = {
    lang: tuple(words(pair, "/") for pair in words(text))
    for lang, text in {"en": _OPPOSITES, **_OTHER_OPPOSITES}.items()
}
# Things, then their colour, in each language; nouns with their article.
_COLOURED = rows("""
    a banana:yellow/el plátano:amarillo/la banane:jaune/die Banane:gelb/香蕉:黄色
    a lemon:yellow/el limón:amarillo/le citron:jaune/die Zitrone:gelb/柠檬:黄色
    the sun:yellow/el sol:amarillo/le soleil:jaune/die Sonne:gelb/太阳:黄色
    a tomato:red/el tomate:rojo/la tomate:rouge/die Tomate:rot/西红柿:红色
    blood:red/la sangre:rojo/le sang:rouge/das Blut:rot/血:红色
    a strawberry:red/la fresa:rojo/la fraise:rouge/die Erdbeere:rot/草莓:红色
    the sky:blue/el cielo:azul/le ciel:bleu/der Himmel:blau/天空:蓝色
    the sea:blue/el mar:azul/la mer:bleu/das Meer:blau/大海:蓝色
    grass:green/la hierba:verde/l'herbe:vert/das Gras:grün/草:绿色
    a frog:green/la rana:verde/la grenouille:vert/der Frosch:grün/青蛙:绿色
    a leaf:green/la hoja:verde/la feuille:vert/das Blatt:grün/树叶:绿色
    snow:white/la nieve:blanco/la neige:blanc/der Schnee:weiß/雪:白色
    milk:white/la leche:blanco/le lait:blanc/die Milch:weiß/牛奶:白色
    salt:white/la sal:blanco/le sel:blanc/das Salz:weiß/盐:白色
    coal:black/el carbón:negro/le charbon:noir/die Kohle:schwarz/煤:黑色
    a crow:black/el cuervo:negro/le corbeau:noir/die Krähe:schwarz/乌鸦:黑色
    a carrot:orange/la zanahoria:naranja/la carotte:orange/die Karotte:orange/胡萝卜:橙色
    a pumpkin:orange/la calabaza:naranja/la citrouille:orange/der Kürbis:orange/南瓜:橙色
    chocolate:brown/el chocolate:marrón/le chocolat:marron/die Schokolade:braun/巧克力:棕色
    an elephant:grey/el elefante:gris/l'éléphant:gris/der Elefant:grau/大象:灰色
    a pig:pink/el cerdo:rosa/le cochon:rose/das Schwein:rosa/猪:粉色
    an eggplant:purple/la berenjena:morado/l'aubergine:violet/die Aubergine:lila/茄子:紫色
""")
_MIXES = (("red", "yellow", "orange"), ("blue", "yellow", "green"), ("red", "blue", "purple"),
          ("red", "white", "pink"), ("black", "white", "grey"))  # fmt: skip
_CAPITALS = rows("""
    France:Paris/Francia:París/la France:Paris/Frankreich:Paris/法国:巴黎
    Germany:Berlin/Alemania:Berlín/l'Allemagne:Berlin/Deutschland:Berlin/德国:柏林
    Spain:Madrid/España:Madrid/l'Espagne:Madrid/Spanien:Madrid/西班牙:马德里
    Italy:Rome/Italia:Roma/l'Italie:Rome/Italien:Rom/意大利:罗马
    England:London/Inglaterra:Londres/l'Angleterre:Londres/England:London/英国:伦敦
    Portugal:Lisbon/Portugal:Lisboa/le Portugal:Lisbonne/Portugal:Lissabon/葡萄牙:里斯本
    Japan:Tokyo/Japón:Tokio/le Japon:Tokyo/Japan:Tokio/日本:东京
    China:Beijing/China:Pekín/la Chine:Pékin/China:Peking/中国:北京
    Russia:Moscow/Rusia:Moscú/la Russie:Moscou/Russland:Moskau/俄罗斯:莫斯科
    Greece:Athens/Grecia:Atenas/la Grèce:Athènes/Griechenland:Athen/希腊:雅典
    Egypt:Cairo/Egipto:El Cairo/l'Égypte:Le Caire/Ägypten:Kairo/埃及:开罗
    Austria:Vienna/Austria:Viena/l'Autriche:Vienne/Österreich:Wien/奥地利:维也纳
""")
_ENGLISH_CAPITALS = {
    "the UK": "London", "Poland": "Warsaw", "Sweden": "Stockholm", "Norway": "Oslo", "Denmark": "Copenhagen",
    "Finland": "Helsinki", "Ireland": "Dublin", "Canada": "Ottawa", "Mexico": "Mexico City", "India": "New Delhi",
    "Belgium": "Brussels", "Hungary": "Budapest", "Turkey": "Ankara", "Cuba": "Havana", "Peru": "Lima",
    "Argentina": "Buenos Aires", "the USA": "Washington", "Brazil": "Brasilia", "Switzerland": "Bern",
    "Australia": "Canberra", "the Netherlands": "Amsterdam", "Ukraine": "Kyiv", "South Korea": "Seoul",
}  # fmt: skip
_SOUNDS = {"dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "pig": "oink", "lion": "roar",
           "bee": "buzz", "frog": "ribbit", "owl": "hoo", "mouse": "squeak", "snake": "hiss"}  # fmt: skip
_LEGS = {"dog": 4, "cat": 4, "spider": 8, "bird": 2, "horse": 4, "ant": 6, "bee": 6, "cow": 4, "human": 2, "fish": 0,
         "snake": 0, "chicken": 2, "elephant": 4, "fly": 6}  # fmt: skip
_SIDES = {"triangle": 3, "square": 4, "rectangle": 4, "pentagon": 5, "hexagon": 6, "circle": 0}
_STOCK = (
    ("how many days {are in|does|are there in} a week{ have|}", "A week has 7 days.", "7"),
    ("how many months {are in|are there in} a year", "A year has 12 months.", "12"),
    ("how many hours {are in|are there in} a day", "A day has 24 hours.", "24"),
    ("how many minutes {are in|are there in} an hour", "An hour has 60 minutes.", "60"),
    ("how many seconds {are in|are there in} a minute", "A minute has 60 seconds.", "60"),
    (
        "how many letters {are in|are there in|does} the {English |}alphabet{ have|}",
        "The alphabet has 26 letters.",
        "26",
    ),
    ("what is the first letter of the alphabet", "The first letter is A.", "A"),
    ("what do bees make", "Bees make honey.", "Honey"),
    ("what do cows give{ us|}", "Cows give milk.", "Milk"),
    ("how many fingers {do you have|does a hand have|are on a hand}", "A hand has 5 fingers.", "5"),
    ("is the earth {round|flat}", "The earth is round.", "Round"),
)
_OPPOSITE = {
    "en": ("{what is|what's|tell me|name|give me|} the opposite of [w]?", "The opposite of [w] is [o]."),
    "es": ("{¿cuál es|dime|} {el contrario|lo contrario} de [w]?", "Lo contrario de [w] es [o]."),
    "fr": ("{quel est|dis-moi|} le contraire de [w] ?", "Le contraire de [w] est [o]."),
    "de": ("{was ist|nenne|} das Gegenteil von [w]?", "Das Gegenteil von [w] ist [o]."),
    "zh": ("[w]的{反义词|反面}是什么？", "[w]的反义词是[o]。"),
}
_COLOUR = {
    "en": ("{{what|which} {color|colour} {is|does|has} [w]{ have|}|{what is|what's|tell me} the {color|colour} of "
    "[w]|what "
           "{color|colour} is [w]}?", "[c] is [o]."),
    "es": ("{¿de qué color es [w]|¿qué color tiene [w]}?", "El color es [o]."),
    "fr": ("{de quelle couleur est [w]|quelle couleur a [w]} ?", "La couleur est : [o]."),
    "de": ("{welche Farbe hat [w]|was für eine Farbe hat [w]}?", "[c] ist [o]."),
    "zh": ("[w]是什么颜色{的|}？", "[w]是[o]的。"),
}  # fmt: skip
_CAPITAL = {
    "en": ("{what is|what's|tell me|name|do you know||} the capital {city |}of [w]?", "The capital of [w] is [o]."),
    "es": ("{¿cuál es|dime|} la capital de [w]?", "La capital de [w] es [o]."),
    "fr": ("{quelle est la capitale|dis-moi la capitale|la capitale} de [w] ?", "La capitale de [w] : [o]."),
    "de": ("{was ist|nenne|} die Hauptstadt von [w]?", "Die Hauptstadt von [w] ist [o]."),
    "zh": ("[w]的首都是{哪里|什么|哪个城市}？", "[w]的首都是[o]。"),
}
_NEXT = {
    "en": ("{what|which} {day |month |}{comes after|is after|follows} [w]?", "After [w] comes [o]."),
    "es": ("¿qué viene después de [w]?", "Después de [w] viene [o]."),
    "fr": ("{qu'est-ce qui vient|que vient-il} après [w] ?", "Après [w] vient [o]."),
    "de": ("was kommt nach [w]?", "Nach [w] kommt [o]."),
    "zh": ("[w]之后是什么？", "[w]之后是[o]。"),
}
_BEFORE = {
    "en": ("{what|which} {day |month |}{comes before|is before|was before} [w]?", "Before [w] comes [o]."),
    "es": ("¿qué viene antes de [w]?", "Antes de [w] viene [o]."),
    "fr": ("qu'est-ce qui vient avant [w] ?", "Avant [w] vient [o]."),
    "de": ("was kommt vor [w]?", "Vor [w] kommt [o]."),
    "zh": ("[w]之前是什么？", "[w]之前是[o]。"),
}


def _contracted(text: str) -> str:
    """French: "de le" is "du"."""
    return text.replace(" de le ", " du ")


def _turn(rng: random.Random, table: dict[str, tuple[str, str]], lang: str, word: str, known: str, why: str) -> Turn:
    shown = word.lower() if lang != "de" and rng.random() < 0.2 else word
    answer = _contracted(say(rng, table[lang][1], w=word, c=capital(word), o=known))
    return Turn(
        _contracted(ask(rng, table[lang][0], lang, w=shown)), answer, note(lang, why), "" if " " in known else known
    )


def opposite_turn(rng: random.Random, lang: str = "en") -> Turn:
    """The opposite of a word, either way round."""
    pair = pick(rng, OPPOSITES_OF[lang])
    word, other = pair if rng.random() < 0.5 else pair[::-1]
    return _turn(rng, _OPPOSITE, lang, word, other, f"The opposite of {word} is {other}.")


def colour_turn(rng: random.Random, lang: str = "en") -> Turn:
    """The colour of a thing, or what two colours make."""
    if lang == "en" and rng.random() < 0.15:
        a, b, c = pick(rng, _MIXES)
        a, b = (a, b) if rng.random() < 0.5 else (b, a)
        user = ask(rng, "{what {color|colour} {do you get from|do I get if I mix|is}|mix} [a] and [b]?", a=a, b=b)
        return Turn(user, f"{capital(a)} and {b} make {c}.", f"I mix {a} and {b}. That makes {c}.", c)
    thing, colour = pick(rng, _COLOURED)[lang].split(":")
    return _turn(rng, _COLOUR, lang, thing, colour, f"The colour of {thing} is {colour}.")


def capital_turn(rng: random.Random, lang: str = "en") -> Turn:
    """The capital of a country; for made-up countries, that it does not know."""
    if rng.random() < 0.1:
        land = coined(rng).capitalize()
        user = ask(rng, _CAPITAL[lang][0], lang, w=land)
        return Turn(user, say(rng, DO_NOT_KNOW[lang]), note(lang, f"I do not know {land}."))
    if lang == "en" and rng.random() < 0.6:
        country = pick(rng, tuple(_ENGLISH_CAPITALS))
        city = _ENGLISH_CAPITALS[country]
    else:
        country, city = pick(rng, _CAPITALS)[lang].split(":")
    return _turn(rng, _CAPITAL, lang, country, city, f"{country}, then {city}.")


def calendar_turn(rng: random.Random, lang: str = "en") -> Turn:
    """Which day or month comes before or after another; in English also yesterday and tomorrow."""
    names: tuple[Row, ...] = DAYS if rng.random() < 0.65 else MONTHS
    i = rng.randrange(len(names))
    before, here, after = names[i - 1][lang], names[i][lang], names[(i + 1) % len(names)][lang]
    if lang == "en" and names is DAYS and rng.random() < 0.4:
        if rng.random() < 0.5:
            user = ask(rng, "{today is|if today is|it is} [d]. {what|which} day {is|will be} tomorrow?", d=here)
            return Turn(user, f"Tomorrow is {after}.", f"Today {here}, tomorrow {after}.", after)
        user = ask(rng, "{today is|if today is|it is} [d]. {what|which} day was {yesterday|it yesterday}?", d=here)
        return Turn(user, f"Yesterday was {before}.", f"Today {here}, yesterday {before}.", before)
    if rng.random() < 0.5:
        return _turn(rng, _NEXT, lang, here, after, f"{here}, then {after}.")
    return _turn(rng, _BEFORE, lang, here, before, f"{before}, then {here}.")


def animal_turn(rng: random.Random) -> Turn:
    """What an animal says, how many legs it has, how many sides a shape has, or a question with one fixed answer."""
    kind = rng.randrange(4)
    if kind == 0:
        animal, sound = pick(rng, tuple(_SOUNDS.items()))
        user = ask(rng, "what {sound does|noise does|does} {a|an|the} [x] {make|say}?", x=animal)
        return Turn(user, f"It says {sound}.", f"A {animal} says {sound}.", sound)
    if kind == 1:
        animal, legs = pick(rng, tuple(_LEGS.items()))
        user = ask(rng, "how many legs {does a|has a|does an|does the} [x] have?", x=animal)
        return Turn(user, f"It has {legs} legs.", f"Legs of a {animal}: {legs}.", str(legs))
    if kind == 2:
        shape, sides = pick(rng, tuple(_SIDES.items()))
        user = ask(rng, "how many {sides|corners} {does a|has a} [x] have?", x=shape)
        return Turn(user, f"A {shape} has {sides}.", f"I count for a {shape}: {sides}.", str(sides))
    pattern, answer, short = pick(rng, _STOCK)
    return Turn(ask(rng, pattern + "{?|?|}"), answer, "I know this one.", short)


def fact_turn(rng: random.Random, lang: str = "en") -> Turn:
    """Any of the facts of the language."""
    kinds = (opposite_turn, colour_turn, capital_turn, calendar_turn)
    kind = int(rng.random() * (5 if lang == "en" else 4))
    return animal_turn(rng) if kind == 4 else kinds[kind](rng, lang)
