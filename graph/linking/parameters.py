"""The parameters of a linking run, and the rule for the number of parents and their minimum size.

The paper clusters 10 million patches into K = 5000 parents and drops those under 100 (section 4.2). That is 2,000
patches per parent on average, and a minimum of a twentieth of the average. The rule below gives these numbers for 10
million patches; its exponent was measured (docs/decisions/0200-how-many-parents.md). The other defaults follow from
docs/decisions/0207-pure-links.md. `PAPER` has the paper's parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graph.errors import InvalidInput

PAPER_PATCHES = 10_000_000  # section 4.2
PAPER_PARENTS = 5000
PAPER_SMALLEST = 100
PARENTS_EXPONENT = 0.6  # K grows with N ** 0.6
MOST_NEIGHBOURS, MOST_GROUP = 1000, 100  # `bounds.check_bounds` refuses what is too much for the patches there are
LARGEST_SEED = 2**63 - 1  # Neo4j stores integers of 64 bits
FEWEST_PARENTS = 4  # negatives come from another parent (section 5), so one parent alone gives none


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """Parameters of linking (section 4.2)."""

    parents: int = 0  # K of K-means; 0: `parent_count`
    smallest: int = 0  # parents with fewer patches are dropped; 0: `smallest_parent`
    neighbours: int = 5  # length of the nearest-neighbour lists
    group: int = 2  # patches in a child
    remove_mean: bool = True  # subtract the mean of all features from each
    linked_share: float = 0.4  # keep the tightest children until this share of the starts is linked; 1: keep all
    exclude_same_video: bool = True  # False: as the paper's text reads, see docs/decisions/0201-same-video.md
    iterations: int = 20  # maximum of K-means iterations
    sample_per_parent: int = 256  # maximum of patches per parent on which K-means is trained
    seed: int = 0

    def check(self) -> None:
        """Raise `InvalidInput` for values that are impossible whatever is linked."""
        for name in ("neighbours", "iterations", "sample_per_parent"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.neighbours > MOST_NEIGHBOURS:
            raise InvalidInput(f"neighbours must be at most {MOST_NEIGHBOURS}, not {self.neighbours}.")
        if self.group < 2:
            raise InvalidInput(f"A child needs at least 2 patches; group is {self.group}.")
        if self.group > MOST_GROUP:
            raise InvalidInput(f"group must be at most {MOST_GROUP}, not {self.group}.")
        if not 0 < self.linked_share <= 1:
            raise InvalidInput(f"linked_share must be above 0 and at most 1, not {self.linked_share}.")
        if self.parents < 0 or self.smallest < 0:
            raise InvalidInput("parents and smallest cannot be negative; 0 chooses them by the rule.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InvalidInput(f"seed must be between 0 and {LARGEST_SEED}, not {self.seed}.")

    def resolve(self, count: int) -> "LinkParameters":
        """Fill in the rule's numbers for `count` patches; raises `InvalidInput` for impossible values."""
        self.check()
        if count < self.group:
            raise InvalidInput(
                f"{count} patches cannot be linked in groups of {self.group}. Ingest more videos or set a smaller one."
            )
        if self.parents > count:
            raise InvalidInput(
                f"{count} patches cannot form {self.parents} parents. Set fewer parents, or 0 for the rule."
            )
        parents = self.parents or parent_count(count)
        smallest = self.smallest or max(self.group, smallest_parent(count, parents))
        return replace(self, parents=parents, smallest=smallest)


PAPER = LinkParameters(neighbours=10, group=4, remove_mean=False, linked_share=1.0)  # section 4.2


def stored_parameters(stored: Mapping[str, Any]) -> LinkParameters:
    """Return the parameters stored in a generation.

    Generations from before 2026-11-28 lack `remove_mean` and `linked_share`; they used the paper's values.
    """
    return LinkParameters(**{"remove_mean": PAPER.remove_mean, "linked_share": PAPER.linked_share, **stored})


def parent_count(count: int) -> int:
    """Return K for `count` patches: 5000 · (count / 10⁷)^0.6, but at least 4 for 16 patches or more."""
    k = round(float(PAPER_PARENTS * (count / PAPER_PATCHES) ** PARENTS_EXPONENT))
    return max(1, min(max(k, FEWEST_PARENTS), count // FEWEST_PARENTS))


def smallest_parent(count: int, parents: int) -> int:
    """Return the minimum size of a parent: a twentieth of the mean size, which is 100 for the paper's numbers."""
    share = PAPER_SMALLEST * PAPER_PARENTS / PAPER_PATCHES
    return max(1, round(share * count / parents))
