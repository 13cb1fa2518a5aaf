"""What is fetched for a card and what is refused, against a hub on this machine; and where it lands."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from playground.catalog import ASSETS
from playground.errors import Cancelled, ModelUnavailable
from playground.models import hub_cache, transfer
from playground.models.download import (
    cached_folder,
    choose_weights,
    is_local,
    locate,
    plan_download,
    whereabouts,
)
from playground.models.load import load
from playground.models.transfer import Patience
from playground.protocol import CancelToken
from playground.settings import Settings
from tests.models.builders import card, in_thread, save_image, save_text
from tests.models.hub import SHA, Act, at_home, serve
from tests.models.layouts import LAYOUTS, phi


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    return save_text(tmp_path_factory.mktemp("text") / "m")


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    return save_image(tmp_path_factory.mktemp("image") / "m")


@pytest.fixture(scope="session")
def layouts(tmp_path_factory):
    """Builds a layout once for all tests that ask for it."""
    built: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in built:
            built[name] = LAYOUTS[name](tmp_path_factory.mktemp("layouts") / name)
        return built[name]

    return build


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on this machine, an empty cache, no offline switch, and little patience."""
    at_home(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(transfer, "PATIENCE", Patience(tries=3, wait_s=0.01, silence_s=5))
    with serve() as server:
        yield server


def settings(**fields) -> Settings:
    return Settings(device="cpu", dtype="float32", **fields)


# --- folders -------------------------------------------------------------------------------------------------------


def refused(folder, kind="chat") -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as caught:
        load(card("one", folder, kind), "cpu", "float32", None, None, settings(offline=True))
    assert caught.value.hint
    return caught.value


def test_a_missing_folder_is_named(tmp_path):
    assert f"the folder {tmp_path / 'nowhere'} is missing" in refused(tmp_path / "nowhere").message


def test_a_folder_without_config_is_no_model(tmp_path):
    assert "config.json" in refused(tmp_path).message
    assert "model_index.json" in refused(tmp_path, "image").message


def test_pickled_weights_are_refused(text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path / "m")
    (tmp_path / "m/model.safetensors").rename(tmp_path / "m/pytorch_model.bin")
    assert "pytorch_model.bin, a pickle" in refused(tmp_path / "m").message


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_refused(text_folder, tmp_path, file):
    shutil.copytree(text_folder, tmp_path / "m")
    write_code(tmp_path / "m", file)
    config = json.loads((tmp_path / "m/config.json").read_text())
    (tmp_path / "m/config.json").write_text(json.dumps(config | {"model_type": "evil"}))
    assert f"auto_map in {file}" in refused(tmp_path / "m").message


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_model_that_transformers_knows_is_loaded_without_the_code_beside_it(text_folder, tmp_path, file):
    shutil.copytree(text_folder, tmp_path / "m")
    write_code(tmp_path / "m", file)
    loaded = load(card("one", str(tmp_path / "m")), "cpu", "float32", None, None, settings())
    assert type(loaded.model).__module__.startswith("transformers.")
    assert "evil" not in sys.modules


def write_code(folder: Path, file: str) -> None:
    """A class of its own in `file`'s auto_map, whose module ends the program if it is ever imported."""
    config = json.loads((folder / file).read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.Slow", "evil.Fast"]}
    (folder / file).write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('ran')")


@pytest.mark.parametrize(
    ("name", "value"),
    [("_class_name", ["evil", "Pipeline"]), ("unet", ["evil", "UNet"]), ("_class_name", "NoSuchPipeline")],
)
def test_pipelines_with_classes_of_their_own_are_refused(image_folder, tmp_path, name, value):
    shutil.copytree(image_folder, tmp_path / "m")
    index = json.loads((tmp_path / "m/model_index.json").read_text())
    (tmp_path / "m/model_index.json").write_text(json.dumps(index | {name: value}))
    message = refused(tmp_path / "m", "image").message
    assert "code of its own" in message or "NoSuchPipeline" in message


def test_a_missing_component_and_a_missing_shard_are_named(image_folder, text_folder, tmp_path):
    shutil.copytree(image_folder, tmp_path / "image")
    shutil.rmtree(tmp_path / "image/vae")
    assert "'vae'" in refused(tmp_path / "image", "image").message
    cut = save_text(tmp_path / "cut", max_shard_size="20KB")
    shard = sorted(cut.glob("*.safetensors"))[1]
    shard.unlink()
    assert f"{shard.name} is missing" in refused(cut).message


def test_a_model_of_an_unknown_type_is_a_sentence(text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path / "m")
    (tmp_path / "m/config.json").write_text('{"model_type": "nosuchtype"}')
    assert refused(tmp_path / "m").message.startswith("ONE could not be loaded")


def test_a_missing_package_is_named(text_folder, monkeypatch):
    import transformers

    def fail(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'sentencepiece'", name="sentencepiece")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    error = refused(text_folder)
    assert "needs the package sentencepiece" in error.message
    assert "pip install sentencepiece" in error.hint


def test_an_api_card_loads_nothing():
    with pytest.raises(ModelUnavailable, match="over an API"):
        locate(card("one", "o4-mini", backend="openai"), settings(offline=True))


# --- the hub -------------------------------------------------------------------------------------------------------


def test_a_download_gives_a_model_that_stays_for_offline_use(hub, text_folder, tmp_path):
    source = tmp_path / "served"
    shutil.copytree(text_folder, source)
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    (source / "modeling_x.py").write_text("raise SystemExit")
    hub.folders["owner/name"] = source
    one, seen = card("one", "owner/name"), []
    assert not is_local(one)
    folder = locate(one, settings(hf_token="t0ken"), endpoint=hub.url, progress=lambda f, text: seen.append((f, text)))
    assert (folder / "model.safetensors").read_bytes() == (text_folder / "model.safetensors").read_bytes()
    assert not {"pytorch_model.bin", "modeling_x.py"} & set(hub.asked)
    assert set(hub.tokens) == {"Bearer t0ken"}
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] == 1
    assert re.match(r"Downloading ONE: ([\d.]+) of \1 kB", seen[-1][1])
    asked = len(hub.asked)
    assert is_local(one)
    assert load(one, "cpu", "float32", None, None, settings(offline=True)).bytes > 0
    assert len(hub.asked) == asked


def test_an_image_download_takes_the_16_bit_variant(hub, image_folder, tmp_path):
    import torch
    from diffusers import StableDiffusionPipeline

    shutil.copytree(image_folder, tmp_path / "served")
    half = StableDiffusionPipeline.from_pretrained(image_folder, safety_checker=None, dtype=torch.float16)
    half.save_pretrained(tmp_path / "served", variant="fp16")
    hub.folders["owner/name"] = tmp_path / "served"
    locate(card("one", "owner/name", "image"), settings(), dtype="bfloat16", endpoint=hub.url)
    weights = {n for n in hub.asked if n.endswith(".safetensors")}
    assert len(weights) == 3
    assert all(".fp16." in n for n in weights)
    loaded = load(card("one", "owner/name", "image"), "cpu", "bfloat16", None, None, settings(offline=True))
    assert loaded.components["unet"].conv_in.weight.dtype == torch.bfloat16


def test_remote_code_is_refused_before_the_weights_are_fetched(hub, text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path / "served")
    code = {"auto_map": {"AutoModel": "x.Y"}, "model_type": "unknown"}
    config = json.loads((text_folder / "config.json").read_text()) | code
    (tmp_path / "served/config.json").write_text(json.dumps(config))
    hub.folders["owner/name"] = tmp_path / "served"
    with pytest.raises(ModelUnavailable, match="auto_map"):
        locate(card("one", "owner/name"), settings(), endpoint=hub.url)
    assert not any(n.endswith(".safetensors") for n in hub.asked)


def test_gated_without_a_token_names_the_page_and_the_variable(hub):
    with pytest.raises(ModelUnavailable) as caught:
        locate(card("one", "owner/gated", gated=True), settings(), endpoint=hub.url)
    assert "https://huggingface.co/owner/gated" in caught.value.message
    assert "HF_TOKEN" in caught.value.hint
    assert hub.tokens == []


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "GatedRepo", "is gated"),
        (404, "RepoNotFound", "has no model owner/x, or it is private"),
        (401, "RepoNotFound", "or it is private"),
        (404, "RevisionNotFound", "has no revision 'main'"),
        (500, "", "answered with an error (500), again and again"),
        (429, "", "refuses more requests for now (429)"),
    ],
)
def test_each_refusal_of_the_hub_is_a_sentence(hub, status, code, words):
    hub.refusals["owner/x"] = (status, code)
    with pytest.raises(ModelUnavailable) as caught:
        locate(card("one", "owner/x"), settings(hf_token="t0ken"), endpoint=hub.url)
    assert words in caught.value.message
    assert caught.value.hint
    assert "t0ken" not in str(caught.value)


