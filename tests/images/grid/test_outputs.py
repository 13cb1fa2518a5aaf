"""A grid as a picture, as a page and as data: readable, escaped, every cell with its parameters, no figure invented."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from playground.images.grid import differences, sheet, tables, web_page
from playground.images.grid.cells import Result
from playground.images.grid.plan import from_json, planned, request_record
from playground.images.metadata import read_metadata
from playground.protocol import ImageRequest

MODELS = {"starter-sd": "Starter SD", "starter-sd-small": "Starter SD small"}
COLOURS = [(200, 30, 30), (30, 160, 60), (40, 60, 200), (220, 180, 20)]
NASTY = "=1+1 <script>alert('x')</script> \" & a red ball"


def grid(prompt: str = "a red ball", **fields):
    base = ImageRequest("", prompt, **{"seed": 5} | fields)
    return planned(base, [("Steps", "2, 3"), ("Guidance", "1, 3"), ("", "")], MODELS, ["starter-sd"])


def png(colour, size=(64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def finished(plan, only=None) -> dict[int, Result]:
    found = {}
    for cell in plan.cells:
        if only is None or cell.index in only:
            found[cell.index] = Result(
                cell.index, request_record(cell.request), f"{cell.request.prompt}\nSteps: 2", 0.5, 0.0, 21.25, 64, 64
            )
    return found


def load(index: int) -> bytes:
    return png(COLOURS[index])


class Seen(HTMLParser):
    """The tags of a page and the words of its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def test_the_sheet_shows_every_picture_and_carries_the_parameters():
    plan = grid()
    data = sheet.compose(plan, finished(plan), load)
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    counts = {colour: n for n, colour in picture.getcolors(1 << 24)}
    assert all(counts[colour] == 64 * 64 for colour in COLOURS)
    record = read_metadata(data)
    assert (record["prompt"], record["seed"], record["model"]) == ("a red ball", 5, "starter-sd")
    assert from_json(json.dumps(record["grid"])) == plan
    chunks = Image.open(io.BytesIO(data)).text
    assert 'Script: X/Y/Z plot, X Type: Steps, X Values: "2, 3"' in chunks["parameters"]
    cells = json.loads(chunks[sheet.GRID_CHUNK])["cells"]
    assert [cell["clip_score"] for cell in cells] == [21.25] * 4


def test_margins_say_the_values_and_an_error_stands_in_its_cell():
    plan = grid()
    plain = sheet.compose(plan, finished(plan), load)
    results = finished(plan, only=[0, 1])
    results[2] = Result(2, error="Three is not a number of steps.", hint="Take four.")
    found = sheet.compose(plan, results, load)
    one, two = (Image.open(io.BytesIO(data)).convert("RGB") for data in (plain, found))
    assert one.size == two.size
    colours = {colour for _, colour in two.getcolors(1 << 24)}
    assert COLOURS[2] not in colours
    assert COLOURS[3] not in colours
    left = one.crop((0, 60, 40, one.height))
    assert len(left.getcolors(1 << 24)) > 1  # letters, not an empty margin


def test_each_value_of_z_has_a_table_of_its_own():
    plan = planned(
        ImageRequest("", "x", seed=1), [("Steps", "2"), ("", ""), ("Guidance", "1, 3")], MODELS, ["starter-sd"]
    )
    picture = Image.open(io.BytesIO(sheet.compose(plan, finished(plan), load))).convert("RGB")
    first, second = (
        next((x, y) for y in range(picture.height) for x in range(picture.width) if picture.getpixel((x, y)) == colour)
        for colour in COLOURS[:2]
    )
    assert first[0] == second[0]
    assert second[1] > first[1] + 64
    assert sum(tag == "h2" for tag, _ in Seen(web_page.page(plan, finished(plan), load)).tags) == 2


