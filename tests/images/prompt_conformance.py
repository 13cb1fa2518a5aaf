r"""The conformance list of the prompt syntax: what each text means. A person can read it as the grammar's examples.

`STEPS` is how long the run is for texts that change from step to step.
"""

from __future__ import annotations

STEPS = 10

# text -> (words, weight) in order; None begins a new chunk.
WEIGHTS: dict[str, list[tuple[str, float] | None]] = {
    "": [],
    "normal text": [("normal text", 1.0)],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "((twice))": [("twice", 1.21)],
    "(((thrice)))": [("thrice", 1.331)],
    "[less]": [("less", 1 / 1.1)],
    "[[less]] still": [("less", 1 / 1.21), (" still", 1.0)],
    "([same])": [("same", 1.0)],
    "(x:1.3)": [("x", 1.3)],
    "(x : 1.3 )": [("x ", 1.3)],
    "(x:.5)": [("x", 0.5)],
    "(x:2)": [("x", 2.0)],
    "(x:0)": [("x", 0.0)],
    "(x:-1)": [("x", -1.0)],
    "(x:+1.5)": [("x", 1.5)],
    "(a (b:1.5) c:2)": [("a ", 2.0), ("b", 3.0), (" c", 2.0)],
    "(a [b] c)": [("a ", 1.1), ("b", 1.0), (" c", 1.1)],
    "(one)(two)": [("onetwo", 1.1)],
    "(a:1.2)(a:1.3)": [("a", 1.2), ("a", 1.3)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky)))).": [
        ("a ", 1.0), ("house", 1.573), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55), (", sun, ", 1.1),
        ("sky", 1.4641), (".", 1.0),
    ],
    "()": [],
    "a()b": [("ab", 1.0)],
    "(:1.3)": [],
    r"\(literal\]": [("(literal]", 1.0)],
    r"a \\ b": [("a \\ b", 1.0)],
    r"(a\)b:1.2)": [("a)b", 1.2)],
    r"\[x\]": [("[x]", 1.0)],
    r"C:\new": [("C:\\new", 1.0)],
    r"(5\:3)": [("5:3", 1.1)],
    r"\{a\|b\}": [("{a|b}", 1.0)],
    "a clock at 10:15": [("a clock at 10:15", 1.0)],
    "(a:b)": [("a:b", 1.1)],
    "(a:b:1.2)": [("a:b", 1.2)],
    "(a:1.2.3)": [("a:1.2.3", 1.1)],
    "(a|b)": [("a|b", 1.1)],
    "a|b, c": [("a|b, c", 1.0)],
    "a BREAK b": [("a", 1.0), None, ("b", 1.0)],
    "a,\nBREAK\nb": [("a,", 1.0), None, ("b", 1.0)],
    "(a BREAK b:1.2)": [("a", 1.2), None, ("b", 1.2)],
    "BREAK BREAK": [None, None],
    "BREAKfast, a break": [("BREAKfast, a break", 1.0)],
    "naïve café, 猫 😀": [("naïve café, 猫 😀", 1.0)],
}  # fmt: skip

# text that means itself, with a hint -> what is read
LITERAL: dict[str, str] = {
    "(open": "(open",
    "close)": "close)",
    "[open (and": "[open (and",
    "a :) b": "a :) b",
    "(a]": "(a]",
    "(a AND b)": "a AND b",
}

# text -> what is said in each of ten steps, from the step that it is said from on
SCHEDULES: dict[str, dict[int, str]] = {
    "test": {0: "test"},
    "a [b:3]": {0: "a ", 3: "a b"},
    "a [b: 3]": {0: "a ", 3: "a b"},
    "a [[[b]]:2]": {0: "a ", 2: "a b"},
    "[(a:2):3]": {0: "", 3: "a"},
    "a [b : c : 1] d": {0: "a b  d", 1: "a  c  d"},
    "a[b:[c:d:2]:1]e": {0: "abe", 1: "ace", 2: "ade"},
    "a [b:.5] c": {0: "a  c", 5: "a b c"},
    "[a:b:0.5]": {0: "a", 5: "b"},
    "[a::0.6]": {0: "a", 6: ""},
    "[a::3]": {0: "a", 3: ""},
    "[:b:3]": {0: "", 3: "b"},
    "[a:b:0]": {0: "b"},
    "[a:b:1.0]": {0: "a"},
    "[a:b:1]": {0: "a", 1: "b"},
    "[a:b:99]": {0: "a"},
    "[a:b:-3]": {0: "b"},
    "[a:b:c:0.5]": {0: "a:b", 5: "c"},
    "[a:b]": {0: "a:b"},
    "[(a:1.3):(b:0.7):4]": {0: "a", 4: "b"},
    "[a|b]": dict(enumerate(["a", "b"] * 5)),
    "[a|b|c]": dict(enumerate(["a", "b", "c"] * 3 + ["a"])),
    "[fe|]male": dict(enumerate(["female", "male"] * 5)),
    "[fe|||]male": dict(enumerate(["female", "male", "male", "male"] * 2 + ["female", "male"])),
    "[a|[b:c:4]]": dict(enumerate(["a", "b", "a", "b", "a", "c", "a", "c", "a", "c"])),
}

# text -> (words, weight) of each part
PARTS: dict[str, list[tuple[str, float]]] = {
    "a AND b": [("a", 1.0), ("b", 1.0)],
    "a AND b:0.6": [("a", 1.0), ("b", 0.6)],
    "a :1.2 AND b : .5 AND c": [("a", 1.2), ("b", 0.5), ("c", 1.0)],
    "a AND b:-1": [("a", 1.0), ("b", -1.0)],
    "a and b": [("a and b", 1.0)],
    "SAND ANDES": [("SAND ANDES", 1.0)],
    r"a AND at 10\:15": [("a", 1.0), ("at 10:15", 1.0)],
    "a AND (b:1.3)": [("a", 1.0), ("b", 1.0)],
    "a AND ": [("a", 1.0), ("", 1.0)],
}

# text -> the text that is left, and name, strength in the text encoder, strength in the UNet
LORAS: dict[str, tuple[str, list[tuple[str, float, float]]]] = {
    "a <lora:x:0.8>": ("a ", [("x", 0.8, 0.8)]),
    "<lora:x>a": ("a", [("x", 1.0, 1.0)]),
    "<lora:x:0.5:1.2>": ("", [("x", 0.5, 1.2)]),
    "<lora:x:te=0.5:unet=1>": ("", [("x", 0.5, 1.0)]),
    "<lora:x:unet=0.3>": ("", [("x", 1.0, 0.3)]),
    "<lora:a:1><lora:b:-0.5>c": ("c", [("a", 1.0, 1.0), ("b", -0.5, -0.5)]),
    "(<lora:x:1>a)": ("a", [("x", 1.0, 1.0)]),
    r"\<lora:x:1>": ("<lora:x:1>", []),
    "a < b > c": ("a < b > c", []),
}