def test_an_unreachable_hub_shows_within_seconds(hub):
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match="hub cannot be reached"):
        locate(card("one", "owner/name"), settings(), endpoint="http://127.0.0.1:9")
    assert time.monotonic() - began < 8


def test_what_is_known_without_a_network(hub, text_folder, tmp_path):
    assert whereabouts(card("one", text_folder), settings(offline=True))[1] == ""
    assert whereabouts(card("one", "owner/name"), settings())[1] == ""
    assert "works offline" in whereabouts(card("one", "owner/name"), settings(offline=True))[1]
    assert "is gated" in whereabouts(card("one", "owner/name", gated=True), settings())[1]
    assert "is missing" in whereabouts(card("one", tmp_path / "nowhere"), settings())[1]
    assert hub.tokens == []


def test_offline_and_not_here_is_a_sentence(hub):
    with pytest.raises(ModelUnavailable, match="works offline"):
        locate(card("one", "owner/name"), settings(offline=True))


def test_a_source_that_is_no_id_is_a_sentence(hub):
    with pytest.raises(ModelUnavailable, match="neither a folder nor the id"):
        locate(card("one", "no/such/place"), settings())


def test_a_stopped_download_ends_and_is_not_taken_for_whole(hub, text_folder):
    hub.folders["owner/name"] = text_folder
    hub.acts["model.safetensors"] = [Act(stall=10_000)]
    token, one = CancelToken(), card("one", "owner/name")

    def stop(fraction, text) -> None:
        if fraction > 0.1:
            token.cancel()

    with pytest.raises(Cancelled):
        locate(one, settings(), endpoint=hub.url, progress=stop, cancel=token)
    assert not is_local(one)
    assert "works offline" in whereabouts(one, settings(offline=True))[1]
    plan = plan_download(one, settings(), endpoint=hub.url)
    assert plan.total_bytes - plan.missing_bytes >= 10_000
    locate(one, settings(), endpoint=hub.url)
    assert is_local(one)
    assert hub.sent["model.safetensors"] == (text_folder / "model.safetensors").stat().st_size


