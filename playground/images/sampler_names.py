"""What other apps call the samplers and schedules that we have: A1111, k-diffusion, ComfyUI, Fooocus, InvokeAI."""

from __future__ import annotations

import re

from playground.images.samplers import samplers, schedules_of

# Other names, reduced as `_reduced` does it, and ours.
_SAMPLERS = {
    "eulera": "Euler a",
    "eulerancestral": "Euler a",
    "dpm2": "DPM2",
    "kdpm2": "DPM2",
    "dpm2a": "DPM2 a",
    "dpm2ancestral": "DPM2 a",
    "kdpm2a": "DPM2 a",
    "kdpm2ancestral": "DPM2 a",
    "dpmpp2s": "DPM++ 2S",
    "dpmpp2sa": "DPM++ 2S a",
    "dpmpp2sancestral": "DPM++ 2S a",
    "plms": "PNDM",
    "unipc": "UniPC",
    "unipcbh2": "UniPC",
}
_SCHEDULES = {"normal": "Automatic", "automatic": "Automatic", "sgmuniform": "SGM uniform"}


def our_sampler(sampler: str, schedule: str = "") -> tuple[str, str] | None:
    """Our names of another app's sampler and schedule; None where we have no such sampler.

    The schedule may stand in the sampler's name ("DPM++ 2M Karras", "dpmpp_2m_karras", "dpmpp_2m_k"). It is "" where
    none was told. One that the sampler does not have keeps its own name, for whoever checks the request to say so.
    """
    if len(sampler) > 100 or len(schedule) > 100:
        return None
    names = {_reduced(name): name for name in samplers()}
    word = _reduced(sampler)
    every = {_reduced(s): s for name in samplers() for s in schedules_of(name)} | _SCHEDULES
    for ending, told in [("", schedule), *((e, s) for e, s in every.items()), ("k", "Karras")]:
        stem = word.removesuffix(ending) if ending else word
        if ending and stem == word:
            continue
        for form in (stem, stem.removeprefix("k"), stem.removesuffix("gpu")):
            ours = names.get(form) or _SAMPLERS.get(form)
            if ours in names.values():
                return str(ours), every.get(_reduced(told), told)
    return None


def _reduced(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))
