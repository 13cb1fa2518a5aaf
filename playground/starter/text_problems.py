"""Word problems of one and two steps in five languages. The numbers stay within what `text_arithmetic` does."""

from __future__ import annotations

import random
import re

from playground.starter.text_arithmetic import columns, equation, is_held_out, result_of
from playground.starter.text_names import first_name
from playground.starter.text_turns import Turn, held_out, note
from playground.starter.text_wording import ask, pick
from playground.starter.text_words import THINGS

# The operations, and by language the story; [n] is a name, [t] things, [a] [b] [c] numbers.
_STORIES: tuple[tuple[str, dict[str, tuple[str, ...]]], ...] = (
    ("+", {
        "en": ("[n] has [a] [t] and {gets|buys|finds} [b] more. How many [t] does [n] have{ now|}?",
               "I have [a] [t] and {get|buy|find} [b] more. How many [t] do I have{ now|}?",
               "There are [a] [t] on the table and [b] in the box. How many [t] are there{ in all|}?"),
        "es": ("[n] tiene [a] [t] y {compra|recibe|encuentra} [b] más. ¿[q] [t] tiene{ ahora|}?",
               "Hay [a] [t] en la mesa y [b] en la caja. ¿Cuál es el total de [t]?"),
        "fr": ("[n] a [a] [t] et en {achète|reçoit|trouve} [b] de plus. Combien de [t] a [n]{ maintenant|} ?",
               "Il y a [a] [t] sur la table et [b] dans la boîte. Combien de [t] y a-t-il ?"),
        "de": ("[n] hat [a] [t] und {kauft|bekommt|findet} [b] dazu. Wie viele [t] hat [n]{ jetzt|}?",
               "Auf dem Tisch sind [a] [t] und in der Kiste [b]. Wie viele [t] sind es{ zusammen|}?"),
        "zh": ("[n]有[a][t]，又{买了|得到|找到}[b][t]。[n]现在有多少[t]？", "桌上有[a][t]，盒子里有[b][t]。一共有"
        "多少[t]？"),
    }),
    ("-", {
        "en": ("[n] has [a] [t] and {gives away|loses|sells} [b]. How many [t] {are left|does [n] have left}?",
               "I have [a] [t] and {give away|lose|sell} [b]. How many [t] {are left|do I have left}?",
               "There were [a] [t]. [b] are gone. How many [t] are left?"),
        "es": ("[n] tiene [a] [t] y {regala|pierde|vende} [b]. ¿[q] [t] le quedan?",
               "Había [a] [t]. Faltan [b]. ¿[q] [t] quedan?"),
        "fr": ("[n] a [a] [t] et en {donne|perd|vend} [b]. Combien de [t] lui reste-t-il ?",
               "Il y avait [a] [t]. [b] ont disparu. Combien de [t] reste-t-il ?"),
        "de": ("[n] hat [a] [t] und {verschenkt|verliert|verkauft} [b]. Wie viele [t] {bleiben|hat [n] noch}?",
               "Es waren [a] [t]. [b] sind weg. Wie viele [t] bleiben?"),
        "zh": ("[n]有[a][t]，{送出|丢了|卖了}[b][t]。还剩多少[t]？", "原来有[a][t]，少了[b][t]。还剩多少[t]？"),
    }),
    ("×", {
        "en": ("There are [a] {boxes|bags} with [b] [t] each. How many [t] are there{ in all|}?",
               "[n] buys [a] [t]. Each costs [b] dollars. How much does [n] pay?"),
        "es": ("{Hay [a] cajas con [b] [t] en cada caja|Hay [a] bolsas con [b] [t] en cada bolsa}. ¿[q] [t] hay{ "
        "en total|}?",
               "[n] compra [a] [t] a [b] dólares cada [u]. ¿Cuánto paga?"),
        "fr": ("Il y a [a] {boîtes avec [b] [t] dans chaque boîte|sacs avec [b] [t] dans chaque sac}. Combien de "
        "[t] y a-t-il{ en tout|} ?",
               "[n] achète [a] [t]. Le prix est de [b] dollars l'unité. Combien paie [n] ?"),
        "de": ("Es gibt [a] {Kisten|Tüten} mit je [b] [t]. Wie viele [t] sind es{ zusammen|}?",
               "[n] kauft [a] [t] zu je [b] Dollar. Wie viel zahlt [n]?"),
        "zh": ("有[a]个{盒子|袋子}，每个里有[b][t]。一共有多少[t]？", "[n]买了[a][t]，每个[b]美元。[n]付多少美元？"),
    }),
    ("+-", {
        "en": ("[n] has [a] [t], {gets|buys|finds} [b] more and then {gives away|loses} [c]. How many [t] {are "
        "left|does "
               "[n] have}?",),
        "es": ("[n] tiene [a] [t], {compra|recibe} [b] más y luego {regala|pierde} [c]. ¿[q] [t] le quedan?",),
        "fr": ("[n] a [a] [t], en {achète|reçoit} [b] de plus puis en {donne|perd} [c]. Combien de [t] lui "
               "reste-t-il ?",),
        "de": ("[n] hat [a] [t], {kauft|bekommt} [b] dazu und {verschenkt|verliert} dann [c]. Wie viele [t] bleiben?",),
        "zh": ("[n]有[a][t]，又{买了|得到}[b][t]，然后{送出|丢了}[c][t]。还剩多少[t]？",),
    }),
    ("++", {
        "en": ("[n] has [a] [t], [m] has [b] and I have [c]. How many [t] {do we have|are there} {together|in all}?",),
        "es": ("[n] tiene [a] [t], [m] tiene [b] y yo [c]. ¿[q] [t] tenemos {juntos|en total}?",),
        "fr": ("[n] a [a] [t], [m] en a [b] et moi [c]. Combien de [t] avons-nous {ensemble|en tout} ?",),
        "de": ("[n] hat [a] [t], [m] hat [b] und ich habe [c]. Wie viele [t] haben wir zusammen?",),
        "zh": ("[n]有[a][t]，[m]有[b][t]，我有[c][t]。一共有多少[t]？",),
    }),
    ("--", {
        "en": ("[n] has [a] [t], gives [b] to [m] and {loses|sells} [c]. How many [t] are left?",),
        "es": ("[n] tiene [a] [t], da [b] a [m] y {pierde|vende} [c]. ¿[q] [t] le quedan?",),
        "fr": ("[n] a [a] [t], en donne [b] à [m] et en {perd|vend} [c]. Combien de [t] lui reste-t-il ?",),
        "de": ("[n] hat [a] [t], gibt [m] [b] und {verliert|verkauft} [c]. Wie viele [t] bleiben?",),
        "zh": ("[n]有[a][t]，给了[m][b][t]，又{丢了|卖了}[c][t]。还剩多少[t]？",),
    }),
    ("×+", {
        "en": ("[n] has [a] {boxes|bags} with [b] [t] each and [c] more [t]. How many [t] {does [n] have|are there}?",),
        "es": ("[n] tiene [a] cajas con [b] [t] en cada caja y [c] [t] más. ¿[q] [t] tiene?",),
        "fr": ("[n] a [a] boîtes avec [b] [t] dans chaque boîte et [c] [t] de plus. Combien de [t] a [n] ?",),
        "de": ("[n] hat [a] {Kisten|Tüten} mit je [b] [t] und noch [c] [t]. Wie viele [t] hat [n]?",),
        "zh": ("[n]有[a]个{盒子|袋子}，每个里有[b][t]，另外还有[c][t]。一共有多少[t]？",),
    }),
    ("×-", {
        "en": ("[n] has [a] {boxes|bags} with [b] [t] each and {gives away|loses} [c]. How many [t] are left?",),
        "es": ("[n] tiene [a] cajas con [b] [t] en cada caja y {regala|pierde} [c]. ¿[q] [t] le quedan?",),
        "fr": ("[n] a [a] boîtes avec [b] [t] dans chaque boîte et en {donne|perd} [c]. Combien de [t] lui "
        "reste-t-il ?",),
        "de": ("[n] hat [a] {Kisten|Tüten} mit je [b] [t] und {verschenkt|verliert} [c]. Wie viele [t] bleiben?",),
        "zh": ("[n]有[a]个{盒子|袋子}，每个里有[b][t]，{送出|丢了}[c][t]。还剩多少[t]？",),
    }),
)  # fmt: skip
_MASCULINE = {"libros", "bolígrafos", "huevos", "juguetes", "sellos", "caramelos", "boletos", "peces"}
_ANSWER = {"en": "Answer:", "es": "Respuesta:", "fr": "Réponse :", "de": "Antwort:"}
_MONEY = {"en": "dollars", "es": "dólares", "fr": "dollars", "de": "Dollar", "zh": "美元"}


