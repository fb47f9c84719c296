// Everything that is stored of the flood, read from the objects' files and D1's.
import { createHash, type Hash } from "node:crypto";
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { countOf, type OpenFile, readFiles, rows } from "./flood-files.ts";

export const OUTCOMES = ["processed", "duplicate", "late", "ignored", "quarantined"] as const;
type Outcome = (typeof OUTCOMES)[number];
export type Ledger = Readonly<Record<Outcome | "received", number>>;

/** A delivery with its receipt. */
export interface Kept {
  readonly id: string;
  readonly sha256: string;
  /** How often it came again. */
  readonly repeats: number;
}

/** A session or an inbox. */
export interface Owner {
  readonly workspace: string;
  /** As D1 names it. */
  readonly owner: string;
  readonly ledger: Ledger;
  readonly kept: readonly Kept[];
  /** What became of them, from the log or the inbox's own rows. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Deliveries in the log, in order; of an inbox, its rows. */
  readonly logged: readonly string[];
  readonly logEvents: number;
  readonly lastSeq: number;
  /** SHA-256 of each body. */
  readonly bodies: ReadonlyMap<string, string>;
  readonly rejections: number;
  readonly rejectionTotals: readonly { readonly code: string; readonly n: number }[];
}

export interface StoredRow extends Omit<Kept, "repeats"> {
  readonly workspace: string;
  readonly owner: string;
}

export interface D1State {
  readonly rows: readonly StoredRow[];
  readonly ledgers: readonly (Ledger & { readonly workspace: string; readonly owner: string })[];
  readonly stats: readonly { readonly workspace: string; readonly outcome: string; readonly n: number }[];
  /** Deliveries whose time was measured, for each workspace. */
  readonly timed: ReadonlyMap<string, number>;
  readonly bodies: ReadonlyMap<string, string>;
  /** Rows that the search knows. */
  readonly searchable: number;
  readonly logEvents: ReadonlyMap<string, number>;
  /** Size of the file, in bytes. */
  readonly bytes: number;
}

export interface State {
  readonly owners: readonly Owner[];
  readonly d1: D1State;
  /** Messages that nobody was told, in any object. */
  readonly untold: number;
  readonly held: number;
}

export function readState(directory: string): State {
  const owners: Owner[] = [];
  let d1: D1State | undefined;
  let [untold, held] = [0, 0];
  readFiles(directory, (file) => {
    const { kind, database, path } = file;
    if (kind === "d1") d1 = readD1(database, statSync(path).size);
    else untold += untoldIn(file);
    if (kind === "workspace") held += countOf(database, "SELECT count(*) AS n FROM held");
    if (kind === "session") owners.push(readSession(database));
    if (kind === "inbox") owners.push(readInbox(database));
  });
  if (d1 === undefined) throw new Error(`There is no D1 in ${directory}.`);
  return { owners, d1, untold, held };
}

/** What somebody has still to be told, in words; undefined when all is quiet. The Worker may run meanwhile. */
export function whatIsUntold(directory: string): string | undefined {
  try {
    return countUntold(directory);
  } catch (error) {
    // A file that is just being opened after a kill.
    if (error instanceof Error && error.message.includes("locked")) return error.message;
    throw error;
  }
}

