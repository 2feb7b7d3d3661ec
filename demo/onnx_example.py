# Licensed under Apache-2.0.
"""A mask by an ONNX file of tools/deploy/export.py; take it into your own program.

    python onnx_example.py model.onnx photo.jpg mask.png

Nothing else is needed than numpy, pillow and onnxruntime.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def resized(array, size):
    """(h, w, N) to (H, W, N), bilinear, as PyTorch resizes."""
    for axis, side in enumerate(size):
        last = array.shape[axis] - 1
        place = ((np.arange(side) + 0.5) * (last + 1) / side - 0.5).clip(0, last)
        low = place.astype(int)
        share = (place - low).reshape(-1, *(1,) * (2 - axis)).astype(np.float32)
        high = array.take(np.minimum(low + 1, last), axis)
        array = array.take(low, axis) * (1 - share) + high * share
    return array


session = onnxruntime.InferenceSession(sys.argv[1])
facts = session.get_modelmeta().custom_metadata_map
facts = {name: json.loads(value) for name, value in facts.items()}
photo = ImageOps.exif_transpose(Image.open(sys.argv[2])).convert('RGB')
pixels = (resized(np.asarray(photo), facts['size']) - facts['mean']) / facts['std']
images = pixels.transpose(2, 0, 1)[None].astype(np.float32)
names = [output.name for output in session.get_outputs()]
found = dict(zip(names, session.run(names, {'images': images})))
if 'prob' not in found:
    sys.exit(f'the network has no decoder, the file gives {names} alone')
logits = np.log(found['prob'][0].transpose(1, 2, 0) + 1e-9)
ids = resized(logits, photo.size[::-1]).argmax(-1)
mask = Image.fromarray(ids.astype(np.uint8))
mask.putpalette(np.array(facts['palette'], np.uint8).tobytes())
mask.save(sys.argv[3])
for name, score in zip(facts['classes'][1:], found.get('scores', [[]])[0]):
    sys.stdout.write(f'{name}: {score:.3f}\n')
