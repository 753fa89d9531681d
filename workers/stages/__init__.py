"""The stages: plain functions of a `StageContext`, the job's request and a `Progress`.

Each stage is imported by its own name (`workers.stages.ingest`), because some import torch and others OpenCV. A worker
loads only the libraries of its queue.
"""
