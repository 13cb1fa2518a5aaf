"""Which diffusers class serves which kind of request over one checkpoint. Names only; loads nothing."""

from __future__ import annotations

from playground.errors import ModelUnavailable

_FAMILIES = (
    {
        "text_to_image": "StableDiffusionPipeline",
        "image_to_image": "StableDiffusionImg2ImgPipeline",
        "inpaint": "StableDiffusionInpaintPipeline",
    },
    {
        "text_to_image": "StableDiffusionXLPipeline",
        "image_to_image": "StableDiffusionXLImg2ImgPipeline",
        "inpaint": "StableDiffusionXLInpaintPipeline",
    },
)
_WORDS = {
    "text_to_image": "make a picture from text alone",
    "image_to_image": "start from a picture",
    "inpaint": "repaint a part of a picture",
    "style_transfer": "transfer a style",
}


def is_latent_family(model_class: str) -> bool:
    """Whether the class is of Stable Diffusion 1, 2 or XL, whose latents this package handles itself."""
    return any(model_class in family.values() for family in _FAMILIES)


def class_for(model_class: str, kind: str) -> str:
    """The name of the diffusers class that serves `kind` over a checkpoint of `model_class`.

    Raises:
        ModelUnavailable: the checkpoint cannot do this kind.
    """
    wanted = "image_to_image" if kind == "style_transfer" else kind
    inpaints_only = model_class.endswith("InpaintPipeline")
    if inpaints_only and wanted != "inpaint":
        raise ModelUnavailable(
            f"A {model_class} cannot {_WORDS[kind]}: its network was trained to repaint masked parts only.",
            "Choose another model, or inpaint with this one.",
        )
    for family in _FAMILIES:
        if model_class in family.values():
            return family[wanted]
    if wanted == "text_to_image":
        return model_class
    raise ModelUnavailable(
        f"A {model_class} cannot {_WORDS[kind]} here.", "Choose a Stable Diffusion 1.x, 2.x or XL model for this."
    )
