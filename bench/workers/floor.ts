// The least that could do the same work: what the product's figures are compared with.
import { DurableObject } from "cloudflare:workers";

interface FloorEnv {
  readonly DB: D1Database;
  readonly FLOOR: DurableObjectNamespace<Floor>;
  readonly SECRET: string;
}

export class Floor extends DurableObject<FloorEnv> {
  constructor(ctx: DurableObjectState, env: FloorEnv) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB)");
  }

  async insert(body: ArrayBuffer): Promise<void> {
    this.ctx.storage.sql.exec("INSERT INTO events (at, body) VALUES (?, ?)", Date.now(), body);
  }

  async read() {
    return { ok: true };
  }
}

let key: Promise<CryptoKey> | undefined;

export default {
  async fetch(request: Request, env: FloorEnv): Promise<Response> {
    const { pathname } = new URL(request.url);
    const floor = env.FLOOR.getByName("floor");
    if (pathname === "/object-call") return Response.json(await floor.read());
    const body = await request.arrayBuffer();
    if (pathname === "/d1-insert") {
      await env.DB.prepare("INSERT INTO events (at, body) VALUES (?, ?)").bind(Date.now(), body).run();
    } else {
      if (!(await isGenuine(request, body, env.SECRET))) return new Response(null, { status: 401 });
      await floor.insert(body);
    }
    return Response.json({ success: true });
  },
};

async function isGenuine(request: Request, body: ArrayBuffer, secret: string): Promise<boolean> {
  const [, seconds = "", hex = ""] =
    /^t=(\d+),v1=([0-9a-f]+)$/.exec(request.headers.get("X-OSA-Signature") ?? "") ?? [];
  const bytes = new TextEncoder();
  key ??= crypto.subtle.importKey("raw", bytes.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const head = bytes.encode(`${seconds}.`);
  const signed = new Uint8Array(head.length + body.byteLength);
  signed.set(head);
  signed.set(new Uint8Array(body), head.length);
  const digest = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return crypto.subtle.verify("HMAC", await key, digest, signed);
}
