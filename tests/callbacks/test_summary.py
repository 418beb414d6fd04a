from lit_nst.callbacks.summary import summary


def record(count, **more):
    rows = [{"name": f"{i:03d}", "loss": float(i), "latent_distance": 1.0, "term_x": 2.0} for i in range(count)]
    return {"rows": rows, "seconds": 90.0, **more}


def test_long_one_shows_twenty_rows_and_the_mean_of_all(tmp_path):
    lines = summary(record(500), tmp_path, "perceptual", 100).split("\n")
    head = lines.index("name   loss  latent_distance")
    assert [line.split()[0] for line in lines[head + 2 : head + 22]] == [f"{i:03d}" for i in range(20)]
    assert lines[head + 22] == "… and 480 more, in metrics.json"
    assert lines[head + 24].split() == ["mean", "249.5", "1.000"]
    assert "100 steps in 1 min 30 s. Look at:" in lines
    assert f"  {tmp_path / 'results' / 'comparison.png'}" in lines


def test_short_one_shows_every_row(tmp_path):
    text = summary(record(20), tmp_path, "perceptual", 100)
    assert "more" not in text
    assert "019" in text


def test_what_was_left_out(tmp_path):
    unreadable = [{"name": f"x{i}", "reason": f"x{i}.png is no image"} for i in range(8)]
    text = summary(record(2, unreadable=unreadable), tmp_path, "perceptual", 100)
    assert "\n8 left out, since a picture cannot be read:\n  x0: x0.png is no image\n" in text
    assert "x4.png" in text
    assert "x5.png" not in text
    assert "\n  … and 3 more, in metrics.json\n" in text
    assert "0 steps" in summary({"rows": [], "unreadable": unreadable, "seconds": 0.0}, tmp_path, "perceptual", 0)


def test_pixels_have_no_latent_to_tell_of(tmp_path):
    styled = [{"name": "a", "loss": 1.0, "style_distance": 0.5, "latent_distance": 1.0}]
    assert "latent_distance" not in summary({"rows": styled, "seconds": 1.0}, tmp_path, "perceptual", 1)
