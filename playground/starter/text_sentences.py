"""Small sentences said in five languages at once, made from one grammar.

A sentence is a meaning (a tuple of words) that each language says in its own way; whole meanings are held out, so that
no language pair of an evaluated sentence occurs in training.
"""

from __future__ import annotations

import random

from playground.starter.text_names import first_name, town
from playground.starter.text_turns import LANGUAGES, held_out
from playground.starter.text_wording import capital, pick
from playground.starter.text_words import COLOURS, NUMBER_WORDS, Row, rows

# English noun / Spanish and French with "un" or "une" / German with der, die, das / Chinese measure word and noun.
NOUNS = rows("""
    dog/un perro/un chien/der Hund/只狗
    cat/un gato/un chat/die Katze/只猫
    bird/un pájaro/un oiseau/der Vogel/只鸟
    horse/un caballo/un cheval/das Pferd/匹马
    fish/un pez/un poisson/der Fisch/条鱼
    house/una casa/une maison/das Haus/座房子
    car/un coche/une voiture/das Auto/辆车
    book/un libro/un livre/das Buch/本书
    table/una mesa/une table/der Tisch/张桌子
    chair/una silla/une chaise/der Stuhl/把椅子
    door/una puerta/une porte/die Tür/扇门
    tree/un árbol/un arbre/der Baum/棵树
    flower/una flor/une fleur/die Blume/朵花
    apple/una manzana/une pomme/der Apfel/个苹果
    cup/una taza/une tasse/die Tasse/个杯子
    bag/una bolsa/un sac/die Tasche/个包
    hat/un sombrero/un chapeau/der Hut/顶帽子
    bike/una bicicleta/un vélo/das Fahrrad/辆自行车
    phone/un teléfono/un téléphone/das Telefon/部电话
    letter/una carta/une lettre/der Brief/封信
    key/una llave/une clé/der Schlüssel/把钥匙
    lamp/una lámpara/une lampe/die Lampe/盏灯
    bed/una cama/un lit/das Bett/张床
    clock/un reloj/une horloge/die Uhr/个钟
    picture/una foto/une photo/das Foto/张照片
    star/una estrella/une étoile/der Stern/颗星星
    boat/un barco/un bateau/das Boot/条船
    egg/un huevo/un œuf/das Ei/个鸡蛋
    ticket/un billete/un billet/die Karte/张票
    garden/un jardín/un jardin/der Garten/个花园
""")
# Without an article, or with a part of it: after "to eat" or "to drink".
_FOODS = rows("""
    bread/pan/du pain/Brot/面包
    rice/arroz/du riz/Reis/米饭
    fish/pescado/du poisson/Fisch/鱼
    cheese/queso/du fromage/Käse/奶酪
    soup/sopa/de la soupe/Suppe/汤
    cake/pastel/du gâteau/Kuchen/蛋糕
""")
_DRINKS = rows("""
    water/agua/de l'eau/Wasser/水
    milk/leche/du lait/Milch/牛奶
    coffee/café/du café/Kaffee/咖啡
    tea/té/du thé/Tee/茶
    juice/zumo/du jus/Saft/果汁
""")
# I, you, he, she, we, they.
_SUBJECTS = {
    "en": ("I", "you", "he", "she", "we", "they"), "es": ("", "", "él", "ella", "", "ellos"),
    "fr": ("je", "tu", "il", "elle", "nous", "ils"), "de": ("ich", "du", "er", "sie", "wir", "sie"),
    "zh": ("我", "你", "他", "她", "我们", "他们"),
}  # fmt: skip
_VERBS: dict[str, dict[str, str]] = {
    "eat": {"en": "eat eat eats eats eat eat", "es": "como comes come come comemos comen", "zh": "吃",
            "fr": "mange manges mange mange mangeons mangent", "de": "esse isst isst isst essen essen"},
    "drink": {"en": "drink drink drinks drinks drink drink", "es": "bebo bebes bebe bebe bebemos beben", "zh": "喝",
              "fr": "bois bois boit boit buvons boivent", "de": "trinke trinkst trinkt trinkt trinken trinken"},
    "buy": {"en": "buy buy buys buys buy buy", "es": "compro compras compra compra compramos compran", "zh": "买",
            "fr": "achète achètes achète achète achetons achètent", "de": "kaufe kaufst kauft kauft kaufen kaufen"},
    "see": {"en": "see see sees sees see see", "es": "veo ves ve ve vemos ven", "zh": "看见",
            "fr": "vois vois voit voit voyons voient", "de": "sehe siehst sieht sieht sehen sehen"},
    "have": {"en": "have have has has have have", "es": "tengo tienes tiene tiene tenemos tienen", "zh": "有",
             "fr": "ai as a a avons ont", "de": "habe hast hat hat haben haben"},
    "want": {"en": "want want wants wants want want", "es": "quiero quieres quiere quiere queremos quieren",
    "zh": "想要",
             "fr": "veux veux veut veut voulons veulent", "de": "möchte möchtest möchte möchte möchten möchten"},
    "find": {"en": "find find finds finds find find", "zh": "找到",
             "es": "encuentro encuentras encuentra encuentra encontramos encuentran",
             "fr": "trouve trouves trouve trouve trouvons trouvent", "de": "finde findest findet findet finden finden"},
}  # fmt: skip
# After "is": English / Spanish masculine,feminine / French masculine,feminine / German / Chinese.
_ADJECTIVES = rows("""
    big/grande,grande/grand,grande/groß/很大
    small/pequeño,pequeña/petit,petite/klein/很小
    new/nuevo,nueva/nouveau,nouvelle/neu/很新
    old/viejo,vieja/vieux,vieille/alt/很旧
    beautiful/bonito,bonita/beau,belle/schön/很美
    red/rojo,roja/rouge,rouge/rot/是红色的
    white/blanco,blanca/blanc,blanche/weiß/是白色的
    black/negro,negra/noir,noire/schwarz/是黑色的
    green/verde,verde/vert,verte/grün/是绿色的
    blue/azul,azul/bleu,bleue/blau/是蓝色的
    yellow/amarillo,amarilla/jaune,jaune/gelb/是黄色的
    expensive/caro,cara/cher,chère/teuer/很贵
    good/bueno,buena/bon,bonne/gut/很好
""")
_PLACES = rows("""
    in the garden/en el jardín/dans le jardin/im Garten/在花园里
    in the house/en la casa/dans la maison/im Haus/在房子里
    in the kitchen/en la cocina/dans la cuisine/in der Küche/在厨房里
    on the table/sobre la mesa/sur la table/auf dem Tisch/在桌子上
    under the bed/debajo de la cama/sous le lit/unter dem Bett/在床下
    in the street/en la calle/dans la rue/auf der Straße/在街上
    in the park/en el parque/dans le parc/im Park/在公园里
    at school/en la escuela/à l'école/in der Schule/在学校
""")
_ANIMALS = {"dog", "cat", "bird", "horse", "fish"}
# Chinese has another word for the age of what lives.
_NOT_OF_ANIMALS = {"old", "new", "good"}
_LARGE = {"house", "car", "tree", "garden", "table", "bed", "door", "boat"}
_PHRASES = rows("""
    Good morning./Buenos días./Bonjour./Guten Morgen./早上好。
    Good night./Buenas noches./Bonne nuit./Gute Nacht./晚安。
    Thank you./Gracias./Merci./Danke./谢谢。
    How are you?/¿Cómo estás?/Comment vas-tu ?/Wie geht es dir?/你好吗？
    See you tomorrow./Hasta mañana./À demain./Bis morgen./明天见。
    I do not understand./No entiendo./Je ne comprends pas./Ich verstehe nicht./我不明白。
    I am tired./Estoy cansado./Je suis fatigué./Ich bin müde./我累了。
    I am hungry./Tengo hambre./J'ai faim./Ich habe Hunger./我饿了。
    I am happy./Estoy feliz./Je suis heureux./Ich bin glücklich./我很高兴。
    Where is the station?/¿Dónde está la estación?/Où est la gare ?/Wo ist der Bahnhof?/车站在哪里？
    How much does it cost?/¿Cuánto cuesta?/Combien ça coûte ?/Wie viel kostet das?/多少钱？
    I love you./Te quiero./Je t'aime./Ich liebe dich./我爱你。
    Happy birthday!/¡Feliz cumpleaños!/Joyeux anniversaire !/Alles Gute zum Geburtstag!/生日快乐！
    What is your name?/¿Cómo te llamas?/Comment tu t'appelles ?/Wie heißt du?/你叫什么名字？
    I speak English./Hablo inglés./Je parle anglais./Ich spreche Englisch./我说英语。
    It is cold today./Hoy hace frío./Il fait froid aujourd'hui./Heute ist es kalt./今天很冷。
    The weather is nice./Hace buen tiempo./Il fait beau./Das Wetter ist schön./天气很好。
    Please help me./Ayúdame, por favor./Aide-moi, s'il te plaît./Bitte hilf mir./请帮帮我。
    Goodbye./Adiós./Au revoir./Auf Wiedersehen./再见。
    Excuse me./Disculpe./Excusez-moi./Entschuldigung./不好意思。
""")
_GERMAN = {"der": "einen", "die": "eine", "das": "ein"}
_SHY = ("a", "e", "i", "o", "u", "é", "œ", "h")


