// Every result is said with the same few facts, and none of them is made up.
import { expect, test } from "vitest";
import type { StoredResult } from "../../../src/opal/results.ts";
import { resultEnvelope } from "../../../src/sync/answers.ts";

const stored = (output: unknown): StoredResult => ({
  ...{ agent_id: "geo_audit", outcome: "completed", family: "execution_results", confidence: 0.8 },
  ...{ output, output_omitted: false, error: null },
});

test("a result comes with the time its agent ended, its confidence and a summary", () => {
  const said = resultEnvelope(stored({ summary: "Fair", recommendations: [] }), Date.UTC(2026, 0, 5, 9));
  expect(said).toEqual({
    ...{ execution_timestamp: "2026-01-05T09:00:00.000Z", confidence_score: 0.8, data_quality_metrics: null },
    summary: { headline: "Fair", metrics: [] },
  });
});

test("quality metrics are the agent's own, or nothing", () => {
  const metrics = { completeness: 0.9 };
  const withMetrics = stored({ summary: "Fair", recommendations: [], data_quality_metrics: metrics });
  expect(resultEnvelope(withMetrics, null)).toMatchObject({ execution_timestamp: null, data_quality_metrics: metrics });
  const odd = stored({ summary: "Fair", recommendations: [], data_quality_metrics: "good" });
  expect(resultEnvelope(odd, null).data_quality_metrics).toBeNull();
});
