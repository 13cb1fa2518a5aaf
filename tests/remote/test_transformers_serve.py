"""The real `transformers serve` on a starter model, asked by both APIs; plain generation is the oracle."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.catalog import ASSETS
from playground.protocol import Message
from tests.remote.asking import ask, engine, failure, notices, sourced, stats_of, text_of

MODEL = ASSETS / "starter" / "starter-phi"
SAID = (Message("system", "Be short."), Message("user", "What colour is the sky?"))
START_S = 180


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    home = tmp_path_factory.mktemp("hub")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
    start = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"
    command = [sys.executable, "-c", start, "serve", str(MODEL), "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        server = subprocess.Popen([*command, "--device", "cpu"], stdout=out, stderr=out, env=environment)
    try:
        _wait(server, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen, port: int, log: Path) -> None:
    """Returns when the port answers; fails with the log where the server ends or stays away."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        with socket.socket() as one:
            one.settimeout(1)
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail(f"transformers serve did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def plain() -> tuple[str, int, int]:
    """The greedy answer by the plain library call, and its tokens in and out."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(MODEL, local_files_only=True)
    messages = [{"role": message.role, "content": message.content} for message in SAID]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        made = model.generate(**prompt, do_sample=False, max_new_tokens=32)[0, prompt["input_ids"].shape[1] :]
    return tokenizer.decode(made, skip_special_tokens=True), prompt["input_ids"].shape[1], len(made)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_it_answers_as_the_plain_call_does(url: str, plain: tuple[str, int, int], api: str) -> None:
    card = sourced(url, "transformers", api, source=str(MODEL), context=2048)
    found = ask(engine(card), messages=SAID, temperature=0.0, max_new_tokens=32)
    stats = stats_of(found)
    assert text_of(found) == plain[0]
    assert (stats.prompt_tokens, stats.stop_reason) == (plain[1], "end")
    assert stats.completion_tokens in (plain[2], plain[2] - 1)  # the end token may not be counted
    assert notices(found) == []


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_limit_and_what_it_does_not_take_are_said(url: str, api: str) -> None:
    card = sourced(url, "transformers", api, source=str(MODEL))
    found = ask(engine(card), temperature=0.0, max_new_tokens=2, top_k=5, frequency_penalty=0.5)
    stats = stats_of(found)
    assert (stats.stop_reason, stats.completion_tokens) == ("length", 2)
    assert "top_k" in notices(found)[0]
    assert "frequency_penalty" in notices(found)[0]


def test_a_wrong_model_is_told(url: str) -> None:
    assert "pinned to" in failure(ask(engine(sourced(url, "transformers", "chat", source="other")))).error


def test_a_cancel_leaves_it_able_to_answer(url: str) -> None:
    api = engine(sourced(url, "transformers", "chat", source=str(MODEL)))
    long = (Message("user", "Count from one to fifty."),)
    stopped = ask(api, after=2, messages=long, temperature=0.0, max_new_tokens=200)
    assert stats_of(stopped).stop_reason == "stopped"
    assert text_of(ask(api, messages=SAID, temperature=0.0, max_new_tokens=8))
