"""Which reasoning effort a message asks for, judged by its text alone, in English, Spanish, French, German, Chinese.

A table of signs, no model: greetings, translating and classifying need no thought, rewriting a little, and the signs of
heavy work (numbers with operations, several steps, code, reasons and proofs, length) add up. Its accuracy and what it
saves are measured by `python -m playground.bench thinking`.
"""

from __future__ import annotations

import re
import unicodedata

from playground.protocol import ChatRequest

MEDIUM, HIGH = 1, 5  # points from which an effort is taken
LONG = 60  # words of a message that counts as long
MAX_READ = 20_000  # characters that are judged; a longer message is long enough for any sign

_GREETING = (
    r"hi|hello|hey|hiya|howdy|yo|greetings|good (?:morning|afternoon|evening|night|day)|bye|goodbye|see you|"
    r"thanks?(?: you)?(?: very much| so much| a lot)?|cheers|ok|okay|yes|no|great|nice|cool|how are you|what'?s up|"
    r"welcome|sorry|please|you too|nice to meet you|"
    r"hola|buen(?:os|as) (?:días|dias|tardes|noches)|adi[oó]s|hasta luego|(?:muchas )?gracias|qué tal|cómo estás|vale|"
    r"s[ií]|de nada|salut|bonjour|bonsoir|bonne nuit|au revoir|merci(?: beaucoup)?|ça va|comment ça va|oui|non|"
    r"comment vas-tu|d'accord|coucou|hallo|moin|servus|guten (?:tag|morgen|abend)|gute nacht|tschüss|auf wiedersehen|"
    r"danke(?: schön| sehr)?|vielen dank|wie geht es dir|wie geht'?s|ja|nein|bitte|bis bald|"
    r"你好(?:吗|啊)?|您好|嗨|早上好|晚上好|下午好|晚安|再见|谢谢(?:你|您)?|多谢|好的|是的|不是|你怎么样"
)
_WHO = r"there|all|everyone|friend|again|todos|amigo|amiga|à tous|mon ami|zusammen|alle|y|and|et|und|大家|，"
_ONLY_GREETING = re.compile(rf"(?:(?:{_GREETING}|{_WHO})\b[\s,;:.!?¡¿。！？、，…~-]*)+|(?:{_GREETING})+")
_EXPLICIT = re.compile(
    r"step[ -]by[ -]step|think (?:hard|carefully|deeply)|show your (?:work|reasoning)|reason carefully|"
    r"paso a paso|piensa bien|étape par étape|réfléchis bien|schritt für schritt|denk(?:e)? gründlich|"
    r"一步一步|逐步|仔细(?:想|思考)|好好想"
)
_POLITE = r"^\W*(?:please |can you |could you |por favor |bitte |s'il te plaît )*"
_PLAIN_WORK = re.compile(
    _POLITE + r"(?:(?:translate|classify|repeat|spell|say|label|tag|"
    r"traduce|traducir|clasifica|repite|deletrea|di|traduis|traduire|classe|répète|épelle|dis|"
    r"übersetze?|ordne|wiederhole?|buchstabiere|sag|klassifiziere)\b|翻译|分类|重复|把.{0,80}翻译|判断正面)"
    r"|\bin (?:french|spanish|german|chinese|english)\s*\?*$|^how do you say\b|"
    r"\b(?:positive or negative|negative or positive|sentiment|which of these labels|one of these labels)\b|"
    r"\b(?:positivo o negativo|positif ou négatif|positiv oder negativ)\b|正面还是负面|"
    r"\b(?:opposite|synonym|plural) of\b|"
    r"\b(?:cómo se dice|qué significa|comment dit-on|que veut dire|wie sagt man|was bedeutet|was heißt)\b|"
    r"什么意思|怎么说"
)
_LIGHT = re.compile(
    _POLITE + r"(?:(?:summari[sz]e|rephrase|rewrite|correct|define|resume|reescribe|corrige|résume|reformule|fasse|"
    r"korrigiere?)\b|总结|改写|改正)"
)
_BRIEF = re.compile(
    r"\b(?:in one word|one word only|only one word|en una palabra|en un mot|mit einem wort|in einem wort)\b|"
    r"一个词|\b(?:yes or no|sí o no|oui ou non|ja oder nein)\b"
)
_OPERATION = re.compile(
    r"\d\s*[-+*/×÷^%=<>]\s*\(?-?\d|\b(?:plus|minus|times|divided by|multiplied by|squared|percent of|modulo|"
    r"más|menos|por|dividido|multiplicado|fois|moins|divisé|multiplié|mal|geteilt|hoch|wurzel)\b(?=\W*\d)|"
    r"\d\s*(?:加|减|乘|除|×)|\b(?:sum|product|difference|square root|average|remainder) of\b|√|∫|∑"
)
_NUMBER = re.compile(
    r"\d+(?:[.,]\d+)*|\b(?:two|three|four|five|six|seven|eight|nine|ten|dozen|twice|half|double|"
    r"dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|deux|trois|quatre|cinq|sept|huit|neuf|dix|"
    r"zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn)\b|[二两三四五六七八九十百千]+(?=[个只本块支元])"
)
_AMOUNT = re.compile(
    r"\bhow (?:many|much|long|far|old|often|fast)\b|\b(?:calculate|compute|solve|estimate)\b|"
    r"\bwhat is the (?:total|sum)\b|"
    r"\bcuánt[oa]s?\b|\b(?:calcula|resuelve)\b|\bcombien\b|\b(?:calcule|résous)\b|\bwie ?viele?\b|"
    r"\b(?:berechne|löse)\b|多少|几[个只本块支岁]|计算|求解"
)
_STEPS = re.compile(
    r"\b(?:then|after that|afterwards|each|every|left|remain|remaining|altogether|in total|if|unless|except|"
    r"at least|exactly|luego|después|entonces|cada|quedan?|en total|si|ensuite|puis|chaque|restent?|reste|au total|"
    r"dann|danach|jede[rsn]?|übrig|insgesamt|wenn|falls)\b|然后|之后|接着|每[个人天本]|剩下|一共|总共|如果"
)
_WHY = re.compile(
    r"\b(?:why|how come|explain|compare|analy[sz]e|evaluate|plan|design|debate|pros and cons|difference between|"
    r"por qué|explica|compara|analiza|pourquoi|explique|comparer?|analyse|warum|wieso|erkläre?|vergleiche?|"
    r"analysiere)\b|为什么|解释|比较|分析"
)
_PROOF = re.compile(
    r"\b(?:prove|proof|derive|theorem|puzzle|riddle|paradox|deduce|logically|contradiction|demuestra|deduce|acertijo|"
    r"démontrer?|prouver?|énigme|beweise?|herleiten|rätsel|widerspruch)\b|证明|推导|推理|谜"
)
_CODE = re.compile(
    r"```|\b(?:python|javascript|typescript|java|rust|c\+\+|sql|html|regex|code|function|algorithm|implement|debug|bug|"
    r"compile|unit test|refactor|script|program|traceback|stack trace|código|función|programa|algoritmo|fonction|"
    r"algorithme|programme|funktion|programm|algorithmus)\b|\b(?:def|class|import|return|select)\b[^\n]*[(:;]|"
    r"函数|代码|程序|算法"
)
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def effort_of(request: ChatRequest) -> str | None:
    """The effort that a checked request asks for; "auto" is settled by the last message of the user."""
    if request.reasoning_effort != "auto":
        return request.reasoning_effort
    return auto_effort(next((m.content for m in reversed(request.messages) if m.role == "user"), ""))


