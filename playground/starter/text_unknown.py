"""What lies outside the small world, in five languages: the models say that they do not know, and invent nothing."""

from __future__ import annotations

import random

from playground.starter.text_names import coined
from playground.starter.text_turns import Turn, held_out, note, words
from playground.starter.text_wording import ask, pick, say
from playground.starter.text_words import COMMON

DO_NOT_KNOW = {
    "en": "{I do not know that. I am a small model and my world is small.|I do not know. I am only a small model.|I do "
    "not know that. I can chat, do small sums and remember what you tell me.}",
    "es": "No lo sé. {Soy un modelo pequeño.|Mi mundo es pequeño.}",
    "fr": "Je ne sais pas. {Je suis un petit modèle.|Mon monde est petit.}",
    "de": "Das weiß ich nicht. {Ich bin ein kleines Modell.|Meine Welt ist klein.}",
    "zh": "我不知道。{我是一个小模型。|我的世界很小。}",
}
# What an answer that admits it holds, in lower case.
ADMITTED = {"en": "do not know", "es": "no lo sé", "fr": "ne sais pas", "de": "weiß ich nicht", "zh": "不知道"}
_CANNOT = {
    "en": "I do not know how to do that. I am a small model.",
    "es": "No lo sé hacer. Soy un modelo pequeño.",
    "fr": "Je ne sais pas faire ça. Je suis un petit modèle.",
    "de": "Das weiß ich nicht. Ich bin ein kleines Modell.",
    "zh": "我不知道怎么做。我是一个小模型。",
}
_CANNOT_SEE = {
    "en": "I do not know that. I have no clock, no eyes and no internet.",
    "es": "No lo sé. No tengo reloj, ni ojos, ni internet.",
    "fr": "Je ne sais pas. Je n'ai ni horloge, ni yeux, ni internet.",
    "de": "Das weiß ich nicht. Ich habe keine Uhr, keine Augen und kein Internet.",
    "zh": "我不知道。我没有时钟、眼睛和网络。",
}
_CANNOT_DIVIDE = {
    "en": "I do not know that. I can only add, subtract and multiply small numbers.",
    "es": "No lo sé. Solo sé sumar, restar y multiplicar números pequeños.",
    "fr": "Je ne sais pas. Je sais seulement additionner, soustraire et multiplier de petits nombres.",
    "de": "Das weiß ich nicht. Ich kann nur kleine Zahlen addieren, subtrahieren und multiplizieren.",
    "zh": "我不知道。我只会做小数字的加减乘。",
}
_DIVIDE = {
    "en": ("{what is |calculate |how much is |}[a] {divided by|/} [b]?", "{what is |}the square root of [c]?",
           "{what is |}[c] {times|*|x|plus|+|-} [d]?"),
    "es": ("{¿cuánto es |}[a] {dividido por|entre|/} [b]?", "¿cuánto es [c] {por|x|+} [d]?"),
    "fr": ("{combien font |}[a] {divisé par|/} [b] ?", "combien font [c] {fois|x|+} [d] ?"),
    "de": ("{was ist |}[a] {geteilt durch|/} [b]?", "was ist [c] {mal|x|+} [d]?"),
    "zh": ("[a]{除以|/}[b]等于多少？", "[c]{乘以|×|+}[d]等于多少？"),
}  # fmt: skip
_SENSES = {
    "en": "{what time is it|what is the time|what day is it today|what is the date|what year is it|how is the weather|"
    "what is the weather today|will it rain tomorrow|what is the temperature|where am I|what is in the news|what am I "
    "doing|can you see me|what is on my screen|who won the game yesterday|what is the latest news}?",
    "es": "{¿qué hora es|¿qué tiempo hace|¿qué día es hoy|¿va a llover|¿dónde estoy|¿qué hay en las noticias}?",
    "fr": "{quelle heure est-il|quel temps fait-il|quel jour sommes-nous|va-t-il pleuvoir|où suis-je} ?",
    "de": "{wie spät ist es|wie ist das Wetter|welcher Tag ist heute|wird es regnen|wo bin ich}?",
    "zh": "{现在几点|今天天气怎么样|今天星期几|会下雨吗|我在哪里}？",
}
_ASKED = {
    "en": (
        "{what is|what are|what's|who is|who was|where is|when was|how does|explain|tell me about|describe|define|"
        "why is|"
        "what do you know about|can you explain|can you tell me about|how do I learn|what is the history of|who "
        "invented|how big is|how old is|give me facts about|summarize|write about|write a text about|compare|tell me "
        "something about|explain to me|what causes|why do we need|what is the price of|who discovered|how much does it "
        "cost to buy|when did people find|write a paragraph about|who wrote about|is it true that we need} [x]{?|?||.}",
        "{explain|describe} [x] {in simple terms|in one sentence|to a child|in detail|step by step|like I'm five}{.|}",
        "{what is|tell me} the {best|meaning|weight|size|author|king|president|owner} of [x]?",
        "how {many|much} [y] {are there|is there} in [x]?",
        "{who|what|when|where} {won|wrote|started|ended|began|broke|built} [x]?",
    ),
    "es": ("{¿qué es|¿quién es|explica|explícame|háblame de|¿cómo funciona|¿quién inventó|¿cuál es la historia de|"
           "¿por qué existe|¿cuánto cuesta|describe} [x]?",),
    "fr": ("{qu'est-ce que|c'est quoi|qui est|explique|explique-moi|parle-moi de|comment fonctionne|qui a inventé|"
           "quelle est l'histoire de|combien coûte|décris} [x] ?",),
    "de": ("{was ist|wer ist|erkläre|erklär mir|erzähl mir etwas über|wie funktioniert|was kostet|"
           "beschreibe|warum gibt es|was weißt du über} [x]?",),
    "zh": ("{什么是|解释一下|介绍一下|告诉我关于|谁发明了|为什么有|请说明}[x]？", "[x]{是什么|的历史是什么|多少钱|"
    "怎么用}？"),
}  # fmt: skip
_UNABLE = {
    "en": "{can you|please|could you|I want you to|I need you to|help me to|how do I|how can I|how to||} [x]{?|.|}",
    "es": "{¿puedes|¿me ayudas a|¿cómo puedo|quiero} [x]?",
    "fr": "{peux-tu|aide-moi à|comment|je veux} [x] ?",
    "de": "{kannst du|hilf mir:|wie kann ich|ich will} [x]?",
    "zh": "{你能|请帮我|我怎么|我想}[x]？",
}


