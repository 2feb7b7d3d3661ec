# Licensed under Apache-2.0.
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook

from mmwsss.io.errors import UserError
from mmwsss.io.image_files import output_stem
from mmwsss.io.inputs_read import inputs_read
from mmwsss.io.output_folder import claim_outputs
from mmwsss.registry import HOOKS

#: settings of metrics that name a folder of masks: ours, and mmseg's IoUMetric
_FOLDERS = ('save_dir', 'output_dir')


@HOOKS.register_module()
class OutputGuardHook(Hook):
    """Folders that a run writes masks and panels into are claimed before it begins.

    Masks of the metrics (``WSSSMetric.save_dir``, ``IoUMetric.output_dir``) and panels
    of a test (``CAMPanelHook.show_dir``) replace no picture, no true mask, no list and
    nothing that another program made, see :func:`.claim_outputs`. All command lines
    add this hook by themselves.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Any) -> None:
        """Claim the folders of validation and test.

        Raises:
            OutputError: naming the folder, and what would be written over.
        """
        found: list[UserError | None] = [None]
        if is_main_process():
            try:
                self._claim(runner)
            except UserError as error:
                found[0] = error
        broadcast_object_list(found)
        if found[0] is not None:
            raise found[0]

    def _claim(self, runner: Any) -> None:
        for loop in (runner._val_loop, runner._test_loop):
            if loop is None or isinstance(loop, dict):
                continue
            dataset = loop.dataloader.dataset
            folders = list(_folders(runner, loop))
            if len(set(folders)) < len(folders):
                raise UserError(
                    f'masks and panels would share the names of their files in '
                    f'{folders[0]}: give --out and --show-dir a folder each'
                )
            for folder in folders:
                claim_outputs(
                    folder, _files(dataset), inputs_read(dataset), 'the output folder'
                )


def _folders(runner: Any, loop: Any) -> Iterator[str]:
    for metric in getattr(loop.evaluator, 'metrics', ()):
        for name in _FOLDERS:
            if getattr(metric, name, None):
                yield getattr(metric, name)
    if loop is runner._test_loop:
        yield from filter(None, (getattr(h, 'show_dir', None) for h in runner.hooks))


def _files(dataset: Any) -> Iterator[tuple[str, str]]:
    """(name of the output, picture) of each image of a data set."""
    known = hasattr(dataset, 'get_data_info')  # else metrics say where they write
    for index in range(len(dataset) if known else 0):
        info: Mapping[str, Any] = dataset.get_data_info(index)
        yield f'{output_stem(info)}.png', os.fspath(info['img_path'])
