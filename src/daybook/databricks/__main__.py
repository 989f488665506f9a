"""`python -m daybook.databricks -f CONNECTION_FILE`: the kernel, as its kernelspec starts it."""

from __future__ import annotations


def main() -> None:
    """Serves until it is told to end."""
    from ipykernel.kernelapp import IPKernelApp

    from daybook.databricks.kernel import DatabricksKernel

    IPKernelApp.launch_instance(kernel_class=DatabricksKernel)


if __name__ == "__main__":
    main()
