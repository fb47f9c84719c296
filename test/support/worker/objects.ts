// Reaching behind the front door: the objects themselves, their storage, their alarms, and how they die.
import {
  applyD1Migrations,
  evictDurableObject,
  listDurableObjectIds,
  reset,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import type { RunEvent } from "../../../src/sync/run/events.ts";
import { eventually } from "./client.ts";
import { advanceClock } from "./faults.ts";

const DEFAULT_WORKSPACE = "default";
const INBOXES = ["opal", "ga4", "salesforce", "external", "rejections"];

type AnyObject = ReturnType<typeof sessionObject> | ReturnType<typeof workspaceObject> | ReturnType<typeof inboxObject>;

export function sessionObject(sessionId: string, workspace = DEFAULT_WORKSPACE) {
  return env.SYNC_SESSION.getByName(`${workspace}:${sessionId}`);
}

export function workspaceObject(workspace = DEFAULT_WORKSPACE) {
  return env.WORKSPACE.getByName(`${workspace}:workspace`);
}

export function inboxObject(name: string, workspace = DEFAULT_WORKSPACE) {
  return env.INBOX.getByName(`${workspace}:inbox-${name}`);
}

/** Sessions of earlier tests; the platform goes on listing them. */
const emptied = new Set<string>();

/** For afterEach: nothing of one test reaches the next one. */
export async function startOver(): Promise<void> {
  vi.restoreAllMocks();
  vi.useRealTimers();
  // Only objects that are running are emptied, D1's among them, so all are woken first.
  const sessions = (await listDurableObjectIds(env.SYNC_SESSION)).filter((id) => !emptied.has(id.toString()));
  for (const id of sessions) emptied.add(id.toString());
  await Promise.allSettled([
    ...sessions.map((id) => env.SYNC_SESSION.get(id).events(0, 0)),
    ...["default", "acme"].map((name) => workspaceObject(name).overview()),
    ...["default", "acme"].flatMap((workspace) => INBOXES.map((name) => inboxObject(name, workspace).account())),
    env.DB.prepare("SELECT 1").run(),
  ]);
  await reset();
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
}

/** The object's memory is gone, its storage is not. An object that is not running has no memory. */
export async function evict(object: AnyObject): Promise<void> {
  await evictDurableObject(object).catch((error: unknown) => {
    if (!String(error).includes("not currently running")) throw error;
  });
}

/** The log as the object has it. */
export function eventsOf(sessionId: string): Promise<RunEvent[]> {
  return sessionObject(sessionId).events(0, 10_000);
}

export async function eventTypes(sessionId: string): Promise<string[]> {
  return (await eventsOf(sessionId)).map((event) => event.type);
}

export function query(object: AnyObject, sql: string): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(object, (_instance, state) => state.storage.sql.exec(sql).toArray());
}

/** Names of the tables in an object's storage. */
export async function tablesOf(object: AnyObject): Promise<unknown[]> {
  const rows = await query(
    object,
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
  );
  return rows.map((row) => row.name);
}

/** Waits until a run has ended and everybody has heard of it: lease, D1, overview. */
export async function settled(sessionId: string): Promise<void> {
  await eventually(
    () => isSettled(sessionId),
    (is) => is,
  );
}

async function isSettled(sessionId: string): Promise<boolean> {
  const [run] = await query(workspaceObject(), `SELECT is_settled FROM runs WHERE session_id = '${sessionId}'`);
  return run?.is_settled === 1;
}

/**
 * Rings everybody's alarm, as often as it takes until everybody has told the others everything. No time passes; what is
 * due is done. For a clock that no alarm follows by itself.
 */
export async function quiet(): Promise<void> {
  await eventually(ringEverybody, (waiting) => waiting === 0);
}

/** Rings everybody's alarm once; answers how many messages still wait to be told. */
export async function ringEverybody(): Promise<number> {
  await ring(workspaceObject());
  const sessions = (await workspaceObject().sessions("", 100)).map((id) => sessionObject(id));
  for (const session of sessions) await ring(session);
  let count = 0;
  for (const object of [workspaceObject(), ...sessions]) count += (await query(object, "SELECT id FROM outbox")).length;
  return count;
}

export function alarmOf(object: AnyObject): Promise<number | null> {
  return runInDurableObject(object, (_instance, state) => state.storage.getAlarm());
}

/** Lets a stopped clock go on, second by second, with these objects' alarms ringing, until something is so. */
export function passTimeUntil<Value>(
  objects: readonly AnyObject[],
  read: () => Promise<Value>,
  isDone: (value: Value) => boolean,
): Promise<Value> {
  const passSecond = async () => {
    advanceClock(1_000);
    for (const object of objects) await ring(object);
    return read();
  };
  return eventually(passSecond, isDone);
}

/** The same as `settled` for a stopped clock, when something has to be tried again first. */
export async function settledInTime(sessionId: string): Promise<void> {
  await passTimeUntil(
    [sessionObject(sessionId)],
    () => isSettled(sessionId),
    (is) => is,
  );
}

/** What the platform does when an object's time has come, whether or not it has. */
export function ring(object: AnyObject): Promise<void> {
  return runInDurableObject<DurableObject, void>(object, (instance) => instance.alarm?.());
}
