// What the clients ask, and what the mock model is known to say to it.
import { z } from "zod";

export const SAID = "buy the dip";
export const PRICE = "64231.5";
export const HELLO = [{ role: "user", content: "hello" }];
export const ASK_PRICE = [{ role: "user", content: "What is the price of BTC/USDT?" }];
export const ASK_VERDICT = [{ role: "user", content: "Should I buy BTC/USDT? Answer as JSON." }];
export const REFUSED = [{ role: "user", content: "fail with 400" }];
export const DESCRIPTION = "The last price of a symbol.";
export const PARAMETERS = {
  type: "object",
  properties: { symbol: { type: "string" } },
  required: ["symbol"],
  additionalProperties: false,
};
export const CHAT_TOOL = {
  type: "function",
  function: { name: "get_price", description: DESCRIPTION, parameters: PARAMETERS },
};
export const Verdict = z.object({
  action: z.enum(["BUY", "SELL", "HOLD"]),
  confidence: z.number(),
  reasons: z.array(z.string()),
});
export const VERDICT = { action: "BUY", confidence: 0.5, reasons: ["BTC/USDT"] };
