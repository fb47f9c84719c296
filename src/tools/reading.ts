// Functions that read: checked parameters, the run they name, and what is stored of it.
import type { Context } from "hono";
import type { z } from "zod";
import type { AppEnv } from "../app-env.ts";
import type { AgentId } from "../opal/agents.ts";
import { type Found, findRun, sessionOf } from "../sync/finding.ts";
import type { RunView } from "../sync/run/view.ts";
import { refuseInvalid } from "../validate.ts";
import type { ToolCall } from "./call.ts";
import { compilationAnswer, outputsFor } from "./compilation.ts";
import { agentsAskedFor, contextAnswer } from "./context.ts";
import type { DeliveringName, FunctionName } from "./functions.ts";
import { type AgentResult, agentsOf, loadResults } from "./run-results.ts";
import { compileParameters, contextParameters, validateParameters } from "./schema.ts";
import { criteriaFrom, validationAnswer } from "./validation.ts";

export type ReadingName = Exclude<FunctionName, DeliveringName>;

/** Refuses: validation_failed, and what finding a run refuses. */
export function readFunction(c: Context<AppEnv>, name: ReadingName, call: ToolCall): Promise<Response> {
  switch (name) {
    case "osa_retrieve_workflow_context":
      return retrieveContext(c, call);
    case "osa_validate_workflow_data":
      return validateData(c, call);
    case "osa_compile_final_results":
      return compileResults(c, call);
  }
}

async function retrieveContext(c: Context<AppEnv>, call: ToolCall): Promise<Response> {
  const asked = checkCall(c, contextParameters, call);
  if (asked instanceof Response) return asked;
  const found = await findRun(c, asked.workflow_id);
  if (!found.ok) return c.var.problem(found);
  const { agents, unknown } = agentsAskedFor(found.run, asked.include_agents);
  const results = await resultsOf(c, found.run, agents);
  const context = contextAnswer(found.run, results);
  const asking = { requesting_agent: asked.requesting_agent ?? null, unknown_agents: unknown };
  return c.json({ ...identity(found, asked.workflow_id), ...asking, ...context });
}

async function validateData(c: Context<AppEnv>, call: ToolCall): Promise<Response> {
  const asked = checkCall(c, validateParameters, call);
  if (asked instanceof Response) return asked;
  const found = await findRun(c, asked.workflow_id);
  if (!found.ok) return c.var.problem(found);
  const results = await resultsOf(c, found.run, agentsOf(found.run));
  const criteria = criteriaFrom(asked.validation_criteria);
  const validation = validationAnswer(results, criteria, asked.minimum_quality_score);
  return c.json({ ...identity(found, asked.workflow_id), ...validation });
}

async function compileResults(c: Context<AppEnv>, call: ToolCall): Promise<Response> {
  const asked = checkCall(c, compileParameters, call);
  if (asked instanceof Response) return asked;
  const found = await findRun(c, asked.workflow_id);
  if (!found.ok) return c.var.problem(found);
  const { compilation_format: format, include_quality_metrics: includesQuality } = asked;
  const results = await resultsOf(c, found.run, agentsOf(found.run), outputsFor(format));
  const compilation = compilationAnswer(found.run, results, format, includesQuality);
  return c.json({ ...identity(found, asked.workflow_id), ...compilation });
}

/** The parameters, or the answer that names what is wrong with them where they are in the body. */
export function checkCall<Schema extends z.ZodType>(
  c: Context<AppEnv>,
  schema: Schema,
  { parameters, path }: ToolCall,
): z.infer<Schema> | Response {
  const parsed = schema.safeParse(parameters);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
  const refused = refuseInvalid({ success: false, error: { issues }, target: "json" }, c);
  if (refused === undefined) throw new Error("wrong parameters were not refused");
  return refused;
}

function identity({ run }: Extract<Found, { ok: true }>, askedFor: string) {
  return {
    success: true as const,
    workflow_id: askedFor,
    session_id: run.sessionId,
    correlation_id: run.correlationId,
    opal_workflow_ids: run.remoteIds,
    status: run.status,
  };
}

function resultsOf(
  c: Context<AppEnv>,
  run: RunView,
  agents: readonly AgentId[],
  outputsBytes = 0,
): Promise<AgentResult[]> {
  return loadResults(run, agents, (sessionId, bodyId) => sessionOf(c, sessionId).body(bodyId), outputsBytes);
}
