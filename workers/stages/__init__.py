"""The stages as plain functions of a `StageContext`, the job's request and a `Progress`.

Import stages one by one (`workers.stages.ingest`): some import torch and some OpenCV, and a worker should load only the
libraries of its queue.
"""
