"""The seam between the page and whatever runs models: requests go down, events come back up.

Everything here pickles and holds only text, numbers and bytes, so that one seam serves the in-process engine,
an OpenAI-compatible endpoint, a worker in another process and a scripted engine in tests. Knows nothing of torch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from playground.cancel import CancelToken
from playground.cancel import Linked as Linked  # as the others, for whoever imports from here
from playground.errors import PlaygroundError
from playground.messages import Message, ToolCall, ToolSpec
from playground.states import Health, ModelState
from playground.states import State as State

ImageKind = Literal["text_to_image", "image_to_image", "inpaint", "style_transfer"]
TokenKind = Literal["answer", "reasoning"]


# --- requests ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChatRequest:
    """An answer from one text model. `None` means the card's default; `seed` None means a fresh one, reported back.

    `column` comes back in every Token, so that several requests can share one stream. `tool_choice`: "auto", "none",
    "required" or the name of one of `tools`. At most one of `json_schema` (as JSON), `regex`, `choices` and `grammar`
    (Lark, as llguidance reads it) binds what is answered. `reasoning_budget`: tokens after which a thought is ended.
    `keep_reasoning`: whether earlier thoughts are read again. `stable_probes`: a thought is ended once so many drafts
    of the answer in a row were the same, 0 for never; `probe_every`: thought tokens from one draft to the next.
    `shared_characters`: how many characters of the messages' texts, from the first on, other requests begin with too;
    what an engine computes of them it may keep for those. `speculation`: how tokens are drafted that the model then
    only checks: "" for not at all, "prompt lookup", or the id of a smaller card; the answer is the same.

    Where the last message is an assistant's, it is unfinished, and the answer is what follows it.
    """

    model: str
    messages: tuple[Message, ...]
    column: int = 0
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None
    owner: str = ""
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    json_schema: str = ""
    regex: str = ""
    choices: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_budget: int | None = None
    keep_reasoning: bool | None = None
    grammar: str = ""
    stable_probes: int | None = None
    probe_every: int | None = None
    shared_characters: int = 0
    speculation: str = ""


@dataclass(frozen=True)
class AdapterUse:
    """A LoRA by the name of its file, and its strength in the denoiser and in the text encoders: 1 as trained."""

    name: str
    unet: float = 1.0
    text_encoder: float = 1.0


@dataclass(frozen=True)
class ImageRequest:
    """Pictures from one image model. Sizes in pixels; pictures as encoded bytes (PNG, JPEG, WebP).

    `mask`: white is repainted. `area`: "whole" or "masked". `masked_content`: "original", "fill", "latent noise" or
    "latent nothing". `feather` and `padding` in pixels. `preview_every`: steps between previews, 0 for none.

    `guidance_rescale`: 0 to 1, pulls guided predictions back to the spread of unguided ones (Lin et al. 2023, arXiv
    2305.08891). `eta`: 0 to 1, the share of fresh noise in each step, for samplers that have it. `variation_strength`:
    0 to 1, how far the initial noise is turned towards that of `variation_seed`; all pictures then have the seed, and
    picture i has variation_seed + i.
    `clip_skip`: 1 for the text encoder's own layer, 2 for the one before, and so on. `adapters`: LoRAs beside those
    that the prompt names by tags; a tag of the same file wins.

    `hires_scale`: by how much a second pass enlarges the picture, 1 to 4, 0 for none; with an `image`, that picture
    takes the place of the first pass's. `hires_method`: "latent", "lanczos", "bicubic" or "nearest". `hires_steps` are
    those that are run, None for as many as the first pass's. `hires_strength`: how much of the way is gone once more.
    `tiling`: the picture continues over its edges. `vae_tiling`: decoded in tiles, which takes less memory.
    `styles`: names of styles that stand in the prompts already; `typed_prompt` and `typed_negative_prompt` are what
    was written without them. These three are recorded, and change nothing.
    """

    model: str
    prompt: str
    kind: ImageKind = "text_to_image"
    negative_prompt: str = ""
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None
    schedule: str | None = None
    seed: int | None = None
    batch_size: int = 1
    image: bytes | None = None
    mask: bytes | None = None
    style: bytes | None = None
    strength: float = 0.75
    style_strength: float = 0.6
    feather: int = 4
    masked_content: str = "original"
    area: str = "whole"
    padding: int = 32
    preview_every: int = 2
    owner: str = ""
    guidance_rescale: float = 0.0
    eta: float | None = None
    variation_seed: int | None = None
    variation_strength: float = 0.0
    clip_skip: int = 1
    adapters: tuple[AdapterUse, ...] = ()
    hires_scale: float = 0.0
    hires_method: str = "latent"
    hires_steps: int | None = None
    hires_strength: float = 0.6
    hires_sampler: str | None = None
    hires_schedule: str | None = None
    tiling: bool = False
    vae_tiling: bool = False
    styles: tuple[str, ...] = ()
    typed_prompt: str = ""
    typed_negative_prompt: str = ""


@dataclass(frozen=True)
class ClassifyRequest:
    """Probabilities of labels for a text, from the likelihood that one text model gives them.

    `texts`: many texts, in place of `text`; each brings its own Scores. `descriptions`: what each label means, one for
    each or none. `template`: the question in the user's words, see `playground.chat.questions`. `calibrate`: divides
    by what the labels get for texts without content.
    """

    model: str
    text: str
    labels: tuple[str, ...]
    multi_label: bool = False
    owner: str = ""
    texts: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    template: str = ""
    calibrate: bool = False


@dataclass(frozen=True)
class CountRequest:
    """How many tokens a text takes: a chat prompt for a text model, a picture prompt for an image model."""

    model: str
    text: str
    owner: str = ""


@dataclass(frozen=True)
class _OfModel:
    """A request that needs to name no more than a model."""

    model: str
    owner: str = ""


class LoadRequest(_OfModel):
    """Loads a model, or finds it loaded."""


class UnloadRequest(_OfModel):
    """Frees a model that nobody uses, and takes its pin off."""


@dataclass(frozen=True)
class PinRequest(_OfModel):
    """Keeps a model on the device until it is unpinned or unloaded, loading it where needed; or lets it go again."""

    pinned: bool = True


class DownloadRequest(_OfModel):
    """Fetches a model's files and loads nothing."""


