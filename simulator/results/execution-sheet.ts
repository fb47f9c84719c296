// The older family, `execution_results`: a common base plus fields of each agent's own.

import type { Draw } from "../random.ts";

export interface ExecutionSheet {
  readonly summary: string;
  /** A pool of at least six; the result takes three to six. */
  readonly recommendations: readonly string[];
  readonly insights: Readonly<Record<string, unknown>>;
  readonly references: readonly string[];
  readonly tags: readonly string[];
  /** What only this agent reports. */
  readonly own: Readonly<Record<string, unknown>>;
}

export function fillExecutionSheet(
  { own, recommendations, ...base }: ExecutionSheet,
  { confidence, draw }: { confidence: number; draw: Draw },
): object {
  return {
    ...base,
    recommendations: draw.some(recommendations, 3, 6),
    confidence_score: confidence,
    data_points_analyzed: draw.integer(100, 5100),
    ...own,
  };
}
