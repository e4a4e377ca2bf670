"""Tables on a terminal."""

import pytest

from zoo.reports.folded import fold


@pytest.mark.parametrize("width", [12, 14, 20, 40])
def test_a_long_label_is_broken_after_its_signs_and_keeps_every_letter(width: int) -> None:
    label = "transformer(heads=2,layers=1) - transformer(heads=2,layers=1,dropout=0.1)"
    lines = fold(label, width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == label.replace(" ", "")
    assert all(line[-1] in ",()-1" for line in lines), lines


def test_a_word_that_is_too_long_stays_whole_for_the_table_to_cut() -> None:
    assert fold("a" * 50, 20) == "a" * 50


def test_a_part_that_is_too_wide_is_folded_at_hyphens() -> None:
    assert fold("dilated-wavenet(channels=64)", 12) == "dilated-\nwavenet(\nchannels=64)"
    assert fold("dilated-wavenet(channels=64)", 16) == "dilated-wavenet(\nchannels=64)"
