"""A provider for the cluster's generators: OpenAI's streaming interface, on all addresses of this machine,
whose answer is a pure function of the question (script and text_of in support/scripted.py)."""
import asyncio
import json
import re
import time

from scripted import text_of

SCRIPT = re.compile(rb"script seed=(\d+) length=(\d+) piece=(\d+) gap_ms=(\d+)")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def chunk(**delta):
    finish = None if delta else "stop"
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


class Provider:
    def __init__(self):
        self.left = {}  # seed of an answer that was hung up on: when
        self.server = self.port = None

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "0.0.0.0", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def stop(self):
        self.server.close()

    async def serve(self, reader, writer):
        try:
            await self.answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # its client went
        finally:
            writer.close()

    async def answer(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
        # The last script is the question's own: earlier ones are the conversation's.
        seed, *shape = map(int, SCRIPT.findall(await reader.readexactly(length))[-1])
        writing = asyncio.ensure_future(self.write_answer(writer, seed, *shape))
        reading = asyncio.ensure_future(reader.read())  # ends when its client goes
        await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            self.left[seed] = time.monotonic()
        reading.cancel()
        writing.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)

    @staticmethod
    async def write_answer(writer, seed, characters, piece, gap_ms):
        text = text_of(seed, characters)
        writer.write(HEAD)
        for at in range(0, characters, piece):
            writer.write(chunk(content=text[at:at + piece]))
            await writer.drain()
            await asyncio.sleep(gap_ms / 1000)
        writer.write(chunk() + b"data: [DONE]\n\n")
        await writer.drain()
