"""The steps that a chain can have, each a record whose fields say what they may be. Pure data.

Numbers of steps, seeds and so on that are None are left to the model's card; prompts, models and seeds of later steps
that are empty are those that the picture has from before.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from playground.images.chain.settings import Setting, setting
from playground.images.hires import METHODS
from playground.images.masks import MASKED_CONTENT

OWN = "Empty: the model's own."
FROM_BEFORE = "Empty: the one that the picture has from before."
RESAMPLING = ("lanczos", "bicubic", "nearest")
RATIOS = ("", "1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16")
FORMATS = ("png", "jpeg", "webp")
MOST_SIDE = 8192


def _prompt(info: str = FROM_BEFORE) -> Any:
    return setting("", "text", "Prompt", info)


def _negative() -> Any:
    return setting("", "text", "Negative prompt", "What should not be in it.")


def _model(default: str = "") -> Any:
    return setting(default, "model", "Model", "" if default else FROM_BEFORE)


def _steps() -> Any:
    return setting(None, "whole", "Steps", OWN, low=1, high=150)


def _guidance() -> Any:
    return setting(None, "number", "Guidance scale", OWN, low=0, high=30, step=0.5)


def _sampler() -> Any:
    return setting(None, "sampler", "Sampler", OWN)


def _schedule() -> Any:
    return setting(None, "schedule", "Schedule", OWN)


def _seed(info: str = "Empty: the picture's own.") -> Any:
    return setting(None, "whole", "Seed", info, low=0, high=2**32 - 1)


def _strength(default: float, low: float = 0.0) -> Any:
    return setting(default, "number", "Strength", "0 keeps the picture, 1 starts anew.", low=low, high=1, step=0.05)


@dataclass(frozen=True)
class Step:
    """What all steps have: `do` is the name in JSON, `title` on the page, `about` one sentence of what it does."""

    do: ClassVar[str] = ""
    title: ClassVar[str] = ""
    about: ClassVar[str] = ""
    kind: ClassVar[str] = ""  # of the request to the engine; "" where no model is needed


@dataclass(frozen=True)
class Generate(Step):
    do, title, kind = "generate", "Generate", "text_to_image"
    about = "Pictures from text. It comes first, and needs no pictures."

    prompt: str = _prompt("What should be in the picture.")
    negative_prompt: str = _negative()
    model: str = _model("starter-sd")
    count: int = setting(1, "whole", "Count", "Pictures, each with a seed of its own.", low=1, high=8)
    seed: int | None = _seed("Empty: a new one each time.")
    width: int | None = setting(None, "whole", "Width", OWN, low=64, high=2048, step=8)
    height: int | None = setting(None, "whole", "Height", OWN, low=64, high=2048, step=8)
    steps: int | None = _steps()
    guidance_scale: float | None = _guidance()
    sampler: str | None = _sampler()
    schedule: str | None = _schedule()
    tiling: bool = setting(False, "flag", "Tiling", "The picture continues over its edges.")


@dataclass(frozen=True)
class SecondPass(Step):
    do, title, kind = "second_pass", "Second pass", "image_to_image"
    about = "Enlarges the picture and lets the model draw it out."

    scale: float = setting(2.0, "number", "Scale", "", low=1, high=4, step=0.25)
    method: str = setting(
        "lanczos", "choice", "Enlarge as", "latent: before the model decodes.", choices=tuple(METHODS)
    )
    strength: float = setting(
        0.4, "number", "Strength", "0.3 keeps the composition; 0.7 changes it.", low=0.05, high=1, step=0.05
    )
    steps: int | None = setting(None, "whole", "Steps", "Those that are run. Empty: the model's own.", low=1, high=150)
    sampler: str | None = _sampler()
    schedule: str | None = _schedule()
    guidance_scale: float | None = _guidance()
    prompt: str = _prompt()
    negative_prompt: str = _negative()
    model: str = _model()
    seed: int | None = _seed()


@dataclass(frozen=True)
class ImageToImage(Step):
    do, title, kind = "image_to_image", "Image to image", "image_to_image"
    about = "Makes the picture over after a prompt."

    prompt: str = _prompt()
    negative_prompt: str = _negative()
    strength: float = _strength(0.5, 0.05)
    model: str = _model()
    steps: int | None = _steps()
    guidance_scale: float | None = _guidance()
    sampler: str | None = _sampler()
    schedule: str | None = _schedule()
    seed: int | None = _seed()


@dataclass(frozen=True)
class Inpaint(Step):
    do, title, kind = "inpaint", "Inpaint", "inpaint"
    about = "Repaints the white part of a mask; the rest stays as it is, pixel for pixel."

    prompt: str = _prompt()
    negative_prompt: str = _negative()
    mask: str = setting("", "picture", "Mask", "White is repainted. None: the whole picture. It is fitted to each one.")
    strength: float = _strength(0.8, 0.05)
    feather: int = setting(4, "whole", "Feather", "Soft edge in pixels.", low=0, high=64)
    masked_content: str = setting("original", "choice", "Masked content", "", choices=tuple(MASKED_CONTENT))
    model: str = _model()
    steps: int | None = _steps()
    guidance_scale: float | None = _guidance()
    sampler: str | None = _sampler()
    schedule: str | None = _schedule()
    seed: int | None = _seed()


@dataclass(frozen=True)
class Style(Step):
    do, title, kind = "style", "Style", "style_transfer"
    about = "Gives the picture the colours and contrasts of another one."

    style: str = setting("", "picture", "Style picture", "Whose colours and contrasts are taken over.")
    style_strength: float = setting(0.6, "number", "Style strength", "", low=0, high=1, step=0.05)
    strength: float = _strength(0.4, 0.05)
    prompt: str = _prompt()
    model: str = _model()
    steps: int | None = _steps()
    seed: int | None = _seed()


@dataclass(frozen=True)
class Upscale(Step):
    do, title = "upscale", "Upscale"
    about = "Resamples the picture, by a factor or to a size."

    method: str = setting("lanczos", "choice", "Method", "nearest keeps hard pixels.", choices=RESAMPLING)
    factor: float = setting(2.0, "number", "Factor", "Not used where a size is given.", low=0.1, high=8, step=0.1)
    width: int | None = setting(None, "whole", "Width", "One side gives the other.", low=1, high=MOST_SIDE)
    height: int | None = setting(None, "whole", "Height", "One side gives the other.", low=1, high=MOST_SIDE)


@dataclass(frozen=True)
class Sharpen(Step):
    do, title = "sharpen", "Sharpen"
    about = "Unsharp mask: raises the difference from a blurred copy."

    radius: float = setting(2.0, "number", "Radius", "Of the blur, in pixels.", low=0.1, high=50, step=0.1)
    amount: int = setting(100, "whole", "Amount", "In per cent.", low=0, high=500, step=10)
    threshold: int = setting(2, "whole", "Threshold", "Smaller differences stay, of 255.", low=0, high=255)


@dataclass(frozen=True)
class Crop(Step):
    do, title = "crop", "Crop"
    about = "Cuts out a box, or the largest centre part of a ratio."

    ratio: str = setting("1:1", "choice", "Ratio", "Of the centre part, where no box is given.", choices=RATIOS)
    box: tuple[int, int, int, int] | None = setting(None, "box", "Box", "left, top, right, bottom in pixels.")


@dataclass(frozen=True)
class Save(Step):
    do, title = "save", "Save"
    about = "Keeps the picture in the gallery as a file, with the chain in it."

    format: str = setting("png", "choice", "Format", "JPEG loses a little.", choices=FORMATS)
    quality: int = setting(92, "whole", "Quality", "Of JPEG and WebP.", low=1, high=100)


STEPS: dict[str, type[Step]] = {
    cls.do: cls for cls in (Generate, SecondPass, ImageToImage, Inpaint, Style, Upscale, Sharpen, Crop, Save)
}


def settings_of(cls: type[Step]) -> dict[str, Setting]:
    """The settings of a kind of step by name, in their order."""
    return {one.name: one.metadata["setting"] for one in fields(cls)}
