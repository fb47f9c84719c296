// What a function's parameters say, in the flat execution_status form that the webhooks' normaliser reads: one document
// for each agent. Nothing is refused for its shape: what cannot be read stays in the document, and the normaliser marks it.
import { type AgentId, canonicalAgentId } from "../opal/agents.ts";
import type { DeliveringName } from "./functions.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Entries of one call that are read one by one; what is beyond them is kept together, and marked. */
export const ENTRIES_READ = 50;

/** A word that no sender uses: nobody knows what it means, so nothing is taken for success. */
const NO_STATUS = "unnamed";
/** An agent that nobody knows. Left out, the document would speak of the whole workflow. */
const NO_AGENT = "";

/** `parameters` name a workflow. In the order in which they are to be delivered; never empty. */
export function documentsFrom(name: DeliveringName, parameters: Fields): Fields[] {
  switch (name) {
    case "osa_send_data_to_osa_webhook":
      return [agentDocument(parameters, statusOf(parameters), [parameters.agent_data, parameters.execution_results])];
    case "osa_store_workflow_data":
      return [storedDocument(parameters)];
    case "osa_workflow_data":
      return workflowDocuments(parameters);
  }
}

/** What comes for one agent under that agent's own address. */
export function agentDataDocument(agentId: AgentId, given: Fields): Fields {
  const named = withSaid(given, { agent_id: agentId });
  return agentDocument(named, statusOf(given), [given.execution_results, given.output_data]);
}

/** Results that are to be stored are complete; without any there is nothing to be said. */
function storedDocument(parameters: Fields): Fields {
  const { agent_results: results, data_quality_score: score } = parameters;
  const said = statusOf(parameters);
  const status = said === NO_STATUS && !isNothing(results) ? "completed" : said;
  const about = isFields(parameters.metadata) ? parameters.metadata : {};
  const document = agentDocument(parameters, status, [results]);
  return score === undefined ? document : withSaid(document, { metadata: { confidence_score: score, ...about } });
}

function workflowDocuments({ agent_data: given, ...call }: Fields): Fields[] {
  const entries: readonly unknown[] = Array.isArray(given) && given.length > 0 ? given : [given ?? null];
  const documents = entries.slice(0, ENTRIES_READ).map((entry) => entryDocument(entry, call));
  const rest = entries.slice(ENTRIES_READ);
  if (rest.length > 0) documents.push(unreadable(rest, call));
  const [first = unreadable(null, call), ...others] = documents;
  // What the call says about the whole workflow is kept once.
  return [{ ...first, workflow: call }, ...others];
}

function entryDocument(entry: unknown, call: Fields): Fields {
  if (!isFields(entry)) return unreadable(entry, call);
  const document = agentDocument(entry, statusOf(entry), [entry.execution_results, entry.output_data]);
  const names = { correlation_id: call.correlation_id, session_id: call.session_id };
  return withSaid({ ...names, ...document }, { workflow_id: idIn(entry.workflow_id) ?? call.workflow_id });
}

function unreadable(given: unknown, { workflow_id }: Fields): Fields {
  return { workflow_id, agent_id: NO_AGENT, execution_status: "in_progress", agent_data: given };
}

/** The first of the outputs that holds anything is the agent's. */
function agentDocument(given: Fields, status: string, outputs: readonly unknown[]): Fields {
  const output = outputs.find((candidate) => !isNothing(candidate)) ?? outputs.find((candidate) => candidate != null);
  const said = { agent_id: agentOf(given), execution_status: status };
  return withSaid(given, output === undefined ? said : { ...said, agent_data: output });
}

/** What the sender wrote in a field that is read as something else is kept beside it. */
function withSaid(given: Fields, said: Fields): Fields {
  const replaced = Object.keys(said).filter((name) => given[name] !== undefined && given[name] !== said[name]);
  if (replaced.length === 0) return { ...given, ...said };
  const before = isFields(given.as_given) ? given.as_given : {};
  const as_given = { ...Object.fromEntries(replaced.map((name) => [name, given[name]])), ...before };
  return { ...given, ...said, as_given };
}

function agentOf({ agent_id, agent_name }: Fields): string {
  const spellings = [text(agent_id), text(agent_name)].filter((spelling) => spelling !== undefined);
  return spellings.find((spelling) => canonicalAgentId(spelling) !== undefined) ?? spellings[0] ?? NO_AGENT;
}

/** The sender's word, or what its flag says. Where both speak, a failure is not taken for success. */
function statusOf({ execution_status, metadata, success }: Fields): string {
  const about = isFields(metadata) ? metadata : {};
  const flag = about.success ?? success;
  const word = text(execution_status) ?? text(about.execution_status);
  if (word === undefined) return flag === true ? "completed" : flag === false ? "failed" : NO_STATUS;
  if (flag === false && ["completed", "success"].includes(word.toLowerCase())) return "failed";
  return word;
}

/** Longer words are none that the normaliser reads. */
function text(given: unknown): string | undefined {
  return typeof given === "string" && given.length > 0 && given.length <= 64 ? given : undefined;
}

function idIn(given: unknown): string | number | undefined {
  if (typeof given === "string" && given.length > 0) return given;
  return typeof given === "number" && Number.isInteger(given) ? given : undefined;
}

function isNothing(given: unknown): boolean {
  return given === undefined || given === null || (typeof given === "object" && Object.keys(given).length === 0);
}

export function isFields(given: unknown): given is Fields {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}
