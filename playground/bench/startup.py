"""How long a newcomer waits: from `python app.py` to the page, the first token, the first picture, and then when warm.

Looks at the app from outside, as a subprocess over HTTP. Times are wall-clock seconds, on the machine as busy as it is.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playground.bench.process import free_port, serve, stop

BARE_PAGE = Path(__file__).resolve().parents[1] / "ui" / "bare.py"


@dataclass(frozen=True)
class Startup:
    """Seconds. `bare_page_s` is a gradio page with one text box, in the same run, to compare `page_s` with.

    `first_token_s` and `first_image_s` count from the moment the page answers.
    """

    bare_page_s: float
    page_s: float
    first_token_s: float
    first_image_s: float
    warm_ttft_s: float
    warm_tokens_per_s: float
    warm_image_s: float
    warm_runs: int


def measure_startup(runs: int = 5) -> Startup:
    """Starts the app on a free port with an empty data folder and asks for an answer and a picture at once.

    Raises:
        RuntimeError: the app ends or does not answer within two minutes.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        port = free_port()
        bare_page_s, process = _time_page([sys.executable, "-P", str(BARE_PAGE), str(port)], port, data)
        stop(process)
        port = free_port()
        page_s, process = _time_page([sys.executable, "app.py", "--port", str(port)], port, data)
        try:
            return _use(f"http://127.0.0.1:{port}", bare_page_s, page_s, runs)
        finally:
            stop(process)


def _use(url: str, bare_page_s: float, page_s: float, runs: int) -> Startup:
    from gradio_client import Client

    up = time.perf_counter()
    client = Client(url, verbose=False, download_files=False)
    job = client.submit("Hello!", api_name="/chat")
    picture = client.submit("a red circle on a white background", api_name="/text_to_image")
    first_token_s = None
    while first_token_s is None:
        if any(out[0]["text"] or out[0]["error"] for out in job.outputs()):
            first_token_s = time.perf_counter() - up
        time.sleep(0.01)
    picture.result()
    first_image_s = time.perf_counter() - up
    answer = job.result()[0]
    if answer["error"]:
        raise RuntimeError(answer["error"])
    answers = [client.predict("What is 7 plus 5?", seed=i, api_name="/chat")[0]["stats"] for i in range(runs)]
    pictures = []
    for seed in range(runs):
        started = time.perf_counter()
        client.predict("a blue star on a yellow background", seed=seed, api_name="/text_to_image")
        pictures.append(time.perf_counter() - started)
    return Startup(
        bare_page_s=bare_page_s,
        page_s=page_s,
        first_token_s=first_token_s,
        first_image_s=first_image_s,
        warm_ttft_s=statistics.median(a["ttft_s"] for a in answers),
        warm_tokens_per_s=statistics.median(a["tokens_per_s"] for a in answers if a["tokens_per_s"]),
        warm_image_s=statistics.median(pictures),
        warm_runs=runs,
    )


def _time_page(command: list[str], port: int, data: Path) -> tuple[float, subprocess.Popen[bytes]]:
    environment = os.environ | {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "PLAYGROUND_DATA_DIR": str(data),
    }
    started = time.perf_counter()
    process = serve(command, port, environment, data / "app.log")
    return time.perf_counter() - started, process
