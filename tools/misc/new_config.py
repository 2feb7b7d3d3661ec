# Licensed under Apache-2.0.
"""Write a config for a folder of your own pictures, with nothing left to edit.

::

    python tools/dataset_converters/folder.py PHOTOS --out data/mine
    python tools/misc/new_config.py --data data/mine --method toco --backbone deit-t
    python tools/train.py data/mine/toco_deit-t_mine.py

It looks at the pictures: classes, colours, crop, bands, a resize of very large ones,
iterations and everything that begins at one follow from them. Masks, where there are
any, are validated on. --method pseudo is a segmenter that is trained on the masks of
tools/generate_pseudo_labels.py; --pipeline writes both and what runs them in a row.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.cli.arguments import add_picture, plain_errors
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.pipeline.own_config.config_text import Choice, FolderFacts, config_text
from mmwsss.pipeline.own_config.fit_run import fit_crop, fit_iterations, iterations_in
from mmwsss.pipeline.own_config.fitted_pipeline import crop_of
from mmwsss.pipeline.own_config.pipeline_text import pipeline_text
from mmwsss.pipeline.own_config.read_facts import read_facts
from mmwsss.pipeline.own_config.templates import (
    BACKBONES,
    Backbone,
    base_name,
    default_backbone,
    find_template,
    find_templates,
)

#: first line of what this tool writes, by which it knows its own
MARK = '# Written by tools/misc/new_config.py'
SEAL = '# It is not written over once it is edited: sha256 of what follows '
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
PSEUDO = 'pseudo'
MOST_MINUTES = 100_000


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', required=True, help='folder made by folder.py')
    parser.add_argument(
        '--method',
        default='toco',
        help=f'one of {", ".join(find_templates(CONFIGS))}; default: toco',
    )
    parser.add_argument(
        '--backbone', help=f'one of {", ".join(BACKBONES)}; default: the smallest'
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE',
        help='default: METHOD_BACKBONE_NAME.py in --data, NAME being its name',
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        '--iters', type=int, help='default: 8 passes over the pictures, 1,000 to 20,000'
    )
    length.add_argument(
        '--minutes', type=float, help='about so long on this machine (estimated)'
    )
    parser.add_argument('--batch-size', type=int, help="default: the method's")
    parser.add_argument(
        '--pretrained',
        metavar='FILE',
        help='weights of the encoder, file or URL; none: start at random. Default: '
        'ImageNet weights, downloaded once, or looked for in $MMWSSS_WEIGHTS',
    )
    parser.add_argument(
        '--masks',
        metavar='DIR',
        help='for --method pseudo: the masks to train on; default '
        'work_dirs/pseudo_masks/NAME/mask',
    )
    parser.add_argument(
        '--pipeline', action='store_true', help='the method, its masks, a segmenter'
    )
    add_picture(parser)
    args = parser.parse_args(argv)
    if args.pipeline and args.method == PSEUDO:
        raise UserError('--pipeline ends with a segmenter: give the method before it')
    check_numbers(args)
    if args.out is not None and (args.out.suffix != '.py' or args.out.is_dir()):
        raise UserError(f'--out must be a file that ends with .py, got {args.out}')
    if args.masks is not None and args.method != PSEUDO and not args.pipeline:
        raise UserError(
            f'--masks are what --method {PSEUDO} learns; {args.method} learns from '
            'image labels: leave them out (masks to measure by are in --data)'
        )
    return args


def check_numbers(args: argparse.Namespace) -> None:
    """Refuse numbers that no run can have.

    Raises:
        UserError: naming the option.
    """
    for name, least in (('iters', 1), ('batch_size', 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            option = name.replace('_', '-')
            raise UserError(f'--{option} must be {least} or more, got {value}')
    if args.minutes is not None and not 0 < args.minutes <= MOST_MINUTES:
        raise UserError(
            f'--minutes must be above 0 and at most {MOST_MINUTES:,} (ten weeks), got '
            f'{args.minutes}'
        )


def data_name(args: argparse.Namespace) -> str:
    """What the data set is called in names of files."""
    return os.path.basename(os.path.normpath(args.data))


def out_file(args: argparse.Namespace, method: str, backbone: str) -> Path:
    """Where the config goes."""
    name = data_name(args)
    if args.out is not None and method == args.method:
        return args.out
    folder = args.out.parent if args.out is not None else Path(args.data)
    return folder / f'{method}_{backbone}_{name}.py'


def make(args: argparse.Namespace, facts: FolderFacts, method: str) -> Path:
    """Write the config of one method; gives its path."""
    asked = args.backbone or default_backbone(CONFIGS, args.method)
    backbone = asked
    if method == PSEUDO and BACKBONES.get(asked, Backbone()).width is None:
        backbone = default_backbone(CONFIGS, PSEUDO)
    # a file of weights is of the encoder that was asked for
    fits = backbone == asked or args.pretrained == 'none'
    pretrained = args.pretrained if fits else None
    template, replaced = find_template(CONFIGS, method, backbone)
    base = Config.fromfile(template).to_dict()
    batch = args.batch_size or base['train_dataloader']['batch_size']
    out = out_file(args, method, backbone)
    choice = Choice(
        base_name(template, CONFIGS, out),
        iterations_of(args, facts, base, backbone, batch),
        batch,
        backbone_settings(pretrained, backbone, replaced),
        pseudo_masks(args) if method == PSEUDO else None,
        f'{MARK.removeprefix("# ")}: {method} with {backbone} on {facts.root}.',
    )
    write(config_text(facts, choice, base), out)
    return out


def backbone_settings(
    pretrained: str | None, backbone: str, replaced: bool
) -> dict[str, Any]:
    """What replaces settings of the base's backbone.

    Args:
        pretrained: its weights that are asked for, or ``'none'``; ``None``: the usual.
        backbone: its name.
        replaced: whether the base has another one.
    """
    known = BACKBONES.get(backbone, Backbone())
    found: dict[str, Any] = {}
    if replaced:
        found = dict(arch=known.arch, pretrained=known.pretrained)
    if pretrained is not None:
        found['pretrained'] = None if pretrained == 'none' else pretrained
    return found


def iterations_of(
    args: argparse.Namespace,
    facts: FolderFacts,
    base: dict[str, Any],
    backbone: str,
    batch: int,
) -> int:
    """As asked for, or by the number of pictures."""
    if args.iters is not None:
        return args.iters
    if args.minutes is None:
        return fit_iterations(facts.counts['train'], batch)
    crop, _ = fit_crop(
        facts.size,
        crop_of(base['train_dataloader']['dataset']['pipeline']) or 224,
        base.get('least_crop'),
    )
    weight = BACKBONES.get(backbone, Backbone()).weight
    threads, gpu = torch.get_num_threads(), torch.cuda.is_available()
    return iterations_in(args.minutes, weight, batch, crop, threads, gpu)


def pseudo_masks(args: argparse.Namespace) -> str:
    """Folder of the masks that a segmenter learns."""
    return args.masks or f'work_dirs/pseudo_masks/{data_name(args)}/mask'


def write(text: str, out: Path) -> None:
    """Write a config, over none but one of this tool's that nobody has edited.

    Raises:
        UserError: if another file is there.
    """
    there = out.read_text(encoding='utf-8') if out.exists() else ''
    if there and (not there.startswith(MARK) or is_edited(there)):
        ours = there.startswith(MARK)
        what = 'was edited' if ours else 'was not made by this tool'
        raise UserError(
            f'{out} is there and {what}: give another --out, or move it away'
        )
    write_atomic(sealed(text).encode(), out)
    print_log(f'{out}')


def sealed(text: str) -> str:
    """A config with a second line that tells whether what follows was edited."""
    head, _, body = text.partition('\n')
    return f'{head}\n{SEAL}{digest(body)}\n{body}'


def is_edited(text: str) -> bool:
    """Whether what :func:`sealed` wrote was changed; False without its line."""
    _, _, rest = text.partition('\n')
    seal, _, body = rest.partition('\n')
    return seal.startswith(SEAL) and seal.removeprefix(SEAL) != digest(body)


def digest(text: str) -> str:
    """The first 16 digits of the sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def main(argv: list[str] | None = None) -> None:
    """Look at the folder, write."""
    args = parse_args(argv)
    facts = read_facts(args.data, args.picture)
    config = make(args, facts, args.method)
    for text in facts.remarks:
        print_log(text, level=logging.WARNING)
    if not args.pipeline:
        return
    segmenter = make(args, facts, PSEUDO)
    out = config.with_name(f'{args.method}_{data_name(args)}_pipeline.py')
    remark = f'{MARK}: {args.method}, its masks, a segmenter.'
    write(pipeline_text(facts, str(config), str(segmenter), remark), out)


if __name__ == '__main__':
    with plain_errors():
        main()
