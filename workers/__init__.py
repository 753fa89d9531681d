"""What is done to videos: the Celery app, its tasks, the stages they call, mining."""
