"""Text to image as a tool: the same engine that the page uses makes the picture."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any, cast

from playground.chat.tools.tool import Output, Tool, ToolError, make_tool
from playground.protocol import CancelToken, Done, Engine, Failed, Image, ImageRequest

TIMEOUT_S = 600.0
MAX_PROMPT_CHARACTERS = 1000


def text_to_image(engine: Engine, model: str, *, owner: str = "", has_effects: bool = False) -> Tool:
    """A tool that makes a picture with the image model `model`.

    The model gets the picture's name, seed and size, the person the picture. It takes time on this machine and changes
    nothing else; `has_effects` is for a model whose pictures cost money.
    """
    made = 0

    async def run(arguments: dict[str, Any], cancel: CancelToken) -> Output:
        nonlocal made
        pictures: list[Image] = []
        request = ImageRequest(model, arguments["prompt"], preview_every=0, owner=owner)
        async with aclosing(cast(Any, engine.submit(request, cancel))) as events:
            async for event in events:
                if isinstance(event, Image):
                    pictures.append(event)
                elif isinstance(event, Failed):
                    raise ToolError(event.error, event.hint)
                elif isinstance(event, Done):
                    break
        if not pictures:
            raise ToolError("no picture was made")
        made += 1
        picture = pictures[0]
        size = f"{picture.width}x{picture.height}"
        text = json.dumps({"image": f"image_{made}.png", "size": size, "seed": picture.seed})
        return Output(text, tuple(p.png for p in pictures))

    about = {
        "prompt": {
            "type": "string",
            "description": "What the picture shows",
            "minLength": 1,
            "maxLength": MAX_PROMPT_CHARACTERS,
        }
    }
    return make_tool(
        "text_to_image", "Make a picture from a prompt", about, run, has_effects=has_effects, timeout_s=TIMEOUT_S
    )
