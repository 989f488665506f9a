"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with other work is slow now and then; no test here is about time.
settings.register_profile("daybook", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("daybook")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests (`@pytest.mark.anyio`) run on asyncio."""
    return "asyncio"
