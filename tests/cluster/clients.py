"""Clients of the cluster: questions at random moments, whether or not those before are answered. Each
carries a key, and is asked again with it when no whole answer came: as the README tells clients to."""
import asyncio
import collections
import hashlib
import json
import random
import time
import uuid

from scripted import script, text_of

GIVE_UP_S = 90
PAUSE_S = 0.2
PATH = "/api/agents/1/chat/stream"

# One try: what came of it, when, and what was done to the cluster at either moment. `began`: text had come.
Try = collections.namedtuple("Try", "outcome began phase began_phase at seconds")


class Question:
    def __init__(self, number, rng, length=None, gap_ms=None):
        self.seed, self.length = rng.getrandbits(63), length or rng.randrange(100, 600)
        words = script(seed=self.seed, length=self.length, piece=12, gap_ms=gap_ms or rng.randrange(5, 60))
        retrieves = rng.random() < 0.5
        self.text = f"{words} {'What React projects are there?' if retrieves else 'Hello'} {number}"
        self.key = str(uuid.uuid4())
        self.expected = text_of(self.seed, self.length)
        self.digest = hashlib.md5(self.expected.encode()).hexdigest()  # as SQL's md5() has it
        self.portfolio = 1 if retrieves else None
        self.tries = []
        self.done = None
        self.wrong = []  # texts that are no beginning of the expected one

    def body(self):
        body = {"message": self.text}
        if self.portfolio:
            body["portfolio_id"] = self.portfolio
        return json.dumps(body).encode()


class Load:
    def __init__(self, port, token, rate, seed):
        self.port, self.token, self.rate = port, token, rate
        self.rng = random.Random(seed)
        self.questions = []
        self.running = set()
        self.loop = None  # in which it runs
        self.phase = "start"
        self.over = False

    async def run(self):
        while not self.over:
            await asyncio.sleep(self.rng.expovariate(self.rate))
            self.begin()
        while self.running:
            await asyncio.wait(self.running)

    def begin(self, **shape):
        question = Question(len(self.questions), self.rng, **shape)
        self.questions.append(question)
        task = asyncio.ensure_future(self.ask_until_answered(question))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def begin_from_elsewhere(self, **shape):
        """The same, for other threads."""
        self.loop.call_soon_threadsafe(lambda: self.begin(**shape))

    async def ask_until_answered(self, question):
        until = time.monotonic() + GIVE_UP_S
        while not question.done and time.monotonic() < until:
            began_at, began_phase, parts = time.monotonic(), self.phase, []
            try:
                outcome = await asyncio.wait_for(self.ask(question, parts), GIVE_UP_S)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError) as trouble:
                outcome = f"broken: {type(trouble).__name__}"
            seconds = time.monotonic() - began_at
            question.tries.append(Try(outcome, bool(parts), self.phase, began_phase, time.time(), seconds))
            text = "".join(parts)
            if not question.expected.startswith(text) or (question.done and text != question.expected):
                question.wrong.append(text)
            if not question.done:
                await asyncio.sleep(PAUSE_S)

    async def ask(self, question, parts):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            body = question.body()
            writer.write(f"POST {PATH} HTTP/1.1\r\nHost: cluster\r\nConnection: close\r\n"
                         f"Authorization: Bearer {self.token}\r\nIdempotency-Key: {question.key}\r\n"
                         f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                         .encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if "text/event-stream" in head:
                return await self.read_events(question, reader, parts)
            return self.refusal(head, await reader.read())
        finally:
            writer.close()

    @staticmethod
    def refusal(head, rest):
        """Status and code; the body may be chunked, and is one object."""
        error = json.loads(rest[rest.find(b"{"):rest.rfind(b"}") + 1])["error"]
        return f"{head.split(' ', 2)[1]} {error['code']}"

    @staticmethod
    def cut():
        raise ConnectionResetError("the stream ends in its middle")

    async def read_events(self, question, reader, parts):
        pending = b""
        while size := int(await reader.readline() or self.cut(), 16):
            pending += (await reader.readexactly(size + 2))[:-2]
            *blocks, pending = pending.split(b"\n\n")
            for block in blocks:
                if not block.startswith(b"data: "):
                    continue  # a keepalive
                event = json.loads(block[6:])
                if event["type"] == "token":
                    parts.append(event["content"])
                elif event["type"] == "done":
                    question.done = event
                    return "done"
                elif event["type"] == "error":
                    return f"error {event['code']}"
        return "broken: no last event"
