import json
from pathlib import Path

import pytest

from lit_nst.errors import InputError
from lit_nst.sweep.arms import Arm
from lit_nst.sweep.axis import Axis
from lit_nst.sweep.plan import QUIET, Plan


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


def armed(*axes, arms, **settings):
    named = {arm.name: arm for arm in arms}
    own = Axis("arm", tuple(named))
    options, overrides = settings.get("options", ()), settings.get("overrides", ())
    return Plan("some", {Path("base.yaml"): {}}, options, (own, *axes), overrides, "generic", {}, named)


def test_cells_are_arms_times_the_other_axes():
    arms = [Arm("plain", {}, (("a.b.c", "1"), ("a.b", "2"))), Arm("more", {Path("more.yaml"): {}}, ())]
    cells = armed(Axis("data.size", (16, 32)), arms=arms, options=(("d", "0"),), overrides=(("e", "9"),)).cells()
    names = ["arm-plain_size-16", "arm-plain_size-32", "arm-more_size-16", "arm-more_size-32"]
    assert [cell.name for cell in cells] == names
    assert cells[2].labels == {"arm": "more", "data.size": "16"}
    assert [path.name for path in cells[2].configs] == ["base.yaml", "more.yaml"]
    # A class before its own options, whatever the order.
    assert cells[1].options == (("d", "0"), *QUIET, ("a.b", "2"), ("data.size", "32"), ("a.b.c", "1"), ("e", "9"))
    assert all("arm" not in dict(cell.options) for cell in cells)


def test_arm_with_a_base_takes_neither_configs_nor_options_of_the_model():
    arms = [Arm("plain", {}, ()), Arm("other", {Path("other.yaml"): {}}, (("model.x", "3"),), alone=True)]
    axes = Axis("model.size", (1,)), Axis("model.style.weight", (1, 2)), Axis("data.size", (8,))
    settings = {"options": (("model.tag", "0"), ("data.tag", "0")), "overrides": (("model.t", "1"), ("data.t", "1"))}
    plain, other = armed(*axes, arms=arms, **settings).cells()
    assert [path.name for path in other.configs] == ["other.yaml"]
    assert [key for key, _ in other.options if key not in dict(QUIET)] == ["model.x", "data.size", "data.t"]
    assert dict(plain.options)["model.style.weight"] == "[1, 2]"


def test_weights_of_an_arm_come_before_those_of_an_axis():
    arms = [Arm("plain", {}, (("model.init_args.style.weight", "0"),)), Arm("more", {}, ())]
    plain, more = armed(Axis("model.style.weight", (1, 2)), arms=arms).cells()
    assert "model.style.weight" not in dict(plain.options)
    assert dict(more.options)["model.style.weight"] == "[1, 2]"


def test_cell_knows_the_cell_that_its_arm_reads():
    arms = [Arm("a", {}, ()), Arm("b", {}, (("data.x", "[{arm:a}/1.png, {arm:a}/2.png]"),))]
    cells = armed(Axis("k", (1, 2)), arms=arms).cells()
    assert [cell.sources for cell in cells] == [{}, {}, {"a": "arm-a_k-1"}, {"a": "arm-a_k-2"}]


def test_record_of_arms():
    arms = [Arm("a", {Path("x.yaml"): {"x": 1}}, (("k", "v"),)), Arm("b", {Path("y.yaml"): {}}, (), alone=True)]
    record = armed(arms=arms).record()
    assert record["arms"] == {"a": {"configs": [{"x": 1}], "options": [["k", "v"]]}, "b": {"base": [{}], "options": []}}
    assert record["vary"] == {"arm": ["a", "b"]}
