"""What the kernel does for a run of Daybook: `daybook.notebook` on the cluster, its outputs and results, the record.

Without the variables of a run in its environment the kernel is anybody's, and all that is done here is to make
`daybook.notebook` importable there.
"""
