"""The context of a stage: settings, connection to the graph, and storage of pixels, vectors and models."""

from dataclasses import dataclass
from pathlib import Path

from graph.connection import Connection
from graph.errors import Unavailable
from graph.settings import Settings
from graph.shards import Shards


@dataclass(frozen=True, slots=True)
class StageContext:
    """The context that every stage receives; threads may share it."""

    settings: Settings
    connection: Connection
    shards: Shards

    @classmethod
    def open(cls, settings: Settings) -> "StageContext":
        """Return the context that the settings describe; raises `Unavailable` if they name no Neo4j."""
        if not settings.neo4j_uri:
            raise Unavailable("NEO4J_URI is not set. Set it, or start the local stack (`transitive up`).")
        connection = Connection(settings.neo4j_uri, settings.neo4j_user, settings.neo4j_password.get_secret_value())
        return cls(settings, connection, Shards(settings.data))

    @property
    def redis_url(self) -> str:
        """URL of Redis. It contains the password, so it must not be printed."""
        return self.settings.redis_url.get_secret_value()

    @property
    def models(self) -> Path:
        """Local folder of the trained models."""
        local = Path(self.settings.data) if "://" not in self.settings.data else self.settings.home.absolute()
        return local / "models"
