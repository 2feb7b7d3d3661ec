# Licensed under Apache-2.0.
"""The affinity network: training on seeds, edges, walk, its backbone and head."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmpretrain.models import ResNet
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import IGNORE
from mmwsss.labelers.refiners.walk_refiner import RandomWalk
from mmwsss.methods.irn.affinity_network import AffinityNetwork
from mmwsss.methods.irn.edge_head import EdgeHead
from mmwsss.methods.irn.walk_cfg import WalkCfg
from mmwsss.models.backbones.resnet import WSSSResNet
from mmwsss.pipeline.inference import init_model
from mmwsss.registry import MODELS
from mmwsss.testing import NoHostSync, gradients, pictures
from tests.helpers import ROOT
from tests.helpers.published import effective_sgd

TINY = ROOT / 'configs/irn/irn_r18_shapes.py'
FULL = ROOT / 'configs/irn/irn_r50_voc.py'
SIZE = (64, 96)


def build(config=TINY, **settings) -> AffinityNetwork:
    cfg = Config.fromfile(config)
    init_default_scope('mmwsss')
    cfg.model.backbone.pretrained = None
    cfg.model.update(settings)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model


def seeds(count: int, size=SIZE, kind: str = 'mixed') -> list[Tensor]:
    """Blobs of background, classes 1 and 2, and ignored pixels."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randint(0, 4, (count, 1, 4, 4), generator=generator).float()
    label = torch.nn.functional.interpolate(coarse, size, mode='nearest').long()
    label[label == 3] = IGNORE
    return list(label if kind == 'mixed' else torch.full_like(label, IGNORE))


def batch(model, images=(0, 1), kind: str = 'mixed', size=SIZE) -> dict:
    samples = []
    for i in images:
        sample = SegDataSample(metainfo=dict(img_path=f'{i}.jpg', ori_shape=size))
        sample.set_data(dict(valid_box=torch.tensor([0, size[0], 8, size[1]])))
        if kind != 'none':
            sample.gt_sem_seg = PixelData(data=seeds(4, size, kind)[i])
        samples.append(sample)
    inputs = [pictures(4, size)[i] for i in images]
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples), True)


@pytest.fixture
def model() -> AffinityNetwork:
    return build()


class TestTraining:
    def test_step(self, model) -> None:
        losses = model.train().loss(**batch(model))
        assert set(losses) == {'loss_aff', 'label_fg', 'label_bg', 'label_ignore'}
        assert all(v.shape == () and v.isfinite() for v in losses.values())
        grads = gradients(model, losses['loss_aff'])
        assert set(grads) == {name for name, _ in model.named_parameters()}
        assert all(g.isfinite().all() for g in grads.values())
        assert any(g.any() for k, g in grads.items() if k.startswith('backbone.'))

    def test_it_learns(self, model) -> None:
        data = batch(model)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        model.train()
        history = []
        for _ in range(12):
            loss = model.loss(**data)['loss_aff']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(float(loss.detach()))
        assert history[-1] < 0.9 * history[0]

    def test_nothing_labelled(self, model) -> None:
        losses = model.train().loss(**batch(model, kind='ignored'))
        grads = gradients(model, losses['loss_aff'])
        assert losses['loss_aff'] == 0 and losses['label_ignore'] == 1
        assert not any(g.any() for g in grads.values())

    def test_seeds_are_needed(self, model) -> None:
        with pytest.raises(ValueError, match=r'0\.jpg has no seeds.*side_inputs\.mask'):
            model.loss(**batch(model, kind='none'))

    def test_pictures_that_are_too_small(self, model) -> None:
        with pytest.raises(ValueError, match=r'radius 5 .*got \(8, 8\)'):
            model.loss(**batch(model, size=(32, 32)))

    def test_no_host_sync(self, model, monkeypatch) -> None:
        data = batch(model)
        with NoHostSync.patched(monkeypatch):
            model.train().loss(**data)['loss_aff'].backward()

    def test_mixed_precision(self, model) -> None:
        full = model.train().loss(**batch(model))
        with torch.autocast('cpu', torch.bfloat16):
            half = model.loss(**batch(model))
        assert all(value.dtype == torch.float32 for value in half.values())
        torch.testing.assert_close(
            half['loss_aff'], full['loss_aff'], rtol=0.05, atol=0.01
        )

    def test_labels_of_a_cell_s_centre(self, model) -> None:
        """Other pixels of a cell don't matter."""
        data = batch(model.eval())
        expected = model.loss(**data)
        for sample in data['data_samples']:
            label = sample.gt_sem_seg.data
            kept = label[..., 2::4, 2::4].clone()
            label.fill_(1)
            label[..., 2::4, 2::4] = kept
        assert model.loss(**data) == expected


