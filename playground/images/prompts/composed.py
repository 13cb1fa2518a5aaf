"""A UNet that is told something else from step to step, and that mixes the predictions of prompts joined by AND.

It stands in a pipeline of one run, in place of the shared UNet, which it only calls. A pipeline takes from it a batch
[for the negative prompt, for the prompt] and makes u + g (c - u) of the two, with guidance scale g. For parts c_i of
weights w_i the second is returned as c = u + sum of w_i (c_i - u), so that the result is composable diffusion,
u + g sum of w_i (c_i - u) (Liu et al. 2022, arXiv 2206.01714, equation 11). Without guidance the same with g = 1.
"""

from __future__ import annotations

from typing import Any

import torch

from playground.images.prompts.conditioning import Conditioning, State
from playground.images.prompts.encode import Encoded


class ComposedUnet:
    """Calls `unet` with the embeddings of the step that is due, whatever embeddings it is given.

    Args:
        steps: of the run. A sampler that calls the model more often has several calls in one step.
    """

    def __init__(self, unet: Any, conditioning: Conditioning, pipeline: Any, steps: int) -> None:
        self._unet, self._conditioning = unet, conditioning
        self._pipeline, self._steps = pipeline, steps
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        if name == "_unet":  # of a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._unet, name)

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: Any,
        encoder_hidden_states: torch.Tensor,
        added_cond_kwargs: dict[str, Any] | None = None,
        return_dict: bool = True,
        **others: Any,
    ) -> tuple[torch.Tensor]:
        """The prediction (B, C, H, W) for the batch that the pipeline asks for, in a tuple."""
        assert not return_dict, "pipelines ask for a tuple"
        state = self._conditioning.at(self._step())
        count = len(state.negative.hidden)
        guided = sample.shape[0] == 2 * count

        def told(what: tuple[Encoded, ...], whole: bool) -> torch.Tensor:
            """The prediction for these embeddings; `whole` for a batch as it came, else for the last B of it."""
            cut = slice(None) if whole else slice(-count, None)
            added = None
            if added_cond_kwargs is not None:
                added = {key: _cut(value, cut) for key, value in added_cond_kwargs.items()}
                if what[0].pooled is not None and "text_embeds" in added:
                    pooled = torch.cat([one.pooled for one in what if one.pooled is not None])
                    added["text_embeds"] = pooled.to(added["text_embeds"])
            hidden = torch.cat([one.hidden for one in what]).to(encoder_hidden_states)
            made: torch.Tensor = self._unet(
                sample[cut],
                timestep,
                encoder_hidden_states=hidden,
                added_cond_kwargs=added,
                return_dict=False,
                **others,
            )[0]
            return made

        first = told((state.negative, state.parts[0]) if guided else (state.parts[0],), True)
        if len(state.parts) == 1:
            return (first,)
        u, c = first.chunk(2) if guided else (told((state.negative,), False), first)
        mixed = u + _weights(state, 0, u) * (c - u)
        for index in range(1, len(state.parts)):
            mixed = mixed + _weights(state, index, u) * (told((state.parts[index],), False) - u)
        return (torch.cat([u, mixed]) if guided else mixed,)

    def _step(self) -> int:
        calls = getattr(self._pipeline, "num_timesteps", None) or len(self._pipeline.scheduler.timesteps)
        step = self._calls * self._steps // max(calls, 1)  # Heun's 2n - 1 calls: 0, 0, 1, 1, …, n - 1
        self._calls += 1
        return min(step, self._steps - 1)


def _weights(state: State, part: int, like: torch.Tensor) -> torch.Tensor:
    return state.weights[part].to(like)[:, None, None, None]


def _cut(value: Any, cut: slice) -> Any:
    return value[cut] if isinstance(value, torch.Tensor) else value