def _numbers(rng: random.Random, operations: str) -> tuple[int, ...]:
    """Numbers whose results stay from 0 to 150 and whose every step is a pair of training."""
    while True:
        first = operations[0]
        a = rng.randint(2, 12) if first == "×" else rng.randint(3, pick(rng, (12, 20, 60, 99)))
        b = rng.randint(2, 12 if first == "×" else pick(rng, (9, 20, 50)))
        numbers, total = [a, b], result_of(a, b, first)
        if is_held_out(a, b, first) or not 0 <= total <= 150:
            continue
        if len(operations) == 1:
            return a, b
        c = rng.randint(2, pick(rng, (9, 9, 20)))
        if is_held_out(total, c, operations[1]) or not 0 <= result_of(total, c, operations[1]) <= 150:
            continue
        return (*numbers, c)


def problem_turn(rng: random.Random, lang: str = "en", training: bool = True) -> Turn:
    """A story with numbers, answered with each step written out; (operations, numbers) of evaluation are apart."""
    while True:
        operations, stories = pick(rng, _STORIES)
        numbers = _numbers(rng, operations)
        if held_out("problem", operations, *numbers) != training:
            break
    thing = pick(rng, THINGS)[lang]
    story = pick(rng, stories[lang])
    user = ask(
        rng,
        story,
        lang,
        **dict(zip("abc", numbers, strict=False)),
        t=thing,
        n=first_name(rng, lang),
        m=first_name(rng, lang),
        q="Cuántos" if thing in _MASCULINE else "Cuántas",
        u="uno" if thing in _MASCULINE else "una",
    )
    if lang == "fr":
        user = re.sub(r"\bde (?=[aéoœ])", "d'", user)
    steps, workings, total = [], [], numbers[0]
    for operation, number in zip(operations, numbers[1:], strict=True):
        steps.append(equation(total, number, operation))
        workings.append(columns(total, number, operation))
        total = result_of(total, number, operation)
    shown = _MONEY[lang] if _MONEY[lang] in story else thing
    if lang == "zh":
        answer = f"{'，'.join(steps)}。答案：{total}{shown}。"
    else:
        answer = f"{', '.join(steps)}. {_ANSWER[lang]} {total} {shown}."
    return Turn(user, answer, note(lang, " ".join(workings)), str(total))