def test_choice_of_files():
    text = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "consolidated.safetensors", "a.bin"]
    assert choose_weights(card("one", "o/n"), text, "bfloat16") == text[:2]
    sd = ["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "sd.safetensors"]
    sd += ["safety_checker/model.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors"]
    assert choose_weights(card("one", "o/n", "image"), sd, "float32") == sd[:1]
    assert choose_weights(card("one", "o/n", "image"), sd, "float16") == sd[1:2]
    with pytest.raises(ModelUnavailable, match="only as pickled weights"):
        choose_weights(card("one", "o/n"), ["pytorch_model.bin"], "float32")
    with pytest.raises(ModelUnavailable, match="holds no safetensors"):
        choose_weights(card("one", "o/n"), ["README.md"], "float32")


def test_whole_weights_are_taken_rather_than_shards_of_the_same():
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors"]
    assert choose_weights(card("one", "o/n"), names, "float32") == names[2:]


# --- whole repositories --------------------------------------------------------------------------------------------


def names(*patterns: str) -> set[str]:
    """`a/{b,c}` is a/b and a/c; `{1..3}` counts in five digits."""
    out: set[str] = set()
    for pattern in patterns:
        pieces = re.split(r"(\{[^}]*\})", pattern)
        choices = []
        for piece in pieces:
            if match := re.fullmatch(r"\{(\d+)\.\.(\d+)\}", piece):
                choices.append([f"{i:05d}" for i in range(int(match[1]), int(match[2]) + 1)])
            else:
                choices.append(piece[1:-1].split(",") if piece.startswith("{") else [piece])
        out |= {"".join(parts) for parts in itertools.product(*choices)}
    return out


CLIP = "{tokenizer,tokenizer_2}/{merges.txt,vocab.json,special_tokens_map.json,tokenizer_config.json}"
ROOT = "{config,generation_config,tokenizer,tokenizer_config}.json"
PIPELINE = ("model_index.json", "scheduler/scheduler_config.json", "{unet,vae,text_encoder}/config.json")
SD = (*PIPELINE, CLIP.replace("{tokenizer,tokenizer_2}", "tokenizer"))
SD3 = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "{transformer,vae,text_encoder,text_encoder_2,text_encoder_3}/config.json",
    CLIP,
    "tokenizer_3/{spiece.model,tokenizer.json,tokenizer_config.json}",
    "{transformer,vae}/diffusion_pytorch_model.safetensors",
)
FLUX = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "{transformer,vae,text_encoder,text_encoder_2}/config.json",
    CLIP.replace("{tokenizer,tokenizer_2}", "tokenizer"),
    "tokenizer_2/{spiece.model,tokenizer.json,tokenizer_config.json}",
    "transformer/diffusion_pytorch_model-{1..3}-of-00003.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/model-{1..2}-of-00002.safetensors",
    "text_encoder_2/model.safetensors.index.json",
    "vae/diffusion_pytorch_model.safetensors",
)
PHI = (ROOT, "added_tokens.json", "model-{1..6}-of-00006.safetensors", "model.safetensors.index.json")
MISTRAL = (
    ROOT,
    "{params,tekken}.json",
    "SYSTEM_PROMPT.txt",
    "model-{1..5}-of-00005.safetensors",
    "model.safetensors.index.json",
)
WANTED = {
    ("sd14", "float32"): names(*SD, "{unet,vae}/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"),
    ("sd14", "bfloat16"): names(
        *SD, "{unet,vae}/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16.safetensors"
    ),
    ("sdxl", "float32"): names(
        *PIPELINE,
        "text_encoder_2/config.json",
        CLIP,
        "{unet,vae}/diffusion_pytorch_model.safetensors",
        "{text_encoder,text_encoder_2}/model.safetensors",
    ),
    ("sdxl", "float16"): names(
        *PIPELINE,
        "text_encoder_2/config.json",
        CLIP,
        "{unet,vae}/diffusion_pytorch_model.fp16.safetensors",
        "{text_encoder,text_encoder_2}/model.fp16.safetensors",
    ),
    ("sd3", "float32"): names(
        *SD3,
        "{text_encoder,text_encoder_2}/model.safetensors",
        "text_encoder_3/model-{1..2}-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.json",
    ),
    ("sd3", "bfloat16"): names(
        *SD3,
        "{text_encoder,text_encoder_2}/model.fp16.safetensors",
        "text_encoder_3/model.fp16-{1..2}-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.fp16.json",
    ),
    ("flux", "bfloat16"): names(*FLUX),
    ("phi", "bfloat16"): names(*PHI),
    ("mistral", "float32"): names(*MISTRAL),
}


