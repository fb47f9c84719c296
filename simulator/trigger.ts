// The trigger, as OSA sees it: who may call, and what this call is made to suffer.

import type { IncomingMessage, ServerResponse } from "node:http";
import { readAsked, startOnce, triggerBody } from "./acceptance.ts";
import type { Desk } from "./desk.ts";
import type { TriggerFault } from "./faults.ts";
import { header, parseJson, readBody, sendJson } from "./http.ts";
import type { TriggerCall } from "./records.ts";
import { rest } from "./rest.ts";
import { checkSignature } from "./sign.ts";
import type { Workflow } from "./workflows.ts";

/**
 * Bearer key > what befalls all callers > the fault of this call > signature > body > `startOnce` > the answer, or its
 * loss.
 */
export async function answerTrigger(request: IncomingMessage, response: ServerResponse, desk: Desk): Promise<void> {
  const entry = desk.ledger.open({
    idempotencyKey: header(request, "idempotency-key"),
    correlationId: header(request, "x-correlation-id"),
    sessionId: header(request, "x-session-id"),
  });
  const say = (status: number, body: object, headers: Readonly<Record<string, string>> = {}) => {
    entry.answered = status;
    sendJson(response, status, body, headers);
  };
  const refuse = (status: number, error: string, message: string) => {
    entry.reason = message;
    say(status, { error, message });
  };

  const fail = (status: number, retryAfter: number | undefined) => {
    entry.reason = "fault";
    const headers = retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) };
    say(status, { error: "simulated", message: `OPAL answers ${status} on request.` }, headers);
  };

  if (!desk.credential.isShownBy(header(request, "authorization"))) {
    await readCall(request, entry);
    return refuse(401, "unauthorized", "The bearer key is missing or wrong.");
  }
  // Strangers must not use up faults, hence only now.
  const trouble = desk.faults.meetTrouble(Date.now());
  if (trouble !== undefined) {
    entry.fault = trouble.kind;
    await readCall(request, entry);
    if (trouble.kind === "credentialRefused")
      return refuse(401, "unauthorized", "The bearer key is refused on request.");
    return fail(503, trouble.retryAfter);
  }
  // Without any id, one call after the other is one run.
  const caller = entry.idempotencyKey ?? entry.correlationId ?? "anonymous";
  const claim = desk.faults.claim(caller);
  const fault = claim.takeTriggerFault();
  entry.fault = fault?.kind ?? null;
  if (fault?.kind === "refuse") return destroy(request, entry);

  const { raw, json } = await readCall(request, entry);
  if (raw === undefined) return refuse(413, "too_large", "The body is larger than 1 MB.");
  if (fault?.kind === "reset") return destroy(request, entry);
  if (fault?.kind === "timeout") return leaveWaiting(entry);
  if (fault?.kind === "status") return fail(fault.status, fault.retryAfter);

  const check = checkSignature(
    desk.settings.webhookSecret,
    raw,
    header(request, "x-osa-signature") ?? undefined,
    Math.floor(Date.now() / 1000),
  );
  if (check !== "valid") return refuse(401, "invalid_signature", `X-OSA-Signature: ${check}.`);
  if (json === undefined) return refuse(400, "bad_request", "The body is not JSON.");
  const body = triggerBody.safeParse(json);
  if (!body.success) return refuse(400, "bad_request", "workflow_name must be strategy_workflow.");

  if (fault?.kind === "slow") await rest(fault.ms, desk.closing);
  const workflow = startOnce(body.data, raw, { entry, faults: claim.faults, desk });
  if (caller === "anonymous") desk.faults.release(caller);
  if (claim.faults.beforeAnswer) await workflow.performance.firstAnswer;
  finishAnswer(fault, { request, response, entry, say, workflow });
}

/** The ledger shows what was asked for whatever comes of the call. */
async function readCall(
  request: IncomingMessage,
  entry: TriggerCall,
): Promise<{ raw: Buffer | undefined; json: unknown }> {
  const raw = await readBody(request);
  const json = raw && parseJson(raw);
  entry.asked = readAsked(json);
  return { raw, json };
}

interface Ending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly entry: TriggerCall;
  readonly say: (status: number, body: object) => void;
  readonly workflow: Workflow;
}

function finishAnswer(fault: TriggerFault | undefined, { request, response, entry, say, workflow }: Ending): void {
  switch (fault?.kind) {
    case "acceptThenReset":
      destroy(request, entry);
      break;
    case "acceptThenTimeout":
      leaveWaiting(entry);
      break;
    case "emptyBody":
      entry.answered = 200;
      response.writeHead(200).end();
      break;
    case "garbageBody":
      entry.answered = 200;
      response.writeHead(200, { "Content-Type": "text/html" }).end("<html><body>Accepted</body></html>");
      break;
    default: {
      const { workflowId, agents } = workflow.run;
      const message = `strategy_workflow initiated with ${agents.length} agents`;
      say(200, { workflow_id: workflowId, status: "initiated", message });
    }
  }
}

/** With a TCP reset, the nearest a listening server comes to being unreachable. */
function destroy(request: IncomingMessage, entry: TriggerCall): void {
  entry.answered = "connection destroyed";
  request.socket.resetAndDestroy();
}

/** The connection stays open until the caller gives up or the simulator closes. */
function leaveWaiting(entry: TriggerCall): void {
  entry.answered = "never";
}
