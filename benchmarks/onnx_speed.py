# Licensed under Apache-2.0.
"""Time ONNX files against PyTorch, and say how large they are and how they differ.

    python benchmarks/onnx_speed.py --out benchmarks/results/onnx_cpu.txt

Networks have random weights. Both run on one thread of the CPU in this process, in
turn, one image at a time; times are the processor's.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from torch import nn

from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.pipeline.deploy.deployable import deployable
from mmwsss.pipeline.deploy.export_network import ExportCfg, export_network
from mmwsss.testing import build

#: family → config
CASES = {
    'ToCo, DeiT-Ti': 'configs/toco/toco_deit-t_animals.py',
    'FSR, DeiT-Ti': 'configs/fsr/fsr_deit-t_animals.py',
    'CAM, DeiT-Ti': 'configs/cam/cam_deit-t_animals.py',
    'SemFormer, DeiT-Ti': 'configs/semformer/semformer_deit-t_animals.py',
    'AFA, MiT-B1': 'configs/afa/afa_mit-b1_voc.py',
    'EPS, tiny WR-38': 'configs/eps/eps_wr38-t_shapes.py',
    'mmseg DeepLabV3, DeiT-Ti': 'configs/pseudo/deeplabv3_deit-t_animals-pseudo.py',
    'mmseg SegFormer, MiT-B1': 'configs/pseudo/segformer_mit-b1_voc-pseudo.py',
}
log = logging.getLogger('benchmark')


def network(config: str) -> nn.Module:
    """A network with random weights, as `init_model` gives it."""
    model = build(config).eval()
    model.picture = PictureRule()
    classes = getattr(model, 'dataset_meta', {}).get('classes')
    if not classes:
        sized = model if hasattr(model, 'num_classes') else model.decode_head
        names = [f'class {i}' for i in range(sized.num_classes)]
        model.dataset_meta = dict(classes=names)
    return model


def seconds(run: Callable[[], object]) -> float:
    """Of the processor, for one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def measure(config: str, side: int, rounds: int, folder: Path) -> str:
    """A row: size of the file, differences, times and their ratio."""
    model, file = network(config), folder / 'model.onnx'
    found = export_network(model, file, ExportCfg((side, side)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(file), options, providers=['CPUExecutionProvider']
    )
    traced, images = deployable(model), torch.randn(1, 3, side, side)
    feed = {'images': images.numpy()}
    with torch.no_grad():
        pairs = [
            (seconds(lambda: traced(images)), seconds(lambda: session.run(None, feed)))
            for _ in range(rounds + 1)
        ][1:]  # the first one warms up
    ours, theirs = (statistics.median(times) for times in zip(*pairs))
    ratio = statistics.median(one / other for one, other in pairs)
    parts = [f'{found[name]:9.1e}' if name in found else ' ' * 8 + '-'
             for name in ('prob', 'scores', 'cams')]  # fmt: skip
    return (
        f'{file.stat().st_size / 1e6:7.1f}{"".join(parts)}'
        f'{1e3 * ours:9.0f}{1e3 * theirs:9.0f}{ratio:8.2f}'
    )


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--side', type=int, default=320, help='of the image, in pixels')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--out', metavar='FILE', help='write the table there')
    args = parser.parse_args()
    logging.basicConfig(format='%(message)s', level=logging.INFO)
    torch.set_num_threads(1)
    lines = [
        f'images of {args.side} x {args.side}; torch {torch.__version__}, onnxruntime '
        f'{onnxruntime.__version__}; one thread',
        'largest difference from PyTorch; milliseconds of the processor for an image; '
        'PyTorch / onnxruntime',
        f'{"network":26s}{"MB":>7s}{"prob":>9s}{"scores":>9s}{"cams":>9s}'
        f'{"PyTorch":>9s}{"onnxrt":>9s}{"ratio":>8s}',
    ]
    for name, config in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            row = measure(config, args.side, args.rounds, Path(folder))
        lines.append(f'{name:26s}{row}')
        log.info(lines[-1])
    if args.out:
        Path(args.out).write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
