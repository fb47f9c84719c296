import { createServer } from "node:net";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Plain Node: pure code, the simulator, the dashboard's state, the front door, a real browser, real processes. */
const node = (name: string, options: Readonly<Record<string, unknown>> = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], environment: "node", ...options },
});

/** OPAL in the worker tests: a real HTTP server, started by the global setup on this port. */
process.env.TEST_OPAL_PORT ??= String(await freePort());
const opalPort = process.env.TEST_OPAL_PORT;

export default defineConfig({
  test: {
    // The Worker's log lines are of interest only where a test fails.
    silent: "passed-only",
    projects: [
      node("unit"),
      node("simulator", { testTimeout: 20_000 }),
      node("dashboard"),
      node("front-door", { testTimeout: 60_000, hookTimeout: 60_000 }),
      node("browser", { testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false }),
      node("chaos", { testTimeout: 300_000, hookTimeout: 120_000, fileParallelism: false }),
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              bindings: {
                TEST_MIGRATIONS: await readD1Migrations("migrations"),
                TEST_OPAL_URL: `http://127.0.0.1:${opalPort}`,
                ENVIRONMENT: "development",
                OPAL_WEBHOOK_URL: `http://127.0.0.1:${opalPort}/webhooks/strategy-workflow/trigger`,
                OPAL_STRATEGY_WORKFLOW_AUTH_KEY: "test-opal-bearer-key-of-forty-characters",
                OPAL_WORKSPACE_ID: "default",
                OPAL_TIMEOUT_MS: "1500",
                OSA_WEBHOOK_SHARED_SECRET: "test-webhook-secret-of-forty-characters-",
                OSA_WEBHOOK_PREVIOUS_SECRET: "test-previous-secret-of-forty-characters",
                OSA_WORKSPACE_SECRETS: JSON.stringify({ acme: "test-secret-of-the-acme-workspace-forty-" }),
                OPAL_TOOLS_TOKEN: "test-tools-token-of-at-least-forty-letters",
                SESSION_SECRET: "test-session-secret-of-forty-characters-",
                DEV_API_KEY: "test-api-key-with-operator-rights",
                DEV_ADMIN_EMAIL: "operator@osa.localhost",
                DEV_ADMIN_PASSWORD: "test-password",
                DEADLINE_SCALE: "1",
                // A developer's .dev.vars must not reach into the tests.
                LEGACY_SIGNATURES: "",
                OPAL_WORKFLOW_ORDER: "",
                OSA_WEBHOOK_SECRET: "",
              },
            },
          }),
        ],
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          setupFiles: ["./test/support/worker/migrate.ts"],
          globalSetup: ["./test/support/node/opal-server.ts"],
          testTimeout: 30_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
