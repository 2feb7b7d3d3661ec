# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch

from mmwsss.cam import three_way_label
from mmwsss.evaluation.areas import areas_from_labels
from mmwsss.evaluation.score_counts import ScoreCounts


@pytest.mark.parametrize('thresholds', [(0.25, 0.7), (0.4, 0.4), (0, 1), (0, 0)])
def test_is_what_counting_the_labels_gives(thresholds) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(-1, 3, (30, 40), generator=generator)
    # many scores on the grid itself: a threshold is not above itself
    score = torch.randint(0, 101, (30, 40), generator=generator) / 100
    label = torch.randint(1, 3, (30, 40), generator=generator)
    counts = ScoreCounts(3)
    counts.add(truth[:10], score[:10], label[:10])
    counts.add(truth[10:], score[10:], label[10:])
    found = counts.areas(*thresholds)
    made = three_way_label(score[None], label[None], *thresholds)[0]
    wanted = areas_from_labels(truth, made, 3)
    for name in ('correct', 'predicted', 'truth'):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist()
    assert found.valid == wanted.valid


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match='differ in shape'):
        ScoreCounts(3).add(torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2, 3))
