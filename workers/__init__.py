"""The Celery app with its tasks, the stages that the tasks run, and mining."""
