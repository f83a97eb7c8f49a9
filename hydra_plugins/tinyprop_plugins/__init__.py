"""What Hydra looks for: a sweeper for grids and a launcher of processes.

Hydra imports every module here whenever it starts, so none of them imports anything heavy.
"""
