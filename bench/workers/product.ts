// The product as it is, with a meter beside it: what a session writes to D1, and what still waits in its outbox.

import type { Env } from "../../src/env.ts";
import product from "../../src/index.ts";
import { objectName } from "../../src/platform/ids.ts";
import { SyncSession as Session } from "../../src/sync/object.ts";
import { type D1Meter, metered, newMeter, setDistance } from "./meter.ts";

export * from "../../src/index.ts";

interface MeteredEnv extends Env {
  readonly SYNC_SESSION: DurableObjectNamespace<SyncSession>;
}

export class SyncSession extends Session {
  readonly #meter: D1Meter;

  constructor(ctx: DurableObjectState, env: Env) {
    const meter = newMeter();
    super(ctx, { ...env, DB: metered(env.DB, meter) });
    this.#meter = meter;
  }

  async readMeter() {
    const query = "SELECT destination, count(*) AS n FROM outbox GROUP BY destination";
    const rows = this.ctx.storage.sql.exec<{ destination: string; n: number }>(query).toArray();
    return { waiting: Object.fromEntries(rows.map(({ destination, n }) => [destination, n])), d1: { ...this.#meter } };
  }
}

export default {
  ...product,
  fetch(request: Request, env: MeteredEnv, ctx: ExecutionContext) {
    const [, what, value = ""] = /^https?:\/\/[^/]+\/api\/bench-(meter|distance)\/([\w-]+)$/.exec(request.url) ?? [];
    if (what === undefined) return product.fetch(request, env, ctx);
    if (what === "meter") return readMeter(env, value);
    setDistance(Number(value));
    return Response.json({ ms: Number(value) });
  },
};

async function readMeter(env: MeteredEnv, sessionId: string): Promise<Response> {
  return Response.json(await env.SYNC_SESSION.getByName(objectName("default", sessionId)).readMeter());
}