@pytest.mark.parametrize(("layout", "dtype"), WANTED)
def test_a_repository_is_fetched_as_planned_and_loads(hub, layouts, layout, dtype):
    hub.folders["owner/name"] = layouts(layout)
    one = card("one", "owner/name", "chat" if layout in ("phi", "mistral") else "image")
    plan = plan_download(one, settings(), dtype, endpoint=hub.url)
    assert {f.name for f in plan.files} == WANTED[layout, dtype]
    assert plan.missing_bytes == plan.total_bytes
    assert plan.fits
    hub.sent.clear()
    folder = locate(one, settings(), dtype=dtype, endpoint=hub.url)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == WANTED[layout, dtype]
    # A pipeline's index is read once more, to learn its components; equal files under two names come once.
    index = hub.folders["owner/name"] / "model_index.json"
    assert sum(hub.sent.values()) == plan.total_bytes + (index.stat().st_size if index.exists() else 0)
    configs = [n.endswith(".safetensors") for n in hub.asked]
    assert configs == sorted(configs), "weights came before the configs had been checked"
    asked = len(hub.tokens)
    loaded = load(one, "cpu", dtype, None, None, settings(offline=True))
    plain = load(card("two", layouts(layout), one.kind), "cpu", dtype, None, None, settings(offline=True))
    assert loaded.bytes == plain.bytes > 0
    assert plan_download(one, settings(), dtype, endpoint=hub.url).missing_bytes == 0
    assert len(hub.tokens) == asked


