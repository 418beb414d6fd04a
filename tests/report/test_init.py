import lit_nst.report


def test_all_is_sorted_and_complete():
    assert lit_nst.report.__all__ == sorted(lit_nst.report.__all__)
    assert all(callable(getattr(lit_nst.report, name)) for name in lit_nst.report.__all__)
