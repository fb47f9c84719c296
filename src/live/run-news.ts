// A run is further, or over: what the feed says of it.
import { progressPercent } from "../sync/run/progress.ts";
import { type EndedRun, isActive, isEnded, type KnownRun, type Run } from "../sync/run/state.ts";
import { viewRun } from "../sync/run/view.ts";
import type { LiveEvent } from "./event.ts";
import { END_PRIORITY, PROGRESS_PRIORITY } from "./priority.ts";
import { eventAbout } from "./subject.ts";

/** Only when something of it has changed. */
export function progressNews(before: Run, after: KnownRun, at: number): LiveEvent[] {
  const was = before.status === "absent" ? null : progressOf(before);
  const data = progressOf(after);
  if (was !== null && JSON.stringify(was) === JSON.stringify(data)) return [];
  const isSame = was?.status === data.status;
  return [
    eventAbout(after, at, {
      name: "workflow_progress_update",
      priority: PROGRESS_PRIORITY[isSame ? "same_status" : "new_status"],
      data: { ...data, previous_status: was?.status ?? null },
    }),
  ];
}

function progressOf(run: KnownRun) {
  const { agents } = run.request.workflow;
  return {
    status: run.status,
    completed_agents: agents.filter(({ id }) => run.agents[id]?.state === "completed").length,
    total_agents: agents.length,
    /** 0 before the first sign of life, then 1 to 3. */
    current_phase: run.phase,
    progress_percentage: progressPercent(run),
    cancelling: isActive(run) && run.cancelRequestedAt !== null,
  };
}

/** Once, by the event that ends the run. */
export function endNews(before: Run, after: KnownRun, at: number): LiveEvent[] {
  if (!isEnded(after) || isEnded(before)) return [];
  const end = (name: "workflow_completed" | "force_sync_completed") =>
    eventAbout(after, at, {
      name,
      priority: END_PRIORITY[after.status],
      // `workflowStatus` and `event_type` are what older listeners look for.
      data: { event_type: name, workflowStatus: after.status, ...endOf(after) },
    });
  return after.origin === "ours"
    ? [end("workflow_completed"), end("force_sync_completed")]
    : [end("workflow_completed")];
}

function endOf(run: EndedRun) {
  const { reason, message, completedAgents, expectedAgents, progressPercent: percent, isRetriable } = viewRun(run);
  return {
    status: run.status,
    reason,
    message,
    completed_agents: completedAgents,
    total_agents: expectedAgents,
    progress_percentage: percent,
    duration_ms: run.endedAt - (run.acceptedAt ?? run.requestedAt),
    can_retry: isRetriable,
  };
}
