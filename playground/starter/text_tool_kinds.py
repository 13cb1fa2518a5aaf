"""The tools that conversations offer: their schemas, what users ask of them, what they return, how that is told.

A kind is a family of tools; `text_tool_offers` gives it a name and parameter names of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playground.starter.text_arithmetic import is_held_out
from playground.starter.text_names import coined, first_name, town
from playground.starter.text_pictures import completed, draw_wish, phrase
from playground.starter.text_turns import LANGUAGES, held_out, words
from playground.starter.text_wording import pick
from playground.starter.text_words import COMMON, DAYS, article

Values = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One argument: the names it goes by, its JSON type, what draws its value, and what it may be if not anything."""

    names: tuple[str, ...]
    type: str
    draw: Callable[[random.Random, bool], Any]
    choices: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True)
class Kind:
    """A family of tools.

    `asked` and `told` are patterns with the parameters' first names and the result's keys as slots, by language.
    `together` draws values that depend on each other.
    """

    names: tuple[str, ...]
    about: str
    parameters: tuple[Parameter, ...]
    asked: dict[str, str]
    result: Callable[[random.Random, Values], Values]
    told: dict[str, str]
    together: Callable[[random.Random], Values] | None = None


def _town(rng: random.Random, training: bool) -> str:
    return town(rng, training)


def _person(rng: random.Random, training: bool) -> str:
    return first_name(rng, training=training)


def _word(rng: random.Random, training: bool) -> str:
    while held_out("tool word", word := pick(rng, COMMON) if rng.random() < 0.7 else coined(rng)) == training:
        pass
    return word


def _text(rng: random.Random, training: bool) -> str:
    return " ".join(_word(rng, training) for _ in range(rng.randint(2, 4)))


def _number(low: int, high: int) -> Callable[[random.Random, bool], int]:
    return lambda rng, training: rng.randint(low, high)


def _one_of(*choices: str) -> Callable[[random.Random, bool], str]:
    return lambda rng, training: pick(rng, choices)


def _expression(rng: random.Random, training: bool) -> str:
    while True:
        a, b = rng.randint(11, pick(rng, (999, 9999))), rng.randint(2, pick(rng, (99, 999)))
        sign = pick(rng, "+-*/")
        # A pair that arithmetic keeps for evaluation must not be seen here either.
        if not is_held_out(a, b, {"*": "×", "/": "×"}.get(sign, sign)):
            return f"{a} {sign} {b}"


def _worth(expression: str) -> int | float:
    a, sign, b = expression.split(" ")
    x, y = int(a), int(b)
    return {"+": x + y, "-": x - y, "*": x * y, "/": round(x / y, 2)}[sign]


def _conversion(rng: random.Random) -> Values:
    pair = pick(rng, tuple(_FACTORS))
    source, target = pair if rng.random() < 0.5 else pair[::-1]
    return {"value": rng.randint(1, 500), "from_unit": source, "to_unit": target}


def _converted(values: Values) -> float:
    pair = (values["from_unit"], values["to_unit"])
    factor = _FACTORS[pair] if pair in _FACTORS else 1 / _FACTORS[pair[::-1]]
    return round(values["value"] * factor, 1)


def _prompt(rng: random.Random, training: bool) -> str:
    return phrase(completed(rng, draw_wish(rng, 0.1)))


_FACTORS = {
    ("km", "miles"): 0.6214,
    ("kg", "pounds"): 2.2046,
    ("meters", "feet"): 3.2808,
    ("liters", "gallons"): 0.2642,
}
_UNITS = ("km", "miles", "kg", "pounds", "meters", "feet", "liters", "gallons")
_STATES = ("on", "off")
_ROOM = Parameter(
    ("room", "place", "where"), "string", _one_of("kitchen", "bedroom", "bathroom", "garage", "hall", "office")
)
_CITY = Parameter(("city", "town", "location", "place"), "string", _town, about="Name of the city")
_ITEM = Parameter(("item", "product", "article", "thing"), "string", _word)
_SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy")

