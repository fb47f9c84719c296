// What the older and sibling entrances answer: the engine's own answers under the names their callers read.
import { runAddress } from "../dashboard/address.ts";
import type { Settings } from "../env.ts";
import { AGENT_IDS } from "../opal/agents.ts";
import { WORKFLOW_NAME } from "../opal/client.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { triggerAnswer } from "../sync/answers.ts";
import { SYNC_SCOPES } from "../sync/plan.ts";
import { estimateAnswer } from "../workspace/estimate-answers.ts";
import type { GrantedSync } from "../workspace/granted.ts";
import type { Overview } from "../workspace/overview.ts";
import { DEPRECATION } from "./deprecation.ts";

const CONTENT_PLATFORMS = ["Content Recs", "CMS PaaS"] as const;
const PRIORITY_PLATFORMS = ["ODP", ...CONTENT_PLATFORMS, "CMP"] as const;

const PLATFORMS: Readonly<Record<(typeof SYNC_SCOPES)[number], readonly string[]>> = {
  quick: PRIORITY_PLATFORMS,
  priority_platforms: PRIORITY_PLATFORMS,
  full: [...PRIORITY_PLATFORMS, "WebX"],
  odp_only: ["ODP"],
  content_platforms: CONTENT_PLATFORMS,
};

/** Empty for a scope that is none of the caller's. */
export function platformsOf(scope: string): readonly string[] {
  const known = SYNC_SCOPES.find((candidate) => candidate === scope);
  return known === undefined ? [] : PLATFORMS[known];
}

/** Every key is always there. OPAL has not been called when this is said, so nothing of it is claimed. */
export function legacySyncAnswer(sync: GrantedSync) {
  const { session_id, correlation_id, workflow_id, message, status_url } = triggerAnswer(sync);
  return {
    success: true as const,
    sync_id: session_id,
    ...{ session_id, correlation_id, message },
    sync_details: {
      internal_workflow: { enabled: true as const, workflow_id },
      external_opal: {
        triggered: false as const,
        workflow_id: null,
        ai_agents_count: sync.expectedAgents.length,
      },
    },
    status: "initiated" as const,
    workflows_triggered: [WORKFLOW_NAME],
    agents_synced: [],
    retry_attempts: 0,
    completion_time: null,
    platforms_included: platformsOf(sync.scope),
    status_url,
    polling_url: status_url,
    deprecation: DEPRECATION,
  };
}

/** Anybody may read this, so it says which settings are wrong and nothing that was found in them. */
export function configurationRefusal(problems: readonly string[]): Refusal {
  // Names of workspaces, or whatever was written in their place, are part of this one setting's value.
  const told = problems.map((problem) =>
    problem.startsWith("OSA_WORKSPACE_SECRETS") ? "OSA_WORKSPACE_SECRETS is wrong" : problem.trim(),
  );
  const detail = "Environment validation failed";
  return refuse("configuration_error", { detail, members: { problems: [...new Set(told)] } });
}

/** What a service that is configured has checked, for this workspace. */
export function configurationAnswer(settings: Settings, workspace: string) {
  const hasSecrets = (settings.webhookSecrets(workspace) ?? []).length > 0;
  const hasKey = settings.opal.bearerKey !== "";
  const said = (isSet: boolean) => (isSet ? ("ok" as const) : ("not_set" as const));
  const isValidated = hasSecrets && hasKey;
  return {
    success: true as const,
    workflow_security: {
      allowed_workflow: WORKFLOW_NAME,
      account_validation: isValidated,
      security_note: isValidated
        ? `Only ${WORKFLOW_NAME} can be started, with this service's own key; webhooks must be signed.`
        : `Only ${WORKFLOW_NAME} can be started, and this workspace lacks a key or a webhook secret for it.`,
    },
    environment: settings.environment,
    configuration: {
      opal_webhook_url: said(settings.opal.url !== ""),
      opal_auth_key: said(hasKey),
      webhook_secret: said(hasSecrets),
      session_secret: said(settings.sessionSecret !== undefined),
    },
  };
}

/** `clientSessionId` is the caller's own and names nothing here. */
export function orchestrationAnswer(sync: GrantedSync, clientSessionId: string | undefined) {
  const { session_id, correlation_id, workflow_id, message, status_url } = triggerAnswer(sync);
  return {
    success: true as const,
    ...{ message, session_id, correlation_id, workflow_id },
    client_session_id: clientSessionId ?? null,
    workflow_name: WORKFLOW_NAME,
    status: sync.outcome === "queued" ? ("queued" as const) : ("started" as const),
    status_url,
  };
}

export function orchestrationDescription(overview: Pick<Overview, "switchedOff" | "breaker" | "activeSessionId">) {
  return {
    success: true as const,
    endpoint: "/api/orchestrations/trigger",
    workflow_name: WORKFLOW_NAME,
    accepts: {
      method: "POST",
      content_type: "application/json",
      required: ["workflow_name"],
      optional: ["session_id", "client_name", "agent_filter", "on_busy"],
      agents: AGENT_IDS,
      headers: ["Idempotency-Key"],
    },
    ...readiness(overview),
  };
}

/** In the order in which a start would be refused; `not_ready` has the code it would be refused with. */
function readiness({ switchedOff, breaker, activeSessionId }: Parameters<typeof orchestrationDescription>[0]) {
  if (switchedOff) return { ready: false, not_ready: "triggering_disabled", message: switchedOff.reason };
  if (breaker.state === "open" && breaker.retryAt !== null) {
    const message = `OPAL has not been answering; it is tried again at ${new Date(breaker.retryAt).toISOString()}.`;
    return { ready: false, not_ready: "breaker_open", message };
  }
  if (activeSessionId !== null) {
    return { ready: false, not_ready: "run_active", message: `The run ${activeSessionId} is under way.` };
  }
  return { ready: true, not_ready: null, message: "A run can be started." };
}

/** `origin` is the caller's view of us; `workspace` is null for the default one. */
export function opalTriggerAnswer(sync: GrantedSync, origin: string, workspace: string | null) {
  const { session_id, correlation_id, workflow_id, message } = triggerAnswer(sync);
  const estimate = estimateAnswer(sync.estimate, sync.record);
  return {
    success: true as const,
    ...{ message, workflow_id, session_id, correlation_id },
    status: sync.outcome === "queued" ? ("queued" as const) : ("initiated" as const),
    estimated_completion_time: estimate.estimated_end.p50,
    ...estimate,
    agents_scheduled: sync.expectedAgents,
    status_url: `/api/opal/status/${session_id}`,
    webhook_url: `${origin}/api/webhooks/opal-workflow${workspace === null ? "" : `/${workspace}`}`,
    monitoring_url: `${origin}${runAddress(session_id)}`,
  };
}