def _is_feminine(noun: Row, lang: str) -> bool:
    return noun[lang].startswith(("una ", "une ", "die "))


def _the(noun: Row, lang: str) -> str:
    """The noun with its definite article, as a subject."""
    if lang == "en":
        return f"the {noun['en']}"
    if lang == "de":
        return noun["de"]
    if lang == "zh":
        return noun["zh"][1:]
    word = noun[lang].split(" ", 1)[1]
    if lang == "es":
        return f"{'la' if _is_feminine(noun, lang) else 'el'} {word}"
    if word.startswith(_SHY):
        return f"l'{word}"
    return f"{'la' if _is_feminine(noun, lang) else 'le'} {word}"


def _a(noun: Row, lang: str) -> str:
    """The noun with its indefinite article, as an object."""
    if lang == "en":
        return f"{'an' if noun['en'][0] in 'aeiou' else 'a'} {noun['en']}"
    if lang == "de":
        article, word = noun["de"].split(" ", 1)
        return f"{_GERMAN[article]} {word}"
    return f"一{noun['zh']}" if lang == "zh" else noun[lang]


def _sentence(lang: str, *parts: str, mark: str = ".") -> str:
    words = [part for part in parts if part]
    if lang == "zh":
        return "".join(words) + {".": "。", "?": "？"}[mark]
    text = capital(" ".join(words))
    if mark == "?":
        return {"es": f"¿{text}?", "fr": f"{text} ?"}.get(lang, f"{text}?")
    return text + mark