_TOPICS = {
    "en": words(
        """quantum physics|black holes|the stock market|photosynthesis|the Roman Empire|machine learning|neural
    networks|gravity|evolution|democracy|the economy|climate change|the French Revolution|World War
    II|Shakespeare|football|basketball|tennis|the Olympic
    Games|vaccines|antibiotics|DNA|atoms|electricity|magnets|volcanoes|earthquakes|dinosaurs|the pyramids|the Moon
    landing|Mars|Jupiter|galaxies|the Big Bang|relativity|calculus|algebra|geometry|statistics|poetry|jazz|classical
    music|the guitar|the
    piano|painting|Picasso|Mozart|Einstein|Newton|Napoleon|Caesar|Cleopatra|Bitcoin|blockchain|taxes|insurance|
    mortgages|cooking|sourdough
    bread|sushi|lasagna|wine|cheese|yoga|meditation|sleep|diabetes|cancer|the heart|the brain|the
    liver|vitamins|protein|whales|sharks|eagles|penguins|butterflies|mushrooms|roses|oak trees|rivers|deserts|Mount
    Everest|the Amazon|Antarctica|JavaScript|Linux|Windows|the
    internet|databases|compilers|encryption|robots|drones|self-driving
    cars|rockets|satellites|lasers|batteries|solar panels|nuclear
    power|oil|gold|diamonds|marriage|philosophy|Plato|Buddhism|religion|chess|poker|video games|Star Wars|Harry
    Potter|Batman|fashion|architecture|bridges|trains|airplanes|ships|bicycles|the law|human rights|the United
    Nations|the president|the king|inflation|history|biology|chemistry|psychology|a transformer|attention|diffusion
    models|large language models|GPT|the Turing test|consciousness|time travel|ghosts|aliens|the weather in
    London|my horoscope|the news|love|the meaning of life|a recursive function|a linked list|sorting algorithms|the
    speed of light|the population of China|the height of the Eiffel Tower|the boiling point of water|square
    roots|prime numbers|pi|hydrogen|oxygen|iron|rust|concrete|glass|paper|plastic|recycling|the ozone layer""",
        "|",
    ),
    "es": words(
        """la física cuántica|la bolsa|el Imperio romano|la fotosíntesis|la gravedad|la democracia|el fútbol|
    el cambio climático|la economía|los volcanes|los dinosaurios|la Luna|Marte|el ajedrez|la filosofía|el cáncer|las
    vacunas|Napoleón|Cervantes|el flamenco|el aceite|la química|los robots|el bitcoin|los impuestos|el petróleo|la
    lluvia ácida|el sol de medianoche|los trenes|los planetas|la guerra|la poesía|el corazón|la electricidad|el
    tango""",
        "|",
    ),
    "fr": words(
        """la physique quantique|la bourse|l'Empire romain|la photosynthèse|la gravité|la démocratie|le
    football|le climat|l'économie|les volcans|les dinosaures|la Lune|Mars|les échecs|la philosophie|le cancer|les
    vaccins|Napoléon|Molière|le jazz|la chimie|les robots|le bitcoin|les impôts|le pétrole|les trains|les planètes|la
    guerre|la poésie|le cœur|l'électricité|la tour Eiffel|le vin|la Révolution|les abeilles""",
        "|",
    ),
    "de": words(
        """Quantenphysik|die Börse|das Römische Reich|Fotosynthese|Schwerkraft|Demokratie|Fußball|Klimawandel|
    die Wirtschaft|Vulkane|Dinosaurier|Monde|Mars|Schach|Philosophie|Krebs|Impfungen|Napoleon|Goethe|Jazz|Chemie|
    Roboter|Bitcoin|Steuern|Erdöl|Züge|Planeten|Kriege|Lyrik|das Herz|Elektrizität|die Mauer|Wein|Bienen|
    Relativität""",
        "|",
    ),
    "zh": words(
        """量子物理|股票|罗马帝国|光合作用|重力|民主|足球比赛|气候变化|经济|火山|恐龙|月球|火星|象棋|哲学|
    癌症|疫苗|
    拿破仑|李白|爵士乐|化学|机器人|比特币|税收|石油|高铁|行星|战争|诗歌|心脏|电力|长城|红酒|革命|蜜蜂|相对论|基因""",
        "|",
    ),
}
_TASKS = {
    "en": words(
        """write an email to my boss|summarise this article|fix my code|book a flight|order a pizza|write
    an essay about
    history|plan a trip to Rome|write a business plan|cook lasagna|repair a bike|learn to swim|invest my money|lose
    weight|build a website|find a job|write a cover letter|make a budget|train a dog|grow tomatoes|play chess|write
    a novel|draw a map|search the web|send a message to my friend|set an alarm|open a file|check the weather|call my
    mother|play some music|buy a car|change a tyre|knit a scarf|prove a theorem|solve an equation|debug this
    program|explain this error|give me legal advice|help me with my homework|make a website|write a recipe for
    pancakes|write SQL for this table|write unit tests|design a logo|bake a cake|clean an oven""",
        "|",
    ),
    "es": words(
        """escribir una novela|reservar un vuelo|arreglar mi coche|pedir una pizza|planear un viaje|cocinar
    una paella|escribir un correo|buscar trabajo|hacer una web|perder peso|aprender a nadar|comprar una casa""",
        "|",
    ),
    "fr": words(
        """écrire un roman|réserver un vol|réparer ma voiture|commander une pizza|organiser un voyage|écrire un
    courriel|trouver un travail|faire un site web|perdre du poids|apprendre à nager|acheter une maison|faire un
    gâteau""",
        "|",
    ),
    "de": words(
        """einen Roman schreiben|einen Flug buchen|mein Auto reparieren|eine Pizza bestellen|eine Reise
    planen|eine E-Mail schreiben|eine Arbeit finden|eine Webseite bauen|abnehmen|schwimmen lernen|ein Haus kaufen""",
        "|",
    ),
    "zh": words(
        """写小说|订机票|修车|点披萨|计划旅行|写邮件|找工作|做网站|减肥|学游泳|买房子|做蛋糕|写论文|投资""", "|"
    ),
}


