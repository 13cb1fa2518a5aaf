"""Reads recordings that people hand in: WAV by itself, other kinds through `soundfile` where it is installed.

How long a recording is and how much it takes is known from its header before anything is decoded. Knows no models.
WAV: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest, ModelUnavailable

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES = 64_000_000
MAX_SECONDS = 1800.0
MIN_SECONDS = 0.1
RATES = (4_000, 384_000)
MAX_CHANNELS = 16
MAX_SAMPLES = 100_000_000  # of all channels together

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
OTHERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3"}


@dataclass(frozen=True)
class Sound:
    """What a recording's header says; `data` is where its samples lie in a WAV file, None in others."""

    rate: int
    channels: int
    frames: int
    coding: str = ""
    data: tuple[int, int] | None = None

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def sound_info(data: object) -> Sound:
    """What the header of a recording says, checked against the limits.

    Raises:
        InvalidRequest: not bytes, of no kind that can be read, damaged, empty or too long.
        ModelUnavailable: it needs `soundfile`, which is not installed.
    """
    if not isinstance(data, bytes | bytearray):
        raise InvalidRequest(f"A recording must be the bytes of a sound file, got {type(data).__name__}.")
    if len(data) > MAX_BYTES:
        raise InvalidRequest(
            f"A recording is {len(data) / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB can be read.", "Shorten it."
        )
    found = _wav(bytes(data)) if data[:4] == b"RIFF" and data[8:12] == b"WAVE" else _other(bytes(data))
    if not RATES[0] <= found.rate <= RATES[1] or not 1 <= found.channels <= MAX_CHANNELS:
        raise _damaged(f"says {found.rate} samples a second in {found.channels} channels")
    if found.seconds < MIN_SECONDS:
        raise InvalidRequest(f"A recording holds {found.seconds:.2f} seconds of sound; the least is {MIN_SECONDS}.")
    if found.seconds > MAX_SECONDS or found.frames * found.channels > MAX_SAMPLES:
        raise InvalidRequest(
            f"A recording is {found.seconds / 60:.0f} minutes long in {found.channels} channels;"
            f" at most {MAX_SECONDS / 60:.0f} minutes can be heard.",
            "Cut it.",
        )
    return found


def samples_of(data: bytes, rate: int) -> np.ndarray:
    """The recording as one channel of float32 samples from -1 to 1, (N,), `rate` a second.

    Raises:
        InvalidRequest: as `sound_info`, or it breaks off.
    """
    import numpy as np

    sound = sound_info(data)
    samples = _pcm(data, sound) if sound.data is not None else _decoded(data, sound)
    mono = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise _damaged("holds samples that are no numbers")
    if sound.rate != rate:
        from scipy.signal import resample_poly

        common = math.gcd(rate, sound.rate)
        mono = resample_poly(mono, rate // common, sound.rate // common).astype(np.float32)
    return np.clip(mono, -1, 1)


# --- WAV ------------------------------------------------------------------------------------------------------------


def _wav(data: bytes) -> Sound:
    form: tuple[int, int, int, int, int] | None = None  # coding, channels, rate, bytes a frame, bits
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"fmt " and size >= 16 and at + 16 <= len(data):
            coding, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", data, at)
            if coding == EXTENSIBLE and size >= 26 and at + 26 <= len(data):
                coding = int.from_bytes(data[at + 24 : at + 26], "little")
            form = (coding, channels, rate, block, bits)
        elif name == b"data" and form is not None:
            coding, channels, rate, block, bits = form
            kinds = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}
            if bits not in kinds.get(coding, ()):
                raise InvalidRequest(
                    f"A WAV file has samples of kind {coding} with {bits} bits, which cannot be read.",
                    "Save it with 16 bit PCM.",
                )
            if not rate or not channels or block != channels * bits // 8:
                raise _damaged("has a header that contradicts itself")
            length = min(size, len(data) - at)  # what is being recorded says 0 or the most; what is there counts
            frames = (length or len(data) - at) // block
            return Sound(rate, channels, frames, f"{'u' if bits == 8 else 'f' if coding == FLOAT else 'i'}{bits}",
                         (at, frames * block))  # fmt: skip
        at += size + size % 2
    raise _damaged("has no samples")


def _pcm(data: bytes, sound: Sound) -> np.ndarray:
    """(frames, channels), float32."""
    import numpy as np

    assert sound.data is not None
    start, length = sound.data
    part = memoryview(data)[start : start + length]
    kind, bits = sound.coding[0], int(sound.coding[1:])
    if kind == "f":
        found: Any = np.frombuffer(part, f"<f{bits // 8}").astype(np.float32)
    elif kind == "u":
        found = (np.frombuffer(part, np.uint8).astype(np.float32) - 128) / 128
    elif bits == 24:
        three = np.frombuffer(part, np.uint8).reshape(-1, 3)
        four = np.zeros((len(three), 4), np.uint8)
        four[:, 1:] = three
        found = four.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        found = np.frombuffer(part, f"<i{bits // 8}").astype(np.float32) / 2 ** (bits - 1)
    return found.reshape(-1, sound.channels)


# --- other kinds ----------------------------------------------------------------------------------------------------


def _other(data: bytes) -> Sound:
    kind = next((kind for mark, kind in OTHERS.items() if data.startswith(mark)), "")
    if not kind and len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        kind = "MP3"
    if not kind:
        raise InvalidRequest("A recording is none of WAV, MP3, FLAC and Ogg.", "Convert it first.")
    with _opened(data, kind) as file:
        return Sound(file.samplerate, file.channels, file.frames)


def _decoded(data: bytes, sound: Sound) -> np.ndarray:
    with _opened(data, "sound") as file:
        try:
            found: np.ndarray = file.read(sound.frames, dtype="float32", always_2d=True)
        except RuntimeError as error:  # what soundfile raises is one
            raise _damaged(f"breaks off: {str(error).rstrip('.')}") from None
    if not len(found):
        raise _damaged("has no samples")
    return found


def _opened(data: bytes, kind: str) -> Any:
    try:
        import soundfile
    except ImportError:
        raise ModelUnavailable(
            f"{kind} files need the package soundfile, which is not installed.",
            "Run: pip install soundfile, or convert the recording to WAV.",
        ) from None
    try:
        return soundfile.SoundFile(io.BytesIO(data))
    except (RuntimeError, TypeError) as error:
        raise _damaged(f"cannot be opened: {str(error).rstrip('.')}") from None


def _damaged(what: str) -> InvalidRequest:
    return InvalidRequest(f"A recording {what}.", "Save or upload it once more.")
