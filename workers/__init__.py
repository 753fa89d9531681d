"""The Celery app, its tasks, the stages that they run, and mining."""
