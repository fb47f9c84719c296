// How much memory the processes of `wrangler dev` hold, as the system counts it: the workerd that runs the Worker, and
// the one in front of it that runs wrangler's own proxy. None of our code is in the second, so it says what is usual.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Resident MiB. */
export interface Memory {
  readonly worker: number;
  readonly proxy: number;
}

/** Of a process group; undefined where the system does not say. */
export function workerdMemory(group: number): Memory | undefined {
  const found = processes().filter((entry) => isWorkerdOf(group, entry));
  const mib = (entries: readonly string[]) =>
    Math.round(entries.reduce((sum, entry) => sum + residentKib(entry), 0) / 1024);
  const workers = found.filter(hasStorageOpen);
  if (workers.length === 0) return undefined;
  return { worker: mib(workers), proxy: mib(found.filter((entry) => !workers.includes(entry))) };
}

function isWorkerdOf(group: number, entry: string): boolean {
  const stat = read(`/proc/${entry}/stat`);
  const [, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(pgrp) === group && stat.includes("(workerd)");
}

function residentKib(entry: string): number {
  return Number(/^VmRSS:\s+([0-9]+) kB/m.exec(read(`/proc/${entry}/status`))?.[1] ?? 0);
}

/** Both keep something of their own, but only the Worker has our objects. */
function hasStorageOpen(entry: string): boolean {
  try {
    const files = readdirSync(`/proc/${entry}/fd`);
    return files.some((file) => /\/osa-edge-.*\.sqlite/.test(linkOf(`/proc/${entry}/fd/${file}`)));
  } catch {
    return false;
  }
}

function processes(): string[] {
  try {
    return readdirSync("/proc").filter((entry) => /^[0-9]+$/.test(entry));
  } catch {
    return [];
  }
}

/** Empty for a process that has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Empty for a file that has just been closed. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
