import json

import pytest

from lit_nst.errors import InputError
from lit_nst.sweep.plan import QUIET, Axis, Plan


def plan(*axes, options=(), overrides=()):
    return Plan("some", {}, tuple(options), axes, tuple(overrides), "generic", {})


def test_cells_are_the_product_the_last_axis_fastest():
    cells = plan(Axis("model.target.layers", (["conv1_1"], ["relu1_1"])), Axis("data.size", (16, 32, 64))).cells()
    assert [cell.name for cell in cells] == [
        f"layers-{layer}_size-{size}" for layer in ("conv1_1", "relu1_1") for size in (16, 32, 64)
    ]
    assert cells[4].labels == {"model.target.layers": "relu1_1", "data.size": "32"}
    assert dict(cells[4].options)["model.target.layers"] == '["relu1_1"]'
    assert dict(cells[4].options)["data.size"] == "32"


def test_weights_are_rows_of_one_cell():
    cells = plan(Axis("model.style", ("GramLoss", "MeanVarLoss")), Axis("model.style.weight", (1, 1e3))).cells()
    assert [cell.name for cell in cells] == ["style-GramLoss", "style-MeanVarLoss"]
    assert all(dict(cell.options)["model.style.weight"] == "[1, 1000.0]" for cell in cells)
    assert [cell.name for cell in plan(Axis("model.style.weight", (1, 10))).cells()] == ["all"]


def test_class_goes_before_its_own_options_whatever_the_order():
    cell = plan(Axis("model.style.layers", (["relu1_1"],)), Axis("model.style", ("GramLoss",))).cells()[0]
    keys = [key for key, _ in cell.options]
    assert keys.index("model.style") < keys.index("model.style.layers")


def test_recipe_then_quiet_then_axes_then_command_line():
    options = plan(Axis("c", (1,)), options=[("a", "1")], overrides=[("b", "2")]).cells()[0].options
    assert options == (("a", "1"), *QUIET, ("c", "1"), ("b", "2"))


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (([1], [2, 3]), ["1", "2+3"]),
        ((1, 0.5, 1e-6), ["1", "0.5", "1e-06"]),
        ((True, None), ["true", "null"]),
        (({"class_path": "a.Gram", "init_args": {"weight": 2}}, "Mean"), ["Gram", "Mean"]),
        (
            tuple({"class_path": "a.Gram", "init_args": {"weight": weight}} for weight in (2, 3)),
            ["Gram weight 2", "Gram weight 3"],
        ),
        (("1", 1), ["1 (1)", "1 (2)"]),
    ],
)
def test_labels(values, labels):
    assert Axis("some.key", values).labels == labels


def test_names_suit_every_file_system_and_are_different():
    names = [cell.name for cell in plan(Axis("data.target", ("a/b c.png", "a:b c.png", "é", "x" * 300))).cells()]
    assert names[:3] == ["target-a-b-c.png_1", "target-a-b-c.png_2", "target-é"]
    assert len({name.casefold() for name in names}) == 4
    assert max(map(len, names)) <= 104
    both = [cell.name for cell in plan(Axis("key", ("a", "A"))).cells()]
    assert len({name.casefold() for name in both}) == 2


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("model.x", (), ["--vary model.x", "empty"]),
        ("model.x", ([1], [1]), ["--vary model.x", "[1]", "twice"]),
        ("model.style.weight", ([1, 2], [3]), ["model.style.weight", "numbers"]),
    ],
)
def test_axis_refuses(key, values, words):
    with pytest.raises(InputError) as caught:
        Axis(key, values)
    for word in words:
        assert word in str(caught.value)


def test_record_is_json_and_has_all_that_decides():
    one = plan(Axis("a.b", (1, {"c": [2]})), options=[("d", "1")], overrides=[("e", "f")]).record()
    assert json.loads(json.dumps(one)) == {
        "configs": [],
        "options": [["d", "1"]],
        "vary": {"a.b": [1, {"c": [2]}]},
        "overrides": [["e", "f"]],
        "inputs": {},
    }
