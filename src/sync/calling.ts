// The call to OPAL that a run is about to make: what is sent, with which credential.
import type { Settings } from "../env.ts";
import type { WorkflowCall } from "../opal/client.ts";
import { sha256Hex } from "../platform/hash.ts";
import type { CredentialName } from "./run/commands.ts";
import { isRerunning, type KnownRun, openAttempt } from "./run/state.ts";

export const OPAL_CREDENTIAL = "OPAL_STRATEGY_WORKFLOW_AUTH_KEY";
const FINGERPRINT_CHARACTERS = 16;

/** Undefined when the run has no call to make, or the workspace no secret to sign it with. */
export function callFor(run: KnownRun, settings: Settings): WorkflowCall | undefined {
  const open = openAttempt(run);
  const { workspace, sessionId, correlationId, scope, client, source, priority, lineage, agentFilter } = run.request;
  const signingSecret = settings.webhookSecrets(workspace)?.[0]?.value;
  if (open === undefined || signingSecret === undefined) return undefined;
  const rerun = run.reruns.find((known) => known.rerun === open.rerun);
  return {
    ...{ url: settings.opal.url, bearerKey: settings.opal.bearerKey, signingSecret },
    ...{ sessionId, correlationId, scope, client, source, priority, requestedAt: run.requestedAt },
    timeoutOverrideMs: run.request.timeoutOverrideMs,
    attempt: open.attempt,
    idempotencyKey: rerun ? `${sessionId}.rerun-${rerun.rerun}` : sessionId,
    agentFilter: rerun ? rerun.agents.filter((id) => isRerunning(run, id, rerun.rerun)) : agentFilter,
    retryOf: rerun ? sessionId : (lineage?.retryOf ?? null),
    isReduced: rerun?.isReduced ?? false,
  };
}

/** Tells two values of the credential apart without giving either away. */
export async function opalCredential(settings: Settings): Promise<CredentialName> {
  const digest = await sha256Hex(new TextEncoder().encode(`${OPAL_CREDENTIAL}:${settings.opal.bearerKey}`));
  return { name: OPAL_CREDENTIAL, fingerprint: digest.slice(0, FINGERPRINT_CHARACTERS) };
}
