# Licensed under Apache-2.0.
"""Descriptions of pipelines: how one is read, what is refused in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmwsss.pipeline.runner import run_pipeline, select
from mmwsss.pipeline.stage_types import STAGE_TYPES
from mmwsss.pipeline.stages import PipelineError, fill, find_needs, read_stages
from tests.helpers.pipelines import STAGES, TYPES, make_run, write_pipeline

CAM = "dict(name='cam', type='train', config='net.py')"


def read(tmp_path, *entries: str):
    return read_stages(
        write_pipeline(tmp_path, f'stages = [{", ".join(entries)}]'), TYPES
    )


@pytest.mark.parametrize(
    'entries,message',
    [
        (['3'], r'stages\[0\] is 3'),
        (["dict(type='train')"], r'stages\[0\] has the name None'),
        (["dict(name='a/b', type='train')"], "has the name 'a/b'"),
        (["dict(name='all', type='train', config='net.py')"], "that is not 'all'"),
        (
            ["dict(name='cam', type='trian', config='net.py')"],
            r"type='trian'; use one of \['evaluate', 'generate', 'test', 'train'\]",
        ),
        (
            ["dict(name='cam', type='train', config='net.py', cfg_option={})"],
            r"unknown key 'cfg_option'.*'cfg_options'",
        ),
        (["dict(name='cam', type='train')"], r'needs config=.*got None'),
        (
            ["dict(name='cam', type='train', config='nat.py')"],
            'there is no config nat.py',
        ),
        (
            ["dict(name='cam', type='train', config='net.py', cfg_options=['a=1'])"],
            'write a dict',
        ),
        (
            ["dict(name='cam', type='train', config='net.py', args='--amp')"],
            "args of stage 'cam' is '--amp': write a list",
        ),
        ([CAM, CAM], "two stages have the name 'cam'"),
        (
            [CAM, "dict(name='m', type='generate', config='net.py')"],
            'needs checkpoint=.*got None',
        ),
        (
            [
                CAM,
                "dict(name='m', type='generate', config='net.py', checkpoint='x.pth', "
                "save=('cam', 'masks'))",
            ],
            "save of stage 'm' must be one of .*got 'masks'",
        ),
        (
            [
                "dict(name='t', type='test', config='net.py', checkpoint='{cam.checkpoint}')",  # noqa: E501
                CAM,
            ],
            r"needs \{cam.checkpoint\}, but stage 'cam' comes later",
        ),
        (
            [
                CAM,
                "dict(name='t', type='test', config='net.py', checkpoint='{cm.checkpoint}')",  # noqa: E501
            ],
            r"stage 'cm' does not exist; the stages before it are \['cam'\]",
        ),
        (
            [
                CAM,
                "dict(name='t', type='test', config='net.py', checkpoint='{cam.ckpt}')",
            ],
            r"of type 'train' yields \['best_checkpoint', 'checkpoint'\]",
        ),
        (
            [
                CAM,
                "dict(name='m', type='generate', config='net.py', save=('mask',), "
                "checkpoint='{cam.checkpoint}')",
                "dict(name='e', type='evaluate', maps='{m.cam}', ann_dir='truth')",
            ],
            r"'m' writes only \['mask'\]: add 'cam' to its save",
        ),
    ],
)
def test_refused(tmp_path, entries, message):
    with pytest.raises(PipelineError, match=message):
        read(tmp_path, *entries)


def test_no_stages(tmp_path):
    with pytest.raises(PipelineError, match='has no stages'):
        read_stages(write_pipeline(tmp_path, 'a = 1'))
    with pytest.raises(PipelineError, match='no pipeline config'):
        read_stages(tmp_path / 'none.py')


@pytest.mark.parametrize(
    'chosen,message',
    [
        (dict(first='x'), r"--from x: the stages are \['cam', 'masks'"),
        (dict(last='x'), '--to x'),
        (dict(only='x'), '--only x'),
        (dict(only='cam', first='cam'), 'leave out --from and --to'),
        (dict(first='test', last='cam'), '--from test comes after --to cam'),
    ],
)
def test_select(tmp_path, chosen, message):
    stages = read_stages(write_pipeline(tmp_path), TYPES)
    with pytest.raises(PipelineError, match=message):
        select(stages, **chosen)
    assert select(stages, 'masks', 'cam_score') == ('masks', 'cam_score')


def test_placeholders():
    value = dict(a=['{x.cam}/p', ('{y-2.mask}',)], b=3, c='{no}')
    assert list(find_needs(value)) == [('x', 'cam'), ('y-2', 'mask')]
    assert fill(value, {'x.cam': '/c'}) == dict(
        a=['/c/p', ('{y-2.mask}',)], b=3, c='{no}'
    )


def test_a_new_type_is_one_entry(tmp_path, work):
    script = tmp_path / 'count.py'
    script.write_text(
        'import sys, pathlib\n'
        'folder, _, out, _, step = sys.argv[1:]\n'
        'n = len(list(pathlib.Path(folder).iterdir()))\n'
        'pathlib.Path(out).write_text(f"{n} {step}")\n'
    )
    count = replace(
        STAGE_TYPES['evaluate'],
        tool=str(script),
        takes=('folder',),
        flags=('step',),
        out_file='count.txt',
        yields={},
    )
    stages = STAGES.replace(
        "    dict(name='cam_score'",
        "    dict(name='count', type="
        "'count', folder='{masks.mask}', step=2),\n    dict(name="
        "'cam_score'",
    )
    run_pipeline(
        make_run(
            write_pipeline(tmp_path, stages),
            work,
            last='count',
            types=TYPES | dict(count=count),
        )
    )
    assert (work / '03_count/run/count.txt').read_text() == '6 2'
