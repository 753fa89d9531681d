"""Logging of the API, the workers and trainings: text, or one JSON object per line, with the job's id.

Passwords of the settings and texts that look like API keys are replaced before a line is written.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from graph.settings import Settings

_current_job: ContextVar[str] = ContextVar("current_job", default="")
_KEY = re.compile(r"tik_[0-9a-f]{8}_[\w-]+")
_HIDDEN = "***"


@contextmanager
def log_job(job_id: str) -> Iterator[None]:
    """Add `job_id` to the log lines of this block."""
    token = _current_job.set(job_id)
    try:
        yield
    finally:
        _current_job.reset(token)


def current_job() -> str:
    """Return the id of the job whose block this is; "" outside of `log_job`."""
    return _current_job.get()


class LogLine(logging.Formatter):
    """Formatter of log lines; a traceback follows the line in text, and is a field in JSON."""

    def __init__(self, as_json: bool, secrets: frozenset[str] = frozenset()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._as_json, self._secrets = as_json, secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record without secrets."""
        job = _current_job.get()
        if not self._as_json:
            text = super().format(record)
            return self._without_secrets(f"{text} (job {job})" if job and job not in text else text)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {"job": job} if job else {}
        line |= {"trace": self.formatException(record.exc_info)} if record.exc_info else {}
        return self._without_secrets(json.dumps(line, ensure_ascii=False))

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return _KEY.sub(_HIDDEN, text)


def set_up_logs(settings: Settings) -> None:
    """Send all logs of this process to standard error in the format of TRANSITIVE_LOG_FORMAT."""
    redis = settings.redis_url.get_secret_value()
    secrets = {settings.neo4j_password.get_secret_value(), redis, urlsplit(redis).password or ""} - {""}
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLine(settings.log_format == "json", frozenset(secrets)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    logging.getLogger("uvicorn.access").setLevel(max(logging.WARNING, root.level))  # /metrics counts requests
