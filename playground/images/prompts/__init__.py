r"""The prompt syntax of Stable Diffusion users, with the meaning that A1111 gave it, read by a parser of our own.

Brackets, outside in; weights of nested brackets multiply and are held within +-100:

    (x)  ((x))        weight 1.1, 1.21
    (x:1.3)           weight 1.3; the number is what stands after the last colon
    [x]               weight 1/1.1
    [a:b:0.5]         `a` for the first half of the steps, then `b`; a number with "." is a share of the steps
    [b:3]  [a::3]     `b` after 3 steps; `a` for 3 steps only
    [a|b|c]           `a` in step 1, `b` in step 2, `c` in step 3, `a` in step 4 and so on
    \( \) \[ \] \\    the sign itself; also \: \| \< \{ \}

Words, which count only in capitals and alone:

    a BREAK b         what follows begins a new chunk of 75 tokens
    a AND b:0.6       two predictions, mixed: u + 1.0 (p(a) - u) + 0.6 (p(b) - u), u for the negative prompt

Others:

    <lora:name:0.8>   an adapter and its strength; also name:te:unet and name:te=0.5:unet=1
    {a|b}  {2$$a|b|c} one of, two of (joined by ", "); {1-2$$ and $$a|b} one or two, joined by " and "
    __name__          a line of the file name.txt in the wildcards folder

Variants and wildcards are chosen first, by the picture's seed, and may hold any of the rest. Steps are those that run,
so that in image-to-image a share is one of the steps left by the strength. A prompt of one part has no AND weight, so
that "a clock at 10:15" means what it says.

What has no meaning is text: brackets without a partner, those nested deeper than 64 levels, colons and bars where none
is expected, AND within brackets or in a negative prompt. Where that may surprise, the parse carries a hint. Every text
parses, in time linear in its length. Here A1111 differs: it gives an open bracket weight to the end of the prompt, and
reads "10:15" as a weight.

Knows no gradio; `encode`, `conditioning` and `composed` import torch, the rest does not.
"""
