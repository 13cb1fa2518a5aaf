"""Pictures show what scenes say: shapes in their bounds and colours, grounds, styles, any size of picture."""

from dataclasses import replace
from itertools import combinations, islice

import numpy as np
import pytest
import torch

from playground.starter.layouts import CORNER_REACH, REACH, ROOMS, STROKE
from playground.starter.render import IMAGE_SIZE, coverage, render, render_clutter
from playground.starter.scenes import (
    COLOURS,
    GROUND_KINDS,
    SHAPES,
    STYLES,
    Ground,
    Item,
    Scene,
    World,
    scene_at,
    scenes,
)
from playground.starter.shapes import DISTANCES, cover, distances

AXIS = np.linspace(-1.5, 1.5, 601, dtype=np.float32)
ACROSS, DOWN = np.meshgrid(AXIS, AXIS)


def plain(shape="circle", ground="white", style="flat", *, outline=False, colour="red", radius=0.3):
    ground = Ground("solid", ground) if isinstance(ground, str) else ground
    return Scene((Item(shape, colour, "medium", 0.5, 0.5, radius, outline),), ground, style)


def near(pixels, colour):
    """Tell where pixels (3, ...) have a colour by name."""
    rgb = torch.tensor(COLOURS[colour]).reshape(3, *[1] * (pixels.dim() - 1))
    return (pixels - rgb).abs().amax(0) < 0.02


def test_rendering_is_deterministic_and_in_range():
    for scene in islice(scenes(1), 60):
        picture = render(scene)
        assert picture.shape == (3, IMAGE_SIZE, IMAGE_SIZE)
        assert picture.dtype == torch.float32
        assert picture.is_contiguous()
        assert torch.equal(picture, render(scene))
        assert picture.min() >= 0
        assert picture.max() <= 1
    assert torch.equal(render_clutter(2, 9), render_clutter(2, 9))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_centred_and_keeps_to_its_bounds(shape):
    inside = DISTANCES[shape](ACROSS, DOWN) < 0
    assert DISTANCES[shape](ACROSS, DOWN).dtype == np.float32
    x, y = ACROSS[inside], DOWN[inside]
    assert 0.95 <= max(np.abs(x).max(), np.abs(y).max()) <= REACH or shape == "square"
    assert np.hypot(x, y).max() <= CORNER_REACH
    assert abs(x.min() + x.max()) < 0.12
    assert abs(y.min() + y.max()) < 0.12


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_a_shape_the_distance_is_to_its_nearest_edge(shape):
    distance = DISTANCES[shape](ACROSS, DOWN)
    outside = np.stack([ACROSS[distance >= 0], DOWN[distance >= 0]], 1)
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(distance < -0.02)
    for pick in rng.integers(0, len(rows), 40):
        row, column = rows[pick], columns[pick]
        true = np.hypot(*(outside - (ACROSS[row, column], DOWN[row, column])).T).min()
        # Only as deep as an outline is thick does it matter.
        said = min(-distance[row, column], STROKE)
        assert said == pytest.approx(min(true, STROKE), abs=0.09 if shape == "crown" else 0.05), shape


@pytest.mark.parametrize("shape", [shape for shape in ROOMS if shape != "ring"])
def test_the_room_inside_a_shape_is_as_large_as_said(shape):
    dx, dy, room = ROOMS[shape]
    circle = np.hypot(ACROSS - dx, DOWN - dy) < room - 0.01
    assert (DISTANCES[shape](ACROSS, DOWN)[circle] < 0).all()


def test_no_two_shapes_look_alike_at_twenty_pixels():
    middle = np.arange(26, dtype=np.float32) - 12.5
    masks = {shape: cover(distances(shape, *np.meshgrid(middle, middle), 10.0)) for shape in SHAPES}
    for (_, one), (_, other) in combinations(masks.items(), 2):
        shifted = [np.roll(other, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        assert max(np.minimum(one, s).sum() / np.maximum(one, s).sum() for s in shifted) < 0.9


@pytest.mark.parametrize("style", STYLES)
def test_grounds_show_both_colours_where_they_belong(style):
    def corner(kind, direction=None):
        return render(plain(ground=Ground(kind, "blue", "yellow", direction), style=style, radius=0.1))

    stripes = corner("stripes", "vertical")
    assert near(stripes[:, :8, 4:12], "blue").all()
    assert near(stripes[:, :8, 20:28], "yellow").all()
    assert torch.equal(stripes[:, 0], stripes[:, 20])
    lying = corner("stripes", "horizontal")
    assert torch.equal(lying[:, :40], stripes[:, :, :40].transpose(1, 2))
    checks = corner("checks")
    assert near(checks[:, 4:12, 4:12], "blue").all()
    assert near(checks[:, 4:12, 20:28], "yellow").all()
    assert near(checks[:, 20:28, 20:28], "blue").all()
    dots = corner("dots")
    assert near(dots[:, :4, :4], "blue").all()
    assert near(dots[:, 14:18, 14:18], "yellow").all()
    fall = corner("gradient", "vertical")
    assert (fall[2, 0] > fall[2, -1]).all()
    assert torch.allclose(fall[:, :, 0].mean(1), (torch.tensor(COLOURS["blue"]) + torch.tensor(COLOURS["yellow"])) / 2)
    assert torch.allclose(corner("gradient", "horizontal")[:, :, 0], fall[:, 0, :1].expand(3, 128), atol=1e-5)


def test_the_two_colours_of_stripes_and_checks_share_the_ground_evenly():
    for kind in ("stripes", "checks"):
        bare = Scene((), Ground(kind, "black", "white", "vertical" if kind == "stripes" else None))
        dark, light = COLOURS["black"][0], COLOURS["white"][0]
        assert render(bare).mean().item() == pytest.approx((dark + light) / 2, abs=1e-3)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "ring"])
