"""Every URL that a client talks to, derived from the one of its manifest."""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

from fairlot.sdk.errors import InvalidOption

_DEFAULT_PROJECT: Final = "default"
_API_PATHS: Final = re.compile(
    r"/v1/(?P<org>[^/]+)(?:/(?P<project>[^/]+))?/manifest\.json|/(?P<bare_org>[^/]+)/manifest"
)
_EXAMPLE: Final = "as in https://host/v1/<organization>/<project>/manifest.json"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`org` and `project` are what the URL names; None for a static manifest, which has no `events`
    and no `draft` either, and is never sent the API key. `preview_jwks` is where the keys of
    previews are: those of manifests unless an option names others."""

    manifest: str
    jwks: str
    preview_jwks: str
    revocations: str
    events: str | None
    draft: str | None
    org: str | None
    project: str | None

    @property
    def is_static(self) -> bool:
        return self.org is None

    @classmethod
    def of(
        cls,
        manifest_url: str,
        *,
        preview_jwks_url: str | None = None,
        events_url: str | None = None,
    ) -> Self:
        """Raises InvalidOption for what is no URL of http or https."""
        parts = _checked("manifest_url", manifest_url)
        for option, url in (("preview_jwks_url", preview_jwks_url), ("events_url", events_url)):
            if url is not None:
                _checked(option, url)
        if parts.path.endswith("/") or not parts.path:
            raise InvalidOption("manifest_url", manifest_url, f"name the document, {_EXAMPLE}")
        match = _API_PATHS.fullmatch(parts.path)
        origin = f"{parts.scheme}://{parts.netloc}"
        if match is None:
            folder = origin + parts.path[: parts.path.rindex("/")]
            jwks = f"{folder}/jwks.json"
            return cls(
                manifest=manifest_url,
                jwks=jwks,
                preview_jwks=preview_jwks_url or jwks,
                revocations=f"{folder}/revocations.json",
                events=events_url,
                draft=None,
                org=None,
                project=None,
            )
        org = unquote(match["org"] or match["bare_org"])
        project = unquote(match["project"] or _DEFAULT_PROJECT)
        org_part, project_part = quote(org, safe=""), quote(project, safe="")
        jwks = f"{origin}/.well-known/jwks/{org_part}"
        named = f"{org_part}/{project_part}" if match["project"] else org_part
        return cls(
            manifest=manifest_url,
            jwks=jwks,
            preview_jwks=preview_jwks_url or jwks,
            revocations=f"{origin}/.well-known/revocations/{org_part}",
            events=events_url or f"{origin}/api/v1/orgs/{org_part}/projects/{project_part}/events",
            draft=f"{origin}/v1/{named}/preview.json",
            org=org,
            project=project,
        )


def shown_url(url: str) -> str:
    """`url` as it may stand in a log: without its query, which may hold a signature or a key."""
    return url.partition("?")[0]


def _checked(option: str, url: object) -> SplitResult:
    if not isinstance(url, str):
        raise InvalidOption(option, url, f"write a URL, {_EXAMPLE}")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise InvalidOption(option, url, "percent-encode what is not plain ASCII, and spaces")
    try:
        parts = urlsplit(url)
        port_is_usable = parts.port != 0
    except ValueError:
        raise InvalidOption(option, url, f"write a URL, {_EXAMPLE}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_usable:
        raise InvalidOption(option, url, f"write a URL of http or https, {_EXAMPLE}")
    if parts.username is not None:
        # Only the host is shown: errors are logged, and the rest may hold a password.
        raise InvalidOption(option, parts.hostname, "no user@ before the host; use api_key instead")
    if parts.fragment:
        raise InvalidOption(option, url, "remove the # and what follows it")
    return parts
