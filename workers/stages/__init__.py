"""The stages as plain functions: each takes a `StageContext`, the job's arguments and a `Progress`.

Import one stage at a time (`workers.stages.ingest`): those that learn import torch, those that mine import OpenCV, and
a worker should carry only what its queue needs.
"""
