"""Where a checkpoint's files are fetched from: a hub (HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE and proxies
as `huggingface_hub` reads them) or a plain https host; and what can go wrong there, in words that help."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast
from urllib.parse import urlsplit

import huggingface_hub as _untyped_hub
from huggingface_hub import constants as _untyped_constants
from huggingface_hub import errors as _untyped_errors
from huggingface_hub import utils as _untyped_utils

# Parts of its annotations are unknown to checkers; this file is where they are Any.
_hub = cast(Any, _untyped_hub)
_errors, _utils, _constants = cast(Any, (_untyped_errors, _untyped_utils, _untyped_constants))

Trouble = Literal["network", "offline", "denied", "missing", "digest", "disk", "interrupted", "unsupported", "server"]


class PullError(Exception):
    """A pull that failed: what `kind` of trouble, about which `subject`, the `rule` broken and the `remedy`."""

    def __init__(self, kind: Trouble, subject: str, rule: str, remedy: str) -> None:
        super().__init__(f"{subject}: {rule}. {remedy}")
        self.kind: Trouble = kind
        self.subject, self.rule, self.remedy = subject, rule, remedy


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as its host announces it: bytes, etag and commit where it says them."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)  # may hold a token
    size: int | None = None
    etag: str | None = None
    commit: str | None = None


class Host(Protocol):
    """Announces the files of one checkpoint."""

    def remote(self, name: str) -> Remote:
        """The file `name`. Raises PullError."""
        ...

    def cached(self, name: str) -> Path | None:
        """The file where this machine has it already, else None."""
        ...


@dataclass(frozen=True, slots=True)
class HubHost:
    """The files of `repository` at `revision`; `endpoint` and `token` default to the environment's."""

    repository: str
    revision: str
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)

    def remote(self, name: str) -> Remote:
        """What a HEAD of the file says, its redirect to a content host included. Raises PullError."""
        url: str = _hub.hf_hub_url(self.repository, name, revision=self.revision, endpoint=self.endpoint)
        found: Any = _announced(self, name, lambda: _hub.get_hf_file_metadata(url, token=self.token))
        location = str(found.location)
        same = urlsplit(location).netloc == urlsplit(url).netloc
        # A token goes to the hub alone, never to the content host that it redirects to.
        headers: dict[str, str] = _utils.build_hf_headers(token=self.token if same else False)
        return Remote(location, headers, found.size, found.etag, found.commit_hash)

    def cached(self, name: str) -> Path | None:
        """The file in the hub's own cache on this machine (HF_HOME), at exactly this revision."""
        found = _hub.try_to_load_from_cache(self.repository, name, revision=self.revision)
        return Path(found) if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class HttpsHost:
    """One file behind a pinned URL."""

    url: str

    def remote(self, name: str) -> Remote:
        """The URL; its size and etag show when it is fetched. Raises PullError in offline mode."""
        if offline():
            raise _offline(name)
        return Remote(self.url)

    def cached(self, name: str) -> Path | None:
        """None: nothing but the hub keeps a cache."""
        return None


def offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    return bool(_constants.HF_HUB_OFFLINE)


def _announced(host: HubHost, name: str, ask: Callable[[], Any]) -> Any:
    """The hub's answer, or its refusal as a PullError. Order matters: some errors are kinds of others."""
    where = f"{host.repository}/{name}"
    try:
        return ask()
    except _errors.OfflineModeIsEnabled as error:
        raise _offline(where) from error
    except _errors.GatedRepoError as error:
        remedy = f"Accept its terms on the hub's page of {host.repository}, then set HF_TOKEN to your token"
        raise PullError("denied", where, "the repository is gated", remedy) from error
    except _errors.RevisionNotFoundError as error:
        rule = f"the repository has no revision {host.revision}"
        raise PullError("missing", where, rule, "Name a branch, a tag or a commit that it has") from error
    except _errors.EntryNotFoundError as error:
        rule = f"there is no such file at revision {host.revision}"
        raise PullError("missing", where, rule, "Check the repository's files") from error
    except _errors.RepositoryNotFoundError as error:
        rule = "there is no such repository, or it is private"
        raise PullError("missing", where, rule, "Check its name; for a private one set HF_TOKEN") from error
    except _errors.HfHubHTTPError as error:
        raise refused(where, int(error.response.status_code)) from error
    except _errors.HFValidationError as error:
        raise PullError("missing", where, "is no name of a repository", "Write it as ORG/NAME") from error
    except (_errors.HTTPError, _errors.FileMetadataError, OSError) as error:
        raise unreachable(where, error) from error


def refused(subject: str, status: int) -> PullError:
    """What a host's status code means for a pull."""
    if status in (401, 403):
        rule = f"access was refused (HTTP {status})"
        return PullError("denied", subject, rule, "Set HF_TOKEN to a token that may read it")
    if status in (404, 410):
        return PullError("missing", subject, f"is not there (HTTP {status})", "Check its name and revision")
    return PullError("server", subject, f"the server answered HTTP {status}", "Try again later")


def unreachable(subject: str, error: Exception) -> PullError:
    """A host that did not answer."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    remedy = "Check the network, HTTPS_PROXY and HF_ENDPOINT; what is already there is kept for the next try"
    return PullError("network", subject, f"the server could not be reached ({reason})", remedy)


def _offline(subject: str) -> PullError:
    rule = "is not on this machine, and HF_HUB_OFFLINE forbids the network"
    return PullError("offline", subject, rule, "Unset HF_HUB_OFFLINE, or copy the file into the hub's cache")
