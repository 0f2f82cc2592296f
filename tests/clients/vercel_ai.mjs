// The package `ai` of npm with its provider for OpenAI-compatible servers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, streamText } from "ai";

const provider = (url) =>
  createOpenAICompatible({ name: "millrace", baseURL: `${url}/v1`, includeUsage: true });
const documents = provider(process.env.DOCUMENTS_URL);
const scripted = provider(process.env.SCRIPTED_URL);
const prompt = "What React projects are there?";

test("a question is answered", async () => {
  const { text, finishReason, usage } = await generateText({ model: documents("agent-1"), prompt });
  assert.match(text, /React/);
  assert.equal(finishReason, "stop");
  assert.ok(usage.outputTokens > 0);
});

test("a stream tells the same answer", async () => {
  const whole = await generateText({ model: documents("agent-1"), prompt });
  const stream = streamText({ model: documents("agent-1"), prompt });
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  assert.equal(text, whole.text);
  assert.equal(await stream.finishReason, "stop");
  assert.deepEqual((await stream.usage).totalTokens, whole.usage.totalTokens);
});

test("a conversation with a system message is answered", async () => {
  const { text } = await generateText({
    model: documents("agent-1"),
    system: "Answer in one sentence.",
    messages: [
      { role: "user", content: "Tell me about Weaver UI" },
      { role: "assistant", content: "It is a component library." },
      { role: "user", content: [{ type: "text", text: "What is it made for?" }] },
    ],
  });
  assert.match(text, /Weaver/);
});

test("texts get their vectors", async () => {
  const { embeddings } = await embedMany({
    model: documents.textEmbeddingModel("default"), values: ["a ferry", "a train"],
  });
  assert.equal(embeddings.length, 2);
  assert.equal(embeddings[0].length, embeddings[1].length);
});

test("a model that is not there is an error with its reason", async () => {
  await assert.rejects(
    generateText({ model: documents("gpt-4"), prompt, maxRetries: 0 }),
    (raised) => APICallError.isInstance(raised) && raised.statusCode === 404 && /gpt-4/.test(raised.message),
  );
});

test("a stream that fails in the middle ends in an error", async () => {
  const parts = [];
  const stream = streamText({
    model: scripted("agent-1"), prompt: "script seed=1 length=100 fail_at=60", maxRetries: 0,
    onError: () => {},
  });
  for await (const part of stream.fullStream) parts.push(part);
  assert.ok(parts.some((part) => part.type === "text-delta"));
  const failed = parts.find((part) => part.type === "error");
  assert.ok(failed, `no error among ${parts.map((part) => part.type)}`);
});

test("a stream that is aborted is generated no further", async () => {
  const cancelled = async () => {
    const metrics = await (await fetch(`${process.env.SCRIPTED_URL}/metrics`)).text();
    return Number(/^millrace_lane_jobs_cancelled_total\{pool="generate"\} (\S+)$/m.exec(metrics)[1]);
  };
  const before = await cancelled(), abort = new AbortController();
  const stream = streamText({
    model: scripted("agent-1"), prompt: "script seed=1 length=100000 gap_ms=20",
    abortSignal: abort.signal, onError: () => {},
  });
  for await (const part of stream.fullStream) if (part.type === "text-delta") abort.abort();
  const until = Date.now() + 10000;
  while ((await cancelled()) === before && Date.now() < until) continue;
  assert.equal(await cancelled(), before + 1);
});
