"""What is known of all runs without reading each record: an index that is made from the buckets, and can be lost."""

from daybook.web.history.history import History
from daybook.web.history.model import Cursor, Filter, Page, RunRow, Unreadable

__all__ = ["Cursor", "Filter", "History", "Page", "RunRow", "Unreadable"]
