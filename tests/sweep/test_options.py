import pytest

from lit_nst.errors import InputError
from lit_nst.sweep.options import read_command

RECIPE = """
configs: [base.yaml]
options: {trainer.max_steps: 5, model.style: {class_path: GramLoss}}
vary: {model.init_args.style.init_args.weight: [1, 1e3], data.size: [8, 16]}
page: generic
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "configs" / "sweeps").mkdir(parents=True)
    (tmp_path / "configs" / "base.yaml").write_text("trainer: {max_steps: 3}")
    (tmp_path / "configs" / "sweeps" / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "configs"


def test_command_without_recipe(folder):
    plan = read_command(
        [
            "--config",
            "base.yaml",
            "--vary",
            "model.target.layers=[[a], [b]]",
            "--x.y",
            "-1",
            "--z=1=2",
            "--vary=k=[1e3]",
        ],
        folder,
    )
    assert (plan.name, plan.page, plan.options) == ("base", "generic", ())
    assert plan.configs == {folder / "base.yaml": {"trainer": {"max_steps": 3}}}
    assert [(axis.key, axis.values) for axis in plan.axes] == [
        ("model.target.layers", (["a"], ["b"])),
        ("k", (1000.0,)),
    ]
    assert plan.overrides == (("x.y", "-1"), ("z", "1=2"))


def test_recipe(folder):
    plan = read_command(["--config", "sweeps/recipe.yaml", "--trainer.max_steps", "7"], folder)
    assert (plan.name, list(plan.configs)) == ("recipe", [folder / "base.yaml"])
    assert plan.options == (("trainer.max_steps", "5"), ("model.style", '{"class_path": "GramLoss"}'))
    assert [(axis.key, axis.values) for axis in plan.axes] == [
        ("model.style.weight", (1, 1000.0)),
        ("data.size", (8, 16)),
    ]
    assert plan.overrides == (("trainer.max_steps", "7"),)


@pytest.mark.parametrize(
    ("args", "axes"),
    [
        (["--vary", "data.size=[4]"], {"model.style.weight": (1, 1000.0), "data.size": (4,)}),
        (["--data.size", "4"], {"model.style.weight": (1, 1000.0)}),
        (["--model.style.init_args.weight", "4"], {"data.size": (8, 16)}),
    ],
)
def test_command_line_takes_the_place_of_an_axis(folder, args, axes):
    plan = read_command(["--config", "sweeps/recipe.yaml", *args], folder)
    assert {axis.key: axis.values for axis in plan.axes} == axes


def test_config_here_comes_before_that_of_the_project(folder):
    (folder.parent / "here" / "base.yaml").write_text("trainer: {max_steps: 4}")
    plan = read_command(["--config", "base.yaml", "--vary", "a=[1]"], folder)
    assert list(plan.configs.values()) == [{"trainer": {"max_steps": 4}}]


def test_other_pictures_under_the_same_name_are_another_plan(folder):
    args = ["--config", "base.yaml", "--vary", "a=[1]", "--data.target", "[one.png, embedded:portraits/00.png]"]
    (folder.parent / "here" / "one.png").write_bytes(b"1")
    before = read_command(args, folder).inputs
    assert set(before) == {"one.png", "embedded:portraits/00.png"}
    (folder.parent / "here" / "one.png").write_bytes(b"2")
    after = read_command(args, folder).inputs
    assert {key for key in before if before[key] != after[key]} == {"one.png"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--vary", "a=[1]"], ["--config"]),
        (["--config", "base.yaml"], ["--vary"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml", "base.yaml, sweeps/recipe.yaml"]),
        (["--config", "base.yaml", "--vary", "a"], ["--vary a", "KEY=[VALUE"]),
        (["--config", "base.yaml", "--vary", "a=5"], ["--vary a", "5 is not a list"]),
        (["--config", "base.yaml", "--vary", "a=[1"], ["--vary a", "[1 is not a list"]),
        (["--config", "base.yaml", "--vary", "=[1]"], ["--vary =[1]"]),
        (["--config", "base.yaml", "--vary", "a=[]"], ["--vary a", "empty"]),
        (["--config", "base.yaml", "--vary", "a=[1, 1]"], ["--vary a", "twice"]),
        (["--config", "base.yaml", "--vary", "a=[1]", "--vary", "a=[2]"], ["--vary a", "twice"]),
        (["--config", "base.yaml", "--vary", "a=[1]", "b"], ['"b"']),
        (["--config", "base.yaml", "--vary", "a=[1]", "--b"], ["--b", "no value"]),
        (["--config", "base.yaml", "--vary", "a=[1]", "--print_config"], ["--print_config"]),
        (["--config", "base.yaml", "--vary", "a=[1]", "--ckpt_path", "x"], ["--ckpt_path"]),
        (["--config", "base.yaml", "--vary", "a=[1]", "--trainer.logger.name", "x"], ["--trainer.logger.name"]),
        (["--config", "base.yaml", "--vary", "trainer.devices=[1, 2]"], ["--trainer.devices", "one process"]),
        (["--config", "broken.yaml"], ["broken.yaml", "YAML"]),
        (["--config", "key.yaml"], ["key.yaml", '"varry"', "configs, options, vary, page"]),
        (["--config", "none.yaml"], ["none.yaml", "configs"]),
        (["--config", "flat.yaml"], ["flat.yaml", "vary"]),
        (["--config", "number.yaml"], ["--vary a", "5 is not a list"]),
    ],
)
def test_refused_in_one_line(folder, args, words):
    here = folder.parent / "here"
    (here / "broken.yaml").write_text("a: [1\n")
    (here / "key.yaml").write_text("configs: [base.yaml]\nvarry: {a: [1]}\n")
    (here / "none.yaml").write_text("vary: {a: [1]}\n")
    (here / "flat.yaml").write_text("configs: [base.yaml]\nvary: [1]\n")
    (here / "number.yaml").write_text("configs: [base.yaml]\nvary: {a: 5}\n")
    with pytest.raises(InputError) as caught:
        read_command(args, folder)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


ARMS = """
configs: [base.yaml]
options: {model.tag: x, trainer.max_steps: 5}
arms:
  plain: {options: {model.style.weight: 0}}
  more: {configs: [more.yaml], options: {data.style: here.png}}
  other: {base: [other.yaml], options: {data.content: "{arm:plain}/*_seed*.png"}}
