"""Where Claude is asked: Anthropic or a server of one's own, Amazon Bedrock, Google Vertex AI,
Microsoft Foundry.

Each is the SDK's own client, told where and who by the service's usual environment variables. What
a service lacks (batches, counting of tokens) is said here; the rest of Concord knows one coder.
"""

import os
import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from studies.problems import Problem, _

if TYPE_CHECKING:
    from anthropic import Anthropic

ANTHROPIC = "anthropic"
# Names as their owners write them; they are the same in every language.
SERVICES = {
    ANTHROPIC: "Anthropic",
    "bedrock": "Amazon Bedrock",
    "vertex": "Google Vertex AI",
    "foundry": "Microsoft Foundry",
}
# Where a person looks when a service does not know the key.
KEYS = {
    ANTHROPIC: "ANTHROPIC_API_KEY",
    "bedrock": "AWS_BEARER_TOKEN_BEDROCK, AWS_PROFILE",
    "vertex": "GOOGLE_APPLICATION_CREDENTIALS",
    "foundry": "ANTHROPIC_FOUNDRY_API_KEY",
}
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AZURE_SCOPE = "https://ai.azure.com/.default"
# The libraries that look for a service's credentials: an error of theirs is about the key.
LOADERS = ("boto3", "botocore", "google", "azure")


def chosen(service: str = "") -> str:
    """Return `service`, by default what CONCORD_SERVICE says, else Anthropic; one that there is
    not is a Problem."""
    name = service or os.environ.get("CONCORD_SERVICE") or ANTHROPIC
    if name not in SERVICES:
        raise Problem(
            _("There is no service called “%(service)s”: it is one of %(known)s."),
            service=name,
            known=", ".join(SERVICES),
        )
    return name


def servers() -> list[str]:
    """Return the addresses that leads may have asked from the site, by CONCORD_SERVERS.

    The site's key goes to whatever address is asked, so a person at the site can't name another.
    """
    return [url.strip() for url in os.environ.get("CONCORD_SERVERS", "").split(",") if url.strip()]


def needs_server(url: str) -> None:
    """Raise a Problem unless `url` is empty or one of the site's servers."""
    if url and url not in servers():
        raise Problem(
            _(
                "“%(url)s” is not one of this site’s servers: whoever runs the site adds it to "
                "CONCORD_SERVERS."
            ),
            url=url,
        )


def has_batches(service: str) -> bool:
    """Return whether `service` takes batches."""
    return service == ANTHROPIC


def needs_batches(service: str) -> None:
    """Raise a Problem where `service` takes no batches."""
    if not has_batches(service):
        raise Problem(
            _("%(service)s takes no batches: leave out --batch, or use Anthropic’s own service."),
            service=SERVICES[service],
        )


def model_for(service: str, model: str, usual: str) -> str:
    """Return the name under which `service` knows `model`, by default the `usual` one."""
    if service == "bedrock" and not model:
        raise Problem(
            _(
                "Amazon Bedrock has names of its own for models: give one with --model, such as "
                "%(example)s."
            ),
            example="global.anthropic.claude-haiku-4-5-20251001-v1:0",
        )
    return model or usual


def plain_name(model: str) -> str:
    """Return the name that Anthropic gives `model`, whatever a service makes of it.

    >>> plain_name("us.anthropic.claude-haiku-4-5-20251001-v1:0")
    'claude-haiku-4-5-20251001-v1:0'
    >>> plain_name("claude-haiku-4-5@20251001")
    'claude-haiku-4-5-20251001'
    """
    last = model.rpartition("/")[2]  # of an ARN
    return re.sub(r"^(?:[a-z-]+\.)?anthropic\.", "", last).replace("@", "-")


def is_regional(service: str, model: str) -> bool:
    """Return whether requests stay in a region, for which services may charge more."""
    if service == "bedrock":
        return not model.rpartition("/")[2].startswith("global.")
    return service == "vertex" and os.environ.get("CLOUD_ML_REGION") != "global"


def client(
    service: str,
    *,
    base_url: str | None,
    api_key: str | None,
    timeout: Any,
) -> "Anthropic":
    """Return the SDK's client for `service`, which never asks twice by itself.

    Whatever is missing (a key, a region, a package) is a Problem that names it.
    """
    common = {"base_url": base_url, "timeout": timeout, "max_retries": 0}
    made: Callable[..., Any] = {
        ANTHROPIC: anthropic_client,
        "bedrock": bedrock_client,
        "vertex": vertex_client,
        "foundry": foundry_client,
    }[service]
    # The platforms' clients share what is used of them, and no base class that says so.
    opened: Anthropic = made(api_key, {k: v for k, v in common.items() if v is not None})
    return opened


def anthropic_client(api_key: str | None, common: dict[str, Any]) -> Any:
    """Return a client of Anthropic's own service, or of a server that speaks like it."""
    import anthropic

    made = anthropic.Anthropic(api_key=api_key, **common)
    if not (made.api_key or made.auth_token or made.credentials):
        made.close()
        raise Problem(
            _(
                "There is no key for Claude: set ANTHROPIC_API_KEY, or code with --coder embedded, "
                "which needs none."
            )
        )
    return made


