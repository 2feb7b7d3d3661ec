# Licensed under Apache-2.0.
"""The text of a pipeline for a folder: a method, its masks, a segmenter."""

from __future__ import annotations

from .code_text import Name, assignment
from .config_text import FolderFacts


def pipeline_text(
    facts: FolderFacts, method: str, segmenter: str, remark: str = ''
) -> str:
    """The pipeline's config; its last stage tests where there are masks.

    Args:
        facts: of the folder.
        method: config of the method that labels.
        segmenter: config of the segmenter that learns these labels.
        remark: first line.
    """
    mask = 'train_dataloader.dataset.side_inputs.mask.dir'
    labels = Name('labels')
    stages = [
        dict(name='labels', type='train', config=labels),
        dict(name='masks', type='generate', config=labels,
             checkpoint='{labels.checkpoint}', split='train', save=('cam', 'mask')),
        dict(name='segmenter', type='train', config=Name('segmenter'),
             cfg_options={mask: '{masks.mask}'}),
    ]  # fmt: skip
    if facts.scored:
        stages.append(
            dict(name='test', type='test', config=Name('segmenter'),
                 checkpoint='{segmenter.checkpoint}')
        )  # fmt: skip
    head = f'{remark}\n# Run it: python tools/run_pipeline.py THIS_FILE\n'
    names = assignment('labels', method) + assignment('segmenter', segmenter)
    return f'{head}{names}\n{assignment("stages", stages)}'
