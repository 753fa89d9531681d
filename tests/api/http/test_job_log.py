"""Tests of the lines of the logs that belong to one job."""

from pathlib import Path

from api.http.job_log import job_log

JOB = "0123456789abcdef01234567"


def test_lines_of_a_job_come_from_all_logs_in_order_of_time_with_their_traces(tmp_path: Path) -> None:
    lines = {
        "api.log": [f"2026-01-01 00:00:01,000 INFO workers.queue: job {JOB}: asked for: link", "2026-01-01 other"],
        "worker-graph.log": [
            f"2026-01-01 00:00:04,000 ERROR workers.tasks: job {JOB} failed unexpectedly",
            "Traceback (most recent call last):",
            "2026-01-01 00:00:05,000 INFO another job",
            "  of the other job",
        ],
        "worker-torch.log": [f"2026-01-01 00:00:03,000 INFO workers.progress: job {JOB}: computing features"],
        "worker-torch.log.1": [f'{{"time": "2026-01-01T00:00:02.000Z", "message": "begun", "job": "{JOB}"}}'],
        "command.log": [f"2026-01-01 00:00:01,500 {JOB} of another program"],
    }
    for name, content in lines.items():
        (tmp_path / name).write_text("\n".join(content) + "\n")
    expected = [
        lines["api.log"][0],
        lines["worker-torch.log.1"][0],
        lines["worker-torch.log"][0],
        *lines["worker-graph.log"][:2],
    ]
    assert job_log(tmp_path, JOB, 100) == expected
    assert job_log(tmp_path, JOB, 2) == expected[-2:]
    assert job_log(tmp_path / "nowhere", JOB, 2) == []
