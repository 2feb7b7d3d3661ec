# Licensed under Apache-2.0.
"""What every labeler promises, and every refiner in every labeler."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from mmengine.runner.checkpoint import get_state_dict, load_state_dict

from mmwsss.labelers.labeler import Labeler
from mmwsss.labelers.refiners.refiner import Refiner, refiner_names
from mmwsss.labelers.refiners.walk_refiner import RandomWalk
from mmwsss.labelers.seeds import affinity_seeds
from mmwsss.ops import PAR
from mmwsss.pipeline.label_options import labeler_text, read_labeler
from mmwsss.registry import LABELERS, MODELS
from mmwsss.structures import ImageLabels, PseudoLabel
from tests.helpers.published_labels import refine_stacks, refined_label, with_background

SIZE = (33, 41)
LABELERS.import_from_location()


class Still(torch.nn.Module):
    """A network in which maps walk nowhere: they are enlarged."""

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.data_preprocessor = torch.nn.Module()
        self.data_preprocessor.mean = torch.zeros(3, 1, 1)
        self.data_preprocessor.normalise = lambda image: image

    def walk(self, images: list, maps: list) -> list[torch.Tensor]:
        return [
            torch.nn.functional.interpolate(one[None], image.shape[-2:])[0]
            for image, one in zip(images, maps, strict=True)
        ]


def walked(refiner: dict | None = None) -> dict:
    return dict(
        type='RandomWalkLabeler',
        walk=RandomWalk(Still()),
        labeler=dict(type='ThresholdLabeler', bkg_thr=0.4),
        refiner=refiner,
    )


SETTINGS = dict(
    TwoThresholdLabeler=dict(low_thr=0.3, high_thr=0.6),
    ThresholdLabeler=dict(bkg_thr=0.4),
    BackgroundPowerLabeler=dict(alpha=2.0),
    ComplementLabeler={},
    ConfidentLabeler=dict(conf_thr=0.7),
    SeedLabeler=dict(fg_thr=0.5, bg_thr=0.3),
    SegmentVote=dict(bkg_thr=0.4),
    SegmentMerge=dict(bkg_thr=0.4),
    RandomWalkLabeler=walked(),
)
#: what takes no refiner, and says so
REFUSED = ('SegmentVote', 'SegmentMerge', 'RandomWalkLabeler')
IGNORES = ('TwoThresholdLabeler', 'SeedLabeler', 'ConfidentLabeler')
REFINERS = ('PAR', 'DenseCRF')


def build(name: str, **more):
    return LABELERS.build(dict(type=name) | SETTINGS[name] | more)


def scene() -> tuple[torch.Tensor, torch.Tensor, ImageLabels]:
    """Two pictures of a bright disc on dark ground, and soft CAMs of it."""
    rows, cols = torch.meshgrid(*map(torch.arange, SIZE), indexing='ij')
    distance = ((rows - 16.0) ** 2 + (cols - 20.0) ** 2).sqrt()
    noise = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    pixels = torch.where(distance < 11, 200.0, 40.0) + 20 * noise
    score = (1.1 - distance / 20).clamp(0, 1)
    labels = ImageLabels.from_lists([(1, 3), (2,)], 4)
    cam = torch.stack([score, 0.2 * score]).repeat(2, 1, 1, 1)
    return pixels, labels.valid(cam), labels


def run(labeler, box=None, **changes) -> PseudoLabel:
    pixels, cam, labels = scene()
    inputs = dict(pixels=pixels, cam=cam, labels=labels, box=box) | changes
    side = {name: torch.zeros(2, *SIZE).long() for name in labeler.side_inputs}
    return labeler(**inputs, **side)


def test_the_table_is_complete() -> None:
    assert set(SETTINGS) == set(LABELERS.module_dict)
    assert set(REFINERS) < set(refiner_names())


@pytest.mark.parametrize('name', SETTINGS)
@pytest.mark.parametrize('refiner', [None, *REFINERS, 'RandomWalk'])
def test_any_refiner_in_any_labeler(name: str, refiner: str | None) -> None:
    """Each cell makes a sensible label, or is refused when it is built."""
    if refiner == 'RandomWalk':
        with pytest.raises(ValueError, match='RandomWalk|leave it out'):
            build(name, refiner=RandomWalk(Still()))
        return
    cfg = None if refiner is None else dict(type=refiner)
    if cfg is not None and name in REFUSED:
        with pytest.raises(ValueError, match=refiner):
            build(name, refiner=cfg)
        return
    box = torch.tensor([[0, 33, 0, 38], [2, 33, 0, 41]])
    found = run(build(name, refiner=cfg), box)
    assert found.ids.shape == (2, *SIZE) and found.ids.dtype == torch.int64
    assert (found.ids[0, :, 38:] == 255).all() and (found.ids[1, :2] == 255).all()
    assert found.ids[:, 16, 20].tolist() == [2, 3]  # the middle of the disc
    inside = [found.ids[0, :, :38], found.ids[1, 2:]]
    assert set(torch.cat([one.flatten() for one in inside]).tolist()) <= {0, 2, 3, 255}
    if name not in IGNORES:
        assert all((one != 255).all() for one in inside)
    if found.soft is not None:
        assert found.soft.shape == (2, 3, *SIZE)
        assert found.soft.dtype == torch.float32 and not found.soft[1, 2].any()
    if found.confidence is not None:
        assert found.confidence.shape == (2, *SIZE)
        assert found.confidence.min() >= 0 and found.confidence.max() <= 1


@pytest.mark.parametrize('name', REFINERS)
@pytest.mark.parametrize('grid', [SIZE, (16, 20)])
def test_refiners_agree(name: str, grid: tuple[int, int]) -> None:
    """Pictures may be larger than the maps."""
    prob = torch.rand(2, 3, *grid).softmax(1)
    out = MODELS.build(dict(type=name))(scene()[0], prob)
    assert out.shape == prob.shape and out.dtype == torch.float32
    assert not torch.equal(out, prob)


@pytest.mark.parametrize('name', SETTINGS)
def test_a_batch_is_its_images(name: str) -> None:
    """Also where one image holds fewer classes, and labels compete in a CRF."""
    crf = dict(type='DenseCRF', preset='irn', unary='labels')
    labeler = build(name) if name in REFUSED else build(name, refiner=crf)
    pixels, cam, labels = scene()
    both = run(labeler).ids
    side = {key: torch.zeros(1, *SIZE).long() for key in labeler.side_inputs}
    for i, lists in enumerate([[(1, 3)], [(2,)]]):
        one = ImageLabels.from_lists(lists, 4)
        count = one.ids.shape[1]
        alone = labeler(pixels[i : i + 1], cam[i : i + 1, :count], one, **side)
        assert torch.equal(alone.ids[0], both[i])


@pytest.mark.parametrize('name', SETTINGS)
def test_no_class_is_background(name: str) -> None:
    labels = ImageLabels.from_lists([(), ()], 4)
    found = run(build(name), cam=torch.zeros(2, 1, *SIZE), labels=labels)
    assert not found.ids.any()


@pytest.mark.parametrize('name', SETTINGS)
def test_it_has_no_state(name: str) -> None:
    """Checkpoints of a model keep their keys, and moving it moves what it holds."""
    labeler = build(name).double()
    assert not labeler.state_dict() and not list(labeler.parameters())
    if name == 'RandomWalkLabeler':
        assert labeler.walk.network.weight.dtype == torch.float64
        labeler.float()


class Buffered(Refiner):
    """It has a buffer, a part with a buffer, and a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('kernel', torch.ones(3))
        self.register_buffer('passing', torch.ones(3), persistent=False)
        self.norm = torch.nn.BatchNorm2d(2)

    def forward(self, pixels, prob):
        return prob


