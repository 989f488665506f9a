"""What an operator may choose about the pages, out of the environment of Airflow's API server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from daybook.contract.errors import Fault, InvalidSettings
from daybook.contract.variables import (
    DOWNLOADS_VARIABLE,
    JUPYTER_LINK_VARIABLE,
    METRICS_TOKEN_VARIABLE,
    OIDC_VARIABLES,
    PUBLIC_URL_VARIABLE,
    RUNS_PER_MINUTE_VARIABLE,
)
from daybook.web.settings import ALGORITHMS, Downloads, OidcSettings, WebSettings
from daybook.web.tokens.provider_keys import is_safe
from daybook.web.tokens.scraper import read_token

ISSUER = f"{OIDC_VARIABLES}ISSUER"
AUDIENCE = f"{OIDC_VARIABLES}AUDIENCE"
CHOSEN_ALGORITHMS = f"{OIDC_VARIABLES}ALGORITHMS"
PLAIN_HTTP = f"{OIDC_VARIABLES}PLAIN_HTTP"
_PLAIN_HTTP = ("refused", "allowed")
_TEXTS = {
    f"{OIDC_VARIABLES}USER_CLAIM": "user_claim",
    f"{OIDC_VARIABLES}GROUPS_CLAIM": "groups_claim",
    f"{OIDC_VARIABLES}PREFIX": "prefix",
}
_SECONDS = {
    # With the most that each may be: more would make tokens that expire senseless, or hold up who asks.
    f"{OIDC_VARIABLES}SKEW_SECONDS": ("skew_seconds", 300.0),
    f"{OIDC_VARIABLES}TIMEOUT_SECONDS": ("timeout_seconds", 30.0),
}
_OIDC = (ISSUER, AUDIENCE, CHOSEN_ALGORITHMS, PLAIN_HTTP, *_TEXTS, *_SECONDS)


def web_settings(environment: Mapping[str, str], mount: str) -> WebSettings:
    """Reads the variables.

    Args:
        environment: of the process.
        mount: the path that the pages are mounted at, as a browser sees it.

    Raises:
        InvalidSettings: names every one that is not as it must be.
    """
    faults: list[Fault] = []
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    runs = _number(given, RUNS_PER_MINUTE_VARIABLE, WebSettings.runs_per_minute, 1_000_000, faults)
    if runs < 1:
        faults.append(Fault(RUNS_PER_MINUTE_VARIABLE, "must be 1 or more"))
    downloads = given.get(DOWNLOADS_VARIABLE, WebSettings.downloads)
    if downloads not in get_args(Downloads):
        faults.append(Fault(DOWNLOADS_VARIABLE, f"must be {' or '.join(get_args(Downloads))}"))
    if METRICS_TOKEN_VARIABLE in given:
        faults += _token_faults(Path(given[METRICS_TOKEN_VARIABLE]))
    oidc = _oidc(given, faults)
    if faults:
        raise InvalidSettings("Daybook's pages are not set up as they must be", faults)
    return WebSettings(
        public_url=given.get(PUBLIC_URL_VARIABLE, "").rstrip("/"),
        mount=mount,
        jupyter_link=given.get(JUPYTER_LINK_VARIABLE),
        runs_per_minute=int(runs),
        metrics_token_file=Path(given[METRICS_TOKEN_VARIABLE]) if METRICS_TOKEN_VARIABLE in given else None,
        oidc=oidc,
        downloads=cast("Downloads", downloads),
    )


def _token_faults(file: Path) -> list[Fault]:
    try:
        read_token(file)
    except InvalidSettings as error:
        return [Fault(METRICS_TOKEN_VARIABLE, str(fault)) for fault in error.faults]
    return []


def _oidc(given: Mapping[str, str], faults: list[Fault]) -> OidcSettings | None:
    ours = {name: value for name, value in given.items() if name.startswith(OIDC_VARIABLES)}
    if not ours:
        return None
    faults += _oidc_faults(ours)
    algorithms = _words(ours.get(CHOSEN_ALGORITHMS, "")) or ALGORITHMS
    chosen: dict[str, Any] = {field: ours[name] for name, field in _TEXTS.items() if name in ours}
    for name, (field, most) in _SECONDS.items():
        chosen[field] = _number(ours, name, getattr(OidcSettings, field), most, faults)
    chosen["plain_http"] = _is_plain_http_allowed(ours)
    return OidcSettings(ours.get(ISSUER, ""), ours.get(AUDIENCE, ""), algorithms, **chosen)


def _oidc_faults(ours: Mapping[str, str]) -> Iterator[Fault]:
    known = ", ".join(_OIDC)
    yield from (Fault(name, f"is not known; there are {known}") for name in ours if name not in _OIDC)
    yield from (
        Fault(name, "must be set, as others of its kind are") for name in (ISSUER, AUDIENCE) if name not in ours
    )
    if ISSUER in ours and not _is_issuer(ours[ISSUER], _is_plain_http_allowed(ours)):
        text = "must be an https address without a query, exactly as the provider's tokens name it"
        yield Fault(ISSUER, f"{text}; see {PLAIN_HTTP} for one of http" if ours[ISSUER].startswith("http:") else text)
    if ours.get(PLAIN_HTTP, _PLAIN_HTTP[0]) not in _PLAIN_HTTP:
        yield Fault(PLAIN_HTTP, f"must be {' or '.join(_PLAIN_HTTP)}")
    strange = [each for each in _words(ours.get(CHOSEN_ALGORITHMS, "")) if each not in ALGORITHMS]
    if strange:
        yield Fault(CHOSEN_ALGORITHMS, f"takes {' and '.join(ALGORITHMS)}, not {', '.join(strange)}")


def _is_plain_http_allowed(ours: Mapping[str, str]) -> bool:
    return ours.get(PLAIN_HTTP) == "allowed"


def _is_issuer(address: str, plain_http: bool) -> bool:
    return is_safe(address, plain_http=plain_http) and not {"?", "#", "@"} & set(address)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _number(given: Mapping[str, str], name: str, default: float, most: float, faults: list[Fault]) -> float:
    try:
        number = float(given.get(name, default))
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        faults.append(Fault(name, f"must be a number up to {most:.0f}"))
        return default
    return number
