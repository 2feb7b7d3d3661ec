# Licensed under Apache-2.0.
"""Convert a public CLIP (ViT) to mmwsss, with the class vectors of a data set.

    python tools/model_converters/clip.py ViT-B-16.pt clip-es_voc.pth \
        --config configs/clip_es/clip-es_vit-b_voc.py
    python tools/model_converters/clip.py ViT-B-16.pt mine.pth --config MINE.py \
        --words words.txt
    python tools/model_converters/clip.py model.safetensors tower.pth

SOURCE is OpenAI's file (a TorchScript archive, opened as data: nothing of it is run),
or one of open_clip's or Hugging Face's layout (.safetensors, or plain tensors). With
--config the result is a whole checkpoint of that config: image encoder, and a vector
for each class of its data set and each background word. The words are those of CLIP-ES,
else the classes' names; a data set's own stand in its metainfo
(`prompts=dict(gasket='rubber gasket ring', background=[...], template='a photo of a
{}.')`) or in a text file with lines `class: words`. Without --config the result is the
image encoder alone, for `backbone.pretrained`.
"""

from __future__ import annotations

import argparse
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from mmwsss.cli.arguments import config_from, plain_errors
from mmwsss.io.checkpoint import use_safe_checkpoints
from mmwsss.io.convert_file import claim_target, write_state
from mmwsss.io.errors import UserError
from mmwsss.models.converters.clip_file import read_clip_file
from mmwsss.models.converters.clip_keys import convert_clip_vision
from mmwsss.models.texts.clip_words import read_words, words_of
from mmwsss.models.texts.text_tower import class_vectors, text_tower
from mmwsss.pipeline.generate.split_images import build_split, split_cfg
from mmwsss.pipeline.inference import dataset_meta


def texts_of(
    state: dict[str, Tensor], cfg: Config, words: str | None, heads: int | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """``texts.*`` for a config's data set, and what the checkpoint says of that."""
    init_default_scope('mmwsss')
    meta = dataset_meta(cfg)
    if not meta.get('classes'):  # they stand in the data set's own files
        meta = {**meta, **build_split(split_cfg(cfg, None, 'pred')).metainfo}
    given = read_words(words) if words else meta.get('prompts')
    source = words or f"metainfo['prompts'] of {cfg.filename}"
    asked = words_of(meta['classes'], given, source)
    vectors = class_vectors(text_tower(state, heads), asked)
    kept = {k: meta[k] for k in ('classes', 'palette') if k in meta}
    return {f'texts.{k}': v for k, v in vectors.items()}, dict(dataset_meta=kept)


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', help='file of a public CLIP with a ViT')
    parser.add_argument('target', help='where to write ours')
    parser.add_argument('--config', help='whose data set names the classes')
    parser.add_argument('--words', metavar='FILE', help='its words, "class: words"')
    parser.add_argument(
        '--text-heads',
        type=int,
        metavar='N',
        help='attention heads of the text encoder; default: its width / 64, as in all '
        'public CLIPs',
    )
    args = parser.parse_args(argv)
    if args.words and not args.config:
        raise UserError('--words needs --config, whose data set has the classes')
    use_safe_checkpoints()
    claim_target(args.target, args.source)
    state = read_clip_file(args.source)
    ours = {f'backbone.{k}': v for k, v in convert_clip_vision(state).items()}
    meta = None
    if args.config:
        cfg = config_from(args.config)
        texts, meta = texts_of(state, cfg, args.words, args.text_heads)
        ours |= texts
    write_state(ours, args.source, args.target, meta)


if __name__ == '__main__':
    with plain_errors():
        main()
