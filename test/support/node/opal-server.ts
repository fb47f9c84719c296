// OPAL for the worker tests: a real HTTP server that does what the caller's client name says, one word a call, and
// keeps a ledger. `ok` accepts; the last word repeats. Example: client name "503 429:7 ok".
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { LedgerEntry } from "../ledger.ts";

const ledger: LedgerEntry[] = [];

export default async function setup(): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(Number(process.env.TEST_OPAL_PORT), "127.0.0.1", resolve));
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await read(request);
  if (request.url?.startsWith("/ledger")) {
    const key = new URL(request.url, "http://opal").searchParams.get("key");
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(ledger.filter((entry) => entry.idempotencyKey === key)));
    return;
  }
  const idempotencyKey = String(request.headers["idempotency-key"]);
  const earlier = ledger.filter((entry) => entry.idempotencyKey === idempotencyKey).length;
  const words = String(JSON.parse(body.toString()).client_name).split(" ");
  const step = words[Math.min(earlier, words.length - 1)] ?? "ok";
  ledger.push({
    idempotencyKey,
    correlationId: String(request.headers["x-correlation-id"]),
    at: Date.now(),
    step,
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    body: body.toString(),
    isSigned: isSigned(request, body),
  });
  answer(step, idempotencyKey, response);
}

function answer(step: string, key: string, response: ServerResponse): void {
  const [word, argument] = step.split(":");
  const status = Number(word);
  if (word === "reset") response.destroy();
  else if (word === "hang") setTimeout(() => response.destroy(), 10_000).unref();
  else if (word === "empty") response.writeHead(200).end();
  else if (word === "text") response.writeHead(200, { "Content-Type": "text/plain" }).end("accepted, thank you");
  else if (word === "slow") setTimeout(() => accept(key, response), Number(argument)).unref();
  else if (status >= 300) response.writeHead(status, argument ? { "Retry-After": argument } : {}).end("{}");
  else accept(key, response);
}

function accept(key: string, response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ workflow_id: `opal-${key}`, status: "initiated" }));
}

function isSigned(request: IncomingMessage, body: Buffer): boolean {
  const match = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(request.headers["x-osa-signature"]));
  const hmac = createHmac("sha256", "test-webhook-secret-of-forty-characters-");
  return match !== null && hmac.update(`${match[1]}.`).update(body).digest("hex") === match[2];
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