class TestFullSize:
    @pytest.fixture(scope='class')
    def full(self) -> AffinityNetwork:
        return build(FULL)

    def test_only_the_head_learns(self, full) -> None:
        """Frozen weights and statistics; no graph through the backbone."""
        before = {k: v.clone() for k, v in full.backbone.state_dict().items()}
        size = (80, 80)
        losses = full.train().loss(**batch(full, size=size))
        assert not full.extract_feat(batch(full, size=size)['inputs'])[-1].requires_grad
        grads = gradients(full, losses['loss_aff'])
        assert set(grads) == {
            f'edge_head.{k}' for k, _ in full.edge_head.named_parameters()
        }
        assert not any(
            m.training
            for m in full.backbone.modules()
            if isinstance(m, nn.modules.batchnorm._BatchNorm)
        )
        for key, value in full.backbone.state_dict().items():
            assert torch.equal(value, before[key]), key

    def test_maps(self, full) -> None:
        """Strides 4, 4, 8, 16, 16; nothing dilated."""
        maps = full.extract_feat(torch.zeros(1, 3, 64, 96))
        assert [tuple(m.shape[1:]) for m in maps] == [
            (64, 16, 24),
            (256, 16, 24),
            (512, 8, 12),
            (1024, 4, 6),
            (2048, 4, 6),
        ]
        assert all(
            m.dilation == (1, 1)
            for m in full.backbone.modules()
            if isinstance(m, nn.Conv2d)
        )

    def test_recipe(self) -> None:
        cfg = Config.fromfile(FULL)
        assert cfg.train_cfg.max_iters == 990 and cfg.model.radius == 10
        assert cfg.optim_wrapper.optimizer.lr == 0.1
        assert effective_sgd(cfg) == dict(
            momentum=1e-4, weight_decay=1e-4, nesterov=True
        )
        assert WalkCfg(**cfg.model.test_cfg) == WalkCfg(5, 10, 8, 512)
        assert cfg.train_dataloader.batch_size * 2 == cfg.auto_scale_lr.base_batch_size


