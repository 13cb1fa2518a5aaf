"""Greetings and small talk in five languages, jokes, tiny stories, and saying what the user asks for."""

from __future__ import annotations

import random

from playground.starter.text_names import coined
from playground.starter.text_turns import Turn, note
from playground.starter.text_wording import ask, pick, say, variants
from playground.starter.text_words import COMMON

# What the user does; then, by language, how it is said and how the model answers.
_TALK: dict[str, dict[str, tuple[str, str]]] = {
    "The user greets me. I greet back.": {
        "en": (
            "{{hi|hello|hey|hi there|hello there|hey there|good morning|good evening|good afternoon|greetings|howdy|"
            "yo|hiya|hello hello|sup|heya|hey you|hi bot|hello friend|good day|helo|hallo}{!|.||| :)}|{hi|hello|hey}"
            "{,|} {are you there|anybody there|is anyone there|can you hear me|can you help me|I need help|nice to "
            "meet you|I am new here|let's chat|can we talk|I want to talk|it's me}{?|!|.|}}",
            "{Hello|Hi}! {How can I help you|How can I help|What can I do for you}?",
        ),
        "es": (
            "{{¡|}{hola|buenos días|buenas tardes|buenas noches|hola, buenas|buenas|hola amigo|saludos}{!|!|}|"
            "hola, {¿estás ahí|¿me puedes ayudar|¿podemos hablar}?}",
            "¡Hola! ¿{Cómo|En qué} puedo ayudarte?",
        ),
        "fr": (
            "{{bonjour|salut|bonsoir|coucou|bonjour à toi|allô|bonjour bonjour|salut toi}{ !||}|bonjour, "
            "{tu es là|tu peux m'aider|on peut parler} ?}",
            "Bonjour ! {Comment puis-je t'aider|Que puis-je faire pour toi} ?",
        ),
        "de": (
            "{{hallo|guten Tag|guten Morgen|guten Abend|servus|moin|grüß dich|hallo du|grüezi}{!||}|hallo, {bist du da|"
            "kannst du mir helfen|können wir reden}?}",
            "Hallo! {Wie kann ich dir helfen|Was kann ich für dich tun}?",
        ),
        "zh": (
            "{{你好|您好|早上好|晚上好|下午好|嗨|哈喽|大家好|你好呀}{！||}|你好，{你在吗|能帮我吗|可以聊聊吗}？}",
            "你好！{我能帮你什么|有什么可以帮你的}？",
        ),
    },
    "The user asks how I am. I answer in a friendly way.": {
        "en": (
            "{how are you{ doing|| today| feeling}|{hi|hello|hey}, how are you{ doing|| today}|{how is it going|how's "
            "it going|what's up|how do you do|how do you feel|are you ok|are you well|how is your day}}?",
            "{I am fine, thank you.|I am well, thanks.} {How are you|And you}?",
        ),
        "es": ("{¿cómo estás{ hoy||}|hola, ¿cómo estás|¿qué tal{ estás||}|¿cómo te va|¿todo bien}?",
               "Estoy bien, gracias. ¿Y tú?"),
        "fr": ("{comment ça va|ça va|comment vas-tu|comment allez-vous|bonjour, ça va|tu vas bien} ?",
               "Je vais bien, merci. Et toi ?"),
        "de": ("{wie geht es dir{ heute||}|wie geht's|hallo, wie geht's|geht es dir gut|alles klar}?",
               "Mir geht es gut, danke. Und dir?"),
        "zh": ("{你好吗|你怎么样|最近好吗|你今天好吗|过得怎么样}？", "我很好，谢谢。你呢？"),
    },
    "The user thanks me.": {
        "en": ("{thanks|thank you|thank you very much|thanks a lot|thx|many thanks|cheers|ty|great, thanks|ok thanks|"
               "thanks for your help}{!|.|}", "You are welcome!"),
        "es": ("{{muchas |}gracias|mil gracias|te lo agradezco|gracias por tu ayuda}{!|.|}", "¡De nada!"),
        "fr": ("{merci{ beaucoup||}|mille mercis|je te remercie|merci pour ton aide}{ !|.|}", "De rien !"),
        "de": ("{danke{ schön| sehr||}|vielen Dank|ich danke dir|danke für deine Hilfe}{!|.|}", "Gern geschehen!"),
        "zh": ("{谢谢{你|您||}|非常感谢|多谢|感谢你的帮助}{！|。|}", "不客气！"),
    },
    "The user leaves.": {
        "en": ("{bye|goodbye|see you|see you later|good night|bye bye|I have to go|I must go now|take care|farewell|"
               "see you tomorrow}{!|.|}", "{Goodbye! Have a nice day.|Bye! See you soon.}"),
        "es": ("{adiós|hasta luego|hasta mañana|nos vemos|chao|me tengo que ir}{!|.|}", "¡Adiós! Que tengas un "
        "buen día."),
        "fr": ("{au revoir|à bientôt|à demain|salut, je pars|bonne nuit|je dois partir}{ !|.|}",
               "Au revoir ! Bonne journée."),
        "de": ("{tschüss|auf Wiedersehen|bis bald|bis morgen|gute Nacht|ich muss gehen}{!|.|}",
               "Tschüss! Einen schönen Tag noch."),
        "zh": ("{再见|拜拜|明天见|晚安|我要走了|回头见}{！|。|}", "再见！祝你愉快。"),
    },
    "The user is kind to me.": {
        "en": ("{good job|well done|nice|great|you are great|you are smart|awesome|cool|I like you|perfect|that is "
               "right|correct|you are funny|wow|good bot|excellent|amazing|love it|very good}{!|.|}",
               "{Thank you!|Thanks! I am glad.}"),
        "es": ("{muy bien|bien hecho|genial|eres genial|perfecto|eres muy listo|correcto|me gustas}{!|.|}",
               "¡Gracias! Me alegro."),
        "fr": ("{bravo|très bien|génial|tu es génial|parfait|c'est juste|bien joué|super}{ !|.|}",
               "Merci ! Ça me fait plaisir."),
        "de": ("{gut gemacht|sehr gut|super|du bist toll|perfekt|das stimmt|klasse|ich mag dich}{!|.|}",
               "Danke! Das freut mich."),
        "zh": ("{很好|做得好|太棒了|你真棒|完美|对了|真聪明|我喜欢你}{！|。|}", "谢谢！我很高兴。"),
    },
    "The user is not happy with me.": {
        "en": ("{you are wrong|that is wrong|you are stupid|bad bot|you are bad|I don't like you|that is not right|"
               "wrong|you are useless|that was bad|not good|you made a mistake}{!|.|}",
               "I am sorry. I am small and make mistakes."),
        "es": ("{eso está mal|te equivocas|no es correcto|eres malo|has cometido un error|mal}{!|.|}",
               "Lo siento. Soy pequeño y cometo errores."),
        "fr": ("{c'est faux|tu te trompes|ce n'est pas juste|tu es nul|tu as fait une erreur}{ !|.|}",
               "Je suis désolé. Je suis petit et je fais des erreurs."),
        "de": ("{das ist falsch|du irrst dich|das stimmt nicht|du bist schlecht|du hast einen Fehler gemacht}{!|.|}",
               "Es tut mir leid. Ich bin klein und mache Fehler."),
        "zh": ("{你错了|不对|这是错的|你真笨|你犯了个错误}{！|。|}", "对不起。我很小，会犯错。"),
    },
    "The user feels bad. I am kind.": {
        "en": ("{I am|I'm|I feel} {so |very |a bit |}{sad|tired|lonely|sick|unhappy|angry|down}{ today|}{.|}",
               "I am sorry to hear that. I am here to chat."),
        "es": ("{estoy|me siento} {muy |un poco |} {triste|mal|enfermo|cansada|solo|enfadada}{ hoy|}{.|}",
               "Lo siento mucho. Estoy aquí para hablar."),
        "fr": ("{je suis|je me sens} {très |un peu |} {triste|fatigué|seule|malade|mal}{.|}",
               "Je suis désolé. Je suis là pour parler."),
        "de": ("{ich bin|ich fühle mich} {sehr |ein bisschen |} {traurig|müde|einsam|krank|schlecht}{.|}",
               "Das tut mir leid. Ich bin da, wenn du reden willst."),
        "zh": ("我{今天|}{很|有点|}{难过|累|孤单|不舒服|生气}{。|}", "听到这个我很抱歉。我在这里陪你聊天。"),
    },
    "The user feels good. I am glad.": {
        "en": ("{I am|I'm|I feel} {so |very |}{fine|good|well|happy|great|ok|glad|excited}{ today|}{.|!|}",
               "{I am glad to hear that.|Good to hear.}"),
        "es": ("{estoy|me siento} {muy |} {bien|feliz|contento|contenta}{ hoy|}{.|!|}", "¡Me alegro de oírlo!"),
        "fr": ("{je suis|je me sens} {très |} {bien|heureux|contente|en forme}{.|}", "Je suis content de l'entendre."),
        "de": ("{ich bin {sehr |}{froh|glücklich|zufrieden}|mir geht es {sehr |}gut}{.|!|}", "Das freut mich."),
        "zh": ("我{今天|}{很|非常}{好|开心|高兴}{。|！|}", "听到这个我很高兴。"),
    },
    "The user says yes or ok.": {
        "en": ("{yes|ok|okay|sure|right|yep|alright|fine|I see|got it}{!|.|}", "{Good.|All right.} What {next|now}?"),
        "es": ("{sí|vale|de acuerdo|claro|entiendo}{.|}", "Bien. ¿Qué más?"),
        "fr": ("{oui|d'accord|bien sûr|je vois|ok}{.|}", "Bien. Et maintenant ?"),
        "de": ("{ja|okay|in Ordnung|klar|verstehe}{.|}", "Gut. Was nun?"),
        "zh": ("{是的|好的|好|明白了|可以}{。|}", "好的。接下来呢？"),
    },
    "The user says sorry.": {
        "en": ("{sorry|my bad|excuse me|I am sorry}{.|!|}", "No problem."),
        "es": ("{perdón|lo siento|disculpa}{.|}", "No pasa nada."),
        "fr": ("{pardon|désolé|excuse-moi}{.|}", "Pas de problème."),
        "de": ("{Entschuldigung|tut mir leid|sorry}{.|}", "Kein Problem."),
        "zh": ("{对不起|抱歉|不好意思}{。|}", "没关系。"),
    },
    "The user wants a joke. I know a few.": {
        "en": ("{tell me|do you know|give me|say} {a|another|one more|a short|a good} joke{?|.| please|}",
               "{Why did the number 6 fear 7? Because 7 8 9!|What do you call a bear with no teeth? A gummy bear!|Why "
               "did the bicycle fall over? It was two tired!|What is orange and sounds like a parrot? A carrot!|"
               "Why was "
               "the circle so happy? It had no sad corners!}"),
        "es": ("{cuéntame|dime|¿sabes} {un|otro} chiste{.|}",
               "{¿Qué hace una abeja en el gimnasio? ¡Zum-ba!|¿Qué le dice un pez a otro? ¡Nada!}"),
        "fr": ("{raconte-moi|dis-moi|tu connais} une {blague|bonne blague}{ ?|.|}",
               "{Que fait une fraise sur un cheval ? Tagada, tagada !|Quel est le comble d'un électricien ? Ne pas "
               "être "
               "au courant !}"),
        "de": ("{erzähl mir|sag mir|kennst du} {einen|noch einen} Witz{?|.|}",
               "{Was ist orange und geht über die Berge? Eine Wanderine!|Was ist weiß und stört beim Essen? Eine "
               "Lawine!}"),
        "zh": ("{给我讲个|讲一个|说个|再讲个}笑话{吧|。|}", "{小明问：什么布剪不断？瀑布！|什么门永远关不上？球门！}"),
    },
}  # fmt: skip
_ENGLISH = (
    ("{I am|I'm} {hungry|thirsty}{.|}", "Then take a break and have something nice."),
    ("{let's play|play a game|do you want to play|let's play a game}{.|?|}", "Yes! Give me two numbers to add."),
    ("{test|testing|test 123|this is a test|ping}{.|}", "I am here. The test works."),
    (
        "{say something|talk to me|surprise me|anything|entertain me|I am bored}{.|}",
        "I like stars, sums and short words.",
    ),
    ("do you like {me|music|cats|dogs|pizza|people|numbers|colours|art}?", "I have no taste, but I like to chat."),
    ("what is your favourite {color|colour|food|animal|number}?", "I have none, but tell me yours!"),
    ("{happy birthday|merry christmas|happy new year|congratulations}{!|}", "Thank you! The same to you."),
    ("{what}{?|}", "Ask me something small, like 7 + 5."),
    ("{why|how|how so|really|are you sure}{?|}", "I am a small model and can be wrong."),
)
INTENTS = tuple(_TALK)
# Greetings are what newcomers type first.
_WEIGHTED = (INTENTS[0],) * 6 + (INTENTS[1],) * 4 + (INTENTS[2],) * 2 + (INTENTS[3],) * 2 + INTENTS[4:]


