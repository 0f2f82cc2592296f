// The package `openai` of npm as its users write it.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const QUESTION = [{ role: "user", content: "What React projects are there?" }];

const client = (url, options) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", ...options });
const documents = client(process.env.DOCUMENTS_URL, { maxRetries: 0 });
const scripted = client(process.env.SCRIPTED_URL, { maxRetries: 0 });
const said = (content) => [{ role: "user", content }];

async function cancelledJobs() {
  const metrics = await (await fetch(`${process.env.SCRIPTED_URL}/metrics`)).text();
  return Number(/^millrace_lane_jobs_cancelled_total\{pool="generate"\} (\S+)$/m.exec(metrics)[1]);
}

test("a question is answered with citations and usage", async () => {
  const answer = await documents.chat.completions.create({ model: "agent-1", messages: QUESTION });
  const { message, finish_reason } = answer.choices[0];
  assert.equal(finish_reason, "stop");
  assert.match(message.content, /React/);
  assert.ok(message.citations.length > 0);
  for (const { n } of message.citations) assert.ok(message.content.includes(`[${n}]`));
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("a stream tells the same answer", async () => {
  const request = { model: "agent-1", messages: QUESTION };
  const whole = await documents.chat.completions.create(request);
  const stream = await documents.chat.completions.create({
    ...request, stream: true, stream_options: { include_usage: true },
  });
  let text = "", reason, usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(reason, "stop");
  assert.deepEqual(usage, whole.usage);
});

test("the client's own helper for streams reads it", async () => {
  const stream = documents.chat.completions.stream({ model: "agent-1", messages: QUESTION });
  assert.match(await stream.finalContent(), /React/);
});

test("models are the agents", async () => {
  const ids = [];
  for await (const model of documents.models.list()) ids.push(model.id);
  assert.ok(ids.includes("agent-1"));
  assert.equal((await documents.models.retrieve("agent-1")).id, "agent-1");
});

test("embeddings are the same numbers in both encodings", async () => {
  const request = { model: "default", input: ["a ferry", "a train"] };
  const packed = await documents.embeddings.create(request);
  const plain = await documents.embeddings.create({ ...request, encoding_format: "float" });
  assert.equal(packed.data.length, 2);
  for (const [i, { embedding }] of packed.data.entries())
    for (const [j, number] of embedding.entries())
      assert.ok(Math.abs(number - plain.data[i].embedding[j]) < 1e-6);
});

test("what is wrong in a request raises what the client has for it", async () => {
  const image = [{ type: "image_url", image_url: { url: "data:," } }];
  const cases = [
    [OpenAI.NotFoundError, "model_not_found", { model: "gpt-4" }],
    [OpenAI.NotFoundError, "model_not_found", { model: "agent-999" }],
    [OpenAI.BadRequestError, "message_empty", { messages: said(" ") }],
    [OpenAI.BadRequestError, "invalid_field", { messages: said(image) }],
    [OpenAI.BadRequestError, "invalid_field", { n: 2 }],
  ];
  for (const [error, code, options] of cases)
    await assert.rejects(
      documents.chat.completions.create({ model: "agent-1", messages: QUESTION, ...options }),
      (raised) => raised instanceof error && raised.code === code,
    );
});

test("a stream that fails in the middle raises there", async () => {
  const stream = await scripted.chat.completions.create({
    model: "agent-1", stream: true, messages: said("script seed=1 length=100 fail_at=60"),
  });
  let text = "";
  await assert.rejects(
    async () => {
      for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
    },
    (raised) => raised instanceof OpenAI.APIError && raised.code === "provider_failed",
  );
  assert.ok(text.length > 0);
});

test("a stream that is closed is generated no further", async () => {
  const before = await cancelledJobs();
  const stream = await scripted.chat.completions.create({
    model: "agent-1", stream: true, messages: said("script seed=1 length=100000 gap_ms=20"),
  });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  const until = Date.now() + 10000;
  while ((await cancelledJobs()) === before && Date.now() < until) continue;
  assert.equal(await cancelledJobs(), before + 1);
});
