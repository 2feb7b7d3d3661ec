# Licensed under Apache-2.0.
"""Segment photos in the browser: drop one, see mask, CAMs and confidence.

    python tools/demo_app.py
    python tools/demo_app.py --config CONFIG --checkpoint CHECKPOINT --port 8000

It needs the extra ``mmwsss[app]``. The page is for this machine alone, and nothing is
sent elsewhere; photos are deleted when it ends, with Ctrl-C.
"""

from __future__ import annotations

import argparse
import threading

from mmengine.logging import print_log

from mmwsss.apis.app.page import gradio_module, open_page
from mmwsss.apis.app.photo_segmenter import PhotoSegmenter, models_offered
from mmwsss.cli.arguments import plain_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', help='of a model of your own, beside the zoo')
    parser.add_argument('--checkpoint', help='of that config')
    parser.add_argument('--device', default=None, help='default: a GPU, if there is')
    parser.add_argument('--port', type=int, default=7860)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Serve the page until Ctrl-C."""
    args = parse_args(argv)
    gradio_module()  # refused before a model is built
    models = models_offered(args.config, args.checkpoint)
    segmenter = PhotoSegmenter(models, args.device)
    if args.config is not None:
        segmenter.classes(next(iter(models)))  # what is wrong with it ends the tool
    with open_page(segmenter, args.port) as address:
        print_log(f'Open {address} in a browser; Ctrl-C ends it.')
        threading.Event().wait()


if __name__ == '__main__':
    with plain_errors():
        main()