class TestWalk:
    def maps(self, counts=(2, 1), sizes=(SIZE, (70, 53))) -> list[Tensor]:
        generator = torch.Generator().manual_seed(5)
        return [
            torch.rand(k, (h - 1) // 4 + 1, (w - 1) // 4 + 1, generator=generator)
            for k, (h, w) in zip(counts, sizes)
        ]

    def images(self, model, sizes=(SIZE, (70, 53))) -> list[Tensor]:
        return [
            model.data_preprocessor.normalise(pictures(1, size, i)[0])
            for i, size in enumerate(sizes)
        ]

    @pytest.mark.parametrize('pad_to', [None, 112])
    def test_different_sizes(self, model, pad_to) -> None:
        """Images at once give what they give alone."""
        model.eval()
        images, maps = self.images(model), self.maps()
        walked = model.walk(images, maps, pad_to=pad_to)
        edges = model.edges(images, pad_to=pad_to)
        for i, (k, size) in enumerate(zip((2, 1), (SIZE, (70, 53)))):
            assert walked[i].shape == (k, *size) and walked[i].dtype == torch.float32
            assert walked[i].min() >= 0 and walked[i].max() == 1
            assert edges[i].shape == (1, *maps[i].shape[1:])
            alone = model.walk(images[i : i + 1], maps[i : i + 1], pad_to=pad_to)[0]
            torch.testing.assert_close(alone, walked[i], rtol=1e-4, atol=1e-5)

    def test_mirrored_picture(self, model) -> None:
        """Of a size that fills its canvas: the mirror image of the edges."""
        model.eval()
        image = self.images(model)[0]
        edge, mirrored = model.edges([image, image.flip(-1)])
        torch.testing.assert_close(edge.flip(-1), mirrored)

    def test_the_published_canvas(self) -> None:
        cfg = WalkCfg(pad_to=512)
        assert cfg.canvas((375, 500)) == (512, 512)
        assert cfg.canvas((375, 513)) == (512, 528)
        assert WalkCfg().canvas((70, 53)) == (80, 64)

    def test_maps_of_another_grid(self, model) -> None:
        with pytest.raises(ValueError, match=r'grid of the edges, \(16, 24\)'):
            model.eval().walk(self.images(model)[:1], [torch.rand(2, 8, 12)])

    def test_unknown_settings(self, model) -> None:
        with pytest.raises(TypeError, match='betta'):
            model.walk(self.images(model), self.maps(), betta=3)
        with pytest.raises(TypeError, match='betta'):
            build(test_cfg=dict(betta=3))

    def test_predict(self, model) -> None:
        data = batch(model)
        samples = model.eval().predict(**data)
        edges = model.edges(data['inputs'])
        for sample, edge in zip(samples, edges):
            assert torch.equal(sample.pred_edge.score, edge)
            assert edge.min() >= 0 and edge.max() <= 1
        assert len(model.predict(data['inputs'])) == 2

    def test_refiner(self, model, tmp_path, monkeypatch) -> None:
        """From pixels; built of a config and a checkpoint, or of the network."""
        # set by init_model for the process; here taken back after the test
        monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
        model.eval()
        file = tmp_path / 'edges.pth'
        torch.save(dict(state_dict=model.state_dict()), file)
        pixels = [pictures(1, size, i)[0] for i, size in enumerate((SIZE, (70, 53)))]
        expected = model.walk(self.images(model), self.maps(), beta=5)
        network = Config.fromfile(TINY).model
        built = MODELS.build(
            dict(type='RandomWalk', network=network, checkpoint=str(file), beta=5)
        )
        loaded = RandomWalk(init_model(TINY, str(file)), beta=5)
        for refiner in (built, loaded):
            assert not refiner.train().network.training
            for one, other in zip(refiner(pixels, self.maps()), expected):
                assert torch.equal(one, other)

    def test_refiner_needs_weights(self, model) -> None:
        with pytest.raises(ValueError, match='a trained network'):
            RandomWalk(dict(type='AffinityNetwork'))
        with pytest.raises(ValueError, match='a trained network'):
            RandomWalk(model, 'file.pth')


class TestBackbone:
    SMALL = dict(depth=18, stem_channels=8, base_channels=8, strides=(1, 2, 2, 1))

    def test_it_is_mmpretrain_s_with_its_stem(self) -> None:
        ours = WSSSResNet(**self.SMALL).eval()
        theirs = ResNet(**self.SMALL, out_indices=(0, 1, 2, 3))
        theirs.eval()  # which returns nothing
        theirs.load_state_dict(ours.state_dict())
        images = torch.randn(2, 3, 40, 56)
        maps = ours(images)
        assert len(maps) == 5
        for one, other in zip(maps[1:], theirs(images)):
            assert torch.equal(one, other)
        assert torch.equal(
            maps[0], theirs.maxpool(theirs.relu(theirs.norm1(theirs.conv1(images))))
        )

    @pytest.mark.parametrize('layout', ['torchvision', 'mmpretrain'])
    def test_pretrained(self, tmp_path, layout) -> None:
        source = WSSSResNet(**self.SMALL)
        state = source.state_dict() | {'fc.weight': torch.zeros(10, 64)}
        if layout == 'mmpretrain':
            state = dict(
                state_dict={
                    f'backbone.{k}': v for k, v in state.items() if k != 'fc.weight'
                }
                | {'head.fc.weight': torch.zeros(10, 64)}
            )
        file = tmp_path / 'weights.pth'
        torch.save(state, file)
        network = WSSSResNet(**self.SMALL, pretrained=str(file))
        network.init_weights()
        for key, value in source.state_dict().items():
            assert torch.equal(value, network.state_dict()[key]), key
        other = WSSSResNet(**self.SMALL | dict(base_channels=4), pretrained=str(file))
        with pytest.raises(ValueError, match=r'weights\.pth does not fit'):
            other.init_weights()


class TestHead:
    def test_bad_settings(self) -> None:
        with pytest.raises(ValueError, match='one factor for each map'):
            EdgeHead((8, 8), enlarge=(1, 1, 2))
        head = EdgeHead((8, 8), enlarge=(1, 1), channels=4)
        with pytest.raises(ValueError, match='2 branches, got 1 maps'):
            head([torch.zeros(1, 8, 4, 4)])
        with pytest.raises(ValueError, match=r'\(2, 2\) enlarged by 1 is smaller'):
            head([torch.zeros(1, 8, 2, 2), torch.zeros(1, 8, 4, 4)])