class SizeRequest(_OfModel):
    """What a model takes and whether it fits, before a byte of its weights is fetched.

    `model` is a card's id, a folder, a file, or `owner/name` on the hub.
    """


@dataclass(frozen=True)
class AddRequest(_OfModel):
    """Makes a card of a folder, a file, or `owner/name` on the hub, named by `model`, and puts it on the list.

    With `quantization` ("int8", "int4", …) its weights are turned into that while loading; `model` may be a card then.
    """

    quantization: str = ""


Request = (
    ChatRequest
    | ImageRequest
    | ClassifyRequest
    | CountRequest
    | LoadRequest
    | UnloadRequest
    | PinRequest
    | DownloadRequest
    | SizeRequest
    | AddRequest
)


# --- events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Queued:
    """Waiting for `position` others (1 = next); `eta_s` None while nothing is known."""

    position: int
    eta_s: float | None = None


@dataclass(frozen=True)
class Loading:
    """A model is on its way; `fraction` 0 to 1, None while unknown."""

    model: str
    fraction: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Token:
    column: int
    text: str
    kind: TokenKind = "answer"


@dataclass(frozen=True)
class ToolCalled:
    """The model asks for a function, whole; the answer ends with the stop reason "tool calls" once all have come."""

    column: int
    call: ToolCall


@dataclass(frozen=True)
class Step:
    """Sampler step `index` of `total` is done; `preview` is an encoded picture or None."""

    index: int
    total: int
    seconds_left: float | None = None
    preview: bytes | None = None


