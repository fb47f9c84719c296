// How much processor time a Worker's runtime has used: unlike rates, hardly moved by what else the machine does.
import { readdirSync, readFileSync } from "node:fs";

/** Linux counts in hundredths of a second. */
const TICK_MS = 10;

/** Processes of the Workers runtime that this process has started; none where there is no /proc. */
export function runtimes(): readonly number[] {
  return processes().filter((pid) => {
    const known = fieldsOf(pid);
    return known?.name.startsWith("workerd") && known.parent === process.pid;
  });
}

/** NaN when the process cannot be looked at. */
export function cpuMs(pid: number | undefined): number {
  const known = pid === undefined ? undefined : fieldsOf(pid);
  return known === undefined ? Number.NaN : known.ticks * TICK_MS;
}

function processes(): number[] {
  try {
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .map(Number);
  } catch {
    return [];
  }
}

function fieldsOf(pid: number): { readonly name: string; readonly parent: number; readonly ticks: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    return { name, parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}
