"""What every answer tells the browser about what it may do with it."""

from __future__ import annotations

PAGE = {
    # Our own pages: scripts, styles and images from here, no script within a page, frames only of our own sandboxed
    # notebook.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

NOTEBOOK = {
    # A notebook's HTML is somebody's code: sandboxed into an origin of its own, it can never act as the viewer.
    # It may run its scripts there (plots, widgets, formulas) but reach neither our pages nor the network.
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; "
        "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}

FILE = {
    # A file out of a run: never rendered as a page of ours, whatever it says it is.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}

EVENTS = {
    # What is told as it happens: kept by nobody, and by no proxy until there is more of it.
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

STATIC = {
    # Part of this version of Daybook, which stands in the links: it may be kept for long.
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=31536000, immutable",
}