@dataclass(frozen=True)
class Image:
    """A finished picture: PNG bytes that carry their own parameters."""

    index: int
    png: bytes
    seed: int
    width: int
    height: int
    parameters: str


@dataclass(frozen=True)
class Notice:
    """One sentence that the user should see beside the result."""

    text: str


@dataclass(frozen=True)
class Scores:
    """Label probabilities, in the order of the request's labels.

    `index` counts the request's texts from 0. `seconds`: from when the text was begun, with those that it was read
    together with. `error`: why this one of many texts has no scores.
    """

    scores: tuple[tuple[str, float], ...]
    index: int = 0
    seconds: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Counted:
    """`tokens` of `size` that the model reads at once; `chunks`: for a picture prompt, the tokens of each chunk."""

    tokens: int
    size: int | None = None
    chunks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sized:
    """The answer to a SizeRequest: the figures that `python -m playground.doctor MODEL --json` prints."""

    report: dict[str, Any]


@dataclass(frozen=True)
class Added:
    """A card is on the list, under this id."""

    model: str


@dataclass(frozen=True)
class ChatStats:
    """Seconds and tokens of one answer. `ttft_s` runs from the start of the work (queue and load are apart) to the
    first non-empty token; `tokens_per_s` is (completion_tokens - 1) / (seconds after the first token). None = unknown.
    `reasoning_effort`: the one that was taken, empty where none was asked for. `thought_end`: what ended the thought
    where the model did not: "budget", "answer now" or "stable". `probes`: drafts of the answer that were made while it
    thought, of `probe_tokens` in all, which count nowhere else.
    `cached_tokens`: those of the prompt that had been read before, for another request.
    `drafted` tokens were guessed ahead (`ChatRequest.speculation`), and `accepted` of them were right.
    """

    ttft_s: float | None = None
    tokens_per_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    context_used: int | None = None
    context_size: int | None = None
    stop_reason: str = ""
    dropped_turns: int = 0
    cost: float | None = None
    seed: int | None = None
    load_s: float = 0.0
    seconds: float = 0.0
    reasoning_effort: str = ""
    thought_end: str = ""
    probes: int = 0
    probe_tokens: int = 0
    cached_tokens: int | None = None
    drafted: int | None = None
    accepted: int | None = None


@dataclass(frozen=True)
class ImageStats:
    """Seconds of one request; `outside_identical`: the check that an inpainting run made on its own result."""

    seconds: float
    seconds_per_image: float
    steps: int
    seed: int
    load_s: float = 0.0
    outside_identical: bool | None = None


@dataclass(frozen=True)
class Done:
    """The request ended well; `stats` fits the kind of request, None for load, unload and count.

    `items`: a provider's own output items as JSON, for `Message.items` of this answer.
    """

    stats: ChatStats | ImageStats | None = None
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The request ended badly: one sentence on what went wrong, one on what to do. `code` is the error's class name."""

    error: str
    hint: str = ""
    code: str = "PlaygroundError"

    @classmethod
    def of(cls, error: PlaygroundError) -> Failed:
        """The event that tells this error."""
        return cls(error.message, error.hint, type(error).__name__)


Event = Queued | Loading | Token | ToolCalled | Step | Image | Notice | Scores | Counted | Sized | Added | Done | Failed


# --- the engine ----------------------------------------------------------------------------------------------------


class Engine(Protocol):
    """Runs requests. Every stream ends with exactly one Done or Failed, also after a cancel (Done, with what there is).

    Closing the iterator early cancels the request.
    """

    def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]: ...

    async def models(self) -> list[ModelState]: ...

    async def health(self) -> Health: ...


def plain(value: Any) -> Any:
    """Dataclasses as plain dicts and lists, ready for JSON; None stays None."""
    from dataclasses import asdict, is_dataclass

    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
