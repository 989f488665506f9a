"""`python -m daybook.databricks -f CONNECTION_FILE`: the kernel, as its kernelspec starts it."""

from __future__ import annotations

import os

from daybook.contract.databricks import CLIENT_SECRET_VARIABLE, TOKEN_VARIABLE


def main() -> None:
    """Serves until it is told to end."""
    for name in (TOKEN_VARIABLE, CLIENT_SECRET_VARIABLE):
        if name in os.environ:
            os.environ[name] = os.environ[name].strip()  # secrets often end in a newline
    from ipykernel.kernelapp import IPKernelApp

    from daybook.databricks.kernel import DatabricksKernel

    IPKernelApp.launch_instance(kernel_class=DatabricksKernel)


if __name__ == "__main__":
    main()
