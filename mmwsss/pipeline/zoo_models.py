# Licensed under Apache-2.0.
"""The models of the zoo, by name: their config and weights on this machine."""

from __future__ import annotations

from pathlib import Path

from mmwsss.io.errors import UserError
from mmwsss.io.metafiles import models, published, published_weights

_PACKAGE = Path(__file__).resolve().parents[1]


def zoo_root() -> Path:
    """What holds ``configs/`` and ``zoo/``: the clone, or ``.mim`` of the package."""
    clone = _PACKAGE.parent
    return clone if (clone / 'configs').is_dir() else _PACKAGE / '.mim'


def zoo_model(name: str, root: Path | None = None) -> tuple[str, str]:
    """Config and weights of a model of the zoo.

    Args:
        name: of the model, as ``tools/download.py --list`` shows it.
        root: see :func:`zoo_root`.

    Returns:
        Paths of the config and of the weights, whose sha256 is the metafile's.

    Raises:
        UserError: if there is no such model, or it has no weights, or other ones.

    Examples:
        >>> from mmwsss.apis import zoo_model
        >>> config, weights = zoo_model('toco_vit-t_shapes')
        >>> Path(config).name
        'toco_vit-t_shapes.py'
    """
    root = root or zoo_root()
    there = published(root)
    if name not in there:
        reason = 'has no weights' if name in models(root) else 'is no model of the zoo'
        raise UserError(
            f'{name} {reason}; these have: {", ".join(there) or "none"}. Or give a '
            'config and a checkpoint'
        )
    entry = there[name]
    published_weights(root, entry)  # whole, and the one that is meant
    return str(root / entry['Config']), str(root / entry['Weights'])