STARTERS = {
    "starter-phi": "chat",
    "starter-mistral": "chat",
    "starter-clip": "clip",
    "starter-sd": "image",
    "starter-sd-small": "image",
}


@pytest.mark.parametrize("name", STARTERS)
def test_the_starter_models_come_from_a_hub_as_they_are_shipped(hub, name):
    shipped = ASSETS / "starter" / name
    hub.folders["owner/name"] = shipped
    one = card("one", "owner/name", STARTERS[name])
    folder = locate(one, settings(), endpoint=hub.url)
    for path in shipped.rglob("*.safetensors"):
        assert (folder / path.relative_to(shipped)).read_bytes() == path.read_bytes()
    assert load(one, "cpu", "float32", None, None, settings(offline=True)).bytes > 0


def test_the_cache_is_what_the_hubs_own_client_makes_of_it(hub, layouts, tmp_path):
    from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download

    hub.folders["owner/name"] = layouts("sdxl")
    one, wanted = card("one", "owner/name", "image"), sorted(WANTED["sdxl", "float32"])
    ours = locate(one, settings(), endpoint=hub.url)
    assert scan_cache_dir(tmp_path / "cache").warnings == []
    for name in wanted:
        assert Path(hf_hub_download("owner/name", name, local_files_only=True)) == ours / name
    snapshot_download("owner/name", allow_patterns=wanted, endpoint=hub.url, cache_dir=tmp_path / "theirs", token=False)

    def tree(cache: Path) -> dict[str, object]:
        root = cache / "models--owner--name"
        found = {}
        for path in root.rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not name.startswith("trees/"):
                found[name] = str(path.readlink()) if path.is_symlink() else path.read_bytes()
        return found

    assert tree(tmp_path / "cache") == tree(tmp_path / "theirs")


def test_a_copy_that_another_tool_fetched_is_found(hub, layouts):
    from huggingface_hub import snapshot_download

    hub.folders["owner/name"] = layouts("sd14")
    one, wanted = card("one", "owner/name", "image"), sorted(WANTED["sd14", "float32"])
    snapshot_download("owner/name", allow_patterns=wanted, endpoint=hub.url, token=False)
    # It has kept the list of the whole repository, most of which is not here.
    assert cached_folder(one) is not None
    assert is_local(one)
    assert load(one, "cpu", "float32", None, None, settings(offline=True)).bytes > 0