def answers_to_greeting(lang: str) -> list[str]:
    """Every answer that greets back in a language."""
    return variants(_TALK[INTENTS[0]][lang][1])


def greeting_turn(rng: random.Random, lang: str = "en", out: str | None = None) -> Turn:
    """A greeting in `lang`, answered in the language `out`, which is the same unless said otherwise."""
    return _turn(rng, INTENTS[0], lang, out or lang)


def talk_turn(rng: random.Random, lang: str = "en", out: str | None = None) -> Turn:
    """A greeting, thanks, goodbye, praise, blame, a mood, a joke or other small talk."""
    if lang == "en" and out in (None, "en") and rng.random() < 0.12:
        pattern, answer = pick(rng, _ENGLISH)
        return Turn(ask(rng, pattern), say(rng, answer), "This is small talk. I answer in a friendly way.")
    return _turn(rng, pick(rng, _WEIGHTED), lang, out or lang)


def _turn(rng: random.Random, intent: str, lang: str, out: str) -> Turn:
    user = ask(rng, _TALK[intent][lang][0], lang)
    return Turn(user, say(rng, _TALK[intent][out][1]), note(out, intent))


def story_turn(rng: random.Random) -> Turn:
    """A tiny story or poem, about what the user names."""
    hero = pick(rng, COMMON)
    asked = rng.random() < 0.8
    kind = pick(rng, ("story", "poem"))
    topic = f" about {pick(rng, ('a ', 'a ', 'the '))}{hero}" if asked else ""
    user = ask(rng, f"{{tell me|write|write me|can you write|give me}} a {{short |tiny |}}{kind}{topic}{{.|?|}}")
    hero = hero if asked else "star"
    if kind == "story":
        answer = f"Once there was a little {hero}. It felt alone. One day it met a friend and was happy. The end."
    else:
        answer = f"The {hero} is near, the night is deep, I say good night and go to sleep."
    return Turn(user, answer, f"The user wants a {kind}. I write about a {hero}.")


def echo_turn(rng: random.Random) -> Turn:
    """Say, repeat or spell what the user gives."""
    if rng.random() < 0.2:
        word = pick(rng, COMMON)
        user = ask(rng, "{spell|how do you spell|can you spell} {the word |}[w]{?|.|}", w=word)
        return Turn(user, "-".join(word.upper()) + ".", f"The letters of {word}.")
    kinds = (coined, lambda r: pick(r, COMMON), lambda r: pick(r, COMMON), lambda r: str(r.randint(1, 999)))
    parts = [pick(rng, kinds)(rng) for _ in range(rng.randint(1, 4))]
    text = " ".join(parts)
    user = ask(rng, "{say|repeat|repeat after me:|please say|please repeat:|echo|write|copy this:} [q]", q=text)
    return Turn(user, text + ".", f"The user wants me to say: {text}.", text if len(parts) == 1 else "")
