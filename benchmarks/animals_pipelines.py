# Licensed under Apache-2.0.
"""The pipelines on VOC Animals: what every stage adds, down to a stock segmenter.

    python benchmarks/animals_pipelines.py

runs the plain CAM with a walk over tokens, ToCo, SMAF on top of that ToCo (in the same
work dir, so that its base isn't trained twice) and SemFormer.
``benchmarks/results/animals_pipelines.json`` and the table in ``animals_pipelines.md``
beside it are written anew after each. It can be stopped and started again at any time:
the pipelines skip and resume.
"""

from __future__ import annotations

import os

from pipeline_rows import Pipeline, main

PIPELINES = {
    'cam': Pipeline(
        'plain CAM, walk over tokens', 'configs/cam/cam_animals_pipeline.py', {
            'map_score': 'CAM',
            'walk_score': 'CAM after the walk',
            'mask_score': 'mask (CRF)',
            'test': 'segmenter'}),
    'toco': Pipeline(
        'ToCo', 'configs/toco/toco_animals_pipeline.py', {
            'toco_test': "ToCo's own decoder",
            'cam_score': 'CAM',
            'walk_score': 'CAM after the walk',
            'mask_score': 'mask (CRF)',
            'test': 'segmenter'}),
    'smaf': Pipeline(
        'SMAF on ToCo', 'configs/smaf/smaf_animals_pipeline.py', {
            'smaf_test': 'own prediction',
            'smaf_cam_score': 'CAM',
            'smaf_mask_score': 'mask (CRF)',
            'smaf_segmenter_test': 'segmenter'}, folder='toco'),
    'semformer': Pipeline(
        'SemFormer', 'configs/semformer/semformer_animals_pipeline.py', {
            'plain_cam_score': 'CAM without attention',
            'cam_score': 'CAM',
            'seed_score': 'seeds of the affinity network',
            'crf_score': 'mask before the walk',
            'mask_score': 'mask after the walk',
            'test': 'segmenter'}),
}  # yapf: disable


if __name__ == '__main__':
    main(
        __doc__.split('\n')[0],
        PIPELINES,
        'animals_pipelines',
        [0],
        min(os.cpu_count() or 1, 2),
    )
