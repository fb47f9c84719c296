// An estimate and the record of earlier ones, in the API's words.
import type { Estimate, EstimateRecord } from "./estimate.ts";

type Unknown = Extract<Estimate, { known: false }>["reason"];

const WHY_UNKNOWN: Readonly<Record<Unknown, string>> = {
  no_past_run: "No comparable run has been completed yet.",
  not_accepted_yet: "OPAL has not accepted the run yet.",
};

/** Times as ISO 8601, shares from 0 to 1. */
export function estimateAnswer(estimate: Estimate, record: EstimateRecord) {
  return {
    estimated_end: estimatedEnd(estimate),
    estimate_record: {
      estimates: record.estimates,
      ended_by_p50: record.endedByP50Share,
      ended_by_p90: record.endedByP90Share,
      median_error_ms: record.medianErrorMs,
    },
  };
}

function estimatedEnd(estimate: Estimate) {
  if (!estimate.known) {
    return { p50: null, p90: null, based_on_runs: 0, overdue: false, reason: WHY_UNKNOWN[estimate.reason] };
  }
  return {
    p50: new Date(estimate.p50At).toISOString(),
    p90: new Date(estimate.p90At).toISOString(),
    based_on_runs: estimate.basedOn,
    overdue: estimate.isOverdue,
    reason: null,
  };
}
