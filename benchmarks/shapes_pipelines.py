# Licensed under Apache-2.0.
"""The pipelines on Shapes, several seeds: what every stage adds.

    python benchmarks/shapes_pipelines.py

runs each pipeline with each seed, one after the other; ``benchmarks/results/
shapes_pipelines.json`` and the table in ``shapes_pipelines.md`` beside it are written
anew after every run. It can be stopped and started again at any time: the pipelines
skip and resume.
"""

from __future__ import annotations

from pipeline_rows import Pipeline, main

PIPELINES = {
    'semformer': Pipeline(
        'SemFormer', 'configs/semformer/semformer_shapes_pipeline.py', {
            'plain_cam_score': 'CAM without attention',
            'cam_score': 'CAM',
            'seed_score': 'seeds of the affinity network',
            'crf_score': 'mask before the walk',
            'mask_score': 'mask after the walk',
            'test': 'segmenter'}),
    'toco': Pipeline(
        'ToCo', 'configs/toco/toco_shapes_pipeline.py', {
            'toco_test': "ToCo's own decoder",
            'cam_score': 'CAM',
            'mask_score': 'mask',
            'test': 'segmenter'}),
    'smaf': Pipeline(
        'SMAF on ToCo', 'configs/smaf/smaf_shapes_pipeline.py', {
            'cam_score': 'CAM',
            'mask_score': 'mask (CRF)',
            'test': 'segmenter'}),
}  # yapf: disable


if __name__ == '__main__':
    main(__doc__.split('\n')[0], PIPELINES, 'shapes_pipelines', [0, 1, 2], 1)
