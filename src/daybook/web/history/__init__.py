"""What is known of all runs without reading each record: an index that is made from the buckets, and can be lost."""

from daybook.web.history.history import History
from daybook.web.history.model import DURATION_SECONDS, Counts, Cursor, Filter, Page, RunRow, Unreadable

__all__ = ["DURATION_SECONDS", "Counts", "Cursor", "Filter", "History", "Page", "RunRow", "Unreadable"]
