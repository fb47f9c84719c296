// The product as it is, except that a caller may name a workspace: the Worker then answers as if it belonged to it. So
// one Worker has runs of several workspaces, which it has otherwise only where OPAL begins them. D1 is as far away as it
// is outside of this machine, so that a kill may come between what D1 has done and the object's knowing of it.
import type { Env } from "../../src/env.ts";
import { Inbox as ProductInbox } from "../../src/inbox/object.ts";
import product from "../../src/index.ts";
import { SyncSession as Session } from "../../src/sync/object.ts";
import { metered, newMeter, setDistance } from "./meter.ts";

export * from "../../src/index.ts";

/** There and back, in ms. */
const D1_MS = 20;

setDistance(D1_MS);

export class SyncSession extends Session {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, far(env));
  }
}

export class Inbox extends ProductInbox {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, far(env));
  }
}

function far(env: Env): Env {
  return { ...env, DB: metered(env.DB, newMeter()) };
}

export default {
  ...product,
  fetch(request: Request, env: Env, ctx: ExecutionContext) {
    const workspace = request.headers.get("X-Flood-Workspace");
    return product.fetch(request, workspace === null ? env : { ...env, OPAL_WORKSPACE_ID: workspace }, ctx);
  },
};
