"""What programs use: JSON below `/api/v1`, health and metrics."""
