// Starting a run over HTTP. Every entrance comes through here, so all of them have the same rules, key and answer.
import type { Context } from "hono";
import type { AppEnv } from "../app-env.ts";
import { sha256Hex } from "../platform/hash.ts";
import type { GrantedSync, IdempotencyKey, SyncAnswer } from "../workspace/granted.ts";
import type { SyncOrder } from "../workspace/order.ts";
import { statusUrl } from "./answers.ts";
import { workspaceOf } from "./finding.ts";
import type { SyncCommand } from "./plan.ts";
import { clientChanges, clientFrom, type TriggerBody } from "./schema.ts";

const DEFAULT_SCOPE = "quick";

/** `content` is what the caller sent, when two contents can become the same order. */
export async function startSync(
  c: Context<AppEnv>,
  order: SyncOrder,
  key: string | undefined,
  content: unknown = order,
): Promise<SyncAnswer> {
  return workspaceOf(c).requestSync(order, await idempotencyFor(c, content, key));
}

/** The same key is the same request only from the same caller, at the same address, with the same content. */
export async function idempotencyFor(
  c: Context<AppEnv>,
  content: unknown,
  key: string | undefined,
): Promise<IdempotencyKey | undefined> {
  if (key === undefined) return undefined;
  const request = new TextEncoder().encode(JSON.stringify([new URL(c.req.url).pathname, content]));
  return { key: `${c.var.principal.name} ${key}`, requestHash: await sha256Hex(request) };
}

/** Headers of an answer to something that was started. */
export function startedHeaders(sync: GrantedSync, isRepeat: boolean): Record<string, string> {
  return {
    "Cache-Control": "no-store",
    Location: statusUrl(sync.sessionId),
    ...(isRepeat ? { "Idempotent-Replayed": "true" } : {}),
  };
}

export function orderFrom(body: TriggerBody, actor: string, source: SyncCommand["source"]): SyncOrder {
  const retry = {
    of: null,
    how: "retry",
    failedOnly: true,
    isCredentialConfirmed: false,
    changes: {
      client: clientChanges(body.client_context),
      scope: body.sync_scope,
      timeoutOverrideMs: body.timeout_override,
      priority: body.priority,
    },
  } as const;
  return {
    command: {
      scope: body.sync_scope ?? DEFAULT_SCOPE,
      client: clientFrom(body.client_context),
      ...{ actor, source, priority: body.priority ?? "normal" },
      agentFilter: body.agent_filter ?? null,
      timeoutOverrideMs: body.timeout_override ?? null,
      agentTimeoutsMs: {},
    },
    retry: body.retry_failed_only ? retry : null,
    onBusy: body.on_busy,
    isForced: body.force_restart,
  };
}
