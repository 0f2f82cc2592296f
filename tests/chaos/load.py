"""Open-loop load: questions come at random moments whether or not the ones before are answered, and
each remembers all that its client saw."""
import asyncio
import json
import random
import time

from scripted import SEED_DIGITS, script, seed_of, text_of

CHAT, STREAM = "/api/agents/1/chat", "/api/agents/1/chat/stream"
TURNS_MAX = 3
TOPICS = ("bronze", "granite", "orchards", "ferries", "lanterns", "harbours")
# share: how many of a hundred; the rest: how they are asked and what their generator does
MIX = (
    {"share": 30, "path": STREAM, "full": False, "continued": 1},
    {"share": 15, "path": STREAM, "full": False, "continued": 0},
    {"share": 20, "path": STREAM, "full": True, "continued": 1},
    {"share": 10, "path": STREAM, "full": True, "continued": 0},
    {"share": 10, "path": CHAT, "full": True, "continued": 0},
    {"share": 5, "path": CHAT, "full": False, "continued": 1},
    {"share": 4, "path": STREAM, "full": False, "continued": 0, "vary": 1},
    {"share": 6, "path": STREAM, "full": False, "continued": 1, "leaves": True},
)


class Request:
    """One question, and what its client saw of the answer."""

    def __init__(self, number, kind, rng, portfolio, before=None):
        self.id = f"chaos-{number}"
        self.kind = kind
        self.path = kind["path"]
        self.length = rng.randrange(60, 500)
        self.seed = rng.getrandbits(64)
        self.portfolio = portfolio if kind["full"] else None
        self.before = before  # the turn before this one in its conversation
        self.leaves_after = rng.randrange(0, self.length) if kind.get("leaves") else None
        words = {"seed": self.seed, "length": self.length, "piece": 12, "gap_ms": rng.randrange(5, 40),
                 "first_ms": 10, "continued": kind["continued"], "vary": kind.get("vary", 0)}
        if kind["full"]:
            words["passages"] = 1
        self.question = f"{script(**words)} about {rng.choice(TOPICS)}"
        self.status = None
        self.text = ""
        self.tokens = []  # (monotonic ns, characters)
        self.end = None   # the done event, or /chat's body
        self.error = None  # a code; "broken" where the connection was
        self.left_ns = None

    @property
    def varies(self):
        return bool(self.kind.get("vary"))

    @property
    def conversation(self):
        return self.end.get("conversation_id") if self.end else None

    def expected(self, text):
        """The whole answer of which `text` must be the beginning."""
        if not self.varies:
            return text_of(self.seed, self.length)
        return text_of(seed_of(text), self.length) if len(text) >= SEED_DIGITS else text

    def body(self):
        fields = {"message": self.question}
        if self.portfolio:
            fields["portfolio_id"] = self.portfolio
        if self.before:
            fields["conversation_id"] = self.before.conversation
        return json.dumps(fields).encode()

    # --- the client ---

    async def ask(self, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await self.exchange(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.TimeoutError) as trouble:
            self.error = f"broken: {type(trouble).__name__}"
        finally:
            writer.close()

    async def exchange(self, reader, writer):
        body = self.body()
        writer.write(f"POST {self.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                     f"X-Request-Id: {self.id}\r\nContent-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.status = int(head.split(" ", 2)[1])
        if "transfer-encoding: chunked" in head:
            await self.read_events(reader)
        else:
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            self.take_whole(json.loads(await reader.readexactly(length)))

    async def read_events(self, reader):
        pending = b""
        while size := int(await reader.readline(), 16):
            pending += (await reader.readexactly(size + 2))[:-2]
            *blocks, pending = pending.split(b"\n\n")
            for block in blocks:
                self.take_event(block)
            if self.leaves_after is not None and len(self.text) >= self.leaves_after:
                self.left_ns = time.monotonic_ns()
                return
        if pending or not (self.end or self.error):
            self.error = "broken: the stream ended without a last event"

    def take_event(self, block):
        if not block.startswith(b"data: "):
            return
        event = json.loads(block[6:])
        if self.end or self.error:
            self.error = "broken: an event after the last"
        elif event["type"] == "token":
            self.text += event["content"]
            self.tokens.append((time.monotonic_ns(), len(event["content"])))
        elif event["type"] == "done":
            self.end = event
        else:
            self.error = event["code"]

    def take_whole(self, reply):
        if self.status != 200:
            self.error = reply["error"]["code"]
            return
        self.text = reply["answer"]
        self.end = reply


class Load:
    def __init__(self, port, portfolio, seed, rate):
        self.port = port
        self.portfolio = portfolio
        self.rate = rate
        self.rng = random.Random(seed)
        self.requests = []
        self.running = set()

    async def run(self, seconds):
        until = time.monotonic() + seconds
        due = time.monotonic()
        while due < until:
            await asyncio.sleep(max(0, due - time.monotonic()))
            self.begin()
            due += self.rng.expovariate(self.rate)
        while self.running:
            await asyncio.wait(self.running)

    def begin(self, before=None):
        kind = self.rng.choices(MIX, [k["share"] for k in MIX])[0]
        request = Request(len(self.requests) + 1, kind, self.rng, self.portfolio, before)
        self.requests.append(request)
        task = asyncio.ensure_future(self.follow(request))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def follow(self, request):
        """Some clients go on talking."""
        await asyncio.wait_for(request.ask(self.port), 120)
        turns = 1
        before = request.before
        while before:
            before, turns = before.before, turns + 1
        if request.conversation and turns < TURNS_MAX and self.rng.random() < 0.15:
            self.begin(request)
