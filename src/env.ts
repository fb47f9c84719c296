// Bindings, variables and secrets. Variables are parsed once per isolate; a wrong one stops what needs it, by name.
import { z } from "zod";
import { SAFE_NAME } from "./platform/ids.ts";
import type { SyncSession } from "./sync/object.ts";
import type { Workspace } from "./workspace/object.ts";

export interface Env {
  readonly DB: D1Database;
  readonly ASSETS: Fetcher;
  readonly SYNC_SESSION: DurableObjectNamespace<SyncSession>;
  readonly WORKSPACE: DurableObjectNamespace<Workspace>;
  readonly [variable: string]: unknown;
}

const MIN_SECRET_CHARACTERS = 32;
const PLACEHOLDER = /change[-_ ]?me|placeholder|your[-_ ]|example|<.*>|xxxx|todo/i;
const DEVELOPMENT_VALUE = /^development-/;

const secret = z
  .string()
  .refine(
    (value) => value.trim().length >= MIN_SECRET_CHARACTERS,
    `must have at least ${MIN_SECRET_CHARACTERS} characters`,
  )
  .refine((value) => !PLACEHOLDER.test(value), "is still a placeholder");

const optional = <Value extends z.ZodType>(value: Value) =>
  z.preprocess((given) => (given === "" ? undefined : given), value.optional());

const variables = z
  .object({
    ENVIRONMENT: z.enum(["development", "staging", "production"]),
    OPAL_WEBHOOK_URL: z.url({ protocol: /^https?$/ }).refine((url) => !PLACEHOLDER.test(url), "is still a placeholder"),
    OPAL_STRATEGY_WORKFLOW_AUTH_KEY: secret,
    OPAL_WORKSPACE_ID: optional(z.string().regex(SAFE_NAME)),
    /** Whether OPAL runs its agents one after the other (as its workflow is defined) or all at once. */
    OPAL_WORKFLOW_ORDER: optional(z.enum(["sequence", "parallel"])),
    /** One call to OPAL, in ms. */
    OPAL_TIMEOUT_MS: optional(z.coerce.number().int().min(100).max(120_000)),
    OSA_WEBHOOK_SHARED_SECRET: optional(secret),
    /** Older name of the same secret. */
    OSA_WEBHOOK_SECRET: optional(secret),
    /** Still accepted while a rotation is under way. */
    OSA_WEBHOOK_PREVIOUS_SECRET: optional(secret),
    /** Webhook secrets of further workspaces: a JSON object from workspace to secret. */
    OSA_WORKSPACE_SECRETS: optional(z.string()),
    /** Bearer token with which OPAL calls our functions; without it they are closed. */
    OPAL_TOOLS_TOKEN: optional(secret),
    LEGACY_SIGNATURES: optional(z.enum(["true", "false"])),
    LEGACY_SIGNATURES_ACKNOWLEDGED: optional(z.enum(["true", "false"])),
    SESSION_SECRET: optional(secret),
    DEV_API_KEY: optional(z.string().min(16)),
    DEV_ADMIN_EMAIL: optional(z.email()),
    DEV_ADMIN_PASSWORD: optional(z.string().min(8)),
    DEADLINE_SCALE: optional(z.coerce.number().positive().max(10)),
  })
  .superRefine((given, ctx) => {
    const refuse = (name: string, message: string) => ctx.addIssue({ code: "custom", path: [name], message });
    if (given.OSA_WEBHOOK_SHARED_SECRET === undefined && given.OSA_WEBHOOK_SECRET === undefined) {
      refuse("OSA_WEBHOOK_SHARED_SECRET", "is missing");
    }
    const target = URL.parse(given.OPAL_WEBHOOK_URL);
    if (target?.pathname.startsWith("/api/webhooks/")) refuse("OPAL_WEBHOOK_URL", "points at our own receiver");
    if (given.ENVIRONMENT === "development") return;
    if (target?.protocol !== "https:") refuse("OPAL_WEBHOOK_URL", "must use https");
    if (given.LEGACY_SIGNATURES === "true" && given.LEGACY_SIGNATURES_ACKNOWLEDGED !== "true") {
      refuse("LEGACY_SIGNATURES", "is not safe; set LEGACY_SIGNATURES_ACKNOWLEDGED to accept it all the same");
    }
    for (const [name, value] of Object.entries(given)) {
      if (typeof value === "string" && DEVELOPMENT_VALUE.test(value)) refuse(name, "is a development value");
    }
  });