def test_a_large_grid_is_shrunk_to_what_a_picture_may_have():
    plan = planned(ImageRequest("", "x"), [("Seed", "1-20"), ("Steps", "1-20"), ("", "")], MODELS, ["starter-sd"])
    scale = sheet._scale(plan, 2048, 2048)
    x, y, _ = plan.shape
    assert (2048 * scale) ** 2 * x * y < sheet.MOST_PIXELS
    assert 2048 * scale * x < sheet.MOST_SIDE
    assert sheet._scale(plan, 64, 64) == 1


@given(st.text(max_size=80), st.integers(1, 30), st.integers(1, 5))
def test_wrapped_lines_are_no_wider_and_lose_no_letter(text, width, most):
    lines = sheet.wrapped(text, width, len, most=1000)
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert len(sheet.wrapped(text, width, len, most)) <= most


def test_the_page_needs_nothing_else_and_runs_nothing():
    plan = grid(NASTY, negative_prompt="</style><img src=x onerror=alert(1)>")
    results = finished(plan, only=[0, 1])
    results[2] = Result(2, request_record(plan.cells[2].request), error="<b>no</b>", hint='"><script>')
    seen = Seen(web_page.page(plan, results, load, "What <it> means"))
    tags = [tag for tag, _ in seen.tags]
    assert "script" not in tags
    assert tags.count("img") == 2
    assert tags.count("b") == 0
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert attributes["src"].startswith("data:image/webp;base64,")
            assert NASTY in attributes["title"]
    assert NASTY in seen.words
    assert "<b>no</b>" in seen.words
    assert "Not made" in seen.words
    assert "0.50 s, CLIPScore 21.2" in seen.words
    policy = next(a["content"] for tag, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=60).filter(str.strip))
def test_any_prompt_stands_in_the_page_as_text(prompt):
    pages = [web_page.page(grid(text), {}, load) for text in (prompt, "x")]
    assert [tag for tag, _ in Seen(pages[0]).tags] == [tag for tag, _ in Seen(pages[1]).tags]


def test_csv_has_a_row_a_cell_and_no_formula_and_no_invented_zero():
    plan = grid(NASTY)
    results = finished(plan, only=[0])
    results[1] = Result(1, request_record(plan.cells[1].request), error="-no", hint="")
    found = list(csv.DictReader(io.StringIO(tables.as_csv(plan, results).decode())))
    assert len(found) == 4
    assert (found[0]["x: Steps"], found[0]["y: Guidance"], found[0]["steps"]) == ("2", "1", "2")
    assert found[0]["prompt"] == "'" + NASTY
    assert (found[0]["seconds"], found[0]["clip_score"], found[0]["state"]) == ("0.5", "21.25", "made")
    assert (found[1]["state"], found[1]["error"], found[1]["clip_score"]) == ("failed", "'-no", "")
    assert (found[3]["state"], found[3]["seconds"], found[3]["clip_score"]) == ("missing", "", "")


def test_json_holds_the_plan_and_every_cell():
    plan = grid(NASTY)
    found = json.loads(tables.as_json(plan, finished(plan, only=[0]), {"clip_score": "image.clipscore.x@1"}))
    assert from_json(json.dumps(found["grid"])) == plan
    assert found["cells"][0]["parameters"]["prompt"] == NASTY
    assert found["cells"][0]["clip_score"] == 21.25
    assert found["cells"][1]["clip_score"] is None


def test_differences_are_named():
    plan = grid()
    results = finished(plan)
    found = differences.differences(results[0], results[3])
    assert [(d.name, d.first, d.second) for d in found] == [("Steps", "2", "3"), ("Guidance", "1", "3")]
    assert differences.differences(results[0], results[0]) == []


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (png(COLOURS[0]), "Every pixel is the same."),
        (png(COLOURS[1]), "100% of the pixels differ"),
        (png(COLOURS[0], (64, 96)), "different sizes: 64 × 64 and 64 × 96"),
    ],
)
def test_pixels_are_compared(second, said):
    assert said in differences.pixels(png(COLOURS[0]), second)
