"""What runs on the cluster's driver: takes blocks, makes a folder the same as the project's, removes it.

The sources of these modules are sent there as they stand (`calling.py`), so they import each other by relative names
and otherwise the standard library alone, and keep to Python 3.8. What they are told comes as JSON, what they are given
as packs (`packing.py`); no path is ever part of source or of a shell's line. They touch nothing but one folder, which
they made themselves among the driver's temporary ones, private to its user:

    files/       the project, as cells see it
    blocks/      blocks that came and are not placed yet: from these an interrupted synchronisation goes on
    incoming/    files on their way into `files/`
    index        what in `files/` came from the project: nothing else is ever dropped
    plan         what is to be done as soon as all blocks are there
    generation   which state `files/` is in; missing while it is being changed
"""
