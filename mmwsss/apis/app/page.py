# Licensed under Apache-2.0.
"""The page itself, by Gradio: an extra. All work is done by what it calls."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from mmwsss.io.errors import UserError, first_lines
from mmwsss.io.image_files import IMAGE_SUFFIXES

from .photo_segmenter import PhotoSegmenter
from .photo_views import (
    cam_views,
    confidence_view,
    facts_table,
    mask_view,
    summary,
    write_files,
)
from .segmented_photo import SegmentedPhoto

#: the page is for one machine
HOST = '127.0.0.1'
#: photos of so many visitors are kept; unused files go after so many seconds
_SESSIONS, _KEPT = 8, 3600
_BEGIN = 'Drop a photo to begin.'
_STYLE = """
.facts { width: 100%; border-collapse: collapse; }
.facts, .facts tr { border: 0 !important; }
.facts td, .facts th { padding: .25rem .4rem; text-align: right; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; }
.facts td { white-space: nowrap; }
.facts td:first-child, .facts th:first-child { text-align: left; }
.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .5em;
  border-radius: 2px; vertical-align: -.1em; }
#cams .grid-wrap { min-height: 0; max-height: none; }
#cams .grid-container { height: auto !important;
  grid-template-columns: repeat(auto-fill, minmax(min(14rem, 100%), 1fr)) !important; }