KINDS = (
    Kind(
        ("get_weather", "weather", "current_weather", "weatherLookup"), "Get the weather in a city", (_CITY,),
        {"en": "{what is the weather like in|how is the weather in|what's the weather in|tell me the weather in|"
        "weather in} [city]{ today| now|}?",
         "es": "¿qué tiempo hace en [city]?", "fr": "quel temps fait-il à [city] ?", "de": "wie ist das Wetter in "
         "[city]?",
         "zh": "[city]的天气怎么样？"},
        lambda rng, v: {"temperature": rng.randint(-9, 35), "sky": pick(rng, _SKIES)},
        {"en": "It is [temperature] degrees and [sky] in [city].", "es": "En [city] hay [temperature] grados.",
         "fr": "Il fait [temperature] degrés à [city].", "de": "In [city] sind es [temperature] Grad.",
         "zh": "[city]现在[temperature]度。"},
    ),
    Kind(
        ("get_time", "clock", "current_time", "timeIn"), "Get the time in a city", (_CITY,),
        {"en": "{what time is it|what is the time|tell me the time} in [city]{ now|}?", "es": "¿qué hora es en [city]?",
         "fr": "quelle heure est-il à [city] ?", "de": "wie spät ist es in [city]?", "zh": "[city]现在几点？"},
        lambda rng, v: {"time": f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"},
        {"en": "It is [time] in [city].", "es": "En [city] son las [time].", "fr": "Il est [time] à [city].",
         "de": "In [city] ist es [time].", "zh": "[city]现在[time]。"},
    ),
    Kind(
        ("calculate", "calculator", "compute", "evaluate"), "Calculate an expression",
        (Parameter(("expression", "formula", "input"), "string", _expression, about="For example 2 * 3"),),
        {"en": "{what is|calculate|compute|how much is|work out|} [expression]?", "es": "{¿cuánto es|calcula} "
        "[expression]?",
         "fr": "{combien font|calcule} [expression] ?", "de": "{was ist|berechne} [expression]?",
         "zh": "{计算|}[expression]等于多少？"},
        lambda rng, v: {"result": _worth(v["expression"])},
        dict.fromkeys(LANGUAGES, "[expression] = [result]."),
    ),
    Kind(
        ("text_to_image", "draw", "create_image", "make_picture"), "Make a picture from a prompt",
        (Parameter(("prompt", "description", "text"), "string", _prompt, about="What the picture shows"),),
        {"en": "{draw|paint|make a picture of|make an image of|show me|I want a picture of} [prompt]{.|}"},
        lambda rng, v: {"image": f"{pick(rng, ('image', 'picture', 'out'))}_{rng.randint(1, 99)}.png"},
        {"en": "Here is your picture: [image]."},
    ),
    Kind(
        ("convert_units", "convert", "unit_converter"), "Convert a value from one unit to another",
        (Parameter(("value", "amount", "number"), "number", _number(1, 500)),
         Parameter(("from_unit", "source", "unit_from"), "string", _one_of(*_UNITS), _UNITS),
         Parameter(("to_unit", "target", "unit_to"), "string", _one_of(*_UNITS), _UNITS)),
        {"en": "{convert|change} [value] [from_unit] {to|into} [to_unit]{.|}"},
        lambda rng, v: {"converted": _converted(v)}, {"en": "[value] [from_unit] are [converted] [to_unit]."},
        _conversion,
    ),
    Kind(
        ("search", "web_search", "find_information", "lookup"), "Search for information",
        (Parameter(("query", "question", "q"), "string", _text),),
        {"en": "{search for|look up|find information on|search the web for} [query]{.|}"},
        lambda rng, v: {"found": f"{coined(rng).capitalize()} {pick(rng, COMMON)}"},
        {"en": "I found this: [found]."},
    ),
    Kind(
        ("send_message", "message", "send_text", "sendMail"), "Send a message to a person",
        (Parameter(("to", "recipient", "person"), "string", _person), Parameter(("text", "message", "body"), "string",
        _text)),
        {"en": '{send [to] the message|tell [to]:|write to [to]:|message [to]:} "[text]"{.|}'},
        lambda rng, v: {"status": "sent"}, {"en": "I sent the message to [to]."},
    ),
    Kind(
        ("set_timer", "timer", "start_timer"), "Start a timer",
        (Parameter(("minutes", "duration", "time"), "integer", _number(1, 90), about="Minutes"),),
        {"en": "{set|start} a timer {for|of} [minutes] minutes{.|}", "es": "pon un temporizador de [minutes] minutos.",
         "fr": "mets un minuteur de [minutes] minutes.", "de": "stell einen Timer auf [minutes] Minuten.",
         "zh": "设一个[minutes]分钟的计时器。"},
        lambda rng, v: {"status": "started"},
        {"en": "The timer runs for [minutes] minutes.", "es": "El temporizador está en [minutes] minutos.",
         "fr": "Le minuteur est sur [minutes] minutes.", "de": "Der Timer läuft [minutes] Minuten.",
         "zh": "计时器已设为[minutes]分钟。"},
    ),
    Kind(
        ("switch_light", "light", "set_light", "lightControl"), "Switch a light on or off",
        (_ROOM, Parameter(("state", "value", "mode"), "string", _one_of(*_STATES), _STATES)),
        {"en": "{turn|switch} [state] the light in the [room]{.|}"}, lambda rng, v: {"status": "done"},
        {"en": "The light in the [room] is [state]."},
    ),
    Kind(
        ("set_temperature", "heating", "thermostat"), "Set the temperature of a room",
        (_ROOM, Parameter(("degrees", "temperature", "value"), "number", _number(10, 30))),
        {"en": "{set|change} the temperature {in|of} the [room] to [degrees]{ degrees|}{.|}"},
        lambda rng, v: {"status": "ok"}, {"en": "The [room] is set to [degrees] degrees."},
    ),
    Kind(
        ("roll_dice", "dice", "throw_dice"), "Roll a die",
        (Parameter(("sides", "faces", "n"), "integer", _number(4, 30)),),
        {"en": "{roll|throw} a {die|dice} with [sides] sides{.|}"}, lambda rng, v: {"roll": rng.randint(1, v["sides"])},
        {"en": "The die shows [roll]."},
    ),
    Kind(
        ("play_song", "play_music", "music_player"), "Play a song",
        (Parameter(("title", "song", "name"), "string", _text),),
        {"en": '{play|put on|start} {the song |}"[title]"{.|}'}, lambda rng, v: {"status": "playing"},
        {"en": "I play [title]."},
    ),
    Kind(
        ("add_reminder", "remind", "create_reminder"), "Set a reminder for a day",
        (Parameter(("text", "what", "note"), "string", _text),
         Parameter(("day", "date", "when"), "string", _one_of(*(row["en"] for row in DAYS)))),
        {"en": '{remind me|set a reminder} on [day]{:| of} "[text]"{.|}'}, lambda rng, v: {"status": "saved"},
        {"en": "I will remind you on [day]."},
    ),
    Kind(
        ("get_price", "price", "price_of", "lookup_price"), "Get the price of a product", (_ITEM,),
        {"en": "{what is the price of|how much is|how much does it cost to buy} {a|the|one} [item]?",
         "es": "¿cuál es el precio de [item]?", "fr": "quel est le prix de [item] ?", "de": "was kostet [item]?",
         "zh": "[item]多少钱？"},
        lambda rng, v: {"price": rng.randint(1, 300)},
        {"en": "The price of the [item] is [price] dollars.", "es": "El precio de [item] es [price] dólares.",
         "fr": "Le prix de [item] est [price] dollars.", "de": "[item] kostet [price] Dollar.",
         "zh": "[item]的价格是[price]美元。"},
    ),
    Kind(
        ("get_phone", "phone_book", "find_phone"), "Find the phone number of a person",
        (Parameter(("name", "person", "who"), "string", _person),),
        {"en": "{what is|find|look up|give me} the phone number of [name]?"},
        lambda rng, v: {"phone": f"555-{rng.randint(1000, 9999)}"}, {"en": "The phone number of [name] is [phone]."},
    ),
    Kind(
        ("count_letters", "letter_count", "word_length"), "Count the letters of a word",
        (Parameter(("word", "text", "input"), "string", _word),),
        {"en": "how many letters {are in|has} {the word |}[word]?"},
        lambda rng, v: {"letters": len(v["word"])}, {"en": "[word] has [letters] letters."},
    ),
    Kind(
        ("distance", "get_distance", "route_length"), "Get the distance between two cities",
        (Parameter(("start", "from_city", "origin"), "string", _town), Parameter(("end", "to_city", "goal"), "string",
        _town)),
        {"en": "how far is it from [start] to [end]?", "es": "¿qué distancia hay de [start] a [end]?",
         "fr": "quelle est la distance entre [start] et [end] ?", "de": "wie weit ist es von [start] nach [end]?",
         "zh": "从[start]到[end]有多远？"},
        lambda rng, v: {"km": rng.randint(5, 2000)},
        {"en": "It is [km] km from [start] to [end].", "es": "Hay [km] km de [start] a [end].",
         "fr": "Il y a [km] km entre [start] et [end].", "de": "Es sind [km] km von [start] nach [end].",
         "zh": "从[start]到[end]有[km]公里。"},
    ),
)  # fmt: skip


_PROPERTIES = words("""price height colour size owner age weight length number date code status address rank speed
    title score level city
    leader capacity version year author width depth name value type model shape limit rate count total id label country
    language origin brand grade unit share volume area points balance visitors""")


def any_kind(rng: random.Random, training: bool) -> Kind:
    """A kind of its own: some property of some thing, such as the height of a bridge; held-out ones are apart."""
    while True:
        what, thing = pick(rng, _PROPERTIES), pick(rng, COMMON)
        if what != thing and held_out("tool", what, thing) != training:
            break
    key = Parameter((thing, "name", f"{thing}_name"), "string", _person)
    names = (f"get_{what}", f"{what}_of_{thing}", f"find_{what}", f"{thing}_{what}")
    asked = f"{{what is|tell me|find|give me|get}} the {what} of {{the {thing} |}}[{thing}]?"
    values: tuple[Callable[[random.Random], Any], ...] = (
        lambda r: r.randint(1, 999), lambda r: pick(r, COMMON), lambda r: coined(r).capitalize(),
    )  # fmt: skip
    draw = pick(rng, values)
    return Kind(
        names,
        f"Get the {what} of {article(thing)}",
        (key,),
        {"en": asked},
        lambda r, v: {what: draw(r)},
        {"en": f"The {what} of [{thing}] is [{what}]."},
    )
