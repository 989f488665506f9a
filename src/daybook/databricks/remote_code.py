"""The little Python of ours that runs in the notebook's context. Values travel as JSON in a literal, not as source."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

KEPT_CHARACTERS = 1_000_000
"""Of what a cell prints, kept on the driver until the next one: of a failed one Databricks tells only the error."""
_CALL = "_daybook_call({told!r}); del _daybook_call\n"
_START = """
def _daybook_call(told):
    import builtins, collections, getpass, json, sys
    told = json.loads(told)

    class Kept:
        def __init__(self):
            self.token, self.now, self.before, self.size, self.heard = told['token'], collections.deque(), '', 0, None

        def next_cell(self, *_):
            self.before, self.size = ''.join(self.now), 0
            self.now.clear()
            stream = sys.stdout
            if stream is self.heard or stream is None:
                return
            self.heard, write = stream, stream.write

            def heard(text):
                self.now.append(text)
                self.size += len(text)
                while self.size > told['characters'] and len(self.now) > 1:
                    self.size -= len(self.now.popleft())
                return write(text)
            try:
                stream.write = heard
            except AttributeError:
                pass

    def refuse(*_, **__):
        raise EOFError('input() cannot be answered on a Databricks cluster: give the value as a parameter')
    builtins.input = getpass.getpass = refuse
    kept = builtins._daybook_kept = Kept()
    shell = getattr(builtins, 'get_ipython', lambda: None)()
    if shell is not None:
        # Its own refusal of input() is put in place anew for each cell.
        shell.events.register('pre_run_cell', lambda *_: setattr(builtins, 'input', refuse))
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
    import builtins, json
    kept = getattr(builtins, '_daybook_kept', None)
    print(json.dumps({'token': kept and kept.token, 'printed': kept and kept.before}))
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
    return _ASK + _CALL.format(told="null")


@dataclass(frozen=True)
class Kept:
    """What the context answers.

    Attributes:
        token: of the process; None for one that was not prepared.
        printed: by the cell before; None where the runtime has no IPython to tell cells apart.
    """

    token: str | None
    printed: str | None


def read_answer(text: str) -> Kept | None:
    """The answer to `ask_code`; None for what is none."""
    try:
        document = json.loads(text.strip().splitlines()[-1])
        return Kept(document["token"], document["printed"])
    except (ValueError, LookupError, TypeError):
        return None
