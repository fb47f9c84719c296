// The command really posts: run by sh against a server, with openssl and curl.
import { execFile } from "node:child_process";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { base64, curlScript } from "../../../src/events/curl.ts";
import { verifySignature } from "../../../src/webhooks/signature.ts";

const SECRET = "a-secret with 'quotes', $dollars and `ticks`";

interface Posted {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const posted: Posted[] = [];
let origin = "";
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    posted.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) });
    response.end("taken in");
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
});

afterAll(() => {
  server.close();
});

function scriptOf(body: Uint8Array, source = "opal", workspace?: string): string {
  return curlScript({ deliveryId: "whd_1", source, workspace, origin, body });
}

/** Runs it as whoever pastes it does, and answers what was posted. */
async function run(script: string, shell = "bash", variables: Readonly<Record<string, string>> = {}): Promise<Posted> {
  const env = { PATH: process.env.PATH, OSA_WEBHOOK_SHARED_SECRET: SECRET, ...variables };
  const running = promisify(execFile)(shell, ["-s"], { env });
  running.child.stdin?.end(script);
  expect((await running).stdout).toBe("taken in");
  const last = posted.at(-1);
  if (last === undefined) throw new Error("nothing was posted");
  return last;
}

const bytes = (text: string) => new TextEncoder().encode(text);
/** Every byte there is, twice, so that no text can hold them. */
const EVERY_BYTE = Uint8Array.from({ length: 512 }, (_, index) => index % 256);

describe("the command posts the very same bytes, with a signature that is accepted", () => {
  test.for([
    ["plain JSON", bytes('{"event_type":"workflow_progress","n":1.50}')],
    ["quotes, dollars, ticks and backslashes", bytes(`{"a":"it's \\"$HOME\\" \`id\` $(id) \\\\n !! %s %d"}`)],
    ["line breaks at its end", bytes('{"a":1}\n\n')],
    ["line breaks and tabs", bytes('{\n\t"a": 1\n}')],
    ["carriage returns", bytes('{"a":1}\r\n')],
    ["a byte order mark", bytes('\ufeff{"a":1}')],
    ["letters of every kind", bytes('{"a":"Zürich 東京 🚀 \u202eevil"}')],
    ["a word that ends a here-document", bytes("END_OF_BODY\nEOF\n'\nEND_OF_BODY")],
    ["no text at all", EVERY_BYTE],
    ["nothing", new Uint8Array()],
    ["a hundred thousand bytes of text", bytes(`{"a":"${"it's long ".repeat(10_000)}"}`)],
    ["a hundred thousand bytes of no text", new Uint8Array(100_001).map((_, index) => (index * 7) % 256)],
  ] as const)("%s", async ([, body]) => {
    for (const shell of ["bash", "sh"]) {
      const { path, headers, body: received } = await run(scriptOf(body), shell);
      expect([path, headers["content-type"]]).toEqual(["/api/webhooks/opal-workflow", "application/json"]);
      expect(received.equals(body), shell).toBe(true);
      const signature = String(headers["x-osa-signature"]);
      const request = { signature, timestamp: null, body: new Uint8Array(received) };
      const secrets = [{ name: "current", value: SECRET }];
      expect(await verifySignature(request, secrets, Date.now(), false)).toMatchObject({ ok: true, scheme: "osa" });
    }
  });
});

test("it goes to the receiver of the source and the workspace", async () => {
  const posts = [
    [scriptOf(bytes("{}"), "opal", "acme"), "/api/webhooks/opal-workflow/acme"],
    [scriptOf(bytes("{}"), "ga4"), "/api/webhooks/ga4"],
    [scriptOf(bytes("{}"), "salesforce", "acme"), "/api/webhooks/salesforce/acme"],
    [scriptOf(bytes("{}"), "external:crm"), "/api/webhooks/external/crm"],
    [scriptOf(bytes("{}"), "opal_tool:send_data"), "/api/webhooks/opal-workflow"],
    [scriptOf(bytes("{}"), "external:$(id)"), "/api/webhooks/opal-workflow"],
  ] as const;
  for (const [script, path] of posts) expect((await run(script)).path).toBe(path);
});

test("it goes elsewhere when it is told so, and nowhere without the secret", async () => {
  const elsewhere = curlScript({
    ...{ deliveryId: "whd_1", source: "opal", workspace: undefined, body: bytes("{}") },
    origin: "http://127.0.0.1:1",
  });
  expect((await run(elsewhere, "bash", { OSA_URL: origin })).path).toBe("/api/webhooks/opal-workflow");
  const before = posted.length;
  await expect(run(scriptOf(bytes("{}")), "bash", { OSA_WEBHOOK_SHARED_SECRET: "" })).rejects.toThrow("is not set");
  expect(posted).toHaveLength(before);
});

test("an address that is a command itself stays an address", () => {
  const script = curlScript({
    ...{ deliveryId: "whd_1", source: "opal", workspace: undefined, body: bytes("{}") },
    origin: "https://a'$(touch x)`b`",
  });
  expect(script).toContain("origin='https://a'\\''$(touch x)`b`'\n");
});

test("base64 is that of everybody else, whatever the length", () => {
  for (const length of [0, 1, 2, 3, 24_575, 24_576, 24_577, 100_000]) {
    const some = new Uint8Array(length).map((_, index) => (index * 31) % 256);
    expect(base64(some)).toBe(Buffer.from(some).toString("base64"));
  }
});
