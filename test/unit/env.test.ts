// Settings are parsed once, a wrong one is named, and its value never is.
import { describe, expect, test } from "vitest";
import { ConfigurationError, type Env, settingStates, settingsFrom } from "../../src/env.ts";

const CURRENT = "current-webhook-secret-of-40-characters--";
const PREVIOUS = "previous-webhook-secret-of-40-characters-";
const BEARER = "bearer-key-of-the-workflow-of-40-letters-";
const SESSION = "session-secret-of-at-least-32-characters";
const ACME = "secret-of-the-acme-workspace-40-letters--";

type Variables = Readonly<Record<string, string | undefined>>;

const PRODUCTION: Variables = {
  ENVIRONMENT: "production",
  OPAL_WEBHOOK_URL: "https://webhook.opal.optimizely.com/webhooks/0a1b2c/trigger",
  OPAL_STRATEGY_WORKFLOW_AUTH_KEY: BEARER,
  OSA_WEBHOOK_SHARED_SECRET: CURRENT,
  SESSION_SECRET: SESSION,
};
const DEVELOPMENT: Variables = {
  ...PRODUCTION,
  ENVIRONMENT: "development",
  OPAL_WEBHOOK_URL: "http://127.0.0.1:8788/webhooks/x",
};

/** Only variables matter here; the bindings are the platform's. */
function env(variables: Variables): Env {
  const bindings: Pick<Env, "DB" | "ASSETS" | "SYNC_SESSION" | "WORKSPACE" | "INBOX" | "RECEIVER_WALL"> =
    Object.create(null);
  return Object.assign(bindings, variables);
}

const settings = (base: Variables, change: Variables = {}) => settingsFrom(env({ ...base, ...change }));

