"""Configuration of the local Neo4j server: `neo4j.conf` and JVM options."""

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

_MIB = 1 << 20
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def machine_memory() -> int:
    """Return the memory of this machine or container in bytes."""
    limits = [path.read_text().strip() for path in _CGROUP_LIMITS if path.exists()]
    return min([psutil.virtual_memory().total, *(int(limit) for limit in limits if limit.isdigit())])


def heap_mib(memory: int) -> int:
    """Return the heap's maximum in MiB: a tenth of the memory, at least 512 and at most 2048."""
    return max(512, min(2048, memory // _MIB // 10))


def page_cache_mib(memory: int) -> int:
    """Return the page cache in MiB: a sixteenth of the memory, at least 128 and at most 4096."""
    return max(128, min(4096, memory // _MIB // 16))


def neo4j_conf(host: str, advertised: str, bolt_port: int, http_port: int, memory: int) -> str:
    """Return the content of `neo4j.conf`; the folders keep their defaults below the home folder."""
    settings = {
        "server.default_listen_address": host,
        "server.default_advertised_address": advertised,
        "server.bolt.enabled": "true",
        "server.bolt.listen_address": f":{bolt_port}",
        "server.bolt.advertised_address": f":{bolt_port}",
        "server.http.enabled": "true",
        "server.http.listen_address": f":{http_port}",
        "server.http.advertised_address": f":{http_port}",
        "server.https.enabled": "false",
        "server.memory.pagecache.size": f"{page_cache_mib(memory)}m",
        # So one query cannot use the whole heap; the writes of one video need far less than this.
        "db.memory.transaction.max": f"{heap_mib(memory) // 2}m",
        # By default the transaction log preallocates 2 × 256 MiB of disk and keeps two days.
        "db.tx_log.preallocate": "false",
        "db.tx_log.rotation.size": "32m",
        "db.tx_log.rotation.retention_policy": "128m size",
        # Every stop waits for this time (5 s by default), even if no client is connected.
        "internal.server.bolt.thread_pool_shutdown_wait_time": "500ms",
        "dbms.usage_report.enabled": "false",
        "client.allow_telemetry": "false",
        "server.logs.gc.enabled": "false",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def java_options(memory: int, temporary: Path) -> Sequence[str]:
    """Return the JVM options: heap, folder of temporary files, and the relevant options of Neo4j's distribution."""
    # On few cores, a start with the serial collector takes 3/4 of G1's processor time and 2/3 of its memory (measured).
    collector = "-XX:+UseSerialGC" if (os.cpu_count() or 1) <= 4 else "-XX:+UseG1GC"
    return (
        f"-Xms{min(256, heap_mib(memory))}m",
        f"-Xmx{heap_mib(memory)}m",
        collector,
        f"-Djava.io.tmpdir={temporary}",  # Jetty unpacks Neo4j Browser there; a killed server leaves it behind
        "-XX:+PerfDisableSharedMem",  # no file in /tmp/hsperfdata_USER, which a killed server leaves behind
        "-XX:-OmitStackTraceInFastThrow",
        "-XX:+ExitOnOutOfMemoryError",  # so the server is started again instead of failing every query
        "-XX:+DisableExplicitGC",
        "-Djdk.nio.maxCachedBufferSize=1024",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-Dlog4j2.disable.jmx=true",
        "-Dfile.encoding=UTF-8",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        "--add-opens=java.base/java.io=ALL-UNNAMED",
        "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    )
