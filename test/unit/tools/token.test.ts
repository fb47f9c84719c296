// The setting that opens the functions to OPAL.
import { expect, test } from "vitest";
import { ConfigurationError, type Env, settingsFrom } from "../../../src/env.ts";

const SECRET = "a-secret-of-the-service-with-40-letters--";

function toolsToken(value: string | undefined): string | readonly string[] | undefined {
  const bindings: Pick<Env, "DB" | "ASSETS" | "SYNC_SESSION" | "WORKSPACE" | "INBOX" | "RECEIVER_WALL"> =
    Object.create(null);
  const variables = {
    ...{ ENVIRONMENT: "production", OPAL_WEBHOOK_URL: "https://webhook.opal.optimizely.com/webhooks/0a1b2c/trigger" },
    ...{ OPAL_STRATEGY_WORKFLOW_AUTH_KEY: SECRET, OSA_WEBHOOK_SHARED_SECRET: SECRET, OPAL_TOOLS_TOKEN: value },
  };
  try {
    return settingsFrom(Object.assign(bindings, variables)).toolsToken;
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}

test("the token may be left out, and is a secret like any other when it is there", () => {
  expect(toolsToken(undefined)).toBeUndefined();
  expect(toolsToken("")).toBeUndefined();
  expect(toolsToken(SECRET)).toBe(SECRET);
  expect(toolsToken(SECRET.slice(0, 31))).toEqual(["OPAL_TOOLS_TOKEN must have at least 32 characters"]);
  expect(toolsToken("development-tools-token-for-opal-custom-tools")).toEqual([
    "OPAL_TOOLS_TOKEN is a development value",
  ]);
});
