"""The context of a stage: settings, connection to the graph, and the files of pixels, vectors and models."""

from dataclasses import dataclass
from pathlib import Path

from graph.connection import Connection
from graph.errors import Unavailable
from graph.settings import Settings
from graph.shards import Shards


@dataclass(frozen=True, slots=True)
class StageContext:
    """The three things a stage is handed; safe to share between threads."""

    settings: Settings
    connection: Connection
    shards: Shards

    @classmethod
    def open(cls, settings: Settings) -> "StageContext":
        """Connect to what the settings name; raises `Unavailable` when they name no Neo4j."""
        if not settings.neo4j_uri:
            raise Unavailable("No Neo4j is set. Start the local stack with `transitive up`, or set NEO4J_URI.")
        connection = Connection(settings.neo4j_uri, settings.neo4j_user, settings.neo4j_password.get_secret_value())
        return cls(settings, connection, Shards(settings.data))

    @property
    def redis_url(self) -> str:
        """The address of Redis, password included: never print it."""
        return self.settings.redis_url.get_secret_value()

    @property
    def models(self) -> Path:
        """The folder of trained models on this machine."""
        local = Path(self.settings.data) if "://" not in self.settings.data else self.settings.home.absolute()
        return local / "models"
