"""The rule for links that count, in Cypher: the pair is not rejected, and neither patch is marked as no object.

Linking and training leave a rejected pair and a marked track out. So does every answer about what is alike: counts,
quadruples, neighbours, paths and their explanations, hubs, exports of links, and the search for similar patches. Lists
of patches and the clusters of a generation keep marked patches, with their mark. A patch's own track is always shown.
"""


def live(a: str, b: str) -> str:
    """Return the condition for a link (a)-[e:INTER_INSTANCE]->(b) to count; `a` and `b` are Cypher expressions."""
    return f"e.rejected IS NULL AND {a}.no_object IS NULL AND {b}.no_object IS NULL"


LIVE = live("a", "b")
