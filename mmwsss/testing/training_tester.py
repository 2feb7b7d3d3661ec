# Licensed under Apache-2.0.
from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from mmengine.registry import init_default_scope

from mmwsss.models.loss_terms import terms_given
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.models.teachers.ema_copy import EMACopy
from mmwsss.registry import MODELS
from mmwsss.structures import ClassPairs, ImageLabels, label_lists

from .config_files import ConfigLike, config_name, load_config
from .host_sync import NoHostSync
from .pinned import compare_numbers, numbers
from .tiny_batches import SIZE, sample, train_batch
from .tiny_models import build, still_teacher, without_pretrained
from .training_steps import (
    at,
    begins,
    gradients,
    step,
    terms_of,
    total,
    trained_parameters,
)


class TrainingTester:
    """What a training step of every method promises.

    A method's test is a class of a few lines; only ``config`` has to be given::

        class TestMyMethod(TrainingTester):
            config = 'configs/my_method/my_method_vit-t_shapes.py'

    Number of classes, loss terms, their iterations, heads and outputs are read from
    the config. A method that predicts CAMs takes :class:`CAMMethodTester`, one with
    a decoder :class:`MethodTester`.
    """

    #: a tiny config: its path (see ``find_config``), or the whole config as a dict
    config: ConfigLike
    #: shapes of the batches of pictures that one step puts through ``model.encode``
    #: while all terms are active; ``None``: not checked
    encoded: ClassVar[Sequence[tuple[int, ...]] | None] = None
    #: configs with some parts of the method switched off: the loss terms of
    #: ``config`` that each one lacks
    ablations: ClassVar[Mapping[str, set[str]]] = {}
    #: settings of ``model`` that contradict each other, and what the error must say
    #: (a regular expression) when the network is built
    refused: ClassVar[Sequence[tuple[dict[str, Any], str]]] = ()

    @pytest.fixture(autouse=True)
    def _iteration_zero_after(self):
        yield
        at(0)

    @pytest.fixture
    def model(self) -> WeakSegmentor:
        return build(self.config)

    def test_training_step(self, model) -> None:
        """All terms of the last phase, finite; gradients reach every part."""
        losses = step(model, begins(model)[-1])
        assert terms_of(losses) == model.terms.names == terms_given(model)
        assert all(v.shape == () and torch.isfinite(v) for v in losses.values())
        grads = gradients(model, total(losses))
        for name, child in unwrap(model).named_children():
            if any(p.requires_grad for p in child.parameters()):
                parts = [g for k, g in grads.items() if k.startswith(f'{name}.')]
                assert parts and any(g.any() for g in parts), name
        assert set(grads) == trained_parameters(model)
        assert all(torch.isfinite(g).all() for g in grads.values())

    def test_phases(self, model) -> None:
        """Each phase has its terms, up to the last iteration before the next."""
        for begin in begins(model):
            for iteration in {max(begin - 1, 0), begin}:
                got = terms_of(step(model, iteration))
                assert got == set(model.terms.schedule(iteration)), iteration

    def test_weights_are_factors(self, model) -> None:
        last = begins(model)[-1]
        weights = model.terms.schedule(last)
        ones = build(self.config, weights=dict.fromkeys(weights, 1.0))
        weighted, plain = step(model, last), step(ones, last)
        for term, weight in weights.items():
            torch.testing.assert_close(
                weighted[f'loss_{term}'], weight * plain[f'loss_{term}']
            )

    @pytest.mark.parametrize('inactive', ['zero_grad', 'off'])
    def test_modules_without_a_term(self, inactive: str) -> None:
        model = build(self.config, inactive=inactive)
        active = set(model.terms.schedule(0))
        grads = gradients(model, total(step(model, 0)))
        if inactive == 'zero_grad':  # DDP and AdamW see every weight in every phase
            assert set(grads) == trained_parameters(model)
        for name, terms in model.TERM_MODULES.items():
            if active & set(terms) or getattr(model, name.split('.')[0], None) is None:
                continue
            trained = trained_parameters(model)
            names = [k for k in trained if f'{k}.'.startswith(f'{name}.')]
            assert names, name
            for key in names:
                assert (key in grads) == (inactive == 'zero_grad')
                assert inactive == 'off' or not grads[key].any()

    def test_inactive_modules_do_not_change_a_gradient(self) -> None:
        results = []
        for inactive in ('zero_grad', 'off'):
            model = build(self.config, inactive=inactive)
            results.append(gradients(model, total(step(model, 0))))
        for key, value in results[1].items():
            assert torch.equal(value, results[0][key]), key

    def test_images_without_a_label(self, model) -> None:
        losses = step(model, begins(model)[-1], images=(3, 3))
        grads = gradients(model, total(losses))
        assert all(torch.isfinite(v) for v in losses.values())
        assert all(torch.isfinite(g).all() for g in grads.values())

    def test_labels_are_needed(self, model) -> None:
        data = train_batch(model)
        data['data_samples'][1] = sample(None, (SIZE, SIZE), 1, (0, 96, 0, 96))
        with pytest.raises(ValueError, match=r'1\.jpg has no gt_labels'):
            model.loss(**data)

    def test_mixed_precision(self, model) -> None:
        """Under bfloat16 autocast losses stay float32, finite and near."""
        full = step(model, begins(model)[-1])
        with torch.autocast('cpu', torch.bfloat16):
            half = step(model, begins(model)[-1])
        for name, value in half.items():
            assert value.dtype == torch.float32 and torch.isfinite(value), name
        for term in ('loss_cls', 'loss_cls_aux', 'loss_ptc'):  # no hard labels between
            if term in full:
                torch.testing.assert_close(half[term], full[term], rtol=0.1, atol=0.01)

    def test_no_host_sync(self, model, monkeypatch) -> None:
        """Forward and backward never wait for the device or branch on a value."""
        at(begins(model)[-1])
        data = train_batch(model)
        # made on the CPU from Python lists before they are copied: allowed
        lists = label_lists(data['data_samples'])
        for kind in (ClassPairs, ImageLabels):
            made = kind.from_lists(lists, model.num_foreground)
            monkeypatch.setattr(kind, 'from_lists', lambda *_, made=made: made)
        with NoHostSync.patched(monkeypatch):
            losses = model.train().loss(**data)
            total(losses).backward()
        assert len(losses) > 1

    def test_gradient_of_two_processes(self) -> None:
        """Each process has its own normalisers; then gradients are averaged.

        Two models that see a half each, against one model that sees both halves one
        after the other: no state but the weights and the buffers, which are set back,
        may pass between them.
        """
        last, halves = begins(build(self.config))[-1], ((0, 1), (2, 3))
        single = []
        for half in halves:
            model = build(self.config)
            still_teacher(model)
            single.append(gradients(model, total(step(model, last, half))))
        model = build(self.config)
        still_teacher(model)
        kept, losses = [b.clone() for b in model.buffers()], []
        for half in halves:
            for buffer, value in zip(model.buffers(), kept, strict=True):
                buffer.data.copy_(value)  # autograd watches a norm's statistics
            losses.append(total(step(model, last, half)))
        both = sum(losses) / 2
        for key, value in gradients(model, both).items():
            mean = (single[0][key] + single[1][key]) / 2
            torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-6, msg=key)

    def test_state_dict_round_trip(self, model) -> None:
        """Everything that decides an output, the teacher included, is in it."""
        other = build(self.config, seed=1)
        other.load_state_dict(model.state_dict(), strict=True)
        last = begins(model)[-1]
        ours, theirs = step(model, last), step(other, last)
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)
        for name, child in unwrap(model).named_children():
            if isinstance(child, EMACopy):
                assert any(k.startswith(f'{name}.') for k in model.state_dict())

    def test_each_input_is_encoded_once(self, model, monkeypatch) -> None:
        """A step makes the passes that ``encoded`` lists, and no other."""
        if self.encoded is None:
            pytest.skip('the class does not say which passes a step makes (encoded)')
        shapes, encode = [], model.encode

        def counted(images):
            shapes.append(tuple(images.shape))
            return encode(images)

        monkeypatch.setattr(model, 'encode', counted)
        step(model, begins(model)[-1])
        assert sorted(shapes) == sorted(self.encoded)

    def test_ablations_train(self) -> None:
        """Each config of ``ablations`` trains; it lacks the named terms alone."""
        full = set(build(self.config).terms.schedule.weights)
        for config, absent in self.ablations.items():
            model = build(config)
            losses = step(model, begins(model)[-1])
            assert terms_of(losses) == full - absent, config
            grads = gradients(model, total(losses))
            assert set(grads) == trained_parameters(model), config

    def test_contradictions_are_refused(self) -> None:
        """When the network is built, in words: the settings of ``refused``."""
        for settings, message in self.refused:
            cfg = load_config(self.config)
            init_default_scope(cfg.get('default_scope', 'mmwsss'))
            without_pretrained(cfg.model.get('backbone', {}))
            with pytest.raises(ValueError, match=message):
                MODELS.build(cfg.model.to_dict() | settings)

    def test_pinned(self) -> None:
        """One step and one prediction have the numbers of an earlier version."""
        folder = Path(inspect.getfile(type(self))).parent / 'pinned'
        file = folder / f'{config_name(self.config)}.json'
        update = f'python -m mmwsss.testing.pin {self.config} {folder}'
        assert file.is_file(), f'no pinned numbers in {file}; run: {update}'
        compare_numbers(numbers(self.config), json.loads(file.read_text()))
