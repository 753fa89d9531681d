"""The numbers of one linking run in, the number of parents and their smallest size for so many patches out.

The paper clusters 10 million patches into K = 5000 parents and drops those under 100 (section 4.2): 2,000 patches to a
parent, and a twentieth of that as the smallest. The rule below passes through that point; its exponent was chosen by a
measurement, see docs/decisions/0200-how-many-parents.md.
"""

from dataclasses import dataclass, replace

from graph.errors import InvalidInput

PAPER_PATCHES = 10_000_000  # section 4.2
PAPER_PARENTS = 5000
PAPER_SMALLEST = 100
PARENTS_EXPONENT = 0.6  # K grows with N ** 0.6
FEWEST_PARENTS = 4  # a negative comes from another parent (section 5), so one parent teaches nothing


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """How to link; the defaults are the paper's (section 4.2)."""

    parents: int = 0  # K of K-means; 0: `parent_count`
    smallest: int = 0  # parents with fewer patches are dropped; 0: `smallest_parent`
    neighbours: int = 10
    group: int = 4  # patches in a child
    exclude_same_video: bool = True  # False: the paper's plain wording, docs/decisions/0201-same-video.md
    iterations: int = 20  # of K-means, at most
    sample_per_parent: int = 256  # K-means is trained on at most so many patches per parent
    seed: int = 0

    def resolve(self, count: int) -> "LinkParameters":
        """Fill in the rule's numbers for `count` patches; raises `InvalidInput` for what cannot be done."""
        for name in ("neighbours", "iterations", "sample_per_parent"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.group < 2:
            raise InvalidInput(f"A child needs at least 2 patches; group is {self.group}.")
        if self.parents < 0 or self.smallest < 0:
            raise InvalidInput("parents and smallest cannot be negative; 0 means: by the rule.")
        if count < self.group:
            raise InvalidInput(
                f"{count} patches cannot be linked in groups of {self.group}. Ingest more, or set a smaller group."
            )
        if self.parents > count:
            raise InvalidInput(
                f"K = {self.parents} parents were asked for, and there are {count} patches. Ask for fewer, or for none."
            )
        parents = self.parents or parent_count(count)
        smallest = self.smallest or max(self.group, smallest_parent(count, parents))
        return replace(self, parents=parents, smallest=smallest)


def parent_count(count: int) -> int:
    """Return K for `count` patches: 5000 · (count / 10⁷)^0.6, and at least 4 where there are patches enough."""
    k = round(float(PAPER_PARENTS * (count / PAPER_PATCHES) ** PARENTS_EXPONENT))
    return max(1, min(max(k, FEWEST_PARENTS), count // FEWEST_PARENTS))


def smallest_parent(count: int, parents: int) -> int:
    """Return the size under which a parent is dropped: a twentieth of the mean size, 100 at the paper's numbers."""
    share = PAPER_SMALLEST * PAPER_PARENTS / PAPER_PATCHES
    return max(1, round(share * count / parents))