const workspaceSecrets = z.record(z.string().regex(SAFE_NAME), secret);

export interface WebhookSecret {
  readonly name: "current" | "previous";
  readonly value: string;
}

export interface Settings {
  readonly environment: "development" | "staging" | "production";
  readonly opal: {
    readonly url: string;
    readonly bearerKey: string;
    readonly timeoutMs: number;
    readonly order: "sequence" | "parallel";
  };
  readonly workspace: string;
  /** Newest first. Undefined for a workspace nobody configured. */
  readonly webhookSecrets: (workspace: string) => readonly WebhookSecret[] | undefined;
  /** Belongs to the default workspace. */
  readonly toolsToken: string | undefined;
  readonly acceptsLegacySignatures: boolean;
  readonly sessionSecret: string | undefined;
  /** What only development honours; undefined elsewhere. */
  readonly development: { readonly apiKey?: string; readonly email?: string; readonly password?: string } | undefined;
  readonly deadlineScale: number;
}

/** A setting that is missing or wrong. The message names settings, never their values. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("; "));
    this.name = "ConfigurationError";
    this.problems = problems;
  }
}

const parsed = new WeakMap<object, Settings>();

/** Throws ConfigurationError. */
export function settingsFrom(env: Env): Settings {
  const known = parsed.get(env);
  if (known) return known;
  const settings = parseSettings(env);
  parsed.set(env, settings);
  return settings;
}

function parseSettings(env: Env): Settings {
  const result = variables.safeParse(env);
  if (!result.success) throw new ConfigurationError(result.error.issues.map(nameProblem));
  const given = result.data;
  const isDevelopment = given.ENVIRONMENT === "development";
  const workspace = given.OPAL_WORKSPACE_ID ?? "default";
  const own: WebhookSecret[] = [];
  const current = given.OSA_WEBHOOK_SHARED_SECRET ?? given.OSA_WEBHOOK_SECRET;
  if (current) own.push({ name: "current", value: current });
  if (given.OSA_WEBHOOK_PREVIOUS_SECRET) own.push({ name: "previous", value: given.OSA_WEBHOOK_PREVIOUS_SECRET });
  const others = parseWorkspaceSecrets(given.OSA_WORKSPACE_SECRETS);
  if (!isDevelopment && [...others.values()].some((value) => DEVELOPMENT_VALUE.test(value))) {
    throw new ConfigurationError(["OSA_WORKSPACE_SECRETS holds a development value"]);
  }
  return {
    environment: given.ENVIRONMENT,
    opal: {
      url: given.OPAL_WEBHOOK_URL,
      bearerKey: given.OPAL_STRATEGY_WORKFLOW_AUTH_KEY,
      timeoutMs: given.OPAL_TIMEOUT_MS ?? 45_000,
      order: given.OPAL_WORKFLOW_ORDER ?? "sequence",
    },
    workspace,
    webhookSecrets: (name) => {
      if (name === workspace) return own;
      const other = others.get(name);
      return other === undefined ? undefined : [{ name: "current", value: other }];
    },
    toolsToken: given.OPAL_TOOLS_TOKEN,
    acceptsLegacySignatures: given.LEGACY_SIGNATURES === "true",
    sessionSecret: given.SESSION_SECRET,
    development: isDevelopment
      ? {
          ...(given.DEV_API_KEY ? { apiKey: given.DEV_API_KEY } : {}),
          ...(given.DEV_ADMIN_EMAIL ? { email: given.DEV_ADMIN_EMAIL } : {}),
          ...(given.DEV_ADMIN_PASSWORD ? { password: given.DEV_ADMIN_PASSWORD } : {}),
        }
      : undefined,
    deadlineScale: isDevelopment ? (given.DEADLINE_SCALE ?? 1) : 1,
  };
}

function parseWorkspaceSecrets(json: string | undefined): ReadonlyMap<string, string> {
  if (json === undefined) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new ConfigurationError(["OSA_WORKSPACE_SECRETS is not JSON"]);
  }
  const result = workspaceSecrets.safeParse(value);
  if (!result.success) {
    // Without the names in it: whoever swaps a workspace and its secret would find the secret in the log.
    const problems = result.error.issues.map(({ message }) => `OSA_WORKSPACE_SECRETS: ${message}`);
    throw new ConfigurationError([...new Set(problems)]);
  }
  return new Map(Object.entries(result.data));
}

function nameProblem(issue: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return `${issue.path.map(String).join(".")} ${issue.message}`;
}
