// A client of MCP Events that is not ours, as far as npm has one: the TypeScript SDK's client, which knows nothing of the
// extension, with plain requests of its documents; and the JavaScript library of Standard Webhooks behind its callback.
//
// It prints lines of JSON: where its callback is, then what it was answered, then each event that it took. Its standard
// input says once where the bridge is: {"mcp", "token", "era"}; its end ends the subscription.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { z } from "zod";

const secret = "whsec_" + randomBytes(32).toString("base64");
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const receiver = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const raw = Buffer.concat(chunks).toString("utf-8");
  let body;
  try {
    body = new Webhook(secret).verify(raw, request.headers);
  } catch (error) {
    tell({ refused: String(error) });
    response.writeHead(401).end();
    return;
  }
  if (body.type === "verification") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ challenge: body.challenge }));
    return;
  }
  tell({ event: body, id: request.headers["webhook-id"], subscription: request.headers["x-mcp-subscription-id"] });
  response.writeHead(204).end();
});
await new Promise((ready) => receiver.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${receiver.address().port}/hook`;
tell({ url });

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { mcp, token, era } = JSON.parse((await lines.next()).value);

const extensions = { "io.modelcontextprotocol/events": {} };
const client = new Client(
  { name: "events-client", version: "1" },
  {
    capabilities: { extensions },
    versionNegotiation: { mode: era === "2026-07-28" ? { pin: era } : "legacy" },
  },
);
const headers = { authorization: `Bearer ${token}` };
await client.connect(new StreamableHTTPClientTransport(new URL(mcp), { requestInit: { headers } }));
const any = z.looseObject({});
const ask = (method, params) => client.request({ method, params }, any);

const listed = await ask("events/list", {});
const about = { name: "message.received", arguments: { conversation: "desk/main" } };
const begun = await ask("events/poll", { ...about, cursor: null });
const refused = await ask("events/poll", { name: "no.such.event", arguments: {} }).catch((error) => error.code);
const subscribed = await ask("events/subscribe", { ...about, delivery: { mode: "webhook", url, secret } });
tell({ version: client.getNegotiatedProtocolVersion(), names: listed.events.map((each) => each.name), begun, refused, subscribed });

await lines.next();
const polled = await ask("events/poll", { ...about, cursor: begun.cursor });
await ask("events/unsubscribe", { ...about, delivery: { url } });
tell({ polled });
await client.close();
receiver.close();
receiver.closeAllConnections();
process.stdin.destroy();
