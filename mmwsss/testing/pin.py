# Licensed under Apache-2.0.
"""Pin the numbers of a method's tiny config: what a changed one is accepted by ::

    python -m mmwsss.testing.pin CONFIG FOLDER

``FOLDER`` is ``pinned``, beside the method's test file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from .config_files import config_name
from .pinned import numbers


def main(argv: Sequence[str] | None = None) -> None:
    """Write the pinned numbers of a config."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('config', help='config file of a tiny network')
    parser.add_argument('folder', type=Path, help='pinned/ beside the test file')
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(numbers(args.config), indent=2, sort_keys=True)
    (args.folder / f'{config_name(args.config)}.json').write_text(text + '\n')


if __name__ == '__main__':
    main()
