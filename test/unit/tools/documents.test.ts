// What a call says reaches the webhooks' normaliser, and nothing in it is taken for more than it says.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callFrom } from "../../../src/tools/call.ts";
import { documentsFrom, ENTRIES_READ, type Fields } from "../../../src/tools/documents.ts";
import type { DeliveringName } from "../../../src/tools/functions.ts";
import { OUTPUT, read } from "../webhooks/read.ts";

const WORKFLOW = "opal-workflow-7";
const DELIVERING = ["osa_send_data_to_osa_webhook", "osa_store_workflow_data", "osa_workflow_data"] as const;

async function reports(name: DeliveringName, parameters: Fields) {
  const documents = documentsFrom(name, { workflow_id: WORKFLOW, ...parameters });
  return Promise.all(documents.map(async (document) => (await read(document)).report));
}

const sent = (parameters: Fields) => reports("osa_send_data_to_osa_webhook", parameters);
const entry = (fields: Fields) => reports("osa_workflow_data", { agent_data: [fields] });
const agent = (agentId: string, outcome: string) => expect.objectContaining({ about: "agent", agentId, outcome });
const nothing = (reason: string) => expect.objectContaining({ about: "nothing", reason });

describe("osa_send_data_to_osa_webhook", () => {
  const formA = { agent_name: "geo_audit", execution_results: OUTPUT };
  const metadata = {
    execution_status: "completed",
    execution_time_ms: 5,
    timestamp: "2026-11-01T10:00:00Z",
    success: true,
  };

  test("says the same in both of its forms", async () => {
    const formB = {
      agent_id: "geo_audit",
      agent_data: OUTPUT,
      execution_status: "completed",
      progress_percentage: 100,
    };
    const expected = { about: "agent", agentId: "geo_audit", outcome: "completed", result: { family: "shared" } };
    expect(await sent({ ...formA, metadata })).toMatchObject([expected]);
    expect(await sent(formB)).toMatchObject([expected]);
  });

  test.for([
    [{ execution_status: "in_progress" }, "started"],
    [{ execution_status: "partial" }, "started"],
    [{ execution_status: "failed" }, "failed"],
    [{ success: true }, "completed"],
    [{ success: false }, "failed"],
    [{ execution_status: "completed", success: false }, "failed"],
  ] as const)("metadata %j: %s", async ([about, outcome]) => {
    expect(await sent({ ...formA, metadata: about })).toEqual([agent("geo_audit", outcome)]);
  });

  test.for([[undefined], ["completed"], [{}], [{ execution_status: 7 }], [{ success: "yes" }]] as const)(
    "metadata %j: nothing is taken for success",
    async ([about]) => {
      expect(await sent({ ...formA, metadata: about })).toEqual([nothing("unknown_status")]);
    },
  );

  test.for([[undefined], [null], [""], [7], [{}], ["a".repeat(100)], ["nobody"]] as const)(
    "an agent called %j is nobody, and never the whole workflow",
    async ([name]) => {
      expect(await sent({ ...formA, agent_name: name, metadata })).toEqual([nothing("unknown_agent")]);
      expect(await sent({ execution_results: OUTPUT, agent_id: name, metadata })).toEqual([nothing("unknown_agent")]);
    },
  );

  test("keeps what it reads as something else", () => {
    const [document] = documentsFrom("osa_send_data_to_osa_webhook", {
      ...{ workflow_id: WORKFLOW, agent_id: 7, agent_name: "geo_audit", execution_status: 12 },
    });
    expect(document).toMatchObject({ agent_id: "geo_audit", as_given: { agent_id: 7, execution_status: 12 } });
  });
});

describe("osa_store_workflow_data", () => {
  const stored = (fields: Fields) => reports("osa_store_workflow_data", fields);

  test("completes the agent, with the given score for its confidence", async () => {
    expect(await stored({ agent_id: "Content-Review", agent_results: OUTPUT, data_quality_score: 0.91 })).toMatchObject(
      [{ agentId: "content_review", outcome: "completed", result: { confidence: 0.91, family: "shared" } }],
    );
  });

  test("completes nothing without results, and leaves the confidence to them without a score", async () => {
    expect(await stored({ agent_id: "geo_audit", agent_results: {} })).toEqual([nothing("unknown_status")]);
    expect(await stored({ agent_id: "geo_audit", agent_results: OUTPUT })).toMatchObject([
      { result: { confidence: 0.85 } },
    ]);
  });
});

