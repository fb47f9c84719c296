// What the crash test has to say at its end: for the terminal, and for docs/results/chaos.md. Pure.
import type { Outcome } from "./chaos-run.ts";

export interface Circumstances {
  readonly seed: number;
  readonly scenarios: number;
  readonly lanes: number;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly versions: string;
  readonly machine: string;
  /** How to play the same again. */
  readonly repeat: string;
}

export function markdown(outcome: Outcome, circumstances: Circumstances): string {
  return `# Last run of \`npm run chaos\`

${table(sums(outcome, circumstances))}
Runs, by how they ended:

${table(Object.entries(outcome.endings))}
${pointsTable(outcome)}Faults, by how many scenarios met them:

${table(Object.entries(outcome.faults))}
What operators did meanwhile:

${table(Object.entries(outcome.actions))}
Judged for every run, from three sides (what OPAL was asked and answered, what the sessions' logs hold, what callers were told): every webhook that was acknowledged is in its run's log exactly once; nothing that was not sent, or was forged, is in a log; every acknowledged trigger has its run, one key has one run, and every run has ended within its limits; no lease and no queued run is left behind; each call that reached OPAL is an attempt in a log, no two attempts are open at once, none is made too early or after a cancel; one workflow for one idempotency key, and where OPAL does not honour keys a second workflow is noticed; no agent is completed that did not deliver; state, log and D1 agree in every row (\`GET /api/admin/consistency\`).
`;
}

function pointsTable({ points }: Outcome): string {
  if (points.length === 0) return "";
  const rows = points.map(({ name, isMet, state, workflows }): Row => {
    const met = isMet ? "met" : "not met";
    return [name, `${met}; ${state}, ${workflows} workflow${workflows === 1 ? "" : "s"} at OPAL`];
  });
  return `Killed on purpose when\n\n${table(rows)}\n`;
}

export function plain(outcome: Outcome, circumstances: Circumstances): string {
  const rows = sums(outcome, circumstances);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const listed = { faults: outcome.faults, "operators' actions": outcome.actions, ended: outcome.endings };
  for (const [name, tally] of Object.entries(listed)) {
    const parts = Object.entries(tally).map(([kind, times]) => `${kind} ${times}`);
    lines.push(`${name.padEnd(width)}  ${parts.join(", ")}`);
  }
  return lines.join("\n");
}

function sums({ counts, kills, breakerOpenings, findings }: Outcome, circumstances: Circumstances): Row[] {
  return [
    ["verdict", findings.length === 0 ? "passed" : `failed: ${findings.length} broken promises`],
    ["scenarios", circumstances.scenarios],
    ["runs", counts.runs],
    ["kill -9 of the Worker", kills],
    ["calls to OPAL that met a fault", counts.troubledCalls],
    ["calls interrupted by a kill", counts.interruptedCalls],
    ["events sent", counts.eventsSent],
    ["events accepted", counts.eventsAccepted],
    ["events lost", counts.eventsLost],
    ["copies taken for duplicates", counts.copiesTakenForDuplicates],
    ["duplicated effects", counts.duplicatedEffects],
    ["stuck runs", counts.stuck],
    ["double starts made by OPAL", counts.doubleStartsMade],
    ["double starts noticed", counts.doubleStartsNoticed],
    ["breaker openings", breakerOpenings],
    ["re-runs of agents", counts.reruns],
    ["retried calls", counts.retries],
    ["differences between log and D1", counts.d1Differences],
    ["duration", `${Math.round(circumstances.durationMs / 1000)} s, ${circumstances.lanes} stacks side by side`],
    ["seed", circumstances.seed],
    ["the same again", `\`${circumstances.repeat}\``],
    ["when", circumstances.startedAt.toISOString()],
    ["versions", circumstances.versions],
    ["machine", circumstances.machine],
  ];
}

type Row = readonly [name: string, value: string | number];

function table(rows: readonly Row[]): string {
  return ["| | |", "|---|---|", ...rows.map(([name, value]) => `| ${name} | ${value} |`), ""].join("\n");
}
