"""What a sentence is about: topics to choose from, in five languages, also as the app's own labelling asks."""

from __future__ import annotations

import random
from collections.abc import Mapping

from playground.starter.text_judging import asked_about, labelled
from playground.starter.text_turns import Turn, held_out, note
from playground.starter.text_wording import capital, expand, fill, pick

# Topics by language: the label, then sentences about it.
TOPICS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "sports": ("the team {won|lost} the {match|game|final} {yesterday|by [k] goals|at home|}",
                   "{she|he} {ran|swam} [k] {miles|laps} {before the race|in training|}",
                   "the {player|goalkeeper|coach} {kicked|threw|caught} the ball{ twice|}",
                   "the {tennis|football|basketball|hockey} {match|season|cup} {starts|ends} {today|on Sunday|soon}"),
        "food": ("the {soup|bread|cake|salad|stew} needs {more salt|butter|an hour in the oven|fresh herbs}",
                 "{she|he} {cooked|baked|fried} {rice|fish|potatoes|eggs} with {garlic|lemon|cheese}",
                 "we {ate|ordered} {pizza|noodles|[k] pancakes} for {lunch|dinner|breakfast}",
                 "the {cook|chef|baker} {mixes|cuts|tastes} the {dough|vegetables|sauce}"),
        "animals": ("the {dog|cat|horse|rabbit|cow} {sleeps|runs|eats} in the {barn|garden|grass}",
                    "[k] {birds|ducks|sheep|bees} {live|rest} {near the pond|on the farm|in the tree}",
                    "a {lion|wolf|fox|bear} {hunts|hides|walks} {at night|in the forest}",
                    "the {puppy|kitten|foal} {drinks milk|wags its tail|plays with its mother}"),
        "music": ("the {band|singer|orchestra} {played|sang|recorded} [k] songs{ on stage|}",
                  "{she|he} {plays|practises} the {piano|guitar|violin|drums} {every day|at home}",
                  "the {melody|rhythm|chorus} of the {song|album} is {slow|loud|catchy}",
                  "the {concert|choir|festival} {begins|ends} with a {song|drum solo}"),
        "weather": ("it {rains|snows} {all day|since Monday|in the north}", "the {storm|wind|fog} {comes|came} "
        "from the "
                    "{sea|west|north}", "{tomorrow|today} it will be {sunny|cloudy|cold} with [k] degrees",
                    "{clouds|thunder and lightning|heavy rain} {cover|reached} the {coast|valley|sky}"),
        "travel": ("the {train|plane|bus|ferry} {leaves|arrives} {at [k]|late|from gate [k]}",
                   "we {booked|found} a {hotel|flight|tour} {by the beach|in the old town|for [k] nights}",
                   "{she|he} {packed|lost} {a|the} {suitcase|passport|map} {before the trip|at the airport}",
                   "{tourists|visitors} {walk through|photograph} the {castle|old city|harbour}"),
        "technology": ("the {computer|laptop|phone|server} {needs|got} {a new battery|an update|more memory}",
                       "the {app|website|program} {crashed|starts} {again|after the update|in [k] seconds}",
                       "{she|he} {wrote|fixed} {code|a bug|the software} {for the robot|at night}",
                       "the {screen|keyboard|chip|network} is {broken|faster than before|connected}"),
        "school": ("the {teacher|pupil|student} {reads|wrote|explains} {the lesson|an exam|the homework}",
                   "the {maths|history|science} {test|class|exam} {has [k] questions|starts at [k]}",
                   "{children|students} {learn|practise} {spelling|reading|algebra} {in the classroom|at school}",
                   "{she|he} got a {good|bad} {grade|mark} in {maths|biology|history}"),
    },
    "es": {
        "deporte": ("el equipo {ganó|perdió} el {partido|torneo}", "el jugador {pateó|lanzó} el balón",
        "la carrera empieza "
                    "{hoy|el domingo}"),
        "comida": ("la {sopa|ensalada} necesita {sal|aceite}", "{cocinó|preparó} {arroz|pescado} con ajo", "comimos "
                   "{pizza|tortilla} para {cenar|desayunar}"),
        "animales": ("el {perro|gato|caballo} duerme en el {jardín|establo}", "[k] pájaros viven en el árbol",
        "el lobo caza "
                     "de noche"),
        "música": ("la {banda|cantante} {tocó|cantó} [k] canciones", "{toca|practica} {el piano|la guitarra}",
        "la melodía "
                   "es {lenta|alegre}"),
        "tiempo": ("{llueve|nieva} todo el día", "mañana hará {sol|frío} con [k] grados", "la tormenta viene del "
        "{norte|mar}"),
        "viajes": ("el {tren|avión|autobús} sale a las [k]", "reservamos un {hotel|vuelo} {en la costa|para [k] "
        "noches}",
                   "perdió {la maleta|el pasaporte} en el aeropuerto"),
    },
    "fr": {
        "sport": ("l'équipe a {gagné|perdu} le {match|tournoi}", "le joueur a {frappé|lancé} le ballon", "la course "
                  "commence {aujourd'hui|dimanche}"),
        "cuisine": ("la {soupe|salade} manque de {sel|beurre}", "{elle|il} {cuisine|prépare} du {riz|poisson} à l'ail",
                    "nous avons mangé une {pizza|omelette}"),
        "animaux": ("le {chien|chat|cheval} dort dans {le jardin|l'étable}", "[k] oiseaux vivent dans l'arbre",
        "le loup "
                    "chasse la nuit"),
        "musique": ("le {groupe|chanteur} a {joué|chanté} [k] chansons", "{elle|il} joue {du piano|de la guitare}",
        "la "
                    "mélodie est {lente|gaie}"),
        "météo": ("il {pleut|neige} toute la journée", "demain il fera {beau|froid} avec [k] degrés", "l'orage vient "
                  "{du nord|de la mer}"),
        "voyage": ("le {train|bus|bateau} part à [k] heures", "nous avons réservé un {hôtel|vol} {au bord de la "
        "mer|pour "
                   "[k] nuits}", "{elle|il} a perdu {sa valise|son passeport} à l'aéroport"),
    },
    "de": {
        "Sport": ("die Mannschaft hat das {Spiel|Turnier} {gewonnen|verloren}", "der Spieler {wirft|fängt} den Ball",
        "das "
                  "Rennen beginnt {heute|am Sonntag}"),
        "Essen": ("{die Suppe|der Salat} braucht {Salz|Öl}", "{sie|er} {kocht|brät} {Reis|Fisch} mit Knoblauch",
        "wir aßen "
                  "{Pizza|Nudeln} zum {Abendessen|Frühstück}"),
        "Tiere": ("{der Hund|die Katze|das Pferd} schläft im {Garten|Stall}", "[k] Vögel leben im Baum",
        "der Wolf jagt "
                  "nachts"),
        "Musik": ("die {Band|Sängerin} hat [k] Lieder {gespielt|gesungen}", "{sie|er} spielt {Klavier|Gitarre}", "die "
                  "Melodie ist {langsam|fröhlich}"),
        "Wetter": ("es {regnet|schneit} den ganzen Tag", "morgen wird es {sonnig|kalt} bei [k] Grad",
        "der Sturm kommt vom "
                   "{Norden|Meer}"),
        "Reisen": ("{der Zug|der Bus|das Schiff} fährt um [k] Uhr ab", "wir haben {ein Hotel|einen Flug} {am Meer|"
        "für [k] "
                   "Nächte} gebucht", "{sie|er} hat am Flughafen den {Koffer|Pass} verloren"),
    },
    "zh": {
        "体育": ("球队{赢了|输了}比赛", "球员{踢|接}到了球", "比赛{今天|星期天}开始"),
        "美食": ("这碗汤需要{盐|油}", "{她|他}用大蒜{炒|煮}{米饭|鱼}", "我们{晚饭|早饭}吃了{披萨|面条}"),
        "动物": ("{狗|猫|马}在{花园|农场}睡觉", "[k]只鸟住在树上", "狼晚上出来捕猎"),
        "音乐": ("{乐队|歌手}唱了[k]首歌", "{她|他}{弹钢琴|弹吉他}", "这段旋律很{慢|欢快}"),
        "天气": ("{下雨|下雪}下了一整天", "明天{晴天|很冷}，[k]度", "暴风从{北方|海上}来"),
        "旅行": ("{火车|飞机|汽车}[k]点出发", "我们订了{海边的酒店|[k]晚的酒店}", "{她|他}在机场丢了{行李|护照}"),
    },
}  # fmt: skip
_TOPIC_ASKED = {
    "en": ("{what is the topic of|which topic is|topic of} this{ sentence|}{:|?} [q] {Choose from|Options|Labels}: "
    "[l]{.|}",
           "classify{ the topic|}: [q] {Labels|Topics}: [l]{.|}", "{Is this about|What is this about:} [o]? [q]",
           "Text: [q]\n\nWhich of these labels fits the text best: [l]? Answer with the label only."),
    "es": ("¿cuál es el tema: [o]? [q]", "clasifica el tema ([l]): [q]"),
    "fr": ("quel est le sujet : [o] ? [q]", "classe le sujet ([l]) : [q]"),
    "de": ("was ist das Thema: [o]? [q]", "ordne das Thema zu ([l]): [q]"),
    "zh": ("这句话的主题是什么：[l]？[q]", "判断主题（[l]）：[q]"),
}  # fmt: skip
_OR = {"en": "or", "es": "o", "fr": "ou", "de": "oder", "zh": "、"}


