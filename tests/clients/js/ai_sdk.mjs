// The unmodified `ai` package with `@ai-sdk/openai-compatible`.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateObject, generateText, isStepCount, jsonSchema, streamText, tool } from "ai";
import * as q from "./questions.mjs";
import { KEY, URL, inPieces, refused, run, same } from "./reporting.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const settings = { name: "outcry", baseURL: `${URL}/v1`, apiKey: KEY, includeUsage: true };
const outcry = createOpenAICompatible({ ...settings, supportsStructuredOutputs: true });
const jsonMode = createOpenAICompatible(settings);
const maxRetries = 0;
const getPrice = tool({
  description: q.DESCRIPTION,
  inputSchema: jsonSchema(q.PARAMETERS),
  execute: async ({ symbol }) => (same(symbol, "BTC/USDT"), q.PRICE),
});
const asking = { prompt: "What is the price of BTC/USDT?", tools: { get_price: getPrice } };
const structured = { schema: q.Verdict, prompt: "Should I buy BTC/USDT? Answer as JSON.", maxRetries };

await run("@ai-sdk/openai-compatible", {
  each: {
    async generateText(model) {
      const { text, finishReason, usage } = await generateText({ model: outcry(model), prompt: "hello", maxRetries });
      same([text, finishReason, usage.totalTokens], [q.SAID, "stop", 18]);
    },
    async streamText(model) {
      const result = streamText({ model: outcry(model), prompt: "hello", maxRetries });
      const pieces = [];
      for await (const piece of result.textStream) pieces.push(piece);
      inPieces(pieces, q.SAID);
      same((await result.usage).totalTokens, 18);
    },
    async tools(model) {
      const { text } = await generateText({ model: outcry(model), ...asking, stopWhen: isStepCount(3), maxRetries });
      same(text, `the price is ${q.PRICE}`);
    },
    async toolsStreamed(model) {
      const result = streamText({ model: outcry(model), ...asking, stopWhen: isStepCount(3), maxRetries });
      await result.consumeStream();
      same(await result.text, `the price is ${q.PRICE}`);
    },
    async generateObject(model) {
      same((await generateObject({ model: outcry(model), ...structured })).object, q.VERDICT);
    },
    async generateObjectByJsonMode(model) {
      same((await generateObject({ model: jsonMode(model), ...structured })).object, q.VERDICT);
    },
    async streamOutput(model) {
      const output = Output.object({ schema: q.Verdict });
      const result = streamText({ model: outcry(model), prompt: structured.prompt, output, maxRetries });
      const parts = [];
      for await (const part of result.partialOutputStream) parts.push(part);
      same(parts.at(-1), q.VERDICT);
    },
    async errorBadRequest(model) {
      const error = await refused(generateText({ model: outcry(model), prompt: "fail with 400", maxRetries }));
      same([error.statusCode, error.message.includes("scripted refusal")], [400, true]);
    },
  },
});
