// osa_compile_final_results: the stored results of a run as one document. Nothing is added to what agents handed over.
import { z } from "zod";
import { AGENTS } from "../opal/agents.ts";
import type { StoredResult } from "../opal/results.ts";
import { resultUrl } from "../sync/answers.ts";
import type { RunView } from "../sync/run/view.ts";
import { type AgentResult, originAnswer } from "./run-results.ts";
import type { CompilationFormat } from "./schema.ts";

/** Outputs in one answer, in bytes; one that has no room is marked, with the address where it can be read. */
const OUTPUTS_BYTES = 16 * 1024 * 1024;

/** How much of the outputs a format needs. */
export function outputsFor(format: CompilationFormat): number {
  return format === "executive_summary" ? 0 : OUTPUTS_BYTES;
}

interface WithResult extends AgentResult {
  readonly source: NonNullable<AgentResult["source"]>;
  readonly result: StoredResult;
}

export function compilationAnswer(
  run: RunView,
  results: readonly AgentResult[],
  format: CompilationFormat,
  includesQuality: boolean,
) {
  const present = results.filter(hasResult);
  const missing = results.filter((agent) => !hasResult(agent));
  return {
    compilation_format: format,
    is_final: run.isOver,
    complete: run.isOver && missing.length === 0 && present.every(({ source }) => source.origin !== "cached"),
    sections: sections(present, format),
    missing_agents: missing.map(({ agentId, name, state, reason, isQuarantined }) => ({
      agent_id: agentId,
      name,
      state,
      reason,
      quarantined: isQuarantined,
    })),
    cached_agents: present.filter(({ source }) => originAnswer(source).cached).map(({ agentId }) => agentId),
    ...(includesQuality ? { quality_metrics: qualityOf(present, results.length) } : {}),
  };
}

function hasResult(agent: AgentResult): agent is WithResult {
  return agent.source !== null && agent.result !== null;
}

function sections(present: readonly WithResult[], format: CompilationFormat) {
  return present.map(({ agentId, name, source, result, summary }) => {
    const confidence = { confidence: source.confidence };
    const section = { agent_id: agentId, name, ...summary, ...confidence, ...originAnswer(source) };
    if (format === "executive_summary") return section;
    const whole = { output_omitted: result.output_omitted, result_url: resultUrl(source.sessionId, agentId) };
    const detailed = { ...section, ...detailsOf(result), ...whole };
    return format === "detailed_brief" ? detailed : { ...detailed, output: result.output };
  });
}

const details = z.object({
  insights: z.array(z.unknown()),
  opportunities: z.array(z.unknown()),
  nextSteps: z.array(z.unknown()),
});

/** Only the shared form has them. */
function detailsOf({ family, output }: StoredResult) {
  const parsed = family === "shared" ? details.safeParse(output) : undefined;
  if (!parsed?.success) return {};
  const { insights, opportunities, nextSteps } = parsed.data;
  return { insights, opportunities, next_steps: nextSteps };
}

/** Of this run's own results; what stands in from an earlier run is only counted. */
function qualityOf(present: readonly WithResult[], expected: number) {
  const own = present.filter(({ source }) => source.origin !== "cached");
  const confidences = own.map(({ source }) => source.confidence).filter((confidence) => confidence !== null);
  const total = confidences.reduce((sum, confidence) => sum + confidence, 0);
  const isBelow = ({ agentId, source }: WithResult) =>
    source.confidence !== null && source.confidence < AGENTS[agentId].confidenceThreshold;
  return {
    expected_agents: expected,
    agents_with_results: own.length,
    agents_with_cached_results: present.length - own.length,
    completeness: expected === 0 ? 0 : own.length / expected,
    average_confidence: confidences.length === 0 ? null : total / confidences.length,
    agents_without_confidence: own.length - confidences.length,
    below_threshold: own.filter(isBelow).map(({ agentId }) => agentId),
  };
}