def bedrock_client(api_key: str | None, common: dict[str, Any]) -> Any:
    """Return a client of Amazon Bedrock: with a key of its own, else signed with AWS credentials.

    AWS_REGION, AWS_BEARER_TOKEN_BEDROCK, and all that boto3 reads.
    """
    import anthropic

    api_key = api_key or os.environ.get("AWS_BEARER_TOKEN_BEDROCK") or None
    if api_key is None:
        needs("bedrock", "boto3", "AWS_BEARER_TOKEN_BEDROCK")
    try:
        made = anthropic.AnthropicBedrock(api_key=api_key, **common)
    except ValueError as error:
        raise Problem(_("Amazon Bedrock needs a region: set AWS_REGION.")) from error
    if api_key is None:
        session = import_module("boto3").Session(region_name=made.aws_region)
        if session.get_credentials() is None:
            made.close()
            raise Problem(
                _(
                    "There are no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID with "
                    "AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK."
                )
            )
    return made


def vertex_client(api_key: str | None, common: dict[str, Any]) -> Any:
    """Return a client of Google Vertex AI, with the application default credentials.

    CLOUD_ML_REGION, ANTHROPIC_VERTEX_PROJECT_ID, GOOGLE_APPLICATION_CREDENTIALS. A token given as
    `api_key` is used as it is.
    """
    import anthropic

    if not os.environ.get("CLOUD_ML_REGION"):
        raise Problem(_("Google Vertex AI needs a region: set CLOUD_ML_REGION, such as global."))
    project = os.environ.get("ANTHROPIC_VERTEX_PROJECT_ID", "")
    credentials = None
    if api_key is None:
        needs("vertex", "google.auth", "")
        credentials, found = google_credentials()
        project = project or found
    if not project:
        raise Problem(_("Google Vertex AI needs a project: set ANTHROPIC_VERTEX_PROJECT_ID."))
    return anthropic.AnthropicVertex(
        project_id=project, access_token=api_key, credentials=credentials, **common
    )


def google_credentials() -> tuple[Any, str]:
    """Return the application default credentials and the project that goes with them."""
    try:
        credentials, project = import_module("google.auth").default(scopes=[GOOGLE_SCOPE])
    except Exception as error:
        if not about_the_key(error):
            raise
        raise Problem(
            _(
                "There are no Google credentials: run `gcloud auth application-default login`, or "
                "set GOOGLE_APPLICATION_CREDENTIALS."
            )
        ) from error
    return credentials, project or ""


def foundry_client(api_key: str | None, common: dict[str, Any]) -> Any:
    """Return a client of Microsoft Foundry, with a key or, without one, an Entra identity.

    ANTHROPIC_FOUNDRY_RESOURCE or ANTHROPIC_FOUNDRY_BASE_URL, ANTHROPIC_FOUNDRY_API_KEY.
    """
    import anthropic

    names = ("ANTHROPIC_FOUNDRY_RESOURCE", "ANTHROPIC_FOUNDRY_BASE_URL")
    if "base_url" not in common and not any(os.environ.get(name) for name in names):
        raise Problem(_("Microsoft Foundry needs a resource: set ANTHROPIC_FOUNDRY_RESOURCE."))
    if "base_url" not in common and os.environ.get(names[1]):
        common = {**common, "base_url": os.environ[names[1]]}
    api_key = api_key or os.environ.get("ANTHROPIC_FOUNDRY_API_KEY") or None
    if api_key is None:
        needs("foundry", "azure.identity", "ANTHROPIC_FOUNDRY_API_KEY")
        identity = import_module("azure.identity")
        token = identity.get_bearer_token_provider(identity.DefaultAzureCredential(), AZURE_SCOPE)
        return anthropic.AnthropicFoundry(azure_ad_token_provider=token, **common)
    return anthropic.AnthropicFoundry(api_key=api_key, **common)


def needs(service: str, module: str, instead: str) -> None:
    """Raise a Problem that says what to install, unless `module` is there."""
    try:
        there = find_spec(module) is not None
    except (ImportError, ValueError):
        there = False
    if there:
        return
    install = {
        "bedrock": "pip install 'anthropic[bedrock]'",
        "vertex": "pip install 'anthropic[vertex]'",
        "foundry": "pip install azure-identity",
    }[service]
    words = (
        _(
            "%(service)s needs one more package to find your credentials: run `%(install)s`, or "
            "set %(instead)s."
        )
        if instead
        else _("%(service)s needs one more package to find your credentials: run `%(install)s`.")
    )
    raise Problem(words, service=SERVICES[service], install=install, instead=instead)


def about_the_key(error: BaseException) -> bool:
    """Return whether `error` comes from looking for credentials and not from an answer."""
    module = type(error).__module__.partition(".")[0]
    return module in LOADERS or (isinstance(error, RuntimeError) and "credentials" in str(error))
