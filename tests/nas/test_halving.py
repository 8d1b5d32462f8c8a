from nas.halving import dominates, goes_on, rungs


def test_one_dominates_if_it_is_nowhere_worse_and_somewhere_better():
    assert dominates((1.0, 2.0), (1.0, 3.0))
    assert not dominates((1.0, 2.0), (1.0, 2.0))
    assert not dominates((0.0, 3.0), (1.0, 2.0))


def test_the_first_few_all_go_on():
    assert goes_on((9.0, 9.0), [(1.0, 1.0), (2.0, 2.0)])


def test_the_better_half_goes_on():
    others = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert goes_on((1.5, 1.5), others)
    assert not goes_on((2.5, 2.5), others)


def test_a_point_of_the_front_always_goes_on():
    others = [(float(x), float(-x)) for x in range(20)]
    assert goes_on((-1.0, 5.0), others)
    assert not goes_on((5.0, 5.0), others)


def test_a_share_of_one_stops_none():
    assert goes_on((99.0,), [(float(x),) for x in range(50)], share=1.0)


def test_rungs_end_with_the_last_step():
    assert rungs(60, 3) == (15, 30, 60)
    assert rungs(60, 1) == (60,)
    assert rungs(1, 5) == (1,)
