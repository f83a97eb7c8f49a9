"""What Hydra looks for: sweepers for grids and for searches, and a launcher of processes.

Hydra imports every module here whenever it starts, so none of them imports anything heavy.
"""