def topic_turn(rng: random.Random, lang: str = "en", training: bool = True) -> Turn:
    """A sentence and two to five topics to choose from; held-out sentences are apart."""
    table: Mapping[str, tuple[str, ...]] = TOPICS[lang]
    while True:
        topic = pick(rng, tuple(table))
        text = fill(expand(rng, pick(rng, table[topic])), k=rng.randint(2, 20)).strip()
        if held_out("topic", text) != training:
            break
    labels = [topic, *rng.sample([t for t in table if t != topic], rng.randint(1, min(4, len(table) - 1)))]
    rng.shuffle(labels)
    joint = "、" if lang == "zh" else ", "
    either = joint.join(labels[:-1]) + (f" {_OR[lang]} " if lang != "zh" else "、") + labels[-1]
    end = "。" if lang == "zh" else "."
    user = asked_about(rng, pick(rng, _TOPIC_ASKED[lang]), lang, q=capital(text) + end, l=joint.join(labels), o=either)
    thought = note(lang, f"The text says: {text}. That is about {topic}.")
    return Turn(user, labelled(user, topic, end), thought, topic)


def fits_turn(rng: random.Random) -> Turn:
    """Whether a label fits a text, yes or no, as a program asks for each label by itself."""
    topics = TOPICS["en"]
    while True:
        topic = pick(rng, tuple(topics))
        text = fill(expand(rng, pick(rng, topics[topic])), k=rng.randint(2, 20)).strip()
        if not held_out("topic", text):
            break
    label = topic if rng.random() < 0.5 else pick(rng, tuple(topics))
    user = f'Text: {capital(text)}.\n\nDoes the label "{label}" fit the text? Answer yes or no.'
    word = "yes" if label == topic else "no"
    return Turn(user, word, f"The text says: {text}. That is about {topic}.", word)
