// Bindings, variables and secrets. Variables are parsed once per isolate; a wrong one stops what needs it, by name.
import { z } from "zod";
import type { Inbox } from "./inbox/object.ts";
import type { BucketRules } from "./platform/bucket.ts";
import { SAFE_NAME } from "./platform/ids.ts";
import type { SyncSession } from "./sync/object.ts";
import type { Workspace } from "./workspace/object.ts";

export interface Env {
  readonly DB: D1Database;
  readonly ASSETS: Fetcher;
  readonly SYNC_SESSION: DurableObjectNamespace<SyncSession>;
  readonly WORKSPACE: DurableObjectNamespace<Workspace>;
  readonly INBOX: DurableObjectNamespace<Inbox>;
  readonly RECEIVER_WALL: RateLimit;
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
    /** Secrets of their own for other senders: a JSON object from source to secret, or to the newer and the older one. */
    OSA_SOURCE_SECRETS: optional(z.string()),
    /** Bearer token with which OPAL calls our functions; without it they are closed. */
    OPAL_TOOLS_TOKEN: optional(secret),
    LEGACY_SIGNATURES: optional(z.enum(["true", "false"])),
    LEGACY_SIGNATURES_ACKNOWLEDGED: optional(z.enum(["true", "false"])),
    SESSION_SECRET: optional(secret),
    DEV_API_KEY: optional(z.string().min(16)),
    DEV_ADMIN_EMAIL: optional(z.email()),
    DEV_ADMIN_PASSWORD: optional(z.string().min(8)),
    /** Deliveries that one run or inbox takes in: in the long run, and at once. */
    RECEIVER_RATE_PER_SECOND: optional(z.coerce.number().int().min(1).max(100_000)),
    RECEIVER_BURST: optional(z.coerce.number().int().min(1).max(1_000_000)),
    /** How long deliveries are kept, in days. */
    EVENT_RETENTION_DAYS: optional(z.coerce.number().int().min(1).max(365)),
    /** Also logs what became of each delivery. */
    OPAL_DEBUG_MODE: optional(z.enum(["true", "false"])),
    /** Which functions the tools token opens: those that deliver, those that read, or both. */
    OPAL_TOOLS_SCOPES: optional(
      z.string().regex(/^(deliver|read)( (deliver|read))?$/, "must be deliver, read or both"),
    ),
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
const SOURCE = /^(ga4|salesforce|external:[A-Za-z0-9_-]{1,64})$/;
const secretsBySource = z.record(
  z.string().regex(SOURCE, "names a source that is not ga4, salesforce or external:<name>"),
  z.union([secret.transform((value) => [value]), z.array(secret).min(1).max(2)]),
);

export const TOOLS_SCOPES = ["deliver", "read"] as const;
export type ToolsScope = (typeof TOOLS_SCOPES)[number];

/** Deliveries that one object takes in. */
export const DEFAULT_INTAKE: BucketRules = { perSecond: 300, burst: 10_000 };

export interface WebhookSecret {
  readonly name: string;
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
  /** What a source may sign with, newest first. Undefined for a workspace nobody configured. */
  readonly webhookSecrets: (workspace: string, source?: string) => readonly WebhookSecret[] | undefined;
  /** Belongs to the default workspace. */
  readonly toolsToken: string | undefined;
  readonly toolsScopes: readonly ToolsScope[];
  readonly intake: BucketRules;
  readonly eventRetentionDays: number;
  readonly isDebugging: boolean;
  /** Whose secrets are not the default workspace's own. */
  readonly sourcesWithSecrets: readonly string[];
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

/** A variable or secret by its name, without its value. */
export interface SettingState {
  readonly name: string;
  readonly state: "set" | "not_set" | "wrong";
  /** What is wrong, when something is. */
  readonly problem: string | null;
}

/** Every setting there is, in the order in which they are listed above. */
export function settingStates(env: Env): SettingState[] {
  const problems = settingProblems(env);
  return Object.keys(variables.shape).map((name) => {
    const problem = problems.find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}:`)) ?? null;
    const isSet = env[name] !== undefined && env[name] !== "";
    return { name, state: problem !== null ? "wrong" : isSet ? "set" : "not_set", problem };
  });
}

function settingProblems(env: Env): readonly string[] {
  try {
    parseSettings(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
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
  const others = parseSecrets("OSA_WORKSPACE_SECRETS", given.OSA_WORKSPACE_SECRETS, workspaceSecrets);
  const sources = sourceSecrets(given.OSA_SOURCE_SECRETS);
  const values = { OSA_WORKSPACE_SECRETS: [...others.values()], OSA_SOURCE_SECRETS: secretValues(sources) };
  for (const [name, held] of Object.entries(values)) {
    if (!isDevelopment && held.some((value) => DEVELOPMENT_VALUE.test(value))) {
      throw new ConfigurationError([`${name} holds a development value`]);
    }
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
    webhookSecrets: (name, source = "opal") => {
      if (name === workspace) return sources.get(source) ?? own;
      const other = others.get(name);
      return other === undefined ? undefined : [{ name: "current", value: other }];
    },
    toolsToken: given.OPAL_TOOLS_TOKEN,
    toolsScopes: TOOLS_SCOPES.filter((scope) => (given.OPAL_TOOLS_SCOPES ?? "deliver read").split(" ").includes(scope)),
    intake: {
      perSecond: given.RECEIVER_RATE_PER_SECOND ?? DEFAULT_INTAKE.perSecond,
      burst: given.RECEIVER_BURST ?? DEFAULT_INTAKE.burst,
    },
    eventRetentionDays: given.EVENT_RETENTION_DAYS ?? 30,
    isDebugging: given.OPAL_DEBUG_MODE === "true",
    sourcesWithSecrets: [...sources.keys()],
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

function sourceSecrets(json: string | undefined): ReadonlyMap<string, readonly WebhookSecret[]> {
  const given = parseSecrets("OSA_SOURCE_SECRETS", json, secretsBySource);
  const named = (source: string, values: readonly string[]) =>
    values.map((value, index) => ({ name: `${index === 0 ? "current" : "previous"} of ${source}`, value }));
  return new Map([...given].map(([source, values]) => [source, named(source, values)]));
}

function secretValues(secrets: ReadonlyMap<string, readonly WebhookSecret[]>): string[] {
  return [...secrets.values()].flat().map(({ value }) => value);
}

function parseSecrets<Value>(
  name: string,
  json: string | undefined,
  schema: z.ZodType<Record<string, Value>>,
): ReadonlyMap<string, Value> {
  if (json === undefined) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new ConfigurationError([`${name} is not JSON`]);
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    // Without the names in it: whoever swaps a name and its secret would find the secret in the log.
    const problems = result.error.issues.map(({ message }) => `${name}: ${message}`);
    throw new ConfigurationError([...new Set(problems)]);
  }
  return new Map(Object.entries(result.data));
}

function nameProblem(issue: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return `${issue.path.map(String).join(".")} ${issue.message}`;
}
