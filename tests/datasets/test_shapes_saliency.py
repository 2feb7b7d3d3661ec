# Licensed under Apache-2.0.
"""The saliency maps of Shapes: deterministic, and imperfect in the promised ways."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from mmwsss.datasets.shapes.drawn_saliency import (
    SaliencyStyle,
    draw_saliency,
)
from mmwsss.datasets.shapes.scenes import draw_scene

NUMBERS = range(80)
SCENES = [draw_scene(3, index) for index in NUMBERS]
PERFECT = SaliencyStyle(
    missed=0.0, plain_found=0.0, clutter=0.0, shift=0.0, blur=0.0, grow=0.0, noise=0.0
)
#: of the images and masks of seed 3, numbers 0 to 7, before there were saliency maps
DIGEST = 'fde629dac86b93c55f25296b4c9a79c0ef76f2762fe5f45456a310ecb8cc3cf5'


def maps(**style) -> list[np.ndarray]:
    """Binary maps of all scenes."""
    return [
        draw_saliency(scene, 3, i, replace(PERFECT, **style)) > 127
        for i, scene in enumerate(SCENES)
    ]


def overlap(found: list[np.ndarray]) -> float:
    """IoU with the objects, over all scenes."""
    truth = [scene.mask > 0 for scene in SCENES]
    both = sum((a & b).sum() for a, b in zip(found, truth, strict=True))
    return both / sum((a | b).sum() for a, b in zip(found, truth, strict=True))


def test_pictures_and_masks_are_what_they_were() -> None:
    digest = hashlib.sha256()
    for scene in SCENES[:8]:
        digest.update(scene.image.tobytes() + scene.mask.tobytes())
    assert digest.hexdigest() == DIGEST


def test_same_numbers_same_map() -> None:
    first, again = (draw_saliency(SCENES[7], 3, 7) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (96, 96) and first.dtype == np.uint8
    assert (draw_saliency(SCENES[7], 4, 7) != first).any()
    assert (draw_saliency(SCENES[7], 3, 8) != first).any()


def test_without_faults_it_is_the_objects() -> None:
    assert overlap(maps()) > 0.999


def test_each_fault_costs_something() -> None:
    faults = (
        dict(missed=0.15),
        dict(plain_found=0.5),
        dict(clutter=0.2),
        dict(shift=0.03),
        dict(blur=0.03, grow=0.2),
        dict(blur=0.03, noise=0.2),
    )
    assert all(0.6 < overlap(maps(**fault)) < 0.99 for fault in faults)


def test_the_published_maps_are_useful_and_wrong() -> None:
    found = [draw_saliency(scene, 3, i) > 127 for i, scene in enumerate(SCENES)]
    assert 0.5 < overlap(found) < 0.75
    missed = [
        label
        for scene, one in zip(SCENES, found, strict=True)
        for label in scene.labels
        if not one[scene.mask == label].mean() > 0.2
    ]
    objects = sum(len(scene.labels) for scene in SCENES)
    assert 0.05 < len(missed) / objects < 0.3
    spurious = [
        (one & (scene.mask == 0)).sum() > 60
        for scene, one in zip(SCENES, found, strict=True)
    ]
    assert 0.2 < np.mean(spurious) < 0.95


def test_plain_bodies_are_no_objects() -> None:
    assert any(scene.plain.any() for scene in SCENES)
    assert not any((scene.plain & (scene.mask > 0)).any() for scene in SCENES)