def _deed(person: int, verb: str, thing: Row | None, noun: Row, today: bool, lang: str) -> str:
    form = _VERBS[verb][lang].split()[person] if lang != "zh" else _VERBS[verb]["zh"]
    subject = _SUBJECTS[lang][person]
    if lang == "fr" and person == 0 and form[0] in "aeiou":
        subject, form = "", f"j'{form}"
    what = _a(noun, lang) if thing is None else thing[lang]
    when = {"en": "today", "es": "hoy", "fr": "aujourd'hui", "de": "heute", "zh": "今天"}[lang] if today else ""
    order = {"de": (subject, form, when, what), "zh": (subject, when, form, what)}
    return _sentence(lang, *order.get(lang, (subject, form, what, when)))


def _adjective(noun: Row, row: Row, lang: str) -> str:
    forms = row[lang].split(",")
    return forms[-1] if _is_feminine(noun, lang) else forms[0]


def _is_so(noun: Row, adjective: Row, lang: str) -> str:
    verb = {"en": "is", "es": "es", "fr": "est", "de": "ist", "zh": ""}[lang]
    return _sentence(lang, _the(noun, lang), verb, _adjective(noun, adjective, lang))


def _is_at(noun: Row, place: Row, lang: str) -> str:
    verb = {"en": "is", "es": "está", "fr": "est", "de": "ist", "zh": ""}[lang]
    return _sentence(lang, _the(noun, lang), verb, place[lang])