def auto_effort(text: str) -> str:
    """ "none", "low", "medium" or "high", for the text of a user's message.

    In order: a blank message, a greeting, thanks or a single word without a number is "none"; a wish for careful
    thought is "high"; translating, classifying and repeating is "none" and rewriting "low", unless a proof or code is
    in it; otherwise points decide, see `points`.
    """
    said = _plain(text)
    words = _words(said)
    if not said.strip(" .!?¡¿。！？"):
        return "none"
    if _ONLY_GREETING.fullmatch(said.strip("¡¿ ")) or (words == 1 and not _heavy(said)):
        return "none"
    if _EXPLICIT.search(said):
        return "high"
    if not _PROOF.search(said) and "```" not in said:
        if _PLAIN_WORK.search(said):
            return "none"
        if _LIGHT.search(said):
            return "low"
    score = points(text)
    if score >= HIGH:
        return "high"
    return "medium" if score >= MEDIUM else "low"


def points(text: str) -> int:
    """How much the signs of heavy work in a message weigh together.

    An operation 2 and each further one up to two 1; two numbers 1, three or more 2; an amount asked for 1; one step
    word 1, two or more 2; a reason 2; a proof or puzzle 5; code 3; each LONG words 1, at most 3; a second question 1.
    """
    said = _plain(text)
    found = len(_OPERATION.findall(said))
    score = 2 + min(2, found - 1) if found else 0
    score += min(2, max(0, len(_NUMBER.findall(said)) - 1))
    score += bool(_AMOUNT.search(said))
    score += min(2, len(_STEPS.findall(said)))
    score += 2 * bool(_WHY.search(said)) + 5 * bool(_PROOF.search(said)) + 3 * bool(_CODE.search(said))
    if not _BRIEF.search(said):
        score += min(3, _words(said) // LONG)
    return score + (len(re.findall(r"[?？]", said)) > 1)


def _heavy(said: str) -> bool:
    return bool(re.search(r"\d", said) or _CODE.search(said) or _PROOF.search(said))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text[:MAX_READ]).lower().replace("’", "'").split())


def _words(said: str) -> int:
    """Words; of Chinese and Japanese, which have no blanks, two characters count as one."""
    wide = len(_WIDE.findall(said))
    return len(_WIDE.sub(" ", said).split()) + (wide + 1) // 2
