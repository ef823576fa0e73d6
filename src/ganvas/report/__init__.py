"""What people look at: grids of samples, the live display of a training, and the page of a run.

Nothing here knows a system, and only samples and translations meet a tensor: the page is made from the files of a run
directory alone.
"""