"""


@pytest.fixture
def arms(folder):
    """Reads a recipe with arms, with something in it replaced."""
    for name in ("more", "other"):
        (folder / f"{name}.yaml").write_text(f"name: {name}")

    def read(*args, old="", new=""):
        (folder / "sweeps" / "arms.yaml").write_text(ARMS.replace(old, new) if old else ARMS)
        return read_command(["--config", "sweeps/arms.yaml", *args], folder)

    return read


def test_arms_are_an_axis_of_bundles(arms, folder):
    plan = arms()
    assert [(axis.key, axis.values) for axis in plan.axes] == [("arm", ("plain", "more", "other"))]
    assert plan.arms["more"].configs == {folder / "more.yaml": {"name": "more"}}
    assert plan.arms["more"].options == (("data.style", "here.png"),)
    assert [arm.alone for arm in plan.arms.values()] == [False, False, True]
    assert [path.name for path in plan.files] == ["base.yaml", "more.yaml", "other.yaml"]


def test_command_line_chooses_arms(arms):
    plan = arms("--vary", "arm=[plain, other]", "--vary", "a=[1, 2]")
    assert list(plan.arms) == ["plain", "other"]
    assert [axis.key for axis in plan.axes] == ["arm", "a"]
    assert set(plan.record()["arms"]) == {"plain", "other"}


def test_pictures_and_configs_of_arms_decide_what_the_plan_is(arms, folder):
    (folder / "base.yaml").write_text("data: {target: base.png}")
    (folder / "more.yaml").write_text("data: {content: more.png}")
    first = arms()
    for name in ("here", "base", "more"):
        (folder.parent / "here" / f"{name}.png").write_bytes(b"1")
    second = arms()
    assert set(second.inputs) - set(first.inputs) == {"here.png", "base.png", "more.png"}
    (folder / "more.yaml").write_text("data: {content: more.png, size: 8}")
    records = [plan.record() for plan in (second, read_command(["--config", "sweeps/arms.yaml"], folder))]
    assert records[0]["arms"]["more"] != records[1]["arms"]["more"]
    assert records[0]["inputs"] == records[1]["inputs"]


def test_trainer_options_of_the_command_line_reach_every_arm(arms):
    plan = arms("--trainer.max_steps", "1", "--model.tag", "y")
    options = {cell.labels["arm"]: dict(cell.options) for cell in plan.cells()}
    assert {own["trainer.max_steps"] for own in options.values()} == {"1"}
    # What is said of the one task is not said of the other.
    assert [own.get("model.tag") for own in options.values()] == ["y", "y", None]


@pytest.mark.parametrize(
    ("args", "old", "new", "words"),
    [
        ([], "plain: {options: {model.style.weight: 0}}", "plain: 5", ["arm plain", "not a mapping"]),
        ([], "plain: {options", "plain: {option", ["arm plain", '"option"', "configs, base, options"]),
        ([], "plain: {options: {model.style.weight: 0}}", "pl/ain: {}", ["pl/ain", "name"]),
        ([], "base: [other.yaml]", "base: []", ["arm other", "base is []"]),
        ([], "base: [other.yaml]", "base: [other.yaml], configs: [more.yaml]", ["arm other", "base takes the place"]),
        ([], "[other.yaml]", "[nowhere.yaml]", ["nowhere.yaml"]),
        ([], "options: {data.style: here.png}", "options: [1]", ["arm more", "options is not a mapping"]),
        ([], "data.style: here.png", "trainer.devices: 2", ["arms.yaml", "--trainer.devices", "one process"]),
        ([], "{arm:plain}", "{arm:plane}", ["arm other", "plane"]),
        ([], "{arm:plain}", "{arm:other}", ["arm other", "put other first"]),
        (["--vary", "arm=[other, plain]"], "", "", ["arm other", "put plain first"]),
        (["--vary", "arm=[more, other]"], "", "", ["arm other", "plain"]),
        (["--vary", "arm=[nothing]"], "", "", ["--vary arm", "nothing", "plain, more, other"]),
        (["--vary", "data.style=[a, b]"], "", "", ["arm more", "data.style", "varies"]),
        (["--arm", "plain"], "", "", ["--arm", "--vary"]),
        (["--data.style", "a.png"], "", "", ["--data.style", "arm more", "itself"]),
        ([], ARMS[ARMS.index("  plain") :], "  [1]", ["arms", "not a mapping"]),
    ],
)
def test_arms_refused_in_one_line(arms, args, old, new, words):
    with pytest.raises(InputError) as caught:
        arms(*args, old=old, new=new)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
