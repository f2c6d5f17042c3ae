"""The doors that Amazon Bedrock, Google Vertex AI and Microsoft Foundry put before the same model.

Each has its own address, its own way to say who asks, and takes the model out of the body or leaves
it there. What is behind the door is the simulated service; requests are kept as they came.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.simulator.server import Answer, Running, Simulator, failure

BEDROCK = re.compile(r"/model/(?P<model>[^/]+)/invoke")
VERTEX = re.compile(
    r"/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/publishers/anthropic/models/"
    r"(?P<model>[^/]+):rawPredict"
)
BAD = "invalid_request_error"
FOUNDRY = re.compile(r"/anthropic(?P<rest>/v1/messages(/count_tokens)?)")


@dataclass
class Seen:
    """One request as it came: where, with which headers, with which body."""

    platform: str
    path: str
    parts: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Platforms(Simulator):
    """The service behind three doors; `seen` are the requests in order."""

    seen: list[Seen] = field(default_factory=list)
    # A service that keeps structured output from an organization answers so.
    no_form: bool = False

    def __post_init__(self) -> None:
        Simulator.__init__(self)

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Let the request in by the door it came to."""
        path = unquote(urlsplit(target).path)
        for platform, form in (("bedrock", BEDROCK), ("vertex", VERTEX), ("foundry", FOUNDRY)):
            if match := form.fullmatch(path):
                asked = json.loads(body)
                self.seen.append(Seen(platform, path, match.groupdict(), dict(headers), asked))
                return self.let_in(platform, match.groupdict(), headers, dict(asked))
        if path.startswith("/_sim/"):
            return super().respond(method, target, headers, body)
        return failure(404, "not_found_error", path)

    def let_in(
        self,
        platform: str,
        parts: Mapping[str, str],
        headers: Mapping[str, str],
        asked: dict[str, Any],
    ) -> Answer:
        """Return what the service behind the door says."""
        if platform == "foundry":
            known = headers.get("x-api-key") or headers.get("authorization", "")
            version, target = headers.get("anthropic-version"), parts["rest"]
        else:
            known = headers.get("authorization", "")
            version, target = asked.pop("anthropic_version", None), "/v1/messages"
            if "model" in asked and parts["model"] != "count-tokens":
                return failure(
                    400, "invalid_request_error", "model: Extra inputs are not permitted"
                )
            if parts["model"] == "count-tokens":
                target += "/count_tokens"
            else:
                asked["model"] = parts["model"]
        if not known or "wrong" in known:
            return failure(401, "authentication_error", "who are you?")
        if not version:
            return failure(400, BAD, "anthropic_version: Field required")
        if self.no_form and "format" in asked.get("output_config", {}):
            return failure(400, BAD, "output_config.format: Extra inputs are not permitted")
        plain = re.sub(r"^(?:[a-z-]+\.)?anthropic\.", "", asked["model"])
        plain = re.split(r"[-@]\d{8}", plain)[0]
        behind = {
            "authorization": f"Bearer {self.config.key}",
            "anthropic-version": str(version),
        }
        return super().respond(
            "POST", target, behind, json.dumps({**asked, "model": plain}).encode()
        )


def running() -> tuple[Running, Platforms]:
    """Return a server that is not yet started, and the service in it."""
    server = Running()
    service = Platforms()
    server.service = service
    return server, service