def test_two_loads_in_two_dtypes_at_once_fetch_what_they_share_once(hub, layouts):
    hub.folders["owner/name"] = layouts("sd14")
    one = card("one", "owner/name", "image")
    runs = [
        in_thread(lambda d=dtype: locate(one, settings(), dtype=d, endpoint=hub.url))
        for dtype in ("float32", "float16")
    ]
    for thread, _ in runs:
        thread.join()
    assert runs[0][1] == runs[1][1]
    found = {p.relative_to(runs[0][1][0]).as_posix() for p in runs[0][1][0].rglob("*") if p.is_file()}
    assert found == WANTED["sd14", "float32"] | WANTED["sd14", "bfloat16"]
    served = hub.folders["owner/name"]
    for name, count in hub.sent.items():
        if name != "model_index.json":
            assert count == (served / name).stat().st_size


def test_a_file_system_without_links_gets_files(hub, layouts, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    hub.folders["owner/name"] = layouts("sdxl")
    one = card("one", "owner/name", "image")
    folder = locate(one, settings(), endpoint=hub.url)
    assert not any(p.is_symlink() for p in folder.rglob("*"))
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == WANTED["sdxl", "float32"]
    assert load(one, "cpu", "float32", None, None, settings(offline=True)).bytes > 0


def test_a_file_that_lost_bytes_on_the_disk_is_fetched_again(hub, text_folder):
    hub.folders["owner/name"] = text_folder
    one = card("one", "owner/name", revision=SHA)
    folder = locate(one, settings(), endpoint=hub.url)
    (folder / "config.json").unlink()
    blob = (folder / "model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-1])
    locate(one, settings(), endpoint=hub.url)
    assert blob.read_bytes() == (text_folder / "model.safetensors").read_bytes()


def test_code_that_a_config_asks_for_is_refused_before_the_weights(hub, tmp_path):
    hub.folders["owner/name"] = phi(tmp_path / "served", wants_code=True)
    with pytest.raises(ModelUnavailable, match="auto_map"):
        locate(card("one", "owner/name"), settings(), endpoint=hub.url)
    assert not any(n.endswith((".safetensors", ".py")) for n in hub.asked)


def test_shards_without_an_index_are_refused_before_anything_comes(hub, tmp_path, layouts):
    shutil.copytree(layouts("phi"), tmp_path / "served")
    (tmp_path / "served/model.safetensors.index.json").unlink()
    hub.folders["owner/name"] = tmp_path / "served"
    with pytest.raises(ModelUnavailable, match="no index of its shards"):
        locate(card("one", "owner/name"), settings(), endpoint=hub.url)
    assert hub.asked == []


def test_a_small_file_is_checked_by_the_hash_that_git_gives_it(hub, text_folder):
    hub.folders["owner/name"] = text_folder
    hub.acts["config.json"] = [Act(flip=5), Act(flip=6)]
    with pytest.raises(ModelUnavailable, match=r"config\.json came damaged twice and was deleted: its git SHA-1 is"):
        locate(card("one", "owner/name"), settings(), endpoint=hub.url)


def test_too_small_a_disk_shows_in_the_plan_and_stops_the_download(hub, text_folder, monkeypatch):
    hub.folders["owner/name"] = text_folder
    monkeypatch.setattr(hub_cache, "disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    one = card("one", "owner/name")
    plan = plan_download(one, settings(), endpoint=hub.url)
    assert plan.free_disk_bytes == 1000
    assert not plan.fits
    with pytest.raises(ModelUnavailable, match=r"ONE needs [\d.]+ kB more on the disk, and .* has 1\.0 kB free"):
        locate(one, settings(), endpoint=hub.url)
    assert hub.asked == []


def test_a_gated_repository_can_be_planned_by_all_and_fetched_with_a_token(hub, layouts):
    hub.folders["owner/name"] = layouts("sd3")
    hub.gated.add("owner/name")
    one = card("one", "owner/name", "image", licence_url="https://example.org/licence")
    plan = plan_download(one, settings(), endpoint=hub.url)
    assert plan.gated
    assert plan.licence_url == "https://example.org/licence"
    assert {f.name for f in plan.files} == WANTED["sd3", "float32"]
    with pytest.raises(ModelUnavailable) as caught:
        locate(one, settings(), endpoint=hub.url)
    assert "is gated" in caught.value.message
    assert "https://huggingface.co/owner/name" in caught.value.message
    assert "https://example.org/licence" in caught.value.hint
    locate(one, settings(hf_token="t0ken"), endpoint=hub.url)
    assert is_local(one)


def test_a_plan_needs_no_network_for_what_is_here_and_says_so_offline(hub, text_folder):
    plan = plan_download(card("one", text_folder), settings(), endpoint=hub.url)
    assert (plan.files, plan.missing_bytes) == ((), 0)
    with pytest.raises(ModelUnavailable, match="works offline"):
        plan_download(card("one", "owner/name"), settings(offline=True))
    with pytest.raises(ModelUnavailable, match="over an API"):
        plan_download(card("one", "o4-mini", backend="openai"), settings())
    assert hub.tokens == []


# --- single files --------------------------------------------------------------------------------------------------

GENAI = "cpu_and_mobile/cpu-int4"
FORMATS = {
    "gguf": ("chat", "m-q4.gguf", {"m-q4.gguf"}),
    "split": ("chat", "big-00001-of-00002.gguf", {"big-00001-of-00002.gguf", "big-00002-of-00002.gguf"}),
    "single-file": ("image", "sd.safetensors", {"sd.safetensors"}),
    "onnx": (
        "chat",
        GENAI,
        names(GENAI + "/{model.onnx,model.onnx.data,genai_config.json,tokenizer.json,tokenizer_config.json}"),
    ),
}


@pytest.mark.parametrize("case", FORMATS)
def test_a_card_with_a_file_fetches_that_and_nothing_else(hub, tmp_path, case):
    kind, file, wanted = FORMATS[case]
    others = ["m-q8.gguf", "other.safetensors", "sd.ckpt", "cuda/model.onnx", "cuda/genai_config.json", "config.json"]
    others += [f"{GENAI}/configuration_phi3.py", f"{GENAI}/custom_ops.so", "README.md"]
    for name in {*others, *itertools.chain.from_iterable(w for _, _, w in FORMATS.values())}:
        path = tmp_path / "served" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name * 100)
    hub.folders["owner/name"] = tmp_path / "served"
    one = card("one", "owner/name", kind, format="gguf" if case == "split" else case, file=file)
    plan = plan_download(one, settings(), endpoint=hub.url)
    assert {f.name for f in plan.files} == wanted
    last = max(wanted)
    hub.acts[last] = [Act(404, "EntryNotFound")]
    with pytest.raises(ModelUnavailable, match="has no file"):
        locate(one, settings(), endpoint=hub.url)
    assert not is_local(one)
    folder = locate(one, settings(), endpoint=hub.url)
    assert (folder / file).exists()
    assert set(hub.asked) == wanted
    assert is_local(one)
    assert locate(one, settings(offline=True)) == folder


@pytest.mark.parametrize(("kind", "format_", "file"), [("chat", "gguf", "x.gguf"), ("chat", "onnx", "x")])
def test_a_file_that_the_repository_lacks_is_named(hub, text_folder, kind, format_, file):
    hub.folders["owner/name"] = text_folder
    with pytest.raises(ModelUnavailable, match=rf"has no file '{file}"):
        plan_download(card("one", "owner/name", kind, format=format_, file=file), settings(), endpoint=hub.url)
