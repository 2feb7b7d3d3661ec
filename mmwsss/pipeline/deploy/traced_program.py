# Licensed under Apache-2.0.
"""A network as a program, written in two forms and run again from what was written."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mmwsss.io.errors import UserError, first_lines

from .optional_modules import needed

#: of the images, in ONNX files
INPUT = 'images'
#: names of their sides, where those are open
_SIDES = ('batch', 'bands', 'height', 'width')
#: of what a .pt2 says of itself
FACTS = 'mmwsss.json'
#: loggers whose warnings concern whoever writes exporters
_LOUD = ('torch.onnx', 'onnxscript', 'onnx_ir', 'torch.export')
#: normalised images (B, N, H, W) → the outputs, float32
Run = Callable[[np.ndarray], list[np.ndarray]]


class Form(NamedTuple):
    """A kind of file.

    Attributes:
        write: makes the bytes of a file from a program, the names of its outputs and
            what it says of itself.
        open: makes of such bytes the function that they hold.
        needs: modules without which neither works, see :func:`.needed`.
    """

    write: Callable[[ExportedProgram, tuple[str, ...], Mapping[str, str]], bytes]
    open: Callable[[bytes], Run]
    needs: tuple[str, ...] = ()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' notes on their own insides."""
    levels = {name: logging.getLogger(name).level for name in _LOUD}
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def trace(
    network: nn.Module, images: Tensor, any_size: bool = False
) -> ExportedProgram:
    """Trace a network: any number of images, of one size or of any.

    Args:
        network: a function of images alone, in evaluation mode.
        images: an example, two or more images (B, N, H, W).
        any_size: leave height and width open, where nothing in the network fixes them.

    Raises:
        UserError: if it can't be traced so, with the tracer's words.
    """
    sizes = {2: Dim.AUTO, 3: Dim.AUTO} if any_size else {}
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(
                network, (images,), dynamic_shapes=({0: Dim('batch'), **sizes},)
            )
    except Exception as error:  # of whatever kind the tracer has
        raise UserError(
            f'{type(getattr(network, "model", network)).__name__} can not be traced: '
            'its code must not depend on values, nor turn sizes into numbers by len() '
            f'or int(). torch.export says: {first_lines(str(error))}'
        ) from error


def onnx_bytes(
    program: ExportedProgram, names: tuple[str, ...], facts: Mapping[str, str]
) -> bytes:
    """A program as an ONNX file; what it says of itself is its metadata.

    Raises:
        UserError: if ONNX isn't installed, or can't say what the network does.
    """
    for module in FORMS['.onnx'].needs:
        needed(module)
    try:
        with _quiet(), torch.no_grad():
            made = torch.onnx.export(
                program, (), input_names=[INPUT], output_names=list(names),
                dynamic_shapes=(_open_sides(program),), dynamo=True, verbose=False,
            )  # fmt: skip
    except torch.onnx.errors.OnnxExporterError as error:
        raise UserError(
            f'this network has no form in ONNX: write a .pt2 instead. torch.onnx says: '
            f'{first_lines(str(error))}'
        ) from error
    assert made is not None  # it is only without dynamo=True
    made.model.metadata_props.update(facts)
    return made.model_proto.SerializeToString()


def _open_sides(program: ExportedProgram) -> dict[int, str]:
    """Names of the sides of the images that may be of any length."""
    inputs = program.graph_signature.user_inputs
    (images,) = (node for node in program.graph.nodes if node.name in inputs)
    sides = images.meta['val'].shape
    return {i: _SIDES[i] for i, n in enumerate(sides) if isinstance(n, torch.SymInt)}


def onnx_run(content: bytes) -> Run:
    """What an ONNX file does, by onnxruntime on the CPU."""
    runtime = needed('onnxruntime')
    session = runtime.InferenceSession(content, providers=['CPUExecutionProvider'])
    return lambda images: session.run(None, {INPUT: images})


def pt2_bytes(
    program: ExportedProgram, names: tuple[str, ...], facts: Mapping[str, str]
) -> bytes:
    """A program as torch.export keeps it, with a JSON file of what it says of itself.

    Its outputs are a tuple in the order of ``names``.
    """
    buffer = io.BytesIO()
    said = json.dumps({name: json.loads(value) for name, value in facts.items()})
    with _quiet():
        torch.export.save(program, buffer, extra_files={FACTS: said})
    return buffer.getvalue()


def pt2_run(content: bytes) -> Run:
    """What a .pt2 does, by PyTorch on the CPU."""
    with _quiet():
        network = torch.export.load(io.BytesIO(content)).module()

    def run(images: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [part.numpy() for part in network(torch.from_numpy(images))]

    return run


#: suffix → kind of file
FORMS = {
    '.onnx': Form(onnx_bytes, onnx_run, ('onnx', 'onnxscript', 'onnxruntime')),
    '.pt2': Form(pt2_bytes, pt2_run),
}
