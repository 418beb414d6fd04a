from lit_nst.tasks.grid import Grid

ONE = {"style": [1.0]}


def test_first_role_changes_slowest_and_the_restart_fastest():
    grid = Grid({"content": 2, "style": 2}, {"content": [1.0], "style": [1.0, 10.0]}, restarts=2)
    rows = [(p.images["content"], p.images["style"], p.setting["style"], p.restart) for p in grid.problems]
    assert rows == [(c, s, w, r) for c in range(2) for s in range(2) for w in range(2) for r in range(2)]
    assert len(grid) == 16


def test_weight_of_a_row():
    grid = Grid({"style": 1}, {"style": [1.0, 10.0], "regulariser": [0.5]}, restarts=1)
    assert [grid.weight(row, "style") for row in range(2)] == [1.0, 10.0]
    assert [grid.weight(row, "regulariser") for row in range(2)] == [0.5, 0.5]


def test_names_tell_what_distinguishes_the_rows():
    grid = Grid({"content": 1, "style": 2}, ONE, restarts=1)
    assert grid.names({"content": ["cat"], "style": ["reed", "oil"]}) == ["cat+reed", "cat+oil"]
    weights = {"style": [1e-12, 1e12], "regulariser": [0.25, 0.5]}
    names = Grid({"content": 1}, weights, restarts=1).names({"content": ["cat"]})
    assert names[0] == "cat_style-1e-12_regulariser-0.25"
    assert names[3] == "cat_style-1e+12_regulariser-0.5"
    assert Grid({"content": 1}, ONE, restarts=2).names({"content": ["cat"]}) == ["cat_1", "cat_2"]


def test_no_two_names_are_equal_not_even_by_case():
    grid = Grid({"content": 2, "style": 2}, ONE, restarts=1)
    names = grid.names({"content": ["a", "a+b"], "style": ["B+c", "c"]})
    assert names == ["a+B+c_row0", "a+c", "a+b+B+c", "a+b+c_row3"]
    alike = Grid({"content": 1}, {"style": [1.0, 1.0000001]}, restarts=1).names({"content": ["x"]})
    assert alike == ["x_style-1_row0", "x_style-1_row1"]


def test_names_fit_a_file_system():
    grid = Grid({"content": 1, "style": 2}, ONE, restarts=1)
    names = grid.names({"content": ["x" * 140], "style": ["é" * 120 + end for end in "ab"]})
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 200 and name.startswith("x" * 140 + "+é") for name in names)