function countUntold(directory: string): string | undefined {
  const waiting = readFiles(directory, (file) => (file.kind === "d1" ? 0 : untoldIn(file)));
  const held = readFiles(directory, ({ kind, database }) =>
    kind === "workspace" ? countOf(database, "SELECT count(*) AS n FROM held") : 0,
  );
  const [messages, deliveries] = [sum(waiting), sum(held)];
  return messages + deliveries === 0 ? undefined : `${messages} messages in outboxes, ${deliveries} deliveries held`;
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

function untoldIn({ database }: OpenFile): number {
  return countOf(database, "SELECT count(*) AS n FROM outbox");
}

const kept = z.object({ id: z.string(), sha256: z.string(), repeats: z.number() });
const id = z.object({ id: z.string() });
const verdict = z.object({ verdict: z.string(), n: z.number() });
const named = z.object({ workspace: z.string(), owner: z.string() });

function readSession(database: DatabaseSync): Owner {
  const first = `SELECT json_extract(data, '$.workspace') AS workspace, json_extract(data, '$.sessionId') AS owner
    FROM events WHERE type IN ('requested', 'adopted')`;
  const recorded = "FROM events WHERE type = 'delivery_recorded'";
  return {
    ...named.parse(database.prepare(first).get()),
    ledger: readLedger(database),
    kept: rows(database, kept, "SELECT delivery_id AS id, sha256, repeats FROM receipts"),
    verdicts: verdictsIn(
      database,
      `SELECT json_extract(data, '$.verdict') AS verdict, count(*) AS n ${recorded} GROUP BY 1`,
    ),
    logged: rows(database, id, `SELECT json_extract(data, '$.deliveryId') AS id ${recorded} ORDER BY seq`).map(
      (row) => row.id,
    ),
    logEvents: countOf(database, "SELECT count(*) AS n FROM events"),
    lastSeq: countOf(database, "SELECT max(seq) AS n FROM events"),
    bodies: bodiesIn(database),
    ...{ rejections: 0, rejectionTotals: [] },
  };
}

const name = z.object({ name: z.string() });
const total = z.object({ code: z.string(), n: z.number() });

function readInbox(database: DatabaseSync): Owner {
  const [workspace = "", owner = ""] = name.parse(database.prepare("SELECT name FROM identity").get()).name.split(":");
  const all = rows(database, kept, "SELECT delivery_id AS id, sha256, repeats FROM deliveries ORDER BY seq");
  return {
    ...{ workspace, owner, kept: all, ledger: readLedger(database) },
    verdicts: verdictsIn(
      database,
      "SELECT json_extract(facts, '$.verdict') AS verdict, count(*) AS n FROM deliveries GROUP BY 1",
    ),
    logged: all.map((row) => row.id),
    ...{ logEvents: 0, lastSeq: 0, bodies: bodiesIn(database) },
    rejections: countOf(database, "SELECT count(*) AS n FROM rejections"),
    rejectionTotals: rows(database, total, "SELECT code, sum(n) AS n FROM rejection_totals GROUP BY code"),
  };
}

const entry = z.object({ entry: z.string(), n: z.number() });

function readLedger(database: DatabaseSync): Ledger {
  const entries = new Map(rows(database, entry, "SELECT entry, n FROM ledger").map((row) => [row.entry, row.n]));
  const of = (what: string) => entries.get(what) ?? 0;
  return {
    received: of("received"),
    ...{ processed: of("processed"), duplicate: of("duplicate"), late: of("late") },
    ...{ ignored: of("ignored"), quarantined: of("quarantined") },
  };
}

function verdictsIn(database: DatabaseSync, query: string): Readonly<Record<string, number>> {
  return Object.fromEntries(rows(database, verdict, query).map((row) => [row.verdict, row.n]));
}

const part = z.object({ body_id: z.string(), bytes: z.instanceof(Uint8Array) });

/** Results that we wrote ourselves are left out. */
function bodiesIn(database: DatabaseSync): Map<string, string> {
  const hashes = new Map<string, Hash>();
  for (const row of database.prepare("SELECT body_id, bytes FROM bodies ORDER BY body_id, part").iterate()) {
    const { body_id: bodyId, bytes } = part.parse(row);
    if (bodyId.endsWith(".result")) continue;
    hashes.set(bodyId, (hashes.get(bodyId) ?? createHash("sha256")).update(bytes));
  }
  return new Map([...hashes].map(([bodyId, hash]) => [bodyId, hash.digest("hex")]));
}

const storedRow = z.object({ workspace: z.string(), owner: z.string(), id: z.string(), sha256: z.string() });
const ledgerRow = named.extend({
  ...{ received: z.number(), processed: z.number(), duplicate: z.number(), late: z.number() },
  ...{ ignored: z.number(), quarantined: z.number() },
});
const stat = z.object({ workspace: z.string(), outcome: z.string(), n: z.number() });
const ofWorkspace = z.object({ workspace: z.string(), n: z.number() });
const ofOwner = named.extend({ n: z.number() });

function readD1(database: DatabaseSync, bytes: number): D1State {
  const timed = rows(database, ofWorkspace, "SELECT workspace, sum(count) AS n FROM webhook_latency GROUP BY 1");
  const events = rows(
    database,
    ofOwner,
    "SELECT workspace, session_id AS owner, count(*) AS n FROM run_events GROUP BY 1, 2",
  );
  return {
    rows: rows(
      database,
      storedRow,
      "SELECT workspace, session_id AS owner, delivery_id AS id, sha256 FROM webhook_events",
    ),
    ledgers: rows(database, ledgerRow, "SELECT * FROM delivery_ledger"),
    stats: rows(database, stat, "SELECT workspace, outcome, sum(count) AS n FROM webhook_stats GROUP BY 1, 2"),
    timed: new Map(timed.map((row) => [row.workspace, row.n])),
    bodies: bodiesIn(database),
    searchable: countOf(database, "SELECT count(*) AS n FROM webhook_search_docsize"),
    logEvents: new Map(events.map((row) => [`${row.workspace}:${row.owner}`, row.n])),
    bytes,
  };
}
