"""A server that takes uploads as S3 does and keeps nothing but their sizes: it costs a client as little as can be.

As a program it prints its address and serves until it is ended.
"""

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_BUFFER_BYTES = 1024 * 1024
_ETAG = '"00000000000000000000000000000000"'


class Sink(ThreadingHTTPServer):
    """Sizes of objects by path, and of uploads in parts by their ids."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, int] = {}
        self.uploads: dict[str, dict[int, int]] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Sink

    def do_PUT(self) -> None:
        """A whole object, or a part of one."""
        path, query = self._asked()
        size = self._discard_body()
        if "uploadId" in query:
            self.server.uploads[query["uploadId"]][int(query["partNumber"])] = size
        else:
            self.server.objects[path] = size
        self._answer(200, {"ETag": _ETAG})

    def do_POST(self) -> None:
        """The beginning or the end of an upload in parts."""
        path, query = self._asked()
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if "uploads" in query:
            upload = str(len(self.server.uploads))
            self.server.uploads[upload] = {}
            self._answer(200, {}, f"<R><Bucket>b</Bucket><Key>k</Key><UploadId>{upload}</UploadId></R>")
            return
        parts = self.server.uploads[query["uploadId"]]
        if len(re.findall(b"<Part>", body)) != len(parts):
            self._answer(400, {}, "<Error><Code>InvalidPart</Code><Message>parts are missing</Message></Error>")
            return
        self.server.objects[path] = sum(parts.values())
        self._answer(200, {}, f"<R><Location>l</Location><Bucket>b</Bucket><Key>k</Key><ETag>{_ETAG}</ETag></R>")

    def do_HEAD(self) -> None:
        """The size of an object."""
        size = self.server.objects.get(self._asked()[0])
        if size is None:
            self._answer(404, {})
            return
        self._answer(200, {"ETag": _ETAG, "Last-Modified": "Mon, 23 Nov 2026 01:02:03 GMT"}, length=size)

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return parts.path, {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def _discard_body(self) -> int:
        """Reads the body; of one in chunks the chunks' sizes and trailers do not count."""
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        if self.headers["Content-Length"] is not None:
            left = size = int(self.headers["Content-Length"])
            while left:
                left -= self._read(buffer[: min(left, _BUFFER_BYTES)])
            return int(self.headers.get("x-amz-decoded-content-length", size))
        while chunk := int(self.rfile.readline().split(b";")[0], 16):
            while chunk:
                chunk -= self._read(buffer[: min(chunk, _BUFFER_BYTES)])
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return int(self.headers["x-amz-decoded-content-length"])

    def _read(self, into: memoryview) -> int:
        count = self.rfile.readinto(into)
        if not count:
            raise ConnectionError("the client went away")
        return int(count)

    def _answer(self, status: int, headers: dict[str, str], body: str = "", length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    with Sink() as sink:
        print(f"http://127.0.0.1:{sink.server_port}", flush=True)
        sink.serve_forever()
