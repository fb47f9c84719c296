// The figures for people: a table on the terminal, and bench/results/README.md from all that is kept. Pure.
import type { Measure, Target } from "./measure.ts";
import { round } from "./numbers.ts";

export interface Kept {
  readonly name: string;
  readonly about: string;
  readonly date: string;
  readonly commit: string;
  readonly seed: number;
  readonly seconds: number;
  readonly machine: string;
  readonly versions: string;
  /** Of the last minute, before and after. */
  readonly loadAverage: readonly [number, number];
  readonly measures: readonly Measure[];
}

export function plain({ name, about, measures }: Pick<Kept, "name" | "about" | "measures">): string {
  const rows = measures.map(columns);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row.map((text, column) => (column === 1 ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0))),
  );
  return `${name}: ${about}\n\n${lines.map((line) => `  ${line.join("  ").trimEnd()}`).join("\n")}\n`;
}

export function markdown(kept: readonly Kept[]): string {
  const parts = kept.map((part) => {
    const rows = part.measures.map((measure) => `| ${columns(measure).join(" | ")} |`);
    const { date, commit, seconds, seed, machine, versions, loadAverage } = part;
    return `## ${part.name}

${part.about}

| | | | target | |
|---|---:|---|---|---|
${rows.join("\n")}

${date}, commit ${commit}, ${seconds} s, seed ${seed}; ${machine}; ${versions}; load average ${loadAverage.join(" before, ")} after.
`;
  });
  return `# Last runs of \`npm run bench\`

Written by the benchmark itself. Load generation, Workers, D1 and storage share one machine, so ratios between figures of one part say more than the figures do. Ratios are medians over rounds in which both sides took turns.

${parts.join("\n")}`;
}

function columns({ name, value, unit, target, note }: Measure): [string, string, string, string, string] {
  return [
    name,
    figure(value),
    unit,
    target ? `${words(target)} (${isMet(target, value) ? "met" : "missed"})` : "",
    note ?? "",
  ];
}

function figure(value: number): string {
  return Number.isFinite(value) ? round(value).toLocaleString("en") : "none";
}

function words({ is, value }: Target): string {
  return `${is} ${value}`;
}

function isMet({ is, value: limit }: Target, value: number): boolean {
  return is === "at least" ? value >= limit : value <= limit;
}
