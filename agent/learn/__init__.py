"""Learned policies: demonstrations, training, and what they are worth.

    recipe + seed → collect.py → a LeRobotDataset v3 (dataset.py) → train.py → weights/
"""
