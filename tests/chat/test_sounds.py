"""Recordings as samples: the oracle is scipy's reader, and what is not a recording gets one sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile
from scipy.signal import resample_poly

from playground.chat.senses.sounds import MAX_SECONDS, samples_of, sound_info
from playground.errors import InvalidRequest, ModelUnavailable, PlaygroundError
from tests.chat.tiny_senses import sound

TONE = np.sin(np.arange(8000) / 7).astype(np.float32) * 0.6
KINDS = {
    "u8": ((TONE * 127 + 128).astype(np.uint8), lambda x: (x.astype(np.float32) - 128) / 128),
    "i16": ((TONE * 32767).astype(np.int16), lambda x: x / np.float32(2**15)),
    "i32": ((TONE * 2**30).astype(np.int32), lambda x: x / np.float32(2**31)),
    "f32": (TONE, lambda x: x),
    "f64": (TONE.astype(np.float64), lambda x: x.astype(np.float32)),
}


def written(samples: np.ndarray, rate: int = 16_000) -> bytes:
    out = io.BytesIO()
    wavfile.write(out, rate, samples)
    return out.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_wav_is_read_as_scipy_reads_it(kind: str) -> None:
    raw, as_float = KINDS[kind]
    data = written(raw)
    assert np.allclose(samples_of(data, 16_000), as_float(wavfile.read(io.BytesIO(data))[1]), atol=1e-6)


def test_24_bit_and_extensible_headers_are_read() -> None:
    whole = (TONE * 2**23).astype(np.int32)
    packed = whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    form = struct.pack("<HHIIHHHHIH14s", 0xFFFE, 1, 16_000, 48_000, 3, 24, 22, 24, 4, 1, b"\0" * 14)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(packed)) + packed
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    assert np.allclose(samples_of(data, 16_000), whole / 2**23, atol=1e-6)


def test_channels_are_mixed_and_the_rate_is_changed() -> None:
    both = np.stack([TONE, np.zeros_like(TONE)], 1)
    heard = samples_of(written(both, 48_000), 16_000)
    assert np.allclose(heard, resample_poly(TONE / 2, 1, 3), atol=1e-6)
    assert sound_info(written(both, 48_000)).seconds == pytest.approx(8000 / 48_000)


def test_flac_and_mp3_are_read_where_soundfile_is() -> None:
    soundfile = pytest.importorskip("soundfile")
    for kind, most in (("FLAC", 1e-4), ("MP3", 0.1)):
        out = io.BytesIO()
        soundfile.write(out, TONE, 16_000, format=kind)
        heard = samples_of(out.getvalue(), 16_000)
        assert abs(np.abs(heard).max() - 0.6) < most
        for cut in (out.getvalue()[: len(out.getvalue()) // 2], out.getvalue()[:30]):
            with contextlib.suppress(InvalidRequest):
                assert np.abs(samples_of(cut, 16_000)).max() <= 1


def test_without_soundfile_one_sentence_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ModelUnavailable, match="FLAC files need the package soundfile") as said:
        sound_info(b"fLaC\x00\x00\x00\x22" + bytes(34))
    assert "WAV" in said.value.hint


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("text", "must be the bytes"),
        (b"%PDF-1.4", "none of WAV, MP3, FLAC"),
        (b"RIFF\0\0\0\0WAVE", "has no samples"),
        (sound(seconds=0.01), "0.01 seconds"),
        (sound()[:50], "0.00 seconds"),
        (sound(seconds=1, rate=16_000).replace(struct.pack("<I", 16_000), struct.pack("<I", 5), 1), "5 samples"),
        (
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x02\0\x01\0\x80\x3e\0\0\0\0\0\0\x02\0\x04\0data\0\0\0\0" + bytes(999),
            "kind 2",
        ),
    ],
)
def test_what_is_no_recording_gets_a_sentence(data, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        sound_info(data)


def test_a_recording_that_is_too_long_is_refused_by_its_header() -> None:
    frames = int(MAX_SECONDS * 8000) + 8000
    header = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    data = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + header + b"data" + struct.pack("<I", frames) + bytes(frames)
    with pytest.raises(InvalidRequest, match="30 minutes long"):
        sound_info(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_never_do_worse_than_a_sentence(data: st.DataObject) -> None:
    good = sound(seconds=0.2) if data.draw(st.booleans()) else written(np.stack([TONE[:2000]] * 2, 1))
    bad = bytearray(good[: data.draw(st.integers(0, len(good)))])
    for _ in range(data.draw(st.integers(0, 6))):
        if bad:
            bad[data.draw(st.integers(0, min(len(bad), 64) - 1))] = data.draw(st.integers(0, 255))
    try:
        heard = samples_of(bytes(bad), 16_000)
    except PlaygroundError:
        return
    assert heard.dtype == np.float32
    assert len(heard)
    assert np.isfinite(heard).all()
