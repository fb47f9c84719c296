// How a workspace stands, in the API's words, for whoever comes to its live feed or cannot be told what was missed.
import { controlAnswer, runAnswer } from "../workspace/control-answers.ts";
import type { Overview } from "../workspace/overview.ts";

export function snapshotAnswer(overview: Overview) {
  const { success: _success, ...control } = controlAnswer(overview, overview.activeSessionId);
  return { ...control, runs: overview.runs.map(runAnswer) };
}
