// OSA as an OPAL that calls functions sees it: a discovery document, the functions in it, and the webhook beside them.
import { createServer } from "node:http";
import { onTestFinished } from "vitest";
import { z } from "zod";
import type { FaultsInput } from "../../simulator/faults.ts";
import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { listen, TRIGGER_KEY, WEBHOOK_SECRET } from "./support.ts";

export const TOOLS_TOKEN = "a-tools-token-for-these-tests-only";

const DELIVERING = ["osa_send_data_to_osa_webhook", "osa_store_workflow_data", "osa_workflow_data"];
const READING = ["osa_retrieve_workflow_context", "osa_validate_workflow_data", "osa_compile_final_results"];
export const FUNCTIONS = [...DELIVERING, ...READING];

const fields = z.record(z.string(), z.unknown());
const timestamp = z.iso.datetime();
const percent = z.int().min(0).max(100);
const word = z.enum(["in_progress", "partial", "completed", "failed"]);

const named = z.strictObject({
  ...{ agent_name: z.string(), execution_results: fields, workflow_id: z.string(), webhook_endpoint: z.string() },
  metadata: z.strictObject({
    ...{ execution_status: word, execution_time_ms: z.int().min(0), timestamp, success: z.boolean() },
    ...{ confidence_score: percent.optional(), error_code: z.int().optional() },
  }),
});
const byId = z.strictObject({
  ...{ agent_id: z.string(), agent_data: fields, workflow_id: z.string() },
  ...{ execution_status: word, progress_percentage: percent },
});
const stored = z.strictObject({
  ...{ agent_id: z.string(), agent_results: fields, workflow_id: z.string(), timestamp },
  ...{ execution_order: z.int().min(1), data_quality_score: z.number().min(0).max(1) },
});
const several = z.strictObject({
  ...{ workflow_id: z.string(), business_objectives: z.array(z.string()), workflow_timestamp: timestamp },
  workflow_execution_time_ms: z.int().min(0),
  agent_data: z.tuple([
    z.strictObject({
      ...{ agent_id: z.string(), agent_name: z.string(), workflow_id: z.string() },
      ...{ execution_results: fields, output_data: fields },
      metadata: z.strictObject({
        ...{ execution_time_ms: z.int().min(0), timestamp, success: z.boolean(), error_message: z.string().optional() },
        ...{ progress_percentage: percent, retry_count: z.int().min(0) },
      }),
    }),
  ]),
});
const FORMS: Readonly<Record<string, z.ZodType<Record<string, unknown>>>> = {
  osa_send_data_to_osa_webhook: z.union([named, byId]),
  osa_store_workflow_data: stored,
  osa_workflow_data: several,
  osa_retrieve_workflow_context: z.strictObject({
    ...{ workflow_id: z.string(), requesting_agent: z.string(), include_agents: z.array(z.string()).min(1) },
  }),
};

const callBody = z.strictObject({
  parameters: fields,
  auth: z.strictObject({ provider: z.string(), credentials: fields }).optional(),
});

export interface Called {
  /** `discovery`, `webhook` or the function. */
  readonly what: string;
  readonly raw: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly hasAuth: boolean;
  status: number;
}

export interface OsaTools {
  readonly url: string;
  readonly called: Called[];
  /** Calls of functions that deliver, answered with 200. */
  delivered(): Called[];
}

export interface Offer {
  /** Functions in the discovery document. */
  readonly functions?: readonly string[];
  /** Status of the n-th answer (from 1) to a request for the discovery document. */
  readonly discovery?: (number: number) => number;
}

/** Every call is held against the forms that OPAL uses; a wrong token is refused with 401. */
export async function startOsaTools({ functions = FUNCTIONS, discovery = () => 200 }: Offer = {}): Promise<OsaTools> {
  const called: Called[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
    } catch {
      return;
    }
    const raw = Buffer.concat(chunks).toString("utf8");
    const name = /^\/somewhere\/(\w+)$/.exec(request.url ?? "")?.[1];
    const answer = (call: Omit<Called, "raw">, body: unknown) => {
      called.push({ ...call, raw });
      response.writeHead(call.status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    };
    if (request.url === "/discovery") {
      const status = discovery(called.filter(({ what }) => what === "discovery").length + 1);
      return answer({ what: "discovery", parameters: {}, hasAuth: false, status }, documentOf(functions));
    }
    if (name === undefined) {
      const parameters = fields.parse(JSON.parse(raw));
      return answer({ what: "webhook", parameters, hasAuth: false, status: 200 }, { status: "processed" });
    }
    const { parameters, auth } = callBody.parse(JSON.parse(raw));
    const status = request.headers.authorization === `Bearer ${TOOLS_TOKEN}` ? 200 : 401;
    answer(
      { what: name, parameters: (FORMS[name] ?? fields).parse(parameters), hasAuth: auth !== undefined, status },
      {},
    );
  });
  const url = await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const delivered = () => called.filter(({ what, status }) => DELIVERING.includes(what) && status === 200);
  return { url, called, delivered };
}

function documentOf(functions: readonly string[]) {
  const parameters = [{ name: "workflow_id", type: "string", description: "Which workflow.", required: true }];
  return {
    functions: functions.map((name) => ({
      ...{ name, description: "What it does.", parameters, endpoint: `/somewhere/${name}`, http_method: "POST" },
    })),
  };
}

/** Delivers to OSA's functions unless `faults` say otherwise, so fast that a run takes a moment. */
export async function startCaller(osa: OsaTools, faults: FaultsInput = {}): Promise<Simulator> {
  const simulator = await startSimulator({
    ...{ port: 0, target: osa.url, speed: 20_000, webhookSecret: WEBHOOK_SECRET, triggerKey: TRIGGER_KEY },
    ...{ toolsToken: TOOLS_TOKEN, faults: { deliver: "tools", ...faults } },
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

/** The agent that a delivering call is about, by whichever field names it. */
export function agentOf({ parameters }: Called): unknown {
  const entry = z.object({ agent_data: z.tuple([z.object({ agent_id: z.string() })]) }).safeParse(parameters);
  return entry.success ? entry.data.agent_data[0].agent_id : (parameters.agent_id ?? parameters.agent_name);
}
