"""A small server on loopback that speaks the Pod slice of the Kubernetes API and runs pods as local processes.

`docs/localpods.md` says what it is and what it honestly is not. This file stays empty of imports: the shim that
watches over each container is a process of its own and must start fast.
"""
