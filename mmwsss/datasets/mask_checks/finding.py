# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .mask_facts import MaskFacts

#: share of the masks looked at above which a finding is refused
LIMIT = 0.2
#: findings that are only told
NEVER = float('inf')


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a number of masks.

    Attributes:
        kind: what it is, a word or two.
        example: path of the first of them.
        count: how many there are.
        of: among how many.
        problem: what was found, continuing "<example> ...".
        fix: what to do.
        limit: share above which it is refused; 0: a single one is, since a test would
            stop at it.
    """

    kind: str
    example: str
    count: int
    of: int
    problem: str
    fix: str
    limit: float = LIMIT

    @property
    def refused(self) -> bool:
        """Whether data like this are not used; one mask of several is an accident."""
        accident = self.limit > 0 and self.count == 1 < self.of
        return self.count > self.limit * self.of and not accident

    @classmethod
    def of_masks(
        cls,
        kind: str,
        bad: Sequence[MaskFacts],
        among: Sequence[MaskFacts],
        problem: str,
        fix: str,
        limit: float = LIMIT,
    ) -> Finding:
        """One of masks that are known."""
        return cls(kind, bad[0].path, len(bad), len(among), problem, fix, limit)

    def __str__(self) -> str:
        return f'{self.example} {self.problem}. Fix: {self.fix}.'
