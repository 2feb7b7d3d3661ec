# Licensed under Apache-2.0.
"""Write into the metafiles what configs and benchmarks say.

Each entry's ``Metadata`` gets what its config is (supervision, initial weights, data,
crop, batch, iterations, protocol), ``Measured`` what the benchmark that it names has
found so far. All else in an entry (notes, published figures, releases, what was
measured without a benchmark) is written by hand and stays. ``make fix`` runs this, then
``update_model_index.py``::

    python tools/misc/update_metafiles.py [--check]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.errors import UserError
from mmwsss.io.initial_weights import backbones
from mmwsss.io.metafiles import metafiles, read_metafile, replace_entry
from mmwsss.pipeline.config_facts import FACTS, config_facts
from mmwsss.pipeline.measured import measured

ROOT = Path(__file__).resolve().parents[2]
#: keys of ``Metadata``, in this order, before all others
FIRST = ('Architecture', *FACTS, 'GPUs')


def with_facts(entry: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with what its config is, and what its benchmark has found."""
    hand = {k: v for k, v in entry['Metadata'].items() if k not in FACTS}
    known = hand | dict(facts)
    metadata = {key: known.pop(key) for key in FIRST if key in known} | known
    result: dict[str, Any] = {}
    for key, value in entry.items():
        if key == 'Measured' and 'Benchmark' in entry:
            continue
        result[key] = metadata if key == 'Metadata' else value
        found = measured(ROOT, value) if key == 'Benchmark' else None
        if found:
            result['Measured'] = found
    return result


def out_of_date() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Metafile and entry, as it should be, of those that aren't."""
    known = backbones(ROOT)
    for path in metafiles(ROOT):
        for entry in read_metafile(path)['Models']:
            facts = config_facts(ROOT / entry['Config'], ROOT, known)
            wanted = with_facts(entry, facts)
            if wanted != entry or _order(wanted) != _order(entry):
                yield path, wanted


def _order(entry: Mapping[str, Any]) -> list[str]:
    return [*entry, *entry['Metadata']]


def write() -> None:
    """Write what is out of date."""
    for path, entry in list(out_of_date()):
        replace_entry(path, entry)
        print_log(f'{path.relative_to(ROOT)}: {entry["Name"]}')


def main(argv: list[str] | None = None) -> None:
    """Write the entries, or with ``--check`` say which one is out of date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--check', action='store_true', help='change nothing')
    if not parser.parse_args(argv).check:
        write()
        return
    for path, entry in out_of_date():
        raise UserError(
            f'{path.relative_to(ROOT)}: {entry["Name"]} does not follow its config or '
            'its benchmark. Run: python tools/misc/update_metafiles.py'
        )


if __name__ == '__main__':
    with plain_errors():
        main()
