// The product as it is, except that a caller may name a workspace: the Worker then answers as if it belonged to it. So
// one Worker has runs of several workspaces, which it has otherwise only where OPAL begins them.
import type { Env } from "../../src/env.ts";
import product from "../../src/index.ts";

export * from "../../src/index.ts";

export default {
  ...product,
  fetch(request: Request, env: Env, ctx: ExecutionContext) {
    const workspace = request.headers.get("X-Flood-Workspace");
    return product.fetch(request, workspace === null ? env : { ...env, OPAL_WORKSPACE_ID: workspace }, ctx);
  },
};
