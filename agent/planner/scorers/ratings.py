"""Rung three: ratings from 0 to 100 as JSON. Any chat model can do it; the numbers are spoken rather than measured, and over-confident."""

import json
import re
from typing import Any

from agent.planner import prompts
from agent.planner.connection import Client, ModelServer
from agent.planner.scorers.letters import LABELS, chat
from agent.planner.scorers.scorer import Choice, Say, logs, shortlist, softmax, spread

SHARPNESS = 12.0
"""Rating points that make an option e times as likely."""
RATED = 0.5
"""Less of the menu rated than this is no answer."""
ASKED = "rate the next steps (JSON)"


class RatingsScorer:
    """schema: does the server keep to a JSON schema?"""

    def __init__(self, server: ModelServer, schema: bool, images: bool) -> None:
        self.server, self.schema, self.images = server, schema, images

    def score(self, choice: Choice) -> Say:
        kept = shortlist(choice, len(LABELS))
        labels = LABELS[: len(kept)]
        text = prompts.rating_question(choice.request, labels, [choice.candidates[i].words for i in kept])
        picture = choice.request.picture if self.images else None
        answer = ask_ratings(self.server, text, labels, picture, self.schema)
        ratings = read_ratings(answer, labels)
        coverage = len(ratings) / len(labels)
        if coverage < RATED:
            raise self.server.garbage(ASKED, answer or "empty")
        weights = softmax([ratings.get(label, 0.0) / SHARPNESS for label in labels])
        return Say(spread(logs(weights), kept, len(choice.candidates)), "ratings", coverage, "ratings in words, not probabilities")


def ask_ratings(server: ModelServer, text: str, labels: str, picture: bytes | None, schema: bool) -> str:
    """The text of the answer; raises Unsupported if the server refuses the schema."""
    form: Any = {"type": "json_schema", "json_schema": {"name": "ratings", "strict": True, "schema": schema_of(labels)}}
    more: dict[str, Any] = {"response_format": form} if schema else {}

    def send(client: Client) -> Any:
        return client.chat.completions.create(model=server.model, messages=chat(text, picture), temperature=0, **more)

    return server.ask(ASKED, send, lambda completion: str(completion.choices[0].message.content or ""))


def schema_of(labels: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {label: {"type": "integer"} for label in labels},
        "required": list(labels),
        "additionalProperties": False,
    }


def read_ratings(text: str, labels: str) -> dict[str, float]:
    """Label → rating in [0, 100], from the last JSON object in the text; thoughts and code fences around it are passed over."""
    for found in reversed(list(re.finditer(r"\{[^{}]*\}", text))):
        try:
            values = json.loads(found[0])
        except ValueError:
            continue
        numbers = {str(key).strip().upper(): value for key, value in values.items() if isinstance(value, int | float) and value == value}
        ratings = {label: min(100.0, max(0.0, float(numbers[label]))) for label in labels if label in numbers}
        if ratings:
            return ratings
    return {}
