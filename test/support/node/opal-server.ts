// OPAL for the worker tests: a real HTTP server that does what the caller's client name says, one word a call, and
// keeps a ledger. `ok` accepts; the last word repeats. Example: client name "503 429:7 ok". Any other word accepts too,
// so "ok my-test" is a client of the test's own. The ledger is read by idempotency key or by client name.
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { LedgerEntry } from "../ledger.ts";

/** Longer than any test waits. */
const HANG_MS = 25_000;

const ledger: LedgerEntry[] = [];
/** Idempotency keys of hanging calls whose caller went away. */
const hungUp: string[] = [];

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
  const url = new URL(request.url ?? "/", "http://opal");
  if (url.pathname === "/ledger" || url.pathname === "/hung-up") {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(lookUp(url)));
    return;
  }
  const idempotencyKey = String(request.headers["idempotency-key"]);
  const earlier = ledger.filter((entry) => entry.idempotencyKey === idempotencyKey).length;
  const words = clientOf(body.toString()).split(" ");
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

function lookUp({ pathname, searchParams }: URL): unknown {
  const key = searchParams.get("key");
  if (pathname === "/hung-up") return hungUp.filter((caller) => caller === key);
  const client = searchParams.get("client");
  return ledger.filter((entry) => (key === null ? clientOf(entry.body) === client : entry.idempotencyKey === key));
}

function clientOf(body: string): string {
  return String(JSON.parse(body).client_name);
}

function answer(step: string, key: string, response: ServerResponse): void {
  const [word, argument] = step.split(":");
  const status = Number(word);
  if (word === "reset") response.destroy();
  else if (word === "hang") hang(key, response);
  else if (word === "stall") stall(response);
  else if (word === "empty") response.writeHead(200).end();
  else if (word === "text") response.writeHead(200, { "Content-Type": "text/plain" }).end("accepted, thank you");
  else if (word === "fail") setTimeout(() => response.writeHead(503).end(), Number(argument)).unref();
  else if (word === "slow") setTimeout(() => accept(key, response), Number(argument)).unref();
  else if (word === "huge") huge(response);
  else if (status >= 300 && status < 400) response.writeHead(status, { Location: "/webhooks/elsewhere" }).end();
  else if (status >= 300) response.writeHead(status, argument ? { "Retry-After": argument } : {}).end("{}");
  else accept(key, response);
}

function hang(key: string, response: ServerResponse): void {
  response.once("close", () => hungUp.push(key));
  setTimeout(() => response.destroy(), HANG_MS).unref();
}

/** Accepts, and never comes to the end of what it has to say. */
function stall(response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "application/json" }).write('{"workflow_id":');
  setTimeout(() => response.destroy(), HANG_MS).unref();
}

/** Accepts with more words than anybody wants to read before it comes to the point. */
function huge(response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ greeting: "hello ".repeat(100_000), workflow_id: "at-last" }));
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
