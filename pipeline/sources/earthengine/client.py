"""One session of Earth Engine's client for each process, and requests that are paced and retried.

The session is opened on first use, from the environment:

    EARTHENGINE_PROJECT              Cloud project that is registered for Earth Engine
    GOOGLE_APPLICATION_CREDENTIALS   key file of a service account; without it, what `earthengine authenticate` stored
    MMVSF_EARTHENGINE_URL            another endpoint; one without TLS gets no credentials

A session that the caller has opened is used as it is, with a deadline added.
"""

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.pipeline.layers.source import Requirement
from mmvsf.pipeline.raster.io import OutOfReachError, ReadError
from mmvsf.pipeline.sources.transport.download import seconds_asked
from mmvsf.pipeline.sources.transport.endpoints import address
from mmvsf.pipeline.sources.transport.http import REST_SECONDS, reason_of

PROJECT, KEY_FILE = "EARTHENGINE_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"
STORED_CREDENTIALS = (".config/earthengine/credentials", ".config/gcloud/application_default_credentials.json")
"""Below the home folder: what `earthengine authenticate` and `gcloud auth application-default login` store."""
PROJECT_OF_CREDENTIALS = "that of the credentials"
DEADLINE_SECONDS = 180.0
"""A request without an answer after this time is abandoned and tried again; the client itself would wait for ever."""
TRIES_TO_OPEN = 3
"""An unreachable host is reported soon, before any work."""
TRIES = 7
FIRST_WAIT_SECONDS = 1.0
"""Doubled at each further try, up to a minute; each wait is drawn between half of it and all of it."""
LONGEST_WAIT_SECONDS = 300.0
"""Where Earth Engine asks for a longer wait, the request has failed; a later run tries it again."""
AT_ONCE = 8
"""Requests of one process at a time; Earth Engine allows a project 40."""
WORTH_RETRYING = frozenset({429, 500, 502, 503, 504})

QUOTA = (
    "Earth Engine gives a noncommercial project 150 EECU-hours of compute per month (Community tier), 1,000"
    " (Contributor) or 100,000 (Partner), and slows it down beyond that; the usage of this build is not estimated"
)
"""Since 27 April 2026: developers.google.com/earth-engine/guides/noncommercial_tiers."""

_REGISTER = (
    "register it at https://code.earthengine.google.com/register, or name another in EARTHENGINE_PROJECT, and give"
    " the account the role Earth Engine Resource Viewer there"
)
_NAME_PROJECT = (
    "name one in EARTHENGINE_PROJECT that is registered for Earth Engine (https://code.earthengine.google.com/register)"
)
_SIGN_IN = (
    "run `earthengine authenticate` and set EARTHENGINE_PROJECT, or set GOOGLE_APPLICATION_CREDENTIALS to the key file"
    " of a service account"
)

Result = TypeVar("Result")