#cams .thumbnail-item { aspect-ratio: 3 / 2; }
"""


def gradio_module() -> ModuleType:
    """Gradio, told to stay quiet: nothing is sent anywhere.

    Raises:
        UserError: naming the extra, if it isn't installed or too old.
    """
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')
    try:
        import gradio
    except ImportError as err:
        raise UserError(
            'the page is shown by Gradio, which is not installed: '
            'pip install "mmwsss[app]"'
        ) from err
    if int(gradio.__version__.split('.')[0]) < 6:
        raise UserError(
            f'the page needs Gradio 6 or newer, got {gradio.__version__}: '
            'pip install "mmwsss[app]" (a Pillow of 13 or newer keeps Gradio old)'
        )
    return gradio


class Page:
    """What happens on the page; each method is what an event calls.

    Args:
        segmenter: does the work.
        folder: of the files that are given away.
    """

    def __init__(self, segmenter: PhotoSegmenter, folder: Path) -> None:
        self.segmenter, self.folder = segmenter, folder

    def segment(
        self, path: str | None, model: str
    ) -> tuple[SegmentedPhoto | None, str, str | None, str | None]:
        """A photo was dropped, or another model chosen.

        Returns:
            The photo with its masks; a line that says what was found, or what is wrong;
            paths of the PNG and of the JSON file.
        """
        if path is None:
            return None, self.classes(model)[1], None, None
        try:
            done = self.segmenter(model, path)
            place = Path(tempfile.mkdtemp(dir=self.folder))
            return done, summary(done), *write_files(done, place)
        except (UserError, OSError) as error:
            return None, error_line(error, path), None, None

    def show(self, done: SegmentedPhoto | None, names: Sequence[str]) -> tuple:
        """Mask, confidence, CAMs and table of the chosen classes."""
        if done is None:
            return None, None, [], ''
        return (
            mask_view(done, names),
            confidence_view(done),
            cam_views(done, names),
            facts_table(done, names),
        )

    def classes(self, model: str) -> tuple[list[str], str]:
        """Names of a model's classes; what is wrong if it can't be built."""
        try:
            return self.segmenter.classes(model), _BEGIN
        except (UserError, OSError) as error:
            return [], error_line(error)


def error_line(error: Exception, path: str | None = None) -> str:
    """A message in one line, in which an uploaded file has the name that it had."""
    text = first_lines(str(error), 1).splitlines()[0] if str(error) else repr(error)
    return 'Error: ' + (text.replace(path, Path(path).name) if path else text)


def build_page(segmenter: PhotoSegmenter, folder: Path) -> Any:
    """The page as Gradio's ``Blocks``.

    Args:
        segmenter: does the work.
        folder: of the files that are given away.
    """
    gradio, page = gradio_module(), Page(segmenter, folder)
    names = list(segmenter.models)
    first, said = page.classes(names[0])
    blocks = gradio.Blocks(
        title='mmwsss', analytics_enabled=False, delete_cache=(_KEPT, _KEPT)
    )
    with blocks:
        gradio.Markdown('# Photo → mask\nNothing leaves this machine.')
        done = gradio.State(None)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=320):
                photo = gradio.File(
                    label='Photo', file_types=list(IMAGE_SUFFIXES), height=150
                )
                model = gradio.Dropdown(names, value=names[0], label='Model')
                chosen = gradio.CheckboxGroup(
                    first, label='Classes to show', info='none chosen: all of them'
                )
                line = gradio.Markdown(said, elem_id='said')
                with gradio.Row():
                    png = gradio.DownloadButton(
                        'Mask (PNG)', elem_id='png', interactive=False
                    )
                    facts = gradio.DownloadButton(
                        'Figures (JSON)', elem_id='json', interactive=False
                    )
            with gradio.Column(scale=3, min_width=320):
                with gradio.Row():
                    mask = _picture(gradio, 'Mask', 'mask')
                    sure = _picture(gradio, 'Confidence: blue 0, red 1', 'confidence')
                table = gradio.HTML(elem_id='table', padding=False)
                cams = gradio.Gallery(
                    label='CAM of each class that the network finds',
                    elem_id='cams',
                    columns=3,
                    height='auto',
                    object_fit='contain',
                    interactive=False,
                    visible=False,  # until there are any
                    buttons=['fullscreen'],
                )
        shown = [mask, sure, cams, table]

        draw = dict(
            fn=partial(_with_gallery, gradio, page),
            inputs=[done, chosen],
            outputs=shown,
        )
        work = dict(
            fn=partial(_with_buttons, gradio, page),
            inputs=[photo, model],
            outputs=[done, line, png, facts],
        )
        photo.change(**work).success(**draw)
        chosen.input(**draw)
        model.change(
            lambda name: gradio.CheckboxGroup(page.classes(name)[0], value=[]),
            model,
            chosen,
        ).success(**work).success(**draw)
    return blocks


def _with_buttons(
    gradio: ModuleType, page: Page, path: str | None, model: str
) -> tuple:
    """:meth:`Page.segment`, with buttons that are dead where there is no file."""
    done, text, *files = page.segment(path, model)
    buttons = [
        gradio.DownloadButton(value=file, interactive=file is not None)
        for file in files
    ]
    return done, text, *buttons


def _with_gallery(
    gradio: ModuleType, page: Page, done: SegmentedPhoto | None, names: Sequence[str]
) -> tuple:
    """:meth:`Page.show`; without CAMs there is no gallery."""
    mask, sure, cams, table = page.show(done, names)
    return mask, sure, gradio.Gallery(value=cams, visible=bool(cams)), table


def _picture(gradio: ModuleType, label: str, name: str) -> Any:
    """An image that is looked at only."""
    return gradio.Image(
        label=label,
        elem_id=name,
        interactive=False,
        format='png',
        buttons=['fullscreen'],
        min_width=280,
    )


@contextmanager
def open_page(segmenter: PhotoSegmenter, port: int) -> Iterator[str]:
    """Serve the page on this machine alone, as long as the context lasts.

    Photos and files lie in a temporary folder that goes with it.

    Args:
        segmenter: does the work.
        port: of the address.

    Yields:
        The address.

    Raises:
        UserError: if the port is taken, or Gradio isn't installed.
    """
    gradio = gradio_module()
    with tempfile.TemporaryDirectory(prefix='mmwsss_app_') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        blocks = build_page(segmenter, Path(folder))
        try:
            _launch(gradio, blocks, port)
            yield blocks.local_url
        finally:
            blocks.close(verbose=False)


def _launch(gradio: ModuleType, blocks: Any, port: int) -> None:
    """Start the server; fonts are the system's, none is fetched."""
    fonts = [gradio.themes.Font('system-ui'), gradio.themes.Font('sans-serif')]
    mono = [gradio.themes.Font('monospace')]
    try:
        blocks.launch(
            server_name=HOST,
            server_port=port,
            share=False,
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
            footer_links=[],
            ssr_mode=False,
            state_session_capacity=_SESSIONS,
            theme=gradio.themes.Default(font=fonts, font_mono=mono),
            css=_STYLE,
        )
    except OSError as err:
        raise UserError(
            f'port {port} of {HOST} is taken or not allowed: give another --port'
        ) from err
