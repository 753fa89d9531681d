"""A job in one line of text, for lists of jobs."""

from graph.records import Job


def job_line(job: Job) -> str:
    """Describe a job in one line."""
    share = f"{job.done:,}/{job.total:,} {job.unit}" if job.total else ""
    words = (job.id, f"{job.state:<10}", f"{job.kind:<7}", job.target, job.stage, share, job.reason)
    return "  ".join(word for word in words if word)
