"""Word lists of the small world that the starter chat models know, and of the large one that they do not."""

from __future__ import annotations

import random

from playground.starter.text_turns import held_out


def _split(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split(separator))


SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "ring", "cross")
COLOURS = (
    "red", "green", "blue", "yellow", "orange", "purple", "pink", "white", "black", "grey", "brown", "cyan",
)  # fmt: skip
NAMES = _split(
    """Ana Bob Alice Tom Maria John Emma Liam Noah Olivia Ava Mia Lucas Leo Max Sam Alex Chris Kim Lee Nina Omar Ali
    Fatima Aisha Chen Wei Li Ming Yuki Hana Ken Sofia Diego Carlos Juan Pedro Lucia Elena Ivan Olga Igor Anna Eva Peter
    Paul Mary James Robert Linda David Sarah Karen Nancy Lisa Mark Steve Kevin Brian Laura Julia Clara Hugo Louis Jules
    Chloe Marie Pierre Luc Hans Greta Klaus Ingrid Lars Sven Freya Erik Bjorn Astrid Raj Priya Arjun Anil Sunita Kofi
    Ama Zara Amir Leila Yusuf Noor Ravi Maya Ruth Adam Ben Dan Ella Fred Gina Henry Iris Jack Kate Lily Mike Nick Oscar
    Pam Quinn Rosa Sue Tim Uma Vera Will Xena Yara Zoe George Helen Jane Joe Kyle Martin Simon Victor Walter Anton Boris
    Dora Felix Gloria Irene Jonas Kurt Mila Nora Otto Petra Rita Stella Theo Viktor Wanda Grace Daisy Ruby Ethan Logan
    Jacob Daniel Michael Sophie Emily Charlie Jake Rachel Monica Tara Nadia Samir Tariq Ines Paula Marta Luis Miguel
    Andrea Marco Luca Giulia Paolo Francesca Bruno Rafael Thiago Camila Valeria Andres"""
)
OPPOSITES = tuple(
    _split(pair, "/")
    for pair in _split(
        """hot/cold big/small fast/slow up/down left/right day/night good/bad happy/sad light/dark old/new
    open/closed early/late long/short high/low hard/soft full/empty rich/poor strong/weak wet/dry clean/dirty near/far
    young/old thick/thin true/false loud/quiet tall/short inside/outside yes/no start/end love/hate win/lose push/pull
    black/white first/last begin/finish buy/sell give/take come/go cheap/expensive easy/difficult sweet/sour
    wide/narrow deep/shallow heavy/light smooth/rough alive/dead awake/asleep above/below before/after always/never
    friend/enemy question/answer north/south east/west summer/winter sharp/blunt safe/dangerous right/wrong more/less
    many/few in/out on/off front/back top/bottom"""
    )
)
COLOUR_OF = {
    "a banana": "yellow", "a lemon": "yellow", "the sun": "yellow", "an apple": "red", "a tomato": "red",
    "blood": "red",
    "a strawberry": "red", "a rose": "red", "a cherry": "red", "the sky": "blue", "the sea": "blue",
    "the ocean": "blue", "a blueberry": "blue", "grass": "green", "a leaf": "green", "a frog": "green",
    "a cucumber": "green", "broccoli": "green", "snow": "white", "milk": "white", "salt": "white", "a cloud": "white",
    "rice": "white", "coal": "black", "the night": "black", "a crow": "black", "an orange": "orange",
    "a carrot": "orange", "a pumpkin": "orange", "chocolate": "brown", "wood": "brown", "coffee": "brown",
    "a bear": "brown", "an elephant": "grey", "a mouse": "grey", "stone": "grey", "a pig": "pink", "a flamingo": "pink",
    "an eggplant": "purple", "a grape": "purple", "a plum": "purple", "lavender": "purple",
}  # fmt: skip
CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Spain": "Madrid", "Italy": "Rome", "England": "London",
    "the UK": "London", "Portugal": "Lisbon", "Japan": "Tokyo", "China": "Beijing", "Russia": "Moscow",
    "Greece": "Athens", "Egypt": "Cairo", "Poland": "Warsaw", "Austria": "Vienna", "Sweden": "Stockholm",
    "Norway": "Oslo", "Denmark": "Copenhagen", "Finland": "Helsinki", "Ireland": "Dublin", "Canada": "Ottawa",
    "Mexico": "Mexico City", "India": "New Delhi", "Belgium": "Brussels", "Hungary": "Budapest", "Turkey": "Ankara",
    "Cuba": "Havana", "Peru": "Lima", "Argentina": "Buenos Aires", "the USA": "Washington", "South Korea": "Seoul",
    "the United States": "Washington", "Brazil": "Brasilia", "Switzerland": "Bern", "Australia": "Canberra",
    "the Netherlands": "Amsterdam", "Ukraine": "Kyiv",
}  # fmt: skip
SOUNDS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "pig": "oink", "lion": "roar",
    "bee": "buzz", "horse": "neigh", "frog": "ribbit", "rooster": "cock-a-doodle-doo", "owl": "hoo", "mouse": "squeak",
    "snake": "hiss",
}  # fmt: skip
LEGS = {
    "dog": 4, "cat": 4, "spider": 8, "bird": 2, "horse": 4, "ant": 6, "bee": 6, "cow": 4, "human": 2, "fish": 0,
    "snake": 0, "chicken": 2, "elephant": 4, "fly": 6, "table": 4,
}  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
GOOD = _split(
    """great wonderful amazing excellent fantastic lovely beautiful delicious brilliant perfect nice superb good awesome
    pleasant charming delightful fun outstanding terrific friendly helpful tasty fresh impressive"""
)
BAD = _split(
    """terrible awful horrible bad boring disgusting ugly poor dreadful disappointing nasty rude cold broken slow
    useless     dirty annoying stale bland unpleasant worst cheap painful sad noisy"""
)
REVIEWED = _split(
    """film movie book food service hotel room meal phone game song show concert trip pizza coffee restaurant staff
    weather car house party lesson story music product shop place cake soup view app teacher play"""
)
TOPICS = _split(
    """quantum physics|black holes|the stock market|photosynthesis|the Roman Empire|machine learning|neural networks|
    gravity|evolution|democracy|the economy|climate change|the French Revolution|World War II|Shakespeare|football|
    basketball|tennis|the Olympic Games|vaccines|antibiotics|DNA|atoms|electricity|magnets|volcanoes|earthquakes|
    dinosaurs|the pyramids|the Moon landing|Mars|Jupiter|galaxies|the Big Bang|relativity|calculus|algebra|geometry|
    statistics|poetry|jazz|classical music|the guitar|the piano|painting|Picasso|Mozart|Einstein|Newton|Napoleon|Caesar|
    Cleopatra|Bitcoin|blockchain|taxes|insurance|mortgages|cooking|sourdough bread|sushi|lasagna|wine|cheese|yoga|
    meditation|sleep|diabetes|cancer|the heart|the brain|the liver|vitamins|protein|whales|sharks|eagles|penguins|
    butterflies|mushrooms|roses|oak trees|rivers|deserts|Mount Everest|the Amazon|Antarctica|Python|JavaScript|Linux|
    Windows|the internet|databases|compilers|encryption|robots|drones|self-driving cars|rockets|satellites|lasers|
    batteries|solar panels|nuclear power|oil|gold|diamonds|marriage|philosophy|Plato|Buddhism|religion|chess|poker|
    video games|Star Wars|Harry Potter|Batman|fashion|architecture|bridges|trains|airplanes|ships|bicycles|the law|
    human rights|the United Nations|the president|the king|inflation|history|biology|chemistry|psychology|a transformer|
    attention|diffusion models|large language models|GPT|the Turing test|consciousness|time travel|ghosts|aliens|the
    weather in London|my horoscope|the news|love|the meaning of life|a recursive function|a linked list|sorting
    algorithms|the speed of light|the population of China|the height of the Eiffel Tower|the boiling point of water|
    square roots|prime numbers|pi|hydrogen|oxygen|iron|rust|concrete|glass|paper|plastic|recycling|the ozone layer""",
    "|",
)
TASKS = _split(
    """write a Python function that sorts a list|write an email to my boss|translate this sentence into French|
    summarise this article|fix my code|book a flight|order a pizza|write an essay about history|plan a trip to Rome|
    write a business plan|cook lasagna|repair a bike|learn to swim|invest my money|lose weight|learn Chinese|
    build a website|find a job|write a cover letter|make a budget|train a dog|grow tomatoes|play chess|write a novel|
    draw a map|search the web|send a message to my friend|set an alarm|open a file|check the weather|call my mother|
    play some music|buy a car|change a tyre|knit a scarf|prove a theorem|solve an equation|debug this program|
    explain this error|give me legal advice|help me with my homework|make a website|write a recipe for pancakes|
    write a regular expression|write SQL for this table|write unit tests|design a logo|bake a cake|clean an oven""",
    "|",
)
COMMON = _split(
    """time person year way thing man world life hand part child eye woman place work week case point government company
    number group problem fact water room mother area money story month lot right study book word business issue side
    kind head house service friend father power hour game line end member law car city community name team minute idea
    body information back parent face level office door health art war history party result change morning reason
    research girl guy moment air teacher force education apple river mountain garden window kitchen bread butter sugar
    chair lamp mirror pencil paper bottle basket bridge castle forest island village market engine wheel planet rocket
    dragon wizard tiger rabbit monkey parrot dolphin turtle spoon fork plate knife ladder hammer needle button jacket
    shirt shoe hat glove pocket coin ticket letter stamp candle blanket pillow carpet curtain guitar violin drum flute
    cloud storm thunder rain sun moon sand shell wave boat sail anchor train track station ticket road street corner
    tower bell clock watch phone screen keyboard mouse cable paint brush canvas frame picture camera lens film stage
    cotton silk wool leather metal copper silver gold stone brick cement wood leaf root seed flower grass farm
    field"""
)


def name(rng: random.Random, training: bool = True) -> str:
    """A first name, listed or made of syllables; from the training names, or from those kept out of training."""
    while True:
        drawn = rng.choice(NAMES) if rng.random() < 0.55 else coined(rng).capitalize()
        if held_out("name", drawn) != training:
            return drawn


def coined(rng: random.Random) -> str:
    """A word that means nothing, of two or three syllables."""
    parts = []
    for _ in range(rng.choice([2, 2, 3])):
        onset = rng.choice(
            ["b", "br", "d", "f", "g", "gl", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", ""]
        )
        parts.append(onset + rng.choice(["a", "e", "i", "o", "u", "ai", "ee", "ou"]))
    return "".join(parts) + rng.choice(["", "n", "l", "r", "s", "k", "m", "t"])
