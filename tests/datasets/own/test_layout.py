# Licensed under Apache-2.0.
"""The small files of a checked folder, which users edit."""

from __future__ import annotations

import pytest

from mmwsss.datasets.own.layout import picture_entries, refuse_other_settings
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import claim_outputs


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[1]', r'\.json holds no object of entries, but \[1\]'),
        ('{"val": ', r'\.json is not valid JSON'),
    ],
)
def test_what_an_editor_left(tmp_path, text, message) -> None:
    claim_outputs(tmp_path, [('settings.json', 'settings.json')])
    refuse_other_settings(tmp_path, dict(val=0.2))  # stopped before it was written
    for name in ('settings.json', 'picture.json'):
        (tmp_path / name).write_text(text)
    with pytest.raises(LabelError, match=f'settings{message}'):
        refuse_other_settings(tmp_path, dict(val=0.2))
    with pytest.raises(LabelError, match=f'picture{message}'):
        picture_entries(tmp_path)


def test_other_settings(tmp_path) -> None:
    claim_outputs(tmp_path, [('settings.json', 'settings.json')])
    (tmp_path / 'settings.json').write_text('{"val": 0.1, "seed": 0}')
    refuse_other_settings(tmp_path, dict(val=0.1, seed=0))
    with pytest.raises(UserError, match=r'other settings \(val: 0\.1, now 0\.2\)'):
        refuse_other_settings(tmp_path, dict(val=0.2, seed=0))


def test_settings_of_another_program(tmp_path) -> None:
    """They are no settings to compare with; claiming the folder refuses them."""
    for text in ('[1]', '{"val": ', '{"val": 0.1}'):
        (tmp_path / 'settings.json').write_text(text)
        refuse_other_settings(tmp_path, dict(val=0.2))
