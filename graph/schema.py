"""The constraints and indexes of the graph.

Video.id   Patch.id   Model.id   Job.id   Generation.id          unique
Lock.name   Current.name   IdempotencyKey.key                    unique
(generation, id) of ParentCluster and of ChildCluster            unique
(generation, lane) of WritingLane                                unique
(ChildCluster.generation, ChildCluster.parent)                   index for the children of a parent
(Patch.video_id, Patch.id)                                       index for paging through a video's patches
(INTER_INSTANCE.generation, INTER_INSTANCE.bucket)               index for shuffled streaming, bucket by bucket
Patch.no_object                                                  index for the few marked patches
Job.created_at                                                   index for listing jobs, newest first
"""

from graph.connection import Connection

CONSTRAINTS = (
    "CREATE CONSTRAINT video_id IF NOT EXISTS FOR (v:Video) REQUIRE v.id IS UNIQUE",
    "CREATE CONSTRAINT patch_id IF NOT EXISTS FOR (p:Patch) REQUIRE p.id IS UNIQUE",
    "CREATE CONSTRAINT model_id IF NOT EXISTS FOR (m:Model) REQUIRE m.id IS UNIQUE",
    "CREATE CONSTRAINT job_id IF NOT EXISTS FOR (j:Job) REQUIRE j.id IS UNIQUE",
    "CREATE CONSTRAINT generation_id IF NOT EXISTS FOR (g:Generation) REQUIRE g.id IS UNIQUE",
    "CREATE CONSTRAINT lock_name IF NOT EXISTS FOR (l:Lock) REQUIRE l.name IS UNIQUE",
    "CREATE CONSTRAINT parent_id IF NOT EXISTS FOR (c:ParentCluster) REQUIRE (c.generation, c.id) IS UNIQUE",
    "CREATE CONSTRAINT child_id IF NOT EXISTS FOR (c:ChildCluster) REQUIRE (c.generation, c.id) IS UNIQUE",
    "CREATE CONSTRAINT idempotency_key IF NOT EXISTS FOR (k:IdempotencyKey) REQUIRE k.key IS UNIQUE",
    "CREATE CONSTRAINT current_name IF NOT EXISTS FOR (c:Current) REQUIRE c.name IS UNIQUE",
    "CREATE CONSTRAINT lane IF NOT EXISTS FOR (l:WritingLane) REQUIRE (l.generation, l.lane) IS UNIQUE",
)
INDEXES = (
    "CREATE INDEX patch_page IF NOT EXISTS FOR (p:Patch) ON (p.video_id, p.id)",
    "CREATE INDEX child_parent IF NOT EXISTS FOR (c:ChildCluster) ON (c.generation, c.parent)",
    "CREATE INDEX inter_bucket IF NOT EXISTS FOR ()-[e:INTER_INSTANCE]-() ON (e.generation, e.bucket)",
    "CREATE INDEX patch_no_object IF NOT EXISTS FOR (p:Patch) ON (p.no_object)",
    "CREATE INDEX job_created IF NOT EXISTS FOR (j:Job) ON (j.created_at)",
)
NAMES = "SHOW INDEXES YIELD name RETURN collect(name) AS names"  # a constraint's index has the constraint's name
AWAIT_INDEXES = "CALL db.awaitIndexes(300)"


def apply_schema(connection: Connection) -> None:
    """Create the missing constraints and indexes, and wait until they are populated.

    Raises `Unavailable` when the server does not answer, and `Conflict` when the graph contains duplicates.
    """
    there = set(connection.read(NAMES)[0]["names"])
    missing = [statement for statement in (*CONSTRAINTS, *INDEXES) if statement.split()[2] not in there]
    for statement in missing:
        connection.write(statement)
    if missing:
        connection.read(AWAIT_INDEXES)