/** What a wrong setting is told about: one line for each. */
function problems(base: Variables, change: Variables): readonly string[] {
  try {
    settings(base, change);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}

test("a complete production configuration is accepted, with the defaults", () => {
  expect(settings(PRODUCTION)).toMatchObject({
    ...{ environment: "production", workspace: "default", acceptsLegacySignatures: false, sessionSecret: SESSION },
    ...{ development: undefined, deadlineScale: 1 },
    opal: { url: PRODUCTION.OPAL_WEBHOOK_URL, bearerKey: BEARER, timeoutMs: 45_000 },
  });
});

describe("a setting that is needed", () => {
  test.each(["ENVIRONMENT", "OPAL_WEBHOOK_URL", "OPAL_STRATEGY_WORKFLOW_AUTH_KEY", "OSA_WEBHOOK_SHARED_SECRET"])(
    "is named when %s is missing",
    (name) => {
      expect(problems(PRODUCTION, { [name]: undefined })).toEqual([expect.stringMatching(new RegExp(`^${name} `))]);
    },
  );

  test.each([
    "OPAL_STRATEGY_WORKFLOW_AUTH_KEY",
    "OSA_WEBHOOK_SHARED_SECRET",
    "OSA_WEBHOOK_SECRET",
    "OSA_WEBHOOK_PREVIOUS_SECRET",
    "SESSION_SECRET",
  ])("is named when %s is a secret of 31 characters", (name) => {
    expect(problems(PRODUCTION, { [name]: CURRENT.slice(0, 31) })).toEqual([
      `${name} must have at least 32 characters`,
    ]);
  });

  test.each([
    "change-me-change-me-change-me-change-me",
    "CHANGEME_CHANGEME_CHANGEME_CHANGEME_CHANGEME",
    "your-webhook-secret-goes-here-0123456789",
    "<put the shared secret of OPAL in here>",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "placeholder-placeholder-placeholder-0123",
    "TODO-0123456789012345678901234567890123456",
  ])("is named when a secret is still the placeholder %s", (value) => {
    expect(problems(DEVELOPMENT, { OSA_WEBHOOK_SHARED_SECRET: value })).toEqual([
      "OSA_WEBHOOK_SHARED_SECRET is still a placeholder",
    ]);
  });

  test("is named when a secret is nothing but blanks", () => {
    expect(problems(PRODUCTION, { OSA_WEBHOOK_SHARED_SECRET: " ".repeat(40) })).not.toEqual([]);
  });

  test.each<[string, string]>([
    ["ENVIRONMENT", "prod"],
    ["OPAL_WEBHOOK_URL", "webhook.opal.optimizely.com"],
    ["OPAL_WEBHOOK_URL", "ftp://webhook.opal.optimizely.com/x"],
    ["OPAL_WEBHOOK_URL", "https://your-opal.optimizely.com/x"],
    ["OPAL_WORKSPACE_ID", "a:b"],
    ["OPAL_TIMEOUT_MS", "soon"],
    ["OPAL_TIMEOUT_MS", "99"],
    ["OPAL_TIMEOUT_MS", "120001"],
    ["LEGACY_SIGNATURES", "yes"],
    ["DEADLINE_SCALE", "0"],
    ["DEADLINE_SCALE", "11"],
    ["DEV_API_KEY", "short"],
    ["DEV_ADMIN_EMAIL", "nobody"],
  ])("is named when %s is %j", (name, value) => {
    expect(problems(DEVELOPMENT, { [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name} `))]);
  });

  test("is never shown with its value, however many are wrong", () => {
    const secrets = {
      OPAL_STRATEGY_WORKFLOW_AUTH_KEY: "hunter2-bearer",
      OSA_WEBHOOK_SHARED_SECRET: "hunter2-webhook",
      SESSION_SECRET: "hunter2-session",
    };
    const found = problems(PRODUCTION, {
      ...secrets,
      OPAL_WEBHOOK_URL: "hunter2-url",
      ENVIRONMENT: "hunter2-env",
      DEV_API_KEY: "hunter2-key",
    });
    expect(found).toHaveLength(6);
    expect(found.join("\n")).not.toContain("hunter2");
    expect(() => settings(PRODUCTION, secrets)).toThrow(ConfigurationError);
  });
});

describe("an empty variable", () => {
  test("counts as one that is not set", () => {
    expect(
      settings(PRODUCTION, { OPAL_WORKSPACE_ID: "", OSA_WEBHOOK_PREVIOUS_SECRET: "", DEADLINE_SCALE: "" }).workspace,
    ).toBe("default");
  });

  test("is missing where one is needed", () => {
    expect(problems(PRODUCTION, { OSA_WEBHOOK_SHARED_SECRET: "" })).toEqual(["OSA_WEBHOOK_SHARED_SECRET is missing"]);
  });
});

describe("the address of OPAL", () => {
  test("is refused when it is our own receiver", () => {
    const own = { OPAL_WEBHOOK_URL: "https://osa.acme.test/api/webhooks/opal-workflow" };
    expect(problems(PRODUCTION, own)).toEqual(["OPAL_WEBHOOK_URL points at our own receiver"]);
    expect(problems(DEVELOPMENT, own)).toEqual(["OPAL_WEBHOOK_URL points at our own receiver"]);
  });

  test("must use https, except in development", () => {
    const plain = { OPAL_WEBHOOK_URL: "http://webhook.opal.optimizely.com/webhooks/x" };
    expect(problems(PRODUCTION, plain)).toEqual(["OPAL_WEBHOOK_URL must use https"]);
    expect(problems(PRODUCTION, { ...plain, ENVIRONMENT: "staging" })).toEqual(["OPAL_WEBHOOK_URL must use https"]);
    expect(problems(DEVELOPMENT, plain)).toEqual([]);
  });
});

describe("development", () => {
  const conveniences = {
    DEV_API_KEY: "an-api-key-of-20-letters",
    DEV_ADMIN_EMAIL: "a@osa.localhost",
    DEV_ADMIN_PASSWORD: "password",
    DEADLINE_SCALE: "0.05",
  };

  test("may have a key, a sign-in and faster clocks of its own", () => {
    expect(settings(DEVELOPMENT, conveniences)).toMatchObject({
      ...{
        deadlineScale: 0.05,
        development: { apiKey: "an-api-key-of-20-letters", email: "a@osa.localhost", password: "password" },
      },
    });
    expect(settings(DEVELOPMENT)).toMatchObject({ deadlineScale: 1, development: {} });
  });

  test.each(["staging", "production"])("is over in %s: its conveniences are ignored", (ENVIRONMENT) => {
    expect(settings(PRODUCTION, { ...conveniences, ENVIRONMENT })).toMatchObject({
      deadlineScale: 1,
      development: undefined,
    });
  });

  test.each(["OSA_WEBHOOK_SHARED_SECRET", "OPAL_STRATEGY_WORKFLOW_AUTH_KEY", "SESSION_SECRET", "DEV_API_KEY"])(
    "leaves no value behind in production: %s",
    (name) => {
      const left = { [name]: "development-value-not-for-production-use" };
      expect(problems(PRODUCTION, left)).toEqual([`${name} is a development value`]);
      expect(problems(DEVELOPMENT, left)).toEqual([]);
    },
  );

  test("leaves no value behind among the secrets of further workspaces", () => {
    const left = { OSA_WORKSPACE_SECRETS: JSON.stringify({ acme: "development-value-not-for-production-use" }) };
    expect(problems(PRODUCTION, left)).not.toEqual([]);
  });
});

describe("webhook secrets", () => {
  const named = (name: string, value: string) => ({ name, value });

  test("are the current one alone, or with the previous one during a rotation, the newest first", () => {
    expect(settings(PRODUCTION).webhookSecrets("default")).toEqual([named("current", CURRENT)]);
    expect(settings(PRODUCTION, { OSA_WEBHOOK_PREVIOUS_SECRET: PREVIOUS }).webhookSecrets("default")).toEqual([
      named("current", CURRENT),
      named("previous", PREVIOUS),
    ]);
  });

  test("may come under their older name, which counts only without the newer one", () => {
    const older = { OSA_WEBHOOK_SHARED_SECRET: undefined, OSA_WEBHOOK_SECRET: PREVIOUS };
    expect(settings(PRODUCTION, older).webhookSecrets("default")).toEqual([named("current", PREVIOUS)]);
    expect(settings(PRODUCTION, { OSA_WEBHOOK_SECRET: PREVIOUS }).webhookSecrets("default")).toEqual([
      named("current", CURRENT),
    ]);
  });

  test("belong to one workspace each, and a workspace nobody configured has none", () => {
    const both = settings(PRODUCTION, {
      OPAL_WORKSPACE_ID: "main",
      OSA_WORKSPACE_SECRETS: JSON.stringify({ acme: ACME }),
    });
    expect(both.workspace).toBe("main");
    expect(both.webhookSecrets("main")).toEqual([named("current", CURRENT)]);
    expect(both.webhookSecrets("acme")).toEqual([named("current", ACME)]);
    expect(both.webhookSecrets("default")).toBeUndefined();
    expect(both.webhookSecrets("__proto__")).toBeUndefined();
  });

  test.each<[string, string]>([
    ["is no JSON", "acme=secret"],
    ["is no object", '["acme"]'],
    ["holds a short secret", '{"acme":"hunter2"}'],
    ["holds a placeholder", '{"acme":"change-me-change-me-change-me-change-me"}'],
    ["names a workspace that is no safe name", `{"a:b":"${ACME}"}`],
  ])("of further workspaces are refused, unseen, when the list %s", (_what, OSA_WORKSPACE_SECRETS) => {
    const found = problems(PRODUCTION, { OSA_WORKSPACE_SECRETS });
    expect(found).toEqual([expect.stringMatching(/^OSA_WORKSPACE_SECRETS\b/)]);
    expect(found.join()).not.toMatch(/hunter2|change-me|40-letters/);
  });
});

describe("sources with secrets of their own", () => {
  const OWN = "secret-of-one-source-alone-of-40-letters-";
  const given = (secrets: unknown) => ({ OSA_SOURCE_SECRETS: JSON.stringify(secrets) });

  test("sign with these and with no other, in the default workspace", () => {
    const { webhookSecrets } = settings(PRODUCTION, {
      ...given({ ga4: OWN, "external:crm": [OWN, PREVIOUS] }),
      OSA_WORKSPACE_SECRETS: JSON.stringify({ acme: ACME }),
    });
    expect(webhookSecrets("default", "ga4")).toEqual([{ name: "current of ga4", value: OWN }]);
    expect(webhookSecrets("default", "external:crm")).toEqual([
      { name: "current of external:crm", value: OWN },
      { name: "previous of external:crm", value: PREVIOUS },
    ]);
    for (const source of ["opal", "salesforce", "external:other"]) {
      expect(webhookSecrets("default", source)).toEqual([{ name: "current", value: CURRENT }]);
    }
    expect(webhookSecrets("acme", "ga4")).toEqual([{ name: "current", value: ACME }]);
  });

  test.each<[string, unknown]>([
    ["names a source that nobody has", { hubspot: OWN }],
    ["names OPAL, which has settings of its own", { opal: OWN }],
    ["holds a short secret", { ga4: "hunter2" }],
    ["holds three secrets", { ga4: [OWN, OWN, OWN] }],
    ["holds none", { ga4: [] }],
    ["holds a development value", { ga4: "development-value-not-for-production-use" }],
  ])("are refused, unseen, when the list %s", (_what, secrets) => {
    const found = problems(PRODUCTION, given(secrets));
    expect(found).toEqual([expect.stringMatching(/^OSA_SOURCE_SECRETS\b/)]);
    expect(found.join()).not.toMatch(/hunter2|of-one-source/);
  });
});

describe("what the receivers take in", () => {
  test("is 300 a second and 10,000 at once, unless it is said otherwise", () => {
    expect(settings(PRODUCTION).intake).toEqual({ perSecond: 300, burst: 10_000 });
    const given = { RECEIVER_RATE_PER_SECOND: "20", RECEIVER_BURST: "40" };
    expect(settings(PRODUCTION, given).intake).toEqual({ perSecond: 20, burst: 40 });
    expect(problems(PRODUCTION, { RECEIVER_BURST: "0" })).toEqual([expect.stringMatching(/^RECEIVER_BURST/)]);
  });

  test("with the tools token is everything, or what its scopes say", () => {
    expect(settings(PRODUCTION).toolsScopes).toEqual(["deliver", "read"]);
    expect(settings(PRODUCTION, { OPAL_TOOLS_SCOPES: "read" }).toolsScopes).toEqual(["read"]);
    expect(problems(PRODUCTION, { OPAL_TOOLS_SCOPES: "all" })).toEqual([expect.stringMatching(/^OPAL_TOOLS_SCOPES/)]);
  });
});

describe("the old application's signatures", () => {
  const on = { LEGACY_SIGNATURES: "true" };

  test("are accepted in development when switched on", () => {
    expect(settings(DEVELOPMENT, on).acceptsLegacySignatures).toBe(true);
    expect(settings(DEVELOPMENT, { LEGACY_SIGNATURES: "false" }).acceptsLegacySignatures).toBe(false);
  });

  test("need an acknowledgement elsewhere", () => {
    expect(problems(PRODUCTION, on)).toEqual([expect.stringMatching(/^LEGACY_SIGNATURES is not safe/)]);
    expect(settings(PRODUCTION, { ...on, LEGACY_SIGNATURES_ACKNOWLEDGED: "true" }).acceptsLegacySignatures).toBe(true);
  });
});

describe("the state of every setting", () => {
  const stateOf = (change: Variables, name: string) =>
    settingStates(env({ ...PRODUCTION, ...change })).find((setting) => setting.name === name);

  test("is told by name: set, not set, or wrong and why", () => {
    expect(stateOf({}, "OPAL_WEBHOOK_URL")).toEqual({ name: "OPAL_WEBHOOK_URL", state: "set", problem: null });
    expect(stateOf({ OPAL_TOOLS_TOKEN: "" }, "OPAL_TOOLS_TOKEN")).toMatchObject({ state: "not_set", problem: null });
    expect(stateOf({ OPAL_TIMEOUT_MS: "soon" }, "OPAL_TIMEOUT_MS")).toMatchObject({ state: "wrong" });
    expect(stateOf({ OSA_WEBHOOK_SHARED_SECRET: "" }, "OSA_WEBHOOK_SHARED_SECRET")).toMatchObject({
      ...{ state: "wrong", problem: "OSA_WEBHOOK_SHARED_SECRET is missing" },
    });
    expect(stateOf({ OSA_WORKSPACE_SECRETS: "{" }, "OSA_WORKSPACE_SECRETS")).toMatchObject({ state: "wrong" });
    expect(stateOf({ OPAL_TIMEOUT_MS: "soon" }, "SESSION_SECRET")).toMatchObject({ state: "set" });
  });

  test("names each once and shows no value", () => {
    const change = { OPAL_TIMEOUT_MS: "secretly-slow", OSA_WORKSPACE_SECRETS: JSON.stringify({ acme: "short" }) };
    const states = settingStates(env({ ...PRODUCTION, ...change }));
    expect(new Set(states.map(({ name }) => name)).size).toBe(states.length);
    for (const value of [CURRENT, BEARER, SESSION, "secretly-slow", 'short"', "0a1b2c"]) {
      expect(JSON.stringify(states)).not.toContain(value);
    }
  });
});