@pytest.mark.parametrize('name', sorted(set(SETTINGS) - set(REFUSED)))
@pytest.mark.parametrize('by', ['torch', 'mmengine'])
def test_a_refiner_has_no_key_in_a_checkpoint(name: str, by: str) -> None:
    """Nothing of it is saved, lacking or set, and nothing of it trains."""
    model = torch.nn.ModuleDict(
        dict(head=torch.nn.Linear(2, 2), labeler=build(name, refiner=Buffered()))
    )
    refiner = model['labeler'].refiner
    assert [k for k, p in model.named_parameters() if p.requires_grad] == [
        'head.weight', 'head.bias'
    ]  # fmt: skip
    state = model.state_dict() if by == 'torch' else get_state_dict(model)
    assert set(state) == {'head.weight', 'head.bias'}
    refiner.kernel += 1
    old = dict(state, **{'labeler.refiner.kernel': torch.zeros(3)})
    for saved in (state, old):  # a file that was written before has the key
        if by == 'torch':
            model.load_state_dict(saved, strict=True)
            copy.deepcopy(model).load_state_dict(saved, strict=True)
        else:
            load_state_dict(model, OrderedDict(saved), strict=True)
        assert refiner.kernel.tolist() == [2.0] * 3
    assert set(old) == {*state, 'labeler.refiner.kernel'}
    assert not model['labeler'].with_thresholds().state_dict()