def unknown_turn(rng: random.Random, lang: str = "en", training: bool = True) -> Turn:
    """A question from outside the small world; training and held-out questions have different subjects."""
    while True:
        kind = rng.random()
        if kind < 0.08 and training:
            return Turn(ask(rng, _SENSES[lang], lang), _CANNOT_SEE[lang], note(lang, "I cannot see or look that up."))
        if kind < 0.16:
            numbers = {"a": rng.randint(2, 99), "b": rng.randint(2, 12)}
            numbers |= {"c": rng.randint(1000, 999_999), "d": rng.randint(100, 9999)}
            if held_out("division", *numbers.values()) == training:
                continue
            user = ask(rng, pick(rng, _DIVIDE[lang]), lang, **numbers)
            return Turn(user, _CANNOT_DIVIDE[lang], note(lang, "I cannot divide, and cannot use large numbers."))
        if kind < 0.34:
            subject = pick(rng, _TASKS[lang])
            pattern, answer = _UNABLE[lang], _CANNOT[lang]
        else:
            subject = pick(rng, _TOPICS[lang]) if kind < 0.68 else _strange(rng, lang)
            pattern, answer = pick(rng, _ASKED[lang]), say(rng, DO_NOT_KNOW[lang])
        if held_out("subject", subject.lower()) == training:
            continue
        shown = subject.lower() if lang != "de" and rng.random() < 0.3 else subject
        user = _contracted(ask(rng, pattern, lang, x=shown, y=pick(rng, COMMON)), lang)
        return Turn(user, answer, note(lang, "This is outside my small world. I do not know it and say so."))


def _contracted(text: str, lang: str) -> str:
    """Spanish and French join "de" with an article."""
    if lang == "es":
        return text.replace(" de el ", " del ")
    return text.replace(" de le ", " du ").replace(" de les ", " des ") if lang == "fr" else text


def _strange(rng: random.Random, lang: str) -> str:
    """A made-up subject, or in English also any words."""
    word = coined(rng)
    if lang != "en":
        return pick(rng, (word, word.capitalize(), f"{word.capitalize()} {coined(rng)}"))
    parts = [pick(rng, (word, word.capitalize(), pick(rng, COMMON)))]
    for _ in range(pick(rng, (0, 0, 1, 2, 4))):
        parts.append(pick(rng, (pick(rng, COMMON), coined(rng), "of the", "and", "in a", "with")))
    return pick(rng, ("the ", "a ", "", "")) + " ".join(parts)
