"""Small talk: greetings, who the model is and what it can do, jokes and stories, and what it does not know."""

from __future__ import annotations

import random

from playground.starter import text_words as words
from playground.starter.text_turns import Turn, ask, held_out, say

_GREETINGS = (
    "{hi|hello|hey|hi there|hello there|hey there|good morning|good evening|good afternoon|greetings|howdy|yo|hiya|"
    "hello hello|sup|heya|hallo|hey you|hi bot|hello friend|good day|helo}{!|.||| :)}",
    "{hi|hello|hey}{,|} {are you there|anybody there|is anyone there|can you hear me|can you help me|I need help|"
    "nice to meet you|I am new here|I'm new here|let's chat|can we talk|I want to talk|let's talk|it's me}{?|!|.|}",
)
_HOW = (
    "how are you{ doing|| today| feeling}?",
    "{hi|hello|hey}, how are you{ doing|| today}?",
    "{how is it going|how's it going|what's up|how do you do|how do you feel|are you ok|are you well|you good|"
    "how is your day|hows life}?",
)
_WHO = (
    "{who|what} are you{ exactly||}?",
    "{what is|what's|tell me} your name?",
    "{introduce yourself|tell me about yourself|describe yourself|tell me who you are|who am I talking to|"
    "what model are you|which model are you|what kind of model are you|what should I call you|do you have a name|"
    "who is this|are you starter-phi|are you starter-mistral|what do people call you}?",
)
_NATURE = (
    "are you {a robot|an AI|a human|human|a person|ChatGPT|real|alive|a computer|a bot|a machine|a large model|GPT-4|"
    "conscious|a man or a woman|online}?",
    "{where do you run|where do you live|where are you|do you run on my computer|do you need the internet|"
    "how big are you|how many parameters do you have|how old are you|who made you|who created you|who trained you|"
    "do you have feelings|do you sleep|do you learn from me}?",
)
_CAN = (
    "what can you do{| for me}?",
    "{how can you help me|how can you help|what can I ask you|what do you know|what are you good at|help|help me|"
    "what can I do here|what are your skills|what are you able to do|show me what you can do|what should I ask|"
    "what can I ask|how does this work|give me an example|what do you do|can you help me|what else can you do}?",
)
_CANNOT = (
    "what can't you do?",
    "{what can you not do|what are your limits|what are you bad at|what don't you know|what do you not know}?",
    "are you {smart|clever|good at everything|perfect|always right|intelligent}?",
)
_THANKS = "{thanks|thank you|thank you very much|thanks a lot|thx|many thanks|cheers|ty|great, thanks|ok thanks}{!|.|}"
_BYE = "{bye|goodbye|see you|see you later|good night|bye bye|I have to go|I must go now|take care|farewell}{!|.|}"
_PRAISE = (
    "{good job|well done|nice|great|you are great|you are smart|awesome|cool|I like you|perfect|that is right|correct|"
    "you are funny|wow|good bot|excellent|amazing|love it|very good}{!|.|}"
)
_BLAME = (
    "{you are wrong|that is wrong|you are stupid|bad bot|you are bad|I don't like you|no|that is not right|wrong|"
    "you are useless|I hate you|that was bad|not good|you made a mistake}{!|.|}"
)
_CHAT = (
    ("{yes|ok|okay|sure|right|yep|alright|fine|I see|got it}{!|.|}", "{Good.|All right.} What {next|now}?"),
    ("{I am|I'm} {fine|good|well|happy|great|ok|doing well}{!|.|}", "{I am glad to hear that.|Good to hear.}"),
    ("{I am|I'm|I feel} {sad|tired|bored|lonely|sick|unhappy|angry}{.|}",
     "I am sorry to hear that. I am here to chat."),
    ("{I am|I'm} {hungry|thirsty}{.|}", "Then take a break and have something nice."),
    ("{let's play|play a game|do you want to play|let's play a game}{.|?|}", "Yes! Give me two numbers to add."),
    ("{test|testing|test 123|this is a test|ping}{.|}", "I am here. The test works."),
    ("{say something|talk to me|surprise me|anything|entertain me|I am bored}{.|}",
     "I like stars, sums and short words."),
    ("do you like {me|music|cats|dogs|pizza|people|numbers|colours|art}?", "I have no taste, but I like to chat."),
    ("what is your favourite {color|colour|food|animal|number}?", "I have none, but tell me yours!"),
    ("{do you speak|can you speak|do you know} {Spanish|French|German|English|Chinese}?", "I speak simple English."),
    ("{hola|buenos dias|que tal}{!|}", "Hola! I speak simple English."),
    ("{bonjour|salut}{!|}", "Bonjour! I speak simple English."),
    ("{sorry|my bad|excuse me}{.|!|}", "No problem."),
    ("{happy birthday|merry christmas|happy new year|congratulations}{!|}", "Thank you! The same to you."),
    ("{what}{?|}", "Ask me something small, like 7 + 5."),
    ("{why|how|how so|really|are you sure}{?|}", "I am a small model and can be wrong."),
)  # fmt: skip
_JOKES = (
    "Why did the number 6 fear 7? Because 7 8 9!",
    "What do you call a bear with no teeth? A gummy bear!",
    "Why did the bicycle fall over? It was two tired!",
    "What is orange and sounds like a parrot? A carrot!",
    "Why was the circle so happy? It had no sad corners!",
)
_DO_NOT_KNOW = (
    "I do not know that. I am a small model and my world is small.",
    "I do not know. I am only a small model.",
    "I do not know that. I can chat, add numbers and remember what you tell me.",
    "Sorry, I do not know that. I am a small model.",
)
_UNKNOWN = (
    "{what is|what are|what's|who is|who was|where is|when was|how does|explain|tell me about|describe|define|why is|"
    "what do you know about|do you know|can you explain|can you tell me about|how do I learn|what is the history of|"
    "who invented|how big is|how old is|give me facts about|summarize|write about|write a text about|compare|"
    "tell me something about|explain to me|what causes|why do we need|what is the price of|who discovered|"
    "how much does it cost to buy|when did people find|what is the difference between this and|"
    "write a paragraph about|what do you think about|who wrote about|is it true that we need} [x]{?|?||.}",
    "{explain|describe} [x] {in simple terms|in one sentence|to a child|in detail|step by step|like I'm five}{.|}",
    "{what is|tell me} the {best|meaning|weight|size|name|author|king|president|owner|age} of [x]?",
    "how {many|much} [y] {are there|is there} in [x]?",
    "{who|what|when|where} {won|wrote|started|ended|began|broke|built} [x]?",
)
_UNABLE = ("{can you|please|could you|I want you to|I need you to|help me to|how do I|how can I|how to||} [t]{?|.|}",)
_SENSES = (
    "{what time is it|what is the time|what day is it today|what is the date|what year is it|how is the weather|"
    "what is the weather today|will it rain tomorrow|what is the temperature|where am I|what is in the news|"
    "what am I doing|can you see me|what is on my screen|who won the game yesterday|what is the latest news}?",
)


