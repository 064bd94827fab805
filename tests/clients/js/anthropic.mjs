// The unmodified `@anthropic-ai/sdk` package.
import Anthropic from "@anthropic-ai/sdk";
import * as q from "./questions.mjs";
import { KEY, URL, inPieces, refused, run, same } from "./reporting.mjs";

const client = new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 0, timeout: 20_000 });
const tools = [{ name: "get_price", description: q.DESCRIPTION, input_schema: q.PARAMETERS }];
const max_tokens = 100;

await run("@anthropic-ai/sdk", {
  each: {
    async messages(model) {
      const message = await client.messages.create({ model, max_tokens, messages: q.HELLO });
      same(message.content.map((block) => block.text), [q.SAID]);
      same([message.stop_reason, message.usage.output_tokens], ["end_turn", 7]);
    },
    async messagesStream(model) {
      const pieces = [];
      const stream = client.messages.stream({ model, max_tokens, messages: q.HELLO });
      stream.on("text", (text) => pieces.push(text));
      same((await stream.finalMessage()).stop_reason, "end_turn");
      inPieces(pieces, q.SAID);
    },
    async toolRoundTrip(model) {
      const messages = [...q.ASK_PRICE];
      const first = await client.messages.stream({ model, max_tokens, messages, tools }).finalMessage();
      const call = first.content.find((block) => block.type === "tool_use");
      same([call.name, call.input], ["get_price", { symbol: "BTC/USDT" }]);
      const result = { type: "tool_result", tool_use_id: call.id, content: q.PRICE };
      messages.push({ role: "assistant", content: first.content }, { role: "user", content: [result] });
      const second = await client.messages.create({ model, max_tokens, messages, tools });
      same(second.content.map((block) => block.text), [`the price is ${q.PRICE}`]);
    },
    async countTokens(model) {
      const counted = await client.messages.countTokens({ model, messages: q.HELLO });
      same(counted.input_tokens > 0, true);
    },
    async errorBadRequest(model) {
      const error = await refused(client.messages.create({ model, max_tokens, messages: q.REFUSED }));
      same([error.constructor.name, error.message.includes("scripted refusal")], ["BadRequestError", true]);
    },
  },
  once: {
    async errorUnknownModel() {
      const error = await refused(client.messages.create({ model: "claude-sonnet-4-55", max_tokens, messages: q.HELLO }));
      same([error.constructor.name, error.error.error.type], ["NotFoundError", "not_found_error"]);
    },
  },
});
