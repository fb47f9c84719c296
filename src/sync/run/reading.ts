// What a delivery was read to say, as the log keeps it: comparable, and without any text of it.
import type { Report } from "./commands.ts";
import type { Reading } from "./events.ts";

export function readingOf(reports: readonly Report[]): Reading[] {
  return reports.map((report) => {
    if (report.about !== "agent") return report;
    const { bodyId: _bodyId, ...result } = report.result;
    const { about, agentId, outcome, isCredentialRefused } = report;
    return { about, agentId, outcome, isCredentialRefused, result };
  });
}

export function isSameReading(one: readonly Reading[], other: readonly Reading[]): boolean {
  return JSON.stringify(one.map(inOrder)) === JSON.stringify(other.map(inOrder));
}

/** Members in one order, whatever order they were written in. */
function inOrder(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, inOrder(member)]);
}
