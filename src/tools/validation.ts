// osa_validate_workflow_data: whether the results of a run are there, readable and sure enough.
import { AGENTS } from "../opal/agents.ts";
import { normaliseConfidence } from "../opal/results.ts";
import { type AgentResult, originAnswer } from "./run-results.ts";

const CRITERIA = ["present", "family", "confidence"] as const;
type Criterion = (typeof CRITERIA)[number];

export interface Criteria {
  readonly applied: readonly Criterion[];
  /** Names that nobody here can check. */
  readonly unknown: readonly string[];
}

/** Without a criterion that we know, all apply; false switches one off. */
export function criteriaFrom(given: Readonly<Record<string, unknown>> | readonly string[] | undefined): Criteria {
  const flags = new Map<string, unknown>(
    isList(given) ? given.map((name) => [name, true]) : Object.entries(given ?? {}),
  );
  const unknown = [...flags.keys()].filter((name) => !CRITERIA.some((known) => known === name));
  const isChosen = (name: Criterion) => flags.get(name) !== false && flags.has(name);
  const chosen = CRITERIA.filter(isChosen);
  const left = CRITERIA.filter((name) => flags.get(name) !== false);
  return { applied: chosen.length > 0 ? chosen : left, unknown };
}

function isList(given: unknown): given is readonly string[] {
  return Array.isArray(given);
}

/** `minimum` is a confidence of 0 to 1, or of 0 to 100; without it each agent has its own. */
export function validationAnswer(
  results: readonly AgentResult[],
  { applied, unknown }: Criteria,
  minimum: number | undefined,
) {
  const agents = results.map((agent) => validateAgent(agent, applied, normaliseConfidence(minimum)));
  return {
    valid: agents.length > 0 && agents.every(({ valid }) => valid),
    criteria_applied: applied,
    criteria_unknown: unknown,
    valid_agents: agents.filter(({ valid }) => valid).length,
    expected_agents: agents.length,
    agents,
  };
}

function validateAgent(agent: AgentResult, applied: readonly Criterion[], minimum: number | null) {
  const { agentId, name, state, source, result } = agent;
  const isPresent = result !== null && source?.origin !== "cached";
  const isFamilyKnown = result?.family === "shared" || result?.family === "execution_results";
  const required = minimum ?? AGENTS[agentId].confidenceThreshold;
  const confidence = source?.confidence ?? null;
  const isSure = confidence !== null && confidence >= required;
  const found: Readonly<Record<Criterion, string | undefined>> = {
    present: isPresent ? undefined : whyAbsent(agent),
    family: isFamilyKnown ? undefined : whyUnreadable(agent),
    confidence: isSure
      ? undefined
      : confidence === null
        ? "has no confidence"
        : `confidence ${confidence} is below ${required}`,
  };
  const problems = applied.map((criterion) => found[criterion]).filter((problem) => problem !== undefined);
  return {
    agent_id: agentId,
    name,
    state,
    present: isPresent,
    family: result?.family ?? (agent.isQuarantined ? "unrecognised" : "none"),
    family_known: isFamilyKnown,
    confidence,
    required_confidence: required,
    valid: problems.length === 0,
    problems,
    ...originAnswer(source),
  };
}

function whyAbsent({ source, isQuarantined }: AgentResult): string {
  if (source?.origin === "cached") return "only an earlier run's result stands in";
  if (source !== null) return "the stored result is no longer kept";
  return isQuarantined ? "the result is quarantined" : "has given no result in this run";
}

function whyUnreadable({ result, isQuarantined }: AgentResult): string {
  if (isQuarantined) return "the result has a form that nobody knows";
  return result === null ? "there is no result to recognise" : "nothing was handed over";
}
