"""What the real service turns away, as far as a coder can come upon it."""

from collections.abc import Mapping
from typing import Any

TOP = {
    "cache_control",
    "container",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "thinking",
    "tool_choice",
    "tools",
}
FORBIDDEN = {"minimum", "maximum", "minLength", "maxLength", "maxItems", "oneOf", "pattern"}
MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5")


def wrong_with(body: object, *, counting: bool, largest_schema: int) -> tuple[int, str, str] | None:
    """Return (status, type, message) of what is wrong with a request's `body`, None if nothing."""
    bad = "invalid_request_error"
    if not isinstance(body, dict):
        return 400, bad, "The body is not a JSON object"
    for key in sorted(set(body) - TOP):
        return 400, bad, f"{key}: Extra inputs are not permitted"
    for key in ("model", "messages") if counting else ("model", "messages", "max_tokens"):
        if key not in body:
            return 400, bad, f"{key}: Field required"
    if not str(body["model"]).startswith(MODELS):
        return 404, "not_found_error", f"model: {body['model']}"
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        return 400, bad, "messages: at least one message is required"
    if messages[-1].get("role") != "user":
        return 400, bad, "messages: the last turn must be the user's; prefill is not supported"
    form = (body.get("output_config") or {}).get("format")
    if form is not None:
        if form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
            return 400, bad, "output_config.format: a json_schema with a schema is required"
        if len(str(form["schema"])) > largest_schema:
            return 400, bad, "The compiled grammar is too large"
        if said := in_schema(form["schema"], "schema"):
            return 400, bad, said
    return None


def in_schema(schema: Mapping[str, Any], path: str) -> str:
    """Return what the service does not take in `schema`, an empty text if it takes all."""
    for key in sorted(FORBIDDEN & set(schema)):
        return f"{path}.{key}: not supported"
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return f"{path}: additionalProperties must be false"
        missing = set(schema.get("properties", {})) - set(schema.get("required", []))
        if missing:
            return f"{path}: {sorted(missing)[0]} is optional; all fields must be required"
    for name, part in schema.get("properties", {}).items():
        if said := in_schema(part, f"{path}.{name}"):
            return said
    return in_schema(schema["items"], f"{path}[]") if "items" in schema else ""
