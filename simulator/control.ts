// The routes under /simulator/: breaking things, and looking at what happened.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { z } from "zod";
import { credentialRequest } from "./credential.ts";
import type { Desk } from "./desk.ts";
import { faultRequest, needsToken } from "./faults.ts";
import { parseJson, readBody, sendJson, sendProblem } from "./http.ts";
import type { Run } from "./records.ts";

export async function answerControl(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  desk: Desk,
): Promise<void> {
  const { faults, workflows, ledger, settings } = desk;
  const workflowId = /^\/simulator\/runs\/([\w-]+)$/.exec(path)?.[1];

  switch (`${request.method} ${workflowId === undefined ? path : "/simulator/runs/:workflowId"}`) {
    case "GET /simulator/health":
      return sendJson(response, 200, { status: "ok", target: settings.target.href, speed: settings.speed });
    case "GET /simulator/faults":
      return sendJson(response, 200, faults.view());
    case "POST /simulator/faults":
      return await addFaults(request, response, desk);
    case "DELETE /simulator/faults":
      faults.clear();
      return sendJson(response, 200, faults.view());
    case "POST /simulator/credential":
      return await acceptCredential(request, response, desk);
    case "GET /simulator/runs":
      return sendJson(response, 200, { runs: workflows.list().map(summary) });
    case "DELETE /simulator/runs":
      await workflows.stop();
      return sendJson(response, 200, { runs: workflows.list().map(summary) });
    case "GET /simulator/runs/:workflowId": {
      const run = workflows.get(workflowId ?? "");
      return run === undefined ? sendProblem(response, 404, "No such workflow.") : sendJson(response, 200, run);
    }
    case "GET /simulator/ledger":
      return sendJson(response, 200, ledger.view(workflows.list()));
    case "POST /simulator/foreign": {
      const { run } = workflows.startForeign(faults.claimForeign());
      return sendJson(response, 201, { workflowId: run.workflowId, correlationId: run.correlationId });
    }
    default:
      return sendProblem(response, 404, `Nothing answers ${request.method} ${path}; see simulator/README.md.`);
  }
}

async function addFaults(request: IncomingMessage, response: ServerResponse, desk: Desk): Promise<void> {
  const raw = await readBody(request);
  const parsed = faultRequest.safeParse(raw && parseJson(raw));
  if (!parsed.success) {
    return sendProblem(response, 400, "These faults cannot be played.", parsed.error.issues.flatMap(fieldErrors));
  }
  const { scope, ...set } = parsed.data;
  if (needsToken(set) && desk.settings.toolsToken === undefined) {
    const errors = [{ field: "deliver", message: "needs OPAL_TOOLS_TOKEN; start the simulator with it" }];
    return sendProblem(response, 400, "These faults cannot be played.", errors);
  }
  desk.faults.add(scope, set);
  sendJson(response, 200, desk.faults.view());
}

/** An empty body accepts the key as it is. */
async function acceptCredential(request: IncomingMessage, response: ServerResponse, desk: Desk): Promise<void> {
  const raw = await readBody(request);
  const parsed = credentialRequest.safeParse(raw?.length === 0 ? {} : raw && parseJson(raw));
  if (!parsed.success) {
    return sendProblem(response, 400, "This is no bearer key.", parsed.error.issues.flatMap(fieldErrors));
  }
  desk.faults.acceptCredential();
  if (parsed.data.key !== undefined) desk.credential.change(parsed.data.key);
  sendJson(response, 200, desk.faults.view());
}

function fieldErrors(issue: z.core.$ZodIssue): { field: string; message: string }[] {
  if (issue.code !== "unrecognized_keys") return [{ field: issue.path.join("."), message: issue.message }];
  return issue.keys.map((key) => ({ field: [...issue.path, key].join("."), message: "unknown field" }));
}

function summary({ agents, deliveries, questions: _questions, faults: _faults, ...run }: Run) {
  return {
    ...run,
    agents: agents.map(({ agentId, state }) => ({ agentId, state })),
    deliveries: deliveries.length,
    pendingDeliveries: deliveries.filter((delivery) => delivery.outcome === "pending").length,
  };
}
