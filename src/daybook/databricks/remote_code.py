"""The little Python of ours that runs in the notebook's context. Values travel as JSON in a literal, not as source."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from daybook.databricks.errors import RemoteFailed
from daybook.databricks.in_run.asking import unpacked

KEPT_CHARACTERS = 1_000_000
"""Of what a cell prints, kept on the driver until the next one: of a failed one Databricks tells only the error."""
ANSWER_CHARACTERS = 40_000
"""Of what is kept, packed, in one answer: runtimes up to 16.4 LTS cut out the middle of more than 50,000."""
_CALL = "_daybook_call({told!r}); del _daybook_call\n"
_START = """
def _daybook_call(told):
    import builtins, collections, getpass, json, sys
    told = json.loads(told)

    class Kept:
        def __init__(self):
            self.token, self.now, self.before, self.heard = told['token'], collections.deque(), '', None
            self.size = self.printed = self.printed_before = 0

        def next_cell(self, *_):
            self.before, self.printed_before = ''.join(self.now)[-told['characters']:], self.printed
            self.size = self.printed = 0
            self.now.clear()
            stream = sys.stdout
            if stream is self.heard or stream is None:
                return
            self.heard, write = stream, stream.write

            def heard(text):
                done = write(text)
                if isinstance(text, str):  # who tries whether bytes may be written is answered above
                    self.now.append(text)
                    self.size += len(text)
                    self.printed += len(text)
                while self.size > told['characters'] and len(self.now) > 1:
                    self.size -= len(self.now.popleft())
                return done
            try:
                stream.write = heard
            except AttributeError:
                pass

    def refuse(*_, **__):
        raise EOFError('input() cannot be answered on a Databricks cluster: give the value as a parameter')

    def refuse_both(*_):
        builtins.input = getpass.getpass = refuse
    refuse_both()
    kept = builtins._daybook_kept = Kept()
    shell = getattr(builtins, 'get_ipython', lambda: None)()
    if shell is not None:
        # Its own refusals are put in place anew for each cell.
        shell.events.register('pre_run_cell', refuse_both)
        shell.events.register('pre_run_cell', kept.next_cell)
"""
_ENTER = """
def _daybook_call(told):
    import json, os, sys
    folder = json.loads(told)
    os.chdir(folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)
"""
_ASK = """
def _daybook_call(told):
    import base64, builtins, json, zlib
    kept, most = getattr(builtins, '_daybook_kept', None), json.loads(told)
    print(json.dumps({'token': kept and kept.token}))
    end = kept.before if kept else ''
    while True:
        packed = base64.b64encode(zlib.compress(end.encode('utf-8', 'backslashreplace'))).decode()
        if len(packed) <= most:
            break
        end = end[-max(1, int(0.95 * len(end) * most / len(packed))):]
    print(json.dumps({'end': packed, 'left_out': kept.printed_before - len(end) if kept else 0}))
"""


def new_token() -> str:
    """Something that only one context knows, as long as its process lives."""
    return secrets.token_hex(8)


def start_code(token: str) -> str:
    """Prepares a fresh context: `input()` fails at once, and what cells print is kept for when they fail."""
    return _START + _CALL.format(told=json.dumps({"token": token, "characters": KEPT_CHARACTERS}))


def enter_code(folder: str) -> str:
    """Makes a folder the working folder, and the first that modules are looked for in."""
    return _ENTER + _CALL.format(told=json.dumps(folder))


def ask_code() -> str:
    """Asks what the cell before printed, and whether the process is still the one that was prepared."""
    return _ASK + _CALL.format(told=json.dumps(ANSWER_CHARACTERS))


@dataclass(frozen=True)
class Kept:
    """What the context answers.

    Attributes:
        token: of the process; None for one that was not prepared.
        end: of what the cell before printed; nothing where the runtime has no IPython to tell cells apart.
        left_out: how many characters came before that.
    """

    token: str | None
    end: str = ""
    left_out: int = 0


def read_answer(text: str) -> Kept | None:
    """The answer to `ask_code`, of which the token comes first; None for what is none."""
    told: dict[str, Any] = {}
    for line in _documents(text):
        told.update(line)
    if "token" not in told:
        return None
    end, left_out = "", told.get("left_out")
    with suppress(RemoteFailed):  # it was cut
        end = unpacked(told.get("end"), 4 * KEPT_CHARACTERS).decode("utf-8", "replace")
    return Kept(told["token"], end, left_out if isinstance(left_out, int) else 0)


def _documents(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        with suppress(ValueError, RecursionError):
            document = json.loads(line)
            if isinstance(document, dict):
                yield document