@pytest.mark.parametrize('name', SETTINGS)
def test_who_looks_at_the_pictures(name: str) -> None:
    """A rule that says it doesn't gives one label whatever they show."""
    labeler = build(name)
    assert labeler.reads_pixels == (name == 'RandomWalkLabeler')
    black = run(labeler, pixels=torch.zeros(2, 3, *SIZE)).ids
    assert labeler.reads_pixels or torch.equal(black, run(labeler).ids)
    if name not in REFUSED:
        assert build(name, refiner=dict(type='PAR')).reads_pixels


def test_a_rule_of_its_own_gets_the_pictures() -> None:
    """Unless its class says that it needs none; a parent's word doesn't count."""

    class Bright(Labeler):
        def decide(self, pixels, cam, labels, **side):
            return PseudoLabel((pixels.mean(1) > 100).long())

    class BrightThreshold(type(build('ThresholdLabeler'))):
        decide = Bright.decide

    class Renamed(type(build('ThresholdLabeler'))):
        pass

    class Blind(Bright):
        READS_PIXELS = False

    assert Bright().reads_pixels and BrightThreshold(0.4).reads_pixels
    assert not Renamed(0.4).reads_pixels and not Blind().reads_pixels


@pytest.mark.parametrize('name', SETTINGS)
def test_thresholds_of_a_copy(name: str) -> None:
    labeler = build(name)
    with pytest.raises(ValueError, match=r'no thresholds \[.sure_thr.\]'):
        labeler.with_thresholds(sure_thr=0.3)
    for key in labeler.THRESHOLDS:
        with pytest.raises(ValueError, match=r'in \[0, 1\], got 1.5'):
            labeler.with_thresholds(**{key: 1.5})
    if 'bkg_thr' in labeler.THRESHOLDS:
        before = run(labeler).ids
        other = run(labeler.with_thresholds(bkg_thr=0.9)).ids
        assert (other > 0).sum() < (before > 0).sum()
        assert torch.equal(run(labeler).ids, before)


