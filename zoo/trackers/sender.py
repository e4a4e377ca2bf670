"""The process that sends: `python -m zoo.trackers.sender`.

It reads messages as JSON lines from standard input and answers on standard output. Whatever a tracker's library prints
goes nowhere. When its input ends, it has `PATIENCE` to send the rest, and then ends in any case.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

from zoo.errors import shorten
from zoo.trackers.delivery import Delivery
from zoo.trackers.find import find_tracker, hide_secrets
from zoo.trackers.interface import Point

PATIENCE = 10.0
"""Seconds that the process may go on after its input has ended."""
WAITING = 10_000
"""Maximum number of points that wait to be sent; later ones are sent from the record."""

Message = dict[str, Any]
Answer = Callable[[Message], None]


def main() -> None:
    """Send until the input ends."""
    answer = _take_output()
    messages = _read_messages()
    first = next(messages)
    try:
        if first["gently"]:
            os.nice(19)  # training goes first
        tracker = find_tracker(first["tracker"]).make(Path(first["folder"]))
    except Exception as error:
        return answer({"ready": False, "why": describe(error)})
    answer({"ready": True, "where": hide_secrets(tracker.where), "why": ""})
    delivery = Delivery(tracker)
    for message in messages:
        try:
            answer({"done": message.get("key"), "new": _handle(delivery, message), "why": ""})
        except Exception as error:
            answer({"done": message.get("key"), "new": False, "why": describe(error)})
    return None


def _handle(delivery: Delivery, message: Message) -> bool:
    """Send what a message asks for; return False if it is there already."""
    match message["kind"]:
        case "begin":
            from zoo.experiments.records.run import Recorded

            recorded = Recorded.model_validate_json(message["recorded"])
            delivery.begin(recorded, message["group"], message["name"], Path(message["working"]))
        case "point":
            delivery.add_point(message["name"], Point(message["step"], message["values"]))
        case "run":
            return delivery.send_run(Path(message["key"]))
        case "study":
            return delivery.send_study(Path(message["key"]))
        case "close":
            delivery.close()
    return True


def describe(error: BaseException) -> str:
    """An error of a tracker in a short line, without passwords."""
    lines = str(error).strip().splitlines()
    return hide_secrets(shorten(f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": "), 200))


def _take_output() -> Answer:
    """Take standard output for answers; what others print on either output goes nowhere."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def answer(message: Message) -> None:
        try:
            print(json.dumps(message), file=out, flush=True)
        except BrokenPipeError:
            os._exit(1)  # nobody listens

    return answer


def _read_messages() -> Iterator[Message]:
    """Yield messages until the input ends; a thread reads them, so that the other end never waits for a tracker."""
    waiting = Queue[Message | None]()

    def read() -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message.get("kind") == "point" and waiting.qsize() >= WAITING:
                continue
            waiting.put(message)
        waiting.put(None)
        timer = threading.Timer(PATIENCE, os._exit, [1])
        timer.daemon = True
        timer.start()

    threading.Thread(target=read, daemon=True).start()
    return iter(waiting.get, None)


if __name__ == "__main__":
    main()  # then exit hooks of the library remove its temporary files; the timer ends what hangs
