"""The parameters of a linking run, and the rule for the number of parents and their minimum size.

The paper clusters 10 million patches into K = 5000 parents and drops those under 100 (section 4.2): 2,000 patches per
parent, and a twentieth of that as the minimum. The rule below passes through that point; its exponent was chosen by a
measurement (docs/decisions/0200-how-many-parents.md). The other defaults follow docs/decisions/0207-pure-links.md, and
`PAPER` has the paper's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graph.errors import InvalidInput

PAPER_PATCHES = 10_000_000  # section 4.2
PAPER_PARENTS = 5000
PAPER_SMALLEST = 100
PARENTS_EXPONENT = 0.6  # K grows with N ** 0.6
FEWEST_PARENTS = 4  # a negative comes from another parent (section 5), so one parent teaches nothing


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """How to link; section 4.2."""

    parents: int = 0  # K of K-means; 0: `parent_count`
    smallest: int = 0  # parents with fewer patches are dropped; 0: `smallest_parent`
    neighbours: int = 5  # length of the nearest-neighbour lists
    group: int = 2  # patches in a child
    remove_mean: bool = True  # subtract the mean of the features, which all patches share
    linked_share: float = 0.4  # the tightest children are kept until this share of starts is linked; 1: all
    exclude_same_video: bool = True  # False: the paper's plain wording, docs/decisions/0201-same-video.md
    iterations: int = 20  # of K-means, at most
    sample_per_parent: int = 256  # K-means is trained on at most so many patches per parent
    seed: int = 0

    def resolve(self, count: int) -> "LinkParameters":
        """Fill in the rule's numbers for `count` patches; raises `InvalidInput` for impossible values."""
        for name in ("neighbours", "iterations", "sample_per_parent"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.group < 2:
            raise InvalidInput(f"A child needs at least 2 patches; group is {self.group}.")
        if not 0 < self.linked_share <= 1:
            raise InvalidInput(f"linked_share must lie between 0 and 1, not at {self.linked_share}.")
        if self.parents < 0 or self.smallest < 0:
            raise InvalidInput("parents and smallest cannot be negative; 0 chooses them by the rule.")
        if count < self.group:
            raise InvalidInput(
                f"{count} patches cannot be linked in groups of {self.group}. Ingest more, or set a smaller group."
            )
        if self.parents > count:
            raise InvalidInput(
                f"K = {self.parents} parents are more than the {count} patches. Choose fewer, or 0 for the rule."
            )
        parents = self.parents or parent_count(count)
        smallest = self.smallest or max(self.group, smallest_parent(count, parents))
        return replace(self, parents=parents, smallest=smallest)


PAPER = LinkParameters(neighbours=10, group=4, remove_mean=False, linked_share=1.0)  # section 4.2


def stored_parameters(stored: Mapping[str, Any]) -> LinkParameters:
    """Return the parameters that a generation keeps; those of before 2026-11-28 lack the last two choices."""
    return LinkParameters(**{"remove_mean": PAPER.remove_mean, "linked_share": PAPER.linked_share, **stored})


def parent_count(count: int) -> int:
    """Return K for `count` patches: 5000 · (count / 10⁷)^0.6, and at least 4 if there are 16 patches or more."""
    k = round(float(PAPER_PARENTS * (count / PAPER_PATCHES) ** PARENTS_EXPONENT))
    return max(1, min(max(k, FEWEST_PARENTS), count // FEWEST_PARENTS))


def smallest_parent(count: int, parents: int) -> int:
    """Return the minimum size of a parent: a twentieth of the mean size, 100 at the paper's numbers."""
    share = PAPER_SMALLEST * PAPER_PARENTS / PAPER_PATCHES
    return max(1, round(share * count / parents))