@dataclass
class Pace:
    """Paces the requests of a process's threads. After a refusal for quota no request starts until the wait is over."""

    at_once: int = AT_ONCE
    gave_up: float = -inf
    """when a request last failed in all its tries, unless one was answered since"""
    _resume: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _slots: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = threading.Semaphore(self.at_once)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it."""
        with self._slots:
            while (wait := self._resume - time.monotonic()) > 0:
                # Those who waited together do not all come back in one moment.
                time.sleep(wait * random.uniform(1.0, 1.2))
            yield

    def hold(self, seconds: float) -> None:
        """Let no request start for this time."""
        with self._lock:
            self._resume = max(self._resume, time.monotonic() + seconds)


_pace = Pace()
_session_lock = threading.Lock()
_deadline_set = threading.Event()


def requirements() -> tuple[Requirement, ...]:
    """What Earth Engine needs of its user, and whether it is present. Makes no request.

    Nothing where the caller has opened a session, on a machine of Google Cloud, which has its own account, or where
    the endpoint gets no credentials."""
    opened = "ee" in sys.modules and sys.modules["ee"].data.is_initialized()
    if opened or _on_google_cloud() or not _url().startswith("https://"):
        return ()
    credentials = _credentials_file()
    project = os.environ.get(PROJECT) or (PROJECT_OF_CREDENTIALS if credentials else None)
    return (
        Requirement("Earth Engine account", credentials is not None, str(credentials) if credentials else _SIGN_IN),
        Requirement("Earth Engine project", project is not None, project or _NAME_PROJECT),
    )


def _credentials_file() -> Path | None:
    """The file with the credentials: the key file that the environment names, or else what was stored by signing in."""
    key_file = os.environ.get(KEY_FILE)
    paths = (Path(key_file).expanduser(),) if key_file else (Path.home() / path for path in STORED_CREDENTIALS)
    return next((path for path in paths if path.is_file()), None)


def call(what: str, request: Callable[[Any], Result]) -> Result:
    """The result of `request(ee)` in the process's session, tried again where that can help.

    `what` begins the message of an error. Raises InputError for credentials and projects that Earth Engine does not
    accept, ReadError for everything else that keeps failing.
    """
    _persist(f"Earth Engine at {_url()}", _session, TRIES_TO_OPEN)
    result = _persist(what, lambda: request(_session()), TRIES)
    _pace.gave_up = -inf
    return result


def _session() -> Any:
    """The client module with an open session. Raises InputError without credentials or project."""
    import ee

    with _session_lock:
        if ee.data.is_initialized():
            if not _deadline_set.is_set():
                ee.data.setDeadline(DEADLINE_SECONDS * 1000)
                _deadline_set.set()
            return ee
        url = _url()
        credentials, project = _credentials(ee, url)
        try:
            ee.data.setMaxRetries(0)
            # Initialize asks several times itself, and setDeadline can be called after it only (1.7.0 to 1.7.50).
            ee.data._get_state().deadline_ms = int(DEADLINE_SECONDS * 1000)
            ee.Initialize(credentials, url=url, project=project)
            ee.data.setDeadline(DEADLINE_SECONDS * 1000)
            _deadline_set.set()
        except BaseException:
            # A half-open session would look like an open one to the next caller.
            ee.Reset()
            raise
        return ee


def _on_google_cloud() -> bool:
    """Whether this is a virtual machine of Google Cloud, by the name of its firmware, as google-auth does."""
    firmware = Path("/sys/class/dmi/id/product_name")
    if os.environ.get("NO_GCE_CHECK") == "true" or not firmware.is_file():
        return False
    return firmware.read_text(encoding="utf-8", errors="replace").startswith("Google")


def _url() -> str:
    return address("earthengine")


def _credentials(ee: Any, url: str) -> tuple[Any, str]:
    """(credentials, project) from the environment. Raises InputError."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError

    # Its warning about a missing account repeats the error below.
    logging.getLogger("google.auth._default").setLevel(logging.ERROR)
    project = os.environ.get(PROJECT)
    key_file = os.environ.get(KEY_FILE)
    of_key: str | None = None
    if not url.startswith("https://"):
        credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
    elif key_file:
        try:
            credentials, of_key = google.auth.default(scopes=ee.oauth.SCOPES)
        except (GoogleAuthError, OSError, ValueError):
            # Not the cause's text: it may quote the file.
            raise InputError(
                f"{KEY_FILE} names {key_file}, which cannot be read as a key file; download a"
                " JSON key of the service account and point the variable at it"
            ) from None
    else:
        try:
            credentials = ee.data.get_persistent_credentials()
        except ee.EEException:
            raise InputError(f"Earth Engine: there are no credentials; {_SIGN_IN}") from None
        of_key = credentials.quota_project_id
    if not (project or of_key):
        raise InputError(f"Earth Engine needs a Cloud project; {_NAME_PROJECT}")
    return credentials, str(project or of_key)


def _persist(what: str, attempt: Callable[[], Result], tries: int) -> Result:
    """The result of `attempt`, tried so many times at most. Raises InputError or ReadError."""
    # Whole: the ways to fail, each beside what follows from it.
    import ee
    from google.auth.exceptions import GoogleAuthError, TransportError
    from googleapiclient.errors import HttpError

    reason = ""
    if time.monotonic() - _pace.gave_up < REST_SECONDS:
        tries = 1
    for tried in range(tries):
        wait = min(60.0, FIRST_WAIT_SECONDS * 2**tried) * random.uniform(0.5, 1.0)
        try:
            with _pace.turn():
                return attempt()
        except (ee.EEException, HttpError) as error:
            status, asked = _status(error)
            reason = f"{status or ''} {one_line(error)}".strip()
            _refuse(status, reason)
            if status not in WORTH_RETRYING:
                raise ReadError(f"{what}: Earth Engine answers {reason}") from error
            if asked > LONGEST_WAIT_SECONDS:
                raise ReadError(f"{what}: Earth Engine answers {reason}, and asks to wait {asked:.0f} s") from error
            wait = max(wait, asked)
            if status == 429:
                _pace.hold(wait)
                wait = 0.0
        except TransportError:
            reason = "the sign-in service cannot be reached"
        except GoogleAuthError as error:
            raise InputError(
                f"Earth Engine: the credentials are refused ({type(error).__name__}); {_SIGN_IN}"
            ) from None
        except OSError as error:
            reason = reason_of(error)
        except (ValueError, EOFError) as error:
            reason = f"incomplete response ({one_line(error)})"
        if tried + 1 < tries:
            time.sleep(wait)
    _pace.gave_up = time.monotonic()
    times = "1 try" if tries == 1 else f"{tries} tries"
    raise OutOfReachError(f"{what}: no answer in {times}; the last was {reason}. Check the network and run again")


def _status(error: BaseException) -> tuple[int | None, float]:
    """(HTTP status, seconds that Retry-After asks for) of an error of the client, which hides them in its cause."""
    answer = getattr(error, "resp", None) or getattr(error.__context__, "resp", None)
    if answer is None:
        return None, 0.0
    return int(answer.status), seconds_asked(answer.get("retry-after"))


def _refuse(status: int | None, reason: str) -> None:
    """Raise InputError where the account or the project is what Earth Engine does not accept."""
    if status == 401:
        raise InputError(f"Earth Engine does not accept the credentials; {_SIGN_IN}") from None
    if status == 403 or "not registered" in reason or "no project found" in reason:
        raise InputError(f"Earth Engine refuses the project ({reason}); {_REGISTER}") from None
