// Children in process groups of their own: started, watched and ended together with everything below them.
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";

export const ROOT = resolve(import.meta.dirname, "..");
const BIN = join(ROOT, "node_modules", ".bin");

const GRACE_MS = 5000;
const POLL_MS = 50;
const REQUEST_TIMEOUT_MS = 5000;
const KEPT_OUTPUT_CHARACTERS = 64_000;

export interface ProcessOptions {
  /** Arguments of Node: a script and its flags. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Appended to. */
  readonly logFile?: string;
  readonly onOutput?: (text: string) => void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface RunningProcess {
  /** Also the id of the process group. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly hasExited: () => boolean;
  /** What it printed, or the end of it when that is long. */
  readonly lastOutput: () => string;
  /** Signals the whole group, as a crash or a power cut would. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** SIGTERM, then SIGKILL after 5 s. Resolves when the whole group is gone. */
  readonly stop: () => Promise<void>;
}

/** Runs a script with the installed Node. Whatever happens to the caller, the group ends with it (leash.ts). */
export function startProcess({ args, env, logFile, onOutput }: ProcessOptions): RunningProcess {
  const node = join(BIN, "node");
  const child = spawn(node, [join(import.meta.dirname, "leash.ts"), node, ...args], {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, FORCE_COLOR: "0", PATH: `${BIN}:${process.env.PATH ?? ""}`, ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${node} cannot be run.`);
  if (logFile) mkdirSync(dirname(logFile), { recursive: true });
  const log = logFile ? createWriteStream(logFile, { flags: "a" }) : undefined;
  let kept = "";
  let exit: Exit | undefined;
  const onChunk = (chunk: Buffer) => {
    const text = stripVTControlCharacters(chunk.toString("utf8"));
    kept = (kept + text).slice(-KEPT_OUTPUT_CHARACTERS);
    log?.write(text);
    onOutput?.(text);
  };
  child.stdout?.on("data", onChunk);
  child.stderr?.on("data", onChunk);
  child.once("message", (message) => {
    exit = exitFrom(message);
  });
  const exited = new Promise<Exit>((done) => {
    // "close" comes after the last output, so that a sentence about the end can quote it.
    child.once("close", (code, signal) => {
      exit ??= { code, signal };
      log?.end();
      done(exit);
    });
  });
  const kill = (signal: NodeJS.Signals) => void signalGroup(pid, signal);
  return {
    pid,
    exited,
    hasExited: () => exit !== undefined,
    lastOutput: () => kept.trim(),
    kill,
    stop: async () => {
      kill("SIGTERM");
      const force = setTimeout(() => kill("SIGKILL"), GRACE_MS);
      await exited;
      clearTimeout(force);
      kill("SIGKILL");
      while (isGroupAlive(pid)) await sleep(POLL_MS);
    },
  };
}

/** What leash.ts says about the command it ran. */
function exitFrom(message: unknown): Exit | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { code, signal } = { code: null, signal: null, ...message };
  return { code: typeof code === "number" ? code : null, signal: typeof signal === "string" ? signal : null };
}

/** Whether any process of the group still runs. */
export function isGroupAlive(pid: number): boolean {
  if (!signalGroup(pid, 0)) return false;
  if (!existsSync("/proc/self/stat")) return true;
  // The dead count as well until somebody reaps them, and in a bare container nobody ever does.
  return readdirSync("/proc").some((entry) => /^\d+$/.test(entry) && runsInGroup(entry, pid));
}

function runsInGroup(entry: string, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(pgrp) === group && state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

export interface Waiting {
  readonly timeoutMs: number;
  /** Asked before every attempt; an error ends the waiting. */
  readonly giveUp?: () => Error | undefined;
}

/** Resolves when the address answers 200. */
export async function waitForUrl(url: string, { timeoutMs, giveUp }: Waiting): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    const reason = giveUp?.();
    if (reason) throw reason;
    if ((await statusOf(url)) === 200) return;
    await sleep(POLL_MS);
  }
  throw new Error(`${url} did not answer within ${timeoutMs / 1000} seconds.`);
}

async function statusOf(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0, "127.0.0.1");
  if (typeof port !== "number") throw new Error(`No free port: ${port}`);
  return port;
}

/** Why this machine's port cannot be listened on, or undefined. */
export async function portProblem(port: number): Promise<string | undefined> {
  // A browser may try localhost by IPv6 first, and would find the other program there.
  for (const host of ["127.0.0.1", "::1"]) {
    const outcome = await listenOnce(port, host);
    if (outcome === "EADDRINUSE") return "already in use";
    if (outcome === "EACCES") return "not open to this user";
  }
  return undefined;
}

/** The port, or the code of the error. */
function listenOnce(port: number, host: string): Promise<number | string> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", (error) => done("code" in error ? String(error.code) : error.message));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address ? address.port : port));
    });
  });
}
