"""GraSS style and saved queries for Neo4j Browser.

The colours are those of the paper's Figure 2: parent clusters blue, child clusters green, tracks purple.
"""

from dataclasses import dataclass

STYLE: dict[str, dict[str, str]] = {
    "node": {"diameter": "50px", "color": "#A5ABB6", "border-color": "#9AA1AC", "border-width": "2px",
             "text-color-internal": "#FFFFFF", "font-size": "10px"},
    "relationship": {"color": "#A5ABB6", "shaft-width": "1px", "font-size": "8px", "padding": "3px",
                     "text-color-external": "#000000", "text-color-internal": "#FFFFFF", "caption": "'<type>'"},
    "node.Video": {"diameter": "65px", "color": "#4C4C4C", "border-color": "#2B2B2B",
                   "caption": "'{name}'", "text-color-internal": "#FFFFFF"},
    "node.Patch": {"diameter": "50px", "color": "#F79767", "border-color": "#F36924", "caption": "'{role} {time_s}'",
                   "text-color-internal": "#000000"},
    "node.ParentCluster": {"diameter": "80px", "color": "#4C8EDA", "border-color": "#2870C2",
                           "caption": "'parent {id}'", "text-color-internal": "#FFFFFF"},
    "node.ChildCluster": {"diameter": "40px", "color": "#8DCC93", "border-color": "#5DB665",
                          "caption": "'child {id}'", "text-color-internal": "#000000"},
    "node.Generation": {"diameter": "65px", "color": "#ECB5C9", "border-color": "#DA7298", "caption": "'{id}'",
                        "text-color-internal": "#000000"},
    "node.Model": {"diameter": "65px", "color": "#D9C8AE", "border-color": "#C0A378", "caption": "'{recipe}'",
                   "text-color-internal": "#000000"},
    "node.Job": {"diameter": "40px", "color": "#DDDDDD", "border-color": "#BBBBBB", "caption": "'{kind} {state}'",
                 "text-color-internal": "#000000"},
    "relationship.INTRA_INSTANCE": {"color": "#8A2BE2", "shaft-width": "5px", "caption": "'{track_length} frames'",
                                    "text-color-internal": "#FFFFFF"},
    "relationship.INTER_INSTANCE": {"color": "#2E8B57", "shaft-width": "5px", "caption": "'{distance}'",
                                    "text-color-internal": "#FFFFFF"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query for the favourites of Neo4j Browser, which shows its first line as its title."""

    file: str
    title: str
    cypher: str

    @property
    def text(self) -> str:
        """Content of the query's file: the title as a comment, then the query."""
        return f"// {self.title}\n{self.cypher.strip()}\n"


_NOW = "MATCH (:Current {name: 'generation'})-[:IS]->(g:Generation)\n"

QUERIES = (
    SavedQuery(
        "01-quadruples",
        "Quadruples: A and B look alike, A' and B' are the same objects later",
        # (A')<-[:INTRA_INSTANCE]-(A)-[:INTER_INSTANCE]->(B)-[:INTRA_INSTANCE]->(B')
        _NOW + "MATCH path = (:Patch)<-[:INTRA_INSTANCE]-(:Patch)-[e:INTER_INSTANCE]->(:Patch)-[:INTRA_INSTANCE]->()\n"
        "WHERE e.generation = g.id AND e.bucket = 0\nRETURN path LIMIT 3",
    ),
    SavedQuery(
        "02-children",
        "Child clusters: groups of mutual nearest neighbours",
        # (:Patch)-[:IN_CHILD]->(c)
        _NOW + "MATCH (c:ChildCluster) WHERE c.generation = g.id AND c.id < 5\n"
        "MATCH path = (c)<-[:IN_CHILD]-(:Patch)\nRETURN path",
    ),
    SavedQuery(
        "03-parents",
        "Parent clusters by size",
        _NOW + "MATCH (c:ParentCluster) WHERE c.generation = g.id AND c.id >= 0\n"
        "RETURN c.id AS parent, c.size AS patches ORDER BY patches DESC",
    ),
    SavedQuery(
        "04-edges-between-videos",
        "Which videos look alike",
        # (a)-[:INTER_INSTANCE]->(b), each in its video
        _NOW + "MATCH (a:Patch)-[e:INTER_INSTANCE]->(b:Patch) WHERE e.generation = g.id AND e.bucket < 20\n"
        "MATCH (v:Video {id: a.video_id}), (w:Video {id: b.video_id})\n"
        "RETURN v.name AS one, w.name AS other, count(*) AS edges ORDER BY edges DESC LIMIT 50",
    ),
    SavedQuery(
        "05-closest-pairs",
        "The closest pairs of different objects",
        # (a)-[:INTER_INSTANCE]->(b)
        _NOW + "MATCH path = (:Patch)-[e:INTER_INSTANCE]->(:Patch) WHERE e.generation = g.id AND e.bucket < 20\n"
        "RETURN path ORDER BY e.distance LIMIT 25",
    ),
    SavedQuery(
        "06-one-video",
        "A video, its patches and tracks (enter its name)",
        # (v)-[:HAS_PATCH]->(a)-[:INTRA_INSTANCE]->(b)
        "MATCH path = (v:Video)-[:HAS_PATCH]->(:Patch)-[:INTRA_INSTANCE]->(:Patch)\n"
        "WHERE v.name CONTAINS 'part of its name'\nRETURN path LIMIT 50",
    ),
    SavedQuery(
        "07-failed-videos",
        "Videos that could not be mined, and why",
        "MATCH (v:Video {status: 'failed'})\nRETURN v.name AS video, v.reason AS reason ORDER BY video",
    ),
    SavedQuery(
        "08-generation",
        "The current generation: its counts and its quality",
        _NOW + "RETURN g.id AS generation, g.feature_model AS features, g.patches AS patches, g.parents AS parents,\n"
        "       g.children AS children, g.edges AS edges, g.quadruples AS quadruples, g.quality AS quality",
    ),
    SavedQuery(
        "09-why-alike",
        "Why two patches are treated as alike: the chain between them (enter their ids)",
        # (a)-[:INTRA_INSTANCE|INTER_INSTANCE*]-(b)
        _NOW + "MATCH (a:Patch {id: 'one id'}), (b:Patch {id: 'other id'})\n"
        "MATCH path = shortestPath((a)-[:INTRA_INSTANCE|INTER_INSTANCE*..30]-(b))\n"
        "WHERE all(e IN relationships(path) WHERE type(e) = 'INTRA_INSTANCE' OR e.generation = g.id)\nRETURN path",
    ),
)


def example_queries(generation: str) -> tuple[SavedQuery, ...]:
    """Return three example queries for one generation; the report prints them."""
    name = f"{{generation: '{generation}'}}"
    return (
        SavedQuery(
            "quadruple",
            "One quadruple A, A', B, B' as a picture",
            # (A')<-[:INTRA_INSTANCE]-(A)-[:INTER_INSTANCE]->(B)-[:INTRA_INSTANCE]->(B')
            f"MATCH path = (a2:Patch)<-[:INTRA_INSTANCE]-(a:Patch)-[:INTER_INSTANCE {name}]->"
            "(b:Patch)-[:INTRA_INSTANCE]->(b2:Patch)\nRETURN path LIMIT 1",
        ),
        SavedQuery(
            "parent",
            "A parent cluster with its patches and their child clusters",
            f"MATCH (c:ParentCluster {name})\nWITH c ORDER BY c.size DESC LIMIT 1\n"
            "MATCH path = (c)<-[:IN_PARENT]-(:Patch)\nRETURN path LIMIT 60",
        ),
        SavedQuery(
            "videos",
            "Which pairs of videos are linked most",
            f"MATCH (a:Patch)-[e:INTER_INSTANCE {name}]->(b:Patch)\n"
            "MATCH (v:Video {id: a.video_id}), (w:Video {id: b.video_id})\n"
            "RETURN v.name AS one, w.name AS other, count(e) AS edges, round(avg(e.distance), 3) AS mean_distance\n"
            "ORDER BY edges DESC LIMIT 20",
        ),
    )


def grass() -> str:
    """Return the style as a GraSS file, which a user drops on Neo4j Browser's window."""
    return "".join(
        f"{selector} {{\n" + "".join(f"  {name}: {value};\n" for name, value in rules.items()) + "}\n\n"
        for selector, rules in STYLE.items()
    )


def style_command() -> str:
    """Return the style as one line for the command line of Neo4j Browser."""
    return ":style " + " ".join(grass().split())