def test_the_ground_is_seen_through_an_outline(shape, style):
    whole, outlined = (render(plain(shape, style=style, outline=outline)) for outline in (False, True))
    # The deepest point inside, where a filled object is red.
    radius = 0.3 * IMAGE_SIZE
    middle = np.arange(IMAGE_SIZE, dtype=np.float32) + 0.5 - IMAGE_SIZE / 2
    distance = distances(shape, middle[None, :], middle[:, None], radius)
    row, column = np.unravel_index(distance.argmin(), distance.shape)
    assert outlined[0, row, column] > 0.35
    assert (outlined[1, row, column] > 0.4) or style == "shadow"
    assert whole[1, row, column] < 0.5
    assert 0.15 < (1 - outlined[1]).sum() / (1 - whole[1]).sum() < 0.95


@pytest.mark.parametrize("colour", COLOURS)
def test_every_style_keeps_the_colour_by_name(colour):
    ground = "cyan" if colour != "cyan" else "orange"
    palette = torch.tensor(list(COLOURS.values()))
    for style in STYLES:
        picture = render(plain("square", ground, style, colour=colour))
        inside = picture[:, 40:88, 40:88].mean((1, 2))
        assert list(COLOURS)[int((palette - inside).norm(dim=1).argmin())] == colour, style


def test_styles_look_different_and_are_what_they_are_called():
    pictures = {style: render(plain("star", style=style)) for style in STYLES}
    for one, other in combinations(pictures.values(), 2):
        assert (one - other).abs().mean() > 0.004
    blocks = pictures["pixel"].reshape(3, 32, 4, 32, 4)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    # A soft shadow is grey and lies below and to the right.
    shadow = pictures["flat"] - pictures["shadow"]
    assert shadow.min() >= 0
    weight = shadow.sum(0)
    middle = torch.arange(128.0)
    assert (weight.sum(0) * middle).sum() / weight.sum() > 66
    assert (weight.sum(1) * middle).sum() / weight.sum() > 66
    # Hatching: within a filled square the pencil leaves lighter lines.
    hatched = render(plain("square", style="pencil"))[1, 48:80, 48:80]
    assert 0.05 < hatched.std() < 0.25


def test_nothing_in_a_picture_is_finer_than_an_autoencoder_can_keep():
    for scene in (scene_at(9, index, World(style_weights=(1, 1, 0, 0))) for index in range(100)):
        picture = render(scene)
        flat = (picture[:, 1:] - picture[:, :-1]).abs().amax(0) < 0.02
        assert flat.float().mean() > 0.72


@pytest.mark.parametrize(("height", "width"), [(64, 64), (192, 192), (64, 192), (192, 96), (100, 150)])
def test_other_sizes_show_the_same_scene_with_shapes_in_proportion(height, width):
    for ground, style in ((kind, style) for kind in GROUND_KINDS for style in STYLES):
        directed = ground in ("gradient", "stripes")
        place = Ground(ground, "white", None if ground == "solid" else "black", "vertical" if directed else None)
        picture = render(plain("square", place, style, radius=0.3), height, width)
        assert picture.shape == (3, height, width)
        red = (picture[0] - picture[1]) > 0.3
        rows, columns = red.any(1).nonzero().flatten(), red.any(0).nonzero().flatten()
        side = 2 * 0.85 * 0.3 * min(height, width)
        slack = 7 * min(height, width) / 128 + 2
        for found, length in ((rows, height), (columns, width)):
            assert found[-1] - found[0] + 1 == pytest.approx(side, abs=slack)
            assert (found[-1] + found[0] + 1) / 2 == pytest.approx(length / 2, abs=slack)


def test_what_is_inside_stays_inside_in_any_format():
    scene = scene_at(2, 1, World(layout_weights=(0, 1, 0, 0), relation_weights=(0, 0, 0, 0, 1)))
    inner, outer = scene.items
    outer = replace(outer, x=0.45, y=0.45, colour="blue", shape="circle", outline=False)
    inner = replace(inner, x=0.5, y=0.45, colour="red", shape="circle")
    scene = Scene((inner, outer), Ground("solid", "white"), "flat", "pair", "center", "inside")
    picture = render(scene, 64, 192)
    red, white = near(picture, "red"), near(picture, "white")
    grown = torch.nn.functional.max_pool2d(red[None].float(), 5, stride=1, padding=2)[0] > 0
    assert red.sum() > 100
    assert not (grown & white).any()


def test_coverage_is_the_area_of_a_shape():
    mask = coverage("circle", 0.4, 0.6, 0.25)
    assert mask.shape == (IMAGE_SIZE, IMAGE_SIZE)
    assert mask.sum().item() == pytest.approx(np.pi * (0.25 * IMAGE_SIZE) ** 2, rel=0.01)
    assert coverage("circle", 0.5, 0.5, 0.25, 64, 128).sum().item() == pytest.approx(np.pi * 16**2, rel=0.02)
