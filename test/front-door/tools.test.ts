// OPAL delivers a whole run by calling our functions: the real Worker, and the simulator as OPAL.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { readVars } from "../../scripts/dev-vars.ts";
import { freePort, ROOT } from "../../scripts/processes.ts";
import { type Stack, startStack } from "../../scripts/stack.ts";

const { DEV_API_KEY } = readVars(join(ROOT, ".dev.vars.example"));
const HEADERS = { Authorization: `Bearer ${DEV_API_KEY}` };
const RUN_LIMIT_MS = 40_000;
const stateDirectory = mkdtempSync(join(tmpdir(), "osa-tools-"));
let stack: Stack;

beforeAll(async () => {
  stack = await startStack({
    ...{ port: await freePort(), simulatorPort: await freePort(), stateDirectory, simulatorSpeed: 200 },
  });
});

afterAll(async () => {
  await stack?.stop();
  rmSync(stateDirectory, { recursive: true, force: true });
});

const started = z.object({ session_id: z.string() });
const status = z.object({
  status: z.string(),
  opal_workflow_id: z.string().nullish(),
  agents: z.array(z.object({ agent_id: z.string(), status: z.string(), result_url: z.string().nullable() })),
});
const result = z.object({ output: z.record(z.string(), z.unknown()), confidence: z.number().min(0).max(1).nullable() });
const played = z.object({
  deliveries: z.array(z.object({ via: z.string(), outcome: z.string() })),
  questions: z.array(z.object({ function: z.string(), attempt: z.object({ status: z.number(), answer: z.string() }) })),
});

async function read<Schema extends z.ZodType>(url: string, schema: Schema): Promise<z.infer<Schema>> {
  return schema.parse(await (await fetch(url, { headers: HEADERS })).json());
}

test.each([
  ["only by functions", { deliver: "tools", seed: 4 }],
  ["now by functions and now by webhooks", { deliver: "mixed", seed: 4 }],
  ["by functions, everything twice and shuffled", { deliver: "tools", seed: 4, reportTwice: true, outOfOrder: true }],
])("a run that OPAL delivers %s ends completed, with nine results", async (_how, faults) => {
  await fetch(`${stack.simulatorUrl}/simulator/faults`, { method: "POST", body: JSON.stringify(faults) });
  const answer = await fetch(`${stack.url}/api/force-sync/trigger`, { method: "POST", headers: HEADERS });
  const { session_id: id } = started.parse(await answer.json());
  const run = await vi.waitFor(
    async () => {
      const now = await read(`${stack.url}/api/force-sync/status/${id}`, status);
      expect(now.status).toBe("completed");
      return now;
    },
    { timeout: RUN_LIMIT_MS, interval: 200 },
  );
  expect(run.agents.map((agent) => agent.status)).toEqual(Array(9).fill("completed"));
  for (const { result_url: url } of run.agents) {
    const { output, confidence } = await read(`${stack.url}${url}`, result);
    expect(Object.keys(output).length).toBeGreaterThan(1);
    expect(confidence).toBeGreaterThan(0.3);
  }

  const { runs } = await read(
    `${stack.simulatorUrl}/simulator/runs`,
    z.object({ runs: z.array(z.object({ workflowId: z.string() })) }),
  );
  const { deliveries, questions } = await vi.waitFor(
    async () => {
      const seen = await read(`${stack.simulatorUrl}/simulator/runs/${runs.at(-1)?.workflowId}`, played);
      expect(seen.deliveries.filter(({ outcome }) => outcome !== "acknowledged")).toEqual([]);
      expect(seen.questions).toHaveLength(10);
      return seen;
    },
    { timeout: RUN_LIMIT_MS, interval: 200 },
  );
  const ways = new Set(deliveries.map(({ via }) => via));
  expect(ways.has("webhook")).toBe(faults.deliver === "mixed");
  expect(ways.size).toBeGreaterThan(1);
  // Whatever an agent asks about the workflow it works in is answered.
  expect(questions.map(({ attempt }) => attempt.status)).toEqual(Array(10).fill(200));
});