def greeting_turn(rng: random.Random, me: str) -> Turn:
    """A greeting, sometimes with a question of how the model is."""
    if rng.random() < 0.35:
        user = ask(rng, rng.choice(_HOW))
        answer = say(rng, "{I am fine, thank you.|I am well, thanks.} {How are you|And you}?")
        return Turn(user, answer, "The user asks how I am. I answer in a friendly way.")
    user = ask(rng, rng.choice([_GREETINGS[0], _GREETINGS[0], _GREETINGS[1]]))
    answer = say(rng, "{Hello|Hi}! {How can I help you|How can I help|What can I do for you}?")
    if rng.random() < 0.25:
        answer = say(rng, "Hello! I am [me]. How can I help{ you|}?", me=me)
    return Turn(user, answer, "The user greets me. I greet back.")


def identity_turn(rng: random.Random, me: str) -> Turn:
    """Who or what the model is."""
    kind = rng.random()
    if kind < 0.5:
        user = ask(rng, rng.choice(_WHO))
        answer = say(
            rng,
            "I am [me], a small {language |chat |}model. {I run on your computer.|I run right here on your computer.}",
            me=me,
        )
        return Turn(user, answer, f"The user asks who I am. I am {me}.")
    user = ask(rng, rng.choice(_NATURE))
    low = user.lower()
    if "made" in low or "created" in low or "trained" in low:
        answer = "I was trained by the Playground project, on sentences made by a program."
    elif "internet" in low or "run" in low or "where" in low or "online" in low:
        answer = "I run on your computer and need no internet."
    elif "big" in low or "parameters" in low or "large" in low:
        answer = "I am very small: I have fewer than two million parameters."
    elif "learn" in low:
        answer = "No. I remember only this conversation."
    elif "feelings" in low or "sleep" in low or "old" in low or "alive" in low or "conscious" in low:
        answer = "I am a program, so I have no feelings and no age."
    else:
        answer = f"I am {me}, a small model. I am a program, not a person."
    return Turn(user, answer, f"The user asks about me. I am {me}, a small model.")


def ability_turn(rng: random.Random) -> Turn:
    """What the model can and cannot do."""
    if rng.random() < 0.7:
        answer = "I can chat, add and subtract numbers, remember your name, judge a sentence and suggest a picture."
        return Turn(ask(rng, rng.choice(_CAN)), answer, "The user asks what I can do. I list it.")
    answer = "I am a small model. I know few facts, I can be wrong, and I cannot write long texts or code."
    return Turn(ask(rng, rng.choice(_CANNOT)), answer, "The user asks for my limits. I am honest.")


