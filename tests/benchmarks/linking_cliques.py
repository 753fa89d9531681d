"""Benchmark of groups of 4 from neighbour lists against networkx, in one run; the groups must be identical.

    python -m tests.benchmarks.linking_cliques [--count 100000] [--parent 2000] [--width 4608]

Goal: the groups take at most 10 % of the time of the neighbour search.
"""

import argparse
import time
from itertools import combinations

import networkx
import numpy as np

from graph.linking.cliques import mutual_groups
from graph.linking.neighbours import nearest
from tests.benchmarks.linking_data import pool5_like


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--parent", type=int, default=2_000)
    parser.add_argument("--width", type=int, default=4608)
    arguments = parser.parse_args()
    search = ours = theirs = 0.0
    groups, none = 0, np.empty((0, 2), np.int64)
    for number in range(arguments.count // arguments.parent):
        features = pool5_like(arguments.parent, arguments.width, seed=number, directions=8)
        owners = np.arange(arguments.parent) // 4  # four patches of each video
        start = time.perf_counter()
        lists = nearest(features, owners, none, 10)
        search += time.perf_counter() - start
        start = time.perf_counter()
        found = mutual_groups(lists, 4)
        ours += time.perf_counter() - start
        start = time.perf_counter()
        near = [set(row) for row in lists.tolist()]
        graph = networkx.Graph((i, j) for i, row in enumerate(near) for j in row if i < j and i in near[j])
        expected = {members for clique in networkx.find_cliques(graph) for members in combinations(sorted(clique), 4)}
        theirs += time.perf_counter() - start
        if {tuple(row) for row in found.tolist()} != expected or len(found) != len(expected):
            raise SystemExit("The groups differ from networkx's.")
        groups += len(found)
    print(f"{arguments.count:,} samples in parents of {arguments.parent:,}: {groups:,} groups, identical")
    print(f"neighbour search  {search:7.2f} s")
    print(f"groups, ours      {ours:7.2f} s   {ours / search:.1%} of the search")
    print(f"groups, networkx  {theirs:7.2f} s   {theirs / ours:.1f} × ours")


if __name__ == "__main__":
    main()