def _where(noun: Row, lang: str) -> str:
    if lang == "zh":
        return _sentence(lang, _the(noun, lang), "在哪里", mark="?")
    opening = {"en": "where is", "es": "dónde está", "fr": "où est", "de": "wo ist"}[lang]
    return _sentence(lang, opening, _the(noun, lang), mark="?")


def _named(person: str, place: str, lang: str) -> str:
    said = {"en": "My name is {} and I live in {}.", "es": "Me llamo {} y vivo en {}.", "zh": "我叫{}，我住在{}。",
            "fr": "Je m'appelle {} et j'habite à {}.", "de": "Ich heiße {} und wohne in {}."}  # fmt: skip
    return said[lang].format(person, place)


def meaning(rng: random.Random) -> tuple[tuple[str, ...], dict[str, str]]:
    """A meaning, as the key by which it is held out, and how each language says it."""
    kind = int(rng.random() * 20)
    noun = pick(rng, NOUNS)
    if kind < 7:
        person, today = int(rng.random() * 6), rng.random() < 0.3
        thing: Row | None = None
        if kind < 2:
            verb, things = pick(rng, (("eat", _FOODS), ("drink", _DRINKS), ("buy", _FOODS), ("want", _DRINKS)))
            thing = pick(rng, things)
        else:
            verb = pick(rng, ("buy", "see", "have", "want", "find"))
        said = {lang: _deed(person, verb, thing, noun, today, lang) for lang in LANGUAGES}
        return ("deed", str(person), verb, (thing or noun)["en"], str(today)), said
    if kind < 11:
        adjective = pick(rng, _ADJECTIVES)
        while noun["en"] in _ANIMALS and adjective["en"] in _NOT_OF_ANIMALS:
            adjective = pick(rng, _ADJECTIVES)
        return ("so", noun["en"], adjective["en"]), {lang: _is_so(noun, adjective, lang) for lang in LANGUAGES}
    if kind < 14:
        place = pick(rng, _PLACES)
        while noun["en"] in _LARGE or noun["en"] in place["en"]:
            noun = pick(rng, NOUNS)
        return ("at", noun["en"], place["en"]), {lang: _is_at(noun, place, lang) for lang in LANGUAGES}
    if kind < 15:
        return ("where", noun["en"]), {lang: _where(noun, lang) for lang in LANGUAGES}
    if kind < 16:
        person_, place_ = first_name(rng), town(rng)
        return ("named", person_, place_), {lang: _named(person_, place_, lang) for lang in LANGUAGES}
    if kind < 18:
        phrase = pick(rng, _PHRASES)
        return ("phrase", phrase["en"]), phrase
    if kind < 19:
        return ("noun", noun["en"]), {lang: _the(noun, lang) for lang in LANGUAGES}
    i = int(rng.random() * 21)
    words: Row = pick(rng, COLOURS) if rng.random() < 0.5 else {lang: NUMBER_WORDS[lang][i] for lang in LANGUAGES}
    return ("word", words["en"]), words


# Single words are what sentences are made of, so that only sentences are held out.
_HELD_OUT_KINDS = {"deed", "so", "at", "named"}


def draw_meaning(rng: random.Random, training: bool = True) -> dict[str, str]:
    """How each language says a meaning of training, or with `training` False one that was kept out."""
    while True:
        key, said = meaning(rng)
        if (key[0] in _HELD_OUT_KINDS and held_out("meaning", *key)) != training:
            return said