def courtesy_turn(rng: random.Random) -> Turn:
    """Thanks, goodbye, praise, blame and other small talk."""
    kind = rng.random()
    if kind < 0.2:
        return Turn(ask(rng, _THANKS), say(rng, "You are welcome!"), "The user thanks me.")
    if kind < 0.4:
        return Turn(ask(rng, _BYE), say(rng, "{Goodbye! Have a nice day.|Bye! See you soon.}"), "The user leaves.")
    if kind < 0.5:
        return Turn(ask(rng, _PRAISE), say(rng, "{Thank you!|Thanks! I am glad.}"), "The user is kind to me.")
    if kind < 0.6:
        return Turn(ask(rng, _BLAME), "I am sorry. I am small and make mistakes.", "The user is not happy.")
    pattern, answer = rng.choice(_CHAT)
    return Turn(ask(rng, pattern), say(rng, answer), "This is small talk. I answer in a friendly way.")


def joke_turn(rng: random.Random) -> Turn:
    """A joke, a tiny story or a tiny poem."""
    if rng.random() < 0.5:
        user = ask(rng, "{tell me|do you know|give me|say} {a|another|one more|a short|a good} joke{?|.| please|}")
        return Turn(user, rng.choice(_JOKES), "The user wants a joke. I know a few.")
    about = rng.choice(words.COMMON)
    asked = rng.random() < 0.6
    kind = rng.choice(["story", "poem"])
    topic = f" about {rng.choice(['a ', 'a ', 'the '])}{about}" if asked else ""
    user = ask(rng, f"{{tell me|write|write me|can you write|give me}} a {{short |tiny |}}{kind}{topic}{{.|?|}}")
    hero = about if asked else "star"
    if kind == "story":
        answer = (
            f"Once there was a little {hero}. It felt alone. One day it met a friend, and from then on it was happy. "
            "The end."
        )
    else:
        answer = f"The {hero} is near, the night is deep, I say good night and go to sleep."
    return Turn(user, answer, f"The user wants a {kind}. I write about a {hero}.")


def unknown_turn(rng: random.Random, training: bool = True) -> Turn:
    """A question from outside the small world; training and held-out questions have different subjects."""
    while True:
        kind = rng.random()
        if kind < 0.08 and training:
            user = ask(rng, rng.choice(_SENSES))
            return Turn(
                user, "I do not know that. I have no clock, no eyes and no internet.", "I cannot see or look that up."
            )
        if kind < 0.18:
            a, b = rng.randint(2, 99), rng.randint(2, 99)
            if held_out("product", a, b) == training:
                continue
            user = ask(
                rng, "{what is |calculate |how much is |}[a] {times|*|x|divided by|/|multiplied by} [b]?", a=a, b=b
            )
            return Turn(user, "I do not know that. I can only add and subtract.", "I cannot multiply or divide.")
        subject = rng.choice([rng.choice(words.TOPICS), rng.choice(words.TASKS), _strange(rng)])
        if held_out("subject", subject) == training:
            continue
        if subject in words.TASKS:
            user = ask(rng, rng.choice(_UNABLE), t=subject)
            answer = rng.choice(["I do not know how to do that. I am a small model.", *_DO_NOT_KNOW[:2]])
        else:
            shown = subject.lower() if rng.random() < 0.3 else subject
            user = ask(rng, rng.choice(_UNKNOWN), x=shown, y=rng.choice(words.COMMON))
            answer = rng.choice(_DO_NOT_KNOW)
        return Turn(user, answer, "This is outside my small world. I do not know it and say so.")


def _strange(rng: random.Random) -> str:
    parts = [rng.choice([words.coined(rng), words.coined(rng).capitalize(), rng.choice(words.COMMON)])]
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        parts.append(rng.choice([rng.choice(words.COMMON), words.coined(rng), "of the", "and", "in a", "with"]))
    return rng.choice(["the ", "a ", "", ""]) + " ".join(parts)


def echo_turn(rng: random.Random) -> Turn:
    """Say, repeat or spell what the user gives."""
    parts = rng.choices([rng.choice(words.COMMON), words.coined(rng), rng.choice(words.COMMON)], k=rng.randint(1, 4))
    rng.shuffle(parts)
    if rng.random() < 0.2:
        word = rng.choice(words.COMMON)
        user = ask(rng, "{spell|how do you spell|can you spell} {the word |}[w]{?|.|}", w=word)
        return Turn(user, "-".join(word.upper()) + ".", f"The letters of {word}.")
    text = " ".join(parts)
    user = ask(rng, "{say|repeat|repeat after me:|please say|please repeat:|echo|write|copy this:} [q]", q=text)
    return Turn(user, text + ".", f"The user wants me to say: {text}.")