describe("osa_workflow_data", () => {
  test("becomes one document for each agent, and what it says of the whole is kept once", async () => {
    const entries = ["geo_audit", "cmp_organizer"].map((agent_id) => ({
      ...{ agent_id, execution_results: OUTPUT, metadata: { success: true } },
    }));
    const call = { workflow_id: WORKFLOW, agent_data: entries, client_name: "Acme", business_objectives: ["Grow"] };
    const documents = documentsFrom("osa_workflow_data", call);
    expect(documents.map((document) => document.workflow !== undefined)).toEqual([true, false]);
    expect(documents[0]).toMatchObject({ workflow: { client_name: "Acme", business_objectives: ["Grow"] } });
    expect(await reports("osa_workflow_data", call)).toEqual([
      agent("geo_audit", "completed"),
      agent("cmp_organizer", "completed"),
    ]);
  });

  test("takes the output from where there is one", async () => {
    const common = { agent_id: "geo_audit", metadata: { success: true } };
    const shared = [expect.objectContaining({ result: expect.objectContaining({ family: "shared" }) })];
    expect(await entry({ ...common, execution_results: {}, output_data: OUTPUT })).toEqual(shared);
    expect(await entry({ ...common, execution_results: OUTPUT, output_data: {} })).toEqual(shared);
  });

  test("keeps an agent's error, and its own workflow", async () => {
    const failed = {
      agent_id: "geo_audit",
      metadata: { success: false, error_message: "No data" },
      workflow_id: "own",
    };
    const [document] = documentsFrom("osa_workflow_data", { workflow_id: WORKFLOW, agent_data: [failed] });
    expect(document).toMatchObject({ workflow_id: "own" });
    expect(await entry(failed)).toEqual([agent("geo_audit", "failed")]);
  });

  test.for([[undefined], [[]], ["text"], [[null]], [[[]]], [[7]]] as const)(
    "agent_data %j is kept, and marked",
    async ([agent_data]) => {
      const [report, ...others] = await reports("osa_workflow_data", { agent_data });
      expect([report, others]).toEqual([expect.objectContaining({ verdict: "quarantined" }), []]);
    },
  );

  test("keeps entries beyond those it reads together, marked", async () => {
    const entries = Array.from({ length: ENTRIES_READ + 30 }, (_, number) => ({ agent_id: "geo_audit", number }));
    const documents = documentsFrom("osa_workflow_data", { workflow_id: WORKFLOW, agent_data: entries });
    expect(documents).toHaveLength(ENTRIES_READ + 1);
    expect(documents.at(-1)).toMatchObject({ agent_data: entries.slice(ENTRIES_READ) });
  });
});

test("whatever the parameters are, every document can be read, names its workflow, and none speaks of success unasked", async () => {
  const names = ["agent_id", "agent_name", "agent_data", "execution_results", "agent_results", "metadata", "status"];
  const odd = fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 }));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...DELIVERING), odd, async (name, parameters) => {
      const documents = documentsFrom(name, { ...parameters, workflow_id: WORKFLOW });
      expect(documents.length).toBeGreaterThan(0);
      for (const document of documents) {
        const { delivery, report } = await read(document);
        expect(delivery.remoteId).not.toBeNull();
        expect(report.about).toBe("nothing");
      }
    }),
    { numRuns: 200 },
  );
});

describe("a call", () => {
  test("has its parameters in an envelope or in the bare body, and its credentials nowhere", () => {
    const auth = { provider: "OptiID", credentials: { token: "hunter2" } };
    const parameters = { workflow_id: WORKFLOW };
    expect(callFrom({ parameters, auth })).toEqual({ parameters, path: ["parameters"] });
    expect(callFrom({ ...parameters, auth })).toEqual({ parameters, path: [] });
    expect(callFrom({ ...parameters, parameters: null })).toMatchObject({ parameters, path: [] });
  });

  test.for([[null], [[]], ["text"], [7]] as const)("is none when the body is %j", ([body]) => {
    expect(callFrom(body)).toBeUndefined();
  });
});