@pytest.mark.parametrize(
    'cfg,message',
    [
        (dict(type='TwoThresholdLabeler', low_thr=0.7, high_thr=0.2), 'low_thr <= hig'),
        (dict(type='ThresholdLabeler', bkg_thr=-0.1), r'in \[0, 1\], got -0.1'),
        (dict(type='ThresholdLabeler', bkg_thr='a'), r"in \[0, 1\], got 'a'"),
        (dict(type='BackgroundPowerLabeler', alpha=0), 'alpha must be > 0, got 0'),
        (dict(type='SeedLabeler', fg_thr=1.2), r'fg_thr .*in \[0, 1\], got 1.2'),
        (dict(type='SegmentVote', bkg_thr=2), r'bkg_thr .*in \[0, 1\], got 2'),
        (
            dict(type='ComplementLabeler', refiner=dict(type='CAMHead', num_classes=3,
                                                        in_channels=4)),
            'CAMHead refines no probabilities',
        ),
        (
            dict(type='ComplementLabeler', refiner=dict(type='PAR', downscale=0)),
            'downscale must be a whole number >= 1, got 0',
        ),
    ],
)  # fmt: skip
def test_refused_when_built(cfg: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LABELERS.build(cfg)


@pytest.mark.parametrize(
    'changes,message',
    [
        (dict(pixels=torch.zeros(2, 1, *SIZE)), r'needs pixels \(2, 3, H, W\)'),
        (dict(cam=torch.zeros(2, 4, *SIZE)), 'labels.gather makes compact maps'),
        (dict(segments=torch.zeros(2, *SIZE)), r"side inputs \[\], got \['segments'\]"),
    ],
)
def test_inputs_that_do_not_fit(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(build('ThresholdLabeler'), **changes)


@pytest.mark.parametrize(
    'found,error,message',
    [
        (
            lambda ids: ids,
            TypeError,
            r'Rule.decide must return PseudoLabel.*got Tensor',
        ),
        (
            lambda ids: PseudoLabel(ids.float()),
            TypeError,
            'ids as int64.*torch.float32',
        ),
        (lambda ids: PseudoLabel(ids > 0), TypeError, 'ids as int64.*torch.bool'),
        (
            lambda ids: PseudoLabel(ids[:, ::2, ::2]),
            ValueError,
            r"ids of the shape \(2, 33, 41\), at the pictures' size, got \(2, 17, 21\)",
        ),
        (lambda ids: PseudoLabel(None), ValueError, 'ids of the shape .* got None'),
        (
            lambda ids: PseudoLabel(ids, ids[:, None].float()),
            ValueError,
            r'soft of the shape \(2, 3, 33, 41\).*got \(2, 1, 33, 41\)',
        ),
        (
            lambda ids: PseudoLabel(ids, None, ids),
            TypeError,
            'confidence as float32, got torch.int64',
        ),
    ],
)
def test_labels_that_are_none(found, error: type, message: str) -> None:
    """What a rule gives is refused by type and shape, and the class is named."""

    class Rule(Labeler):
        def decide(self, pixels, cam, labels, **side):
            return found(torch.zeros_like(pixels[:, 0], dtype=torch.long))

    with pytest.raises(error, match=message):
        run(Rule())


def test_narrow_ids_are_widened() -> None:
    class Rule(Labeler):
        def decide(self, pixels, cam, labels, **side):
            return PseudoLabel(torch.full_like(pixels[:, 0], 255, dtype=torch.uint8))

    assert run(Rule()).ids.dtype == torch.int64 and (run(Rule()).ids == 255).all()


@pytest.mark.parametrize('name', sorted(set(SETTINGS) - set(REFUSED)))
@pytest.mark.parametrize('per_channel', [True, False])
def test_refiners_that_change_the_shape(name: str, per_channel: bool) -> None:
    class Halved(Refiner):
        def forward(self, pixels, prob):
            return prob[..., ::2, ::2]

    Halved.per_channel = per_channel
    with pytest.raises(ValueError, match='Halved must return .* that it is given'):
        run(build(name, refiner=Halved()))


# ------------------------------------------------------------------- published numbers
def test_two_thresholds_are_the_published_rule() -> None:
    """Truncated to whole levels at full size, then halved; both stacks together."""
    pixels, cam, labels = scene()
    box = torch.tensor([[0, 33, 0, 38]] * 2)
    want = refined_label(
        pixels.trunc() / 255, cam, labels, 0.6, 0.3, PAR((1, 2), 3), box
    )
    par = dict(type='PAR', dilations=(1, 2), num_iters=3)
    found = build('TwoThresholdLabeler', refiner=par)(pixels, cam, labels, box)
    assert torch.equal(found.ids, want) and {0, 2, 3, 255} == set(
        want.unique().tolist()
    )


def test_the_crf_agrees_with_par() -> None:
    """A refiner that sees grey levels, at full size, one stack at a time."""
    masks = [
        run(build('TwoThresholdLabeler', refiner=dict(type=name))).ids
        for name in REFINERS
    ]
    both, either = (
        op(masks[0] == 2, masks[1] == 2).sum()
        for op in (torch.logical_and, torch.logical_or)
    )
    assert both / either > 0.8
    pixels, cam, labels = scene()
    crf = MODELS.build(dict(type='DenseCRF', preset='toco_cam'))
    stacks = with_background(cam[:1], (0.3, 0.6))
    slots = refine_stacks(pixels[:1], stacks, crf)
    labeler = build('TwoThresholdLabeler', refiner=crf)
    got = labeler(pixels[:1], cam[:1], labels.select(slice(1))).ids
    assert torch.equal(got == 255, slots == 255)
    assert torch.equal(got == 2, slots == 1) and torch.equal(got == 0, slots == 0)


def test_seeds_are_the_published_rule() -> None:
    pixels, cam, labels = scene()
    crf = MODELS.build(dict(type='DenseCRF', preset='irn', unary='labels'))
    want = affinity_seeds(pixels[:1], cam[:1], crf, 0.5, 0.3)
    got = build('SeedLabeler', refiner=crf)(pixels, cam, labels).ids[:1]
    assert torch.equal(got == 2, want == 1) and torch.equal(got == 255, want == 255)


def test_complement_by_hand() -> None:
    labels = ImageLabels.from_lists([(0,)], 1)
    cam = torch.tensor([[[[0.4, 0.5, 0.6]]]])
    found = build('ComplementLabeler')(torch.zeros(1, 3, 1, 3), cam, labels)
    assert found.ids.tolist() == [[[0, 0, 1]]]
    torch.testing.assert_close(found.confidence, torch.tensor([[[0.6, 0.5, 0.6]]]))


def test_segments_vote_by_hand() -> None:
    """The mean decides for a segment; without one, the pixel for itself."""
    labels = ImageLabels.from_lists([(0, 2), (1,)], 3)
    cam = torch.tensor([[[0.9, 0.3, 0.5, 0.1]], [[0.2, 0.8, 0.1, 0.3]]])
    cam = torch.stack([cam, torch.stack([cam[0], torch.zeros(1, 4)])])
    segments = torch.tensor([[[7, 7, 0, 0]], [[7, 7, 7, 900]]])
    found = build('SegmentVote')(
        torch.zeros(2, 3, 1, 4), cam, labels, segments=segments
    )
    assert found.ids.tolist() == [[[1, 1, 1, 0]], [[2, 2, 2, 0]]]
    with pytest.raises(ValueError, match=r"side inputs \['segments'\], got \[\]"):
        build('SegmentVote')(torch.zeros(2, 3, 1, 4), cam, labels)
    with pytest.raises(ValueError, match="whole numbers, got torch.float32.*'ids'"):
        build('SegmentVote')(
            torch.zeros(2, 3, 1, 4), cam, labels, segments=segments.float()
        )


# ------------------------------------------------------------------- the command line
def test_a_labeler_as_text() -> None:
    cfg = dict(type='X', bkg_thr=0.3, refiner=dict(type='PAR', dilations=[1, -2]), a=())
    assert read_labeler(labeler_text(cfg)) == cfg
    assert read_labeler("{'type': 'X'}") == read_labeler('X') == dict(type='X')
    for text in ('dict(1)', 'open("a")', 'dict(type=open("a"))', 'dict(a=1)', '3 +'):
        with pytest.raises(ValueError, match=r'must be dict\(type='):
            read_labeler(text)
