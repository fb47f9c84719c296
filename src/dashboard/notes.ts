// What a person should know about a run beyond its status: notes, worst news first. Pure.
import type { AgentView, RunView } from "../sync/run/view.ts";
import { duration, listOf, plural } from "./format.ts";
import { AGENT_WORDS, type Tone } from "./words.ts";

export interface Note {
  readonly id: string;
  readonly tone: Extract<Tone, "quiet" | "warn" | "bad">;
  readonly text: string;
}

export function notesOf(view: RunView): readonly Note[] {
  return [...endNotes(view), ...originNotes(view), ...deliveryNotes(view)];
}

function endNotes(view: RunView): Note[] {
  switch (view.status) {
    case "partially_completed":
      return [{ id: "partial", tone: "warn", text: `Partial result. Missing: ${missing(view)}.` }];
    case "cancelled":
      return [
        {
          id: "cancelled",
          tone: "quiet",
          text: "OPAL is not called again for this run. What its agents still send is kept and marked as late.",
        },
      ];
    case "timed_out":
      return [{ id: "timed-out", tone: "bad", text: timedOut(view) }];
    default:
      return [];
  }
}

function missing(view: RunView): string {
  const agents = view.agents.filter((agent) => agent.state !== "completed");
  return listOf(agents.map((agent) => `${agent.name} (${missingBecause(agent)})`));
}

function missingBecause({ state, fallback }: AgentView): string {
  const word = AGENT_WORDS[state].word.toLowerCase();
  return fallback === null ? word : `${word}; an earlier result stands in, cached`;
}

function timedOut({ acceptedAt, endedAt }: RunView): string {
  const waited = acceptedAt === null || endedAt === null ? "" : ` in ${duration(endedAt - acceptedAt)}`;
  return `OPAL accepted the workflow, but no agent gave a result${waited}.`;
}

function originNotes(view: RunView): Note[] {
  const notes: Note[] = [];
  if (view.doubleStarts > 0) {
    const text = `OPAL started this workflow ${plural(view.doubleStarts, "time", "times")} more than it was asked to. Results of all of them count.`;
    notes.push({ id: "double-start", tone: "warn", text });
  }
  const lastStart = view.attempts.findLast((attempt) => attempt.rerun === null);
  if (view.acceptedAt !== null && lastStart?.state === "failed") {
    const text = "The call to OPAL failed, and yet OPAL had started the workflow: its first delivery showed it.";
    notes.push({ id: "answer-lost", tone: "quiet", text });
  }
  if (view.origin === "foreign") {
    const text = "OPAL started this run by itself; nobody pressed Force sync here.";
    notes.push({ id: "foreign", tone: "quiet", text });
  }
  return notes;
}

function deliveryNotes({ attachedResults, deliveries }: RunView): Note[] {
  const notes: Note[] = [];
  if (deliveries.quarantined > 0) {
    const text = `${plural(deliveries.quarantined, "delivery", "deliveries")} had an unknown form: kept as received, left out of the results.`;
    notes.push({ id: "quarantined", tone: "warn", text });
  }
  if (attachedResults > 0) {
    const text = `${plural(attachedResults, "result", "results")} came after the run had ended: kept and marked, without effect on the outcome.`;
    notes.push({ id: "late", tone: "quiet", text });
  }
  return notes;
}
