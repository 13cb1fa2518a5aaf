"""The figures on samplers, steps, sizes, guidance and negative prompts, on the shipped model with few pictures."""

from playground.images.samplers import sampler_row, samplers
from playground.starter.__main__ import ASSETS
from playground.starter.probes import Settings, load_pipeline
from playground.starter.sampling import GUIDANCES, SIZES, sampling_figures


def test_every_sampler_but_the_distilled_is_held_against_the_base():
    pipeline = load_pipeline(ASSETS / "starter-sd", "bfloat16")
    own = pipeline.scheduler
    figures = list(sampling_figures("starter-sd", pipeline, Settings(steps=2, dtype="bfloat16"), count=2))
    assert pipeline.scheduler is own
    held = {figure.what.split(",")[0] for figure in figures if figure.bar == -3}
    assert held == {name for name in samplers() if not sampler_row(name).distilled} - {"DPM++ 2M"}
    assert [figure.what for figure in figures if figure.bar == -10] == ["DPM++ 2M Karras, 4 steps, against DPM++ 2M"]
    assert all(figure.unit == "points" and -100 <= figure.value <= 100 for figure in figures if figure.bar)
    assert len([figure for figure in figures if figure.bar is None]) == 1 + len(SIZES) + len(GUIDANCES) + 1
