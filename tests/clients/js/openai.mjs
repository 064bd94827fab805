// The unmodified `openai` package.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import * as q from "./questions.mjs";
import { KEY, URL, inPieces, refused, run, same } from "./reporting.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0, timeout: 20_000 });
const chat = client.chat.completions;

await run("openai", {
  each: {
    async chat(model) {
      const completion = await chat.create({ model, messages: q.HELLO });
      same(completion.choices[0].message.content, q.SAID);
      same(completion.usage.total_tokens, 18);
    },
    async chatStream(model) {
      const chunks = [];
      const stream = await chat.create({
        model, messages: q.HELLO, stream: true, stream_options: { include_usage: true },
      });
      for await (const chunk of stream) chunks.push(chunk);
      inPieces(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? ""), q.SAID);
      same(chunks.at(-1).usage.total_tokens, 18);
    },
    async chatRunTools(model) {
      const runner = chat.runTools({
        model, messages: q.ASK_PRICE, stream: true,
        tools: [{
          type: "function",
          function: {
            name: "get_price", description: q.DESCRIPTION, parameters: q.PARAMETERS,
            parse: JSON.parse, function: ({ symbol }) => (same(symbol, "BTC/USDT"), q.PRICE),
          },
        }],
      });
      same(await runner.finalContent(), `the price is ${q.PRICE}`);
    },
    async chatParse(model) {
      const completion = await chat.parse({
        model, messages: q.ASK_VERDICT, response_format: zodResponseFormat(q.Verdict, "verdict"),
      });
      same(completion.choices[0].message.parsed, q.VERDICT);
    },
    async responses(model) {
      const response = await client.responses.create({ model, input: "hello" });
      same(response.output_text, q.SAID);
      same(response.usage.total_tokens, 18);
    },
    async responsesStream(model) {
      const pieces = [];
      const stream = client.responses.stream({ model, input: "hello" });
      stream.on("response.output_text.delta", (event) => pieces.push(event.delta));
      same((await stream.finalResponse()).output_text, q.SAID);
      inPieces(pieces, q.SAID);
    },
    async responsesToolCall(model) {
      const tool = { type: "function", name: "get_price", parameters: q.PARAMETERS, strict: true };
      const response = await client.responses.create({ model, input: q.ASK_PRICE, tools: [tool] });
      const call = response.output.find((item) => item.type === "function_call");
      same([call.name, JSON.parse(call.arguments)], ["get_price", { symbol: "BTC/USDT" }]);
    },
    async responsesParse(model) {
      const response = await client.responses.parse({
        model, input: q.ASK_VERDICT, text: { format: zodTextFormat(q.Verdict, "verdict") },
      });
      same(response.output_parsed, q.VERDICT);
    },
    async models(model) {
      const ids = [];
      for await (const each of client.models.list()) ids.push(each.id);
      same(ids.includes(model), true);
      same((await client.models.retrieve(model)).id, model);
    },
    async errorBadRequest(model) {
      const error = await refused(chat.create({ model, messages: q.REFUSED }));
      same([error.constructor.name, error.message.includes("scripted refusal")], ["BadRequestError", true]);
    },
  },
  once: {
    async embeddings() {
      const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "three"] });
      same(answer.data.map((each) => each.embedding), [[0, 3], [1, 5]]);
    },
    async errorUnknownModel() {
      const error = await refused(chat.create({ model: "gpt-4o-minni", messages: q.HELLO }));
      same([error.constructor.name, error.code], ["NotFoundError", "model_not_found"]);
    },
    async errorWrongKey(model) {
      const stranger = client.withOptions({ apiKey: "wrong-key-0123456789" });
      const error = await refused(stranger.chat.completions.create({ model, messages: q.HELLO }));
      same([error.constructor.name, error.code], ["AuthenticationError", "caller_unauthenticated"]);
    },
  },
});
