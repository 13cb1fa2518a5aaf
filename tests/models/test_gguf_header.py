from __future__ import annotations

import struct
import tracemalloc

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import ModelUnavailable
from playground.models.gguf_header import TYPES, read_gguf
from playground.models.kv_cache import kv_bytes_per_token

Q8 = gguf.GGMLQuantizationType.Q8_0


def write(path, **options):
    """A small model by the format's own package; returns the writer."""
    writer = gguf.GGUFWriter(path, "phi3", **options)
    writer.add_context_length(4096)
    writer.add_block_count(2)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(512)
    writer.add_head_count(8)
    writer.add_head_count_kv(2)
    writer.add_bool("test.flag", True)
    writer.add_float32("test.real", 1.5)
    writer.add_token_list([f"<{i}>" for i in range(3000)])
    writer.add_token_scores([0.5] * 3000)
    writer.add_array("test.few", [3, 1, 2])
    rng = np.random.default_rng(0)
    writer.add_tensor("token_embd.weight", rng.random((10, 256), dtype=np.float32))
    writer.add_tensor(
        "blk.0.attn_q.weight", gguf.quants.quantize(rng.random((64, 256), dtype=np.float32), Q8), raw_dtype=Q8
    )
    writer.add_tensor("blk.0.norm.weight", rng.random(256, dtype=np.float32).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_header_is_what_the_formats_own_package_reads(tmp_path):
    path = write(tmp_path / "m.gguf")
    header, oracle = read_gguf(path), gguf.GGUFReader(path)
    assert header.architecture == "phi3"
    assert header.parameters == sum(int(t.n_elements) for t in oracle.tensors)
    assert header.bytes == sum(int(t.n_bytes) for t in oracle.tensors)
    assert header.file_bytes == path.stat().st_size
    expected = [(t.name, t.tensor_type.name, tuple(reversed(t.shape.tolist())), int(t.n_bytes)) for t in oracle.tensors]
    assert [(t.name, t.type, t.shape, t.bytes) for t in header.tensors] == expected
    for name, value in header.metadata.items():
        assert oracle.fields[name].contents() == value
    assert header.arrays["test.few"] == (3, 1, 2)
    assert header.lengths["tokenizer.ggml.tokens"] == 3000
    assert header.quantization == "Q8_0"


def test_block_sizes_are_those_of_the_formats_own_package():
    assert {int(k): (k.name, *v) for k, v in gguf.GGML_QUANT_SIZES.items()} == TYPES


def test_a_shape_for_the_cache_and_the_context(tmp_path):
    header = read_gguf(write(tmp_path / "m.gguf"))
    assert header.context == 4096
    assert header.config["vocab_size"] == 3000
    assert kv_bytes_per_token(header.config, "float16") == 2 * 2 * (2 * 32) * 2  # layers, heads, keys and values, bytes


def test_a_split_model_counts_whole(tmp_path):
    write(tmp_path / "m.gguf", split_max_tensors=2)
    parts = sorted(tmp_path.glob("m-*.gguf"))
    assert len(parts) == 2
    whole = read_gguf(parts[0])
    assert [t.name for t in whole.tensors] == ["token_embd.weight", "blk.0.attn_q.weight", "blk.0.norm.weight"]
    assert whole.file_bytes == sum(p.stat().st_size for p in parts)
    with pytest.raises(ModelUnavailable, match="first part"):
        read_gguf(parts[0].rename(tmp_path / "renamed.gguf"))
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        read_gguf(tmp_path / "missing.gguf")


# --- hostile files -------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def start(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def array(kind: int, count: int) -> bytes:
    return struct.pack("<IQ", kind, count)


def row(name: str, sizes: list[int], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


HOSTILE = {
    "empty": b"",
    "something else": b"PK" + bytes(100),
    "version 1": start(0, 0, 1),
    "big-endian": start(0, 0, 3 << 24),
    "a world of tensors": start(2**63, 0) + bytes(100),
    "a world of keys": start(0, 2**63) + bytes(100),
    "a key without end": start(0, 1) + struct.pack("<Q", 2**62) + bytes(100),
    "a text without end": start(0, 1) + text("k") + struct.pack("<IQ", 8, 2**62) + bytes(100),
    "an array without end": start(0, 1) + text("k") + struct.pack("<I", 9) + array(4, 2**62) + bytes(100),
    "texts without end": start(0, 1) + text("k") + struct.pack("<I", 9) + array(8, 2**62) + bytes(100),
    "arrays of arrays": start(0, 1) + text("k") + struct.pack("<I", 9) + array(9, 1) * 10_000,
    "arrays of empty arrays": start(0, 1) + text("k") + struct.pack("<I", 9) + array(9, 2**40) + array(0, 0) * 1000,
    "an unknown type of value": start(0, 1) + text("k") + struct.pack("<I", 77) + bytes(100),
    "a key twice": start(0, 2) + (text("k") + struct.pack("<IB", 7, 1)) * 2 + bytes(32),
    "a tensor twice": start(2, 0) + row("a", [1]) * 2 + bytes(64),
    "a tensor of many dimensions": start(1, 0) + text("a") + struct.pack("<I", 2**31) + bytes(100),
    "a tensor beyond the end": start(1, 0) + row("a", [1000]) + bytes(64),
    "an offset beyond the end": start(1, 0) + row("a", [1], offset=2**62) + bytes(64),
    "more elements than atoms": start(1, 0) + row("a", [2**63, 2**63, 2**63]) + bytes(64),
    "half a block": start(1, 0) + row("a", [33], kind=8) + bytes(64),
    "an unknown type of tensor": start(1, 0) + row("a", [32], kind=5) + bytes(64),
    "alignment zero": start(0, 1) + text("general.alignment") + struct.pack("<II", 4, 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_a_plain_error_and_little_memory(tmp_path, name):
    (tmp_path / "m.gguf").write_bytes(HOSTILE[name])
    tracemalloc.start()
    with pytest.raises(ModelUnavailable) as caught:
        read_gguf(tmp_path / "m.gguf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "m.gguf" in caught.value.message
    assert caught.value.hint
    assert peak < 5_000_000


def test_a_large_file_of_empty_texts_is_left_soon(tmp_path):
    header = start(0, 1) + text("k") + struct.pack("<I", 9) + array(8, 2**40)
    with (tmp_path / "m.gguf").open("wb") as file:
        file.write(header)
        file.truncate(2**33)  # 8 GiB of zeros, which are empty texts, and no bytes on the disk
    with pytest.raises(ModelUnavailable, match="items"):  # reading on would take hours
        read_gguf(tmp_path / "m.gguf")


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 60_000), data=st.data())
def test_a_file_cut_short_or_with_a_byte_changed_never_breaks_the_reader(tmp_path_factory, cut, data):
    folder = tmp_path_factory.mktemp("cut")
    whole = write(folder / "m.gguf").read_bytes()
    at = data.draw(st.integers(0, min(cut, len(whole) - 1)))
    changed = bytearray(whole)
    changed[at] = data.draw(st.integers(0, 255))
    (folder / "m.gguf").write_bytes(bytes(changed[: len(whole) - cut]) if cut < len(whole) else b"")
    try:
        header = read_gguf(folder / "m.gguf")
    except ModelUnavailable as error:
        said = error.message
        assert "m.gguf" in said
    else:
        assert 0 <= header.bytes <= header.file_bytes
