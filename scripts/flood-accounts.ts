// Judges whether everything that is stored agrees with itself: each object's own accounts, and D1 with the objects. Pure.
import { type Ledger, OUTCOMES, type Owner, type State, type StoredRow, sum } from "./flood-state.ts";

/** A promise that was broken. */
export interface Finding {
  readonly check: "answers" | "receipts" | "d1" | "counts" | "search" | "outboxes";
  /** An event, an object or a workspace. */
  readonly about: string;
  readonly what: string;
}

const STATE_CHECKS: readonly ((state: State) => Finding[])[] = [
  ledgersAddUp,
  d1HasWhatTheObjectsHave,
  countersAgree,
  everythingIsFound,
  nothingIsLeftToTell,
];

/** Whether the stored accounts agree with each other, whatever was sent. */
export function judgeState(state: State): Finding[] {
  return STATE_CHECKS.flatMap((check) => check(state));
}

function ledgersAddUp({ owners: all }: State): Finding[] {
  return all.flatMap((owner) => {
    const { ledger, kept, verdicts, logged, logEvents, lastSeq } = owner;
    const repeats = sum(kept.map((one) => one.repeats));
    const journal = { received: kept.length + repeats, duplicate: repeats };
    const outcomes = sum(OUTCOMES.map((outcome) => ledger[outcome]));
    const wrong = OUTCOMES.filter((outcome) => outcome !== "duplicate" && ledger[outcome] !== (verdicts[outcome] ?? 0));
    const receipts = kept
      .map(({ id }) => id)
      .toSorted()
      .join();
    return [
      ...(ledger.received !== outcomes
        ? [ofOwner(owner, `received ${ledger.received}, and accounts for ${outcomes}`)]
        : []),
      ...(ledger.received !== journal.received || ledger.duplicate !== journal.duplicate
        ? [
            ofOwner(
              owner,
              `says ${ledger.received} received and ${ledger.duplicate} duplicates, its receipts say ${journal.received} and ${journal.duplicate}`,
            ),
          ]
        : []),
      ...wrong.map((outcome) =>
        ofOwner(owner, `says ${ledger[outcome]} ${outcome}, its log says ${verdicts[outcome] ?? 0}`),
      ),
      ...(receipts !== [...logged].toSorted().join()
        ? [ofOwner(owner, "has receipts and log entries of different deliveries")]
        : []),
      ...(logEvents !== lastSeq
        ? [ofOwner(owner, `has ${logEvents} events in its log, numbered up to ${lastSeq}`)]
        : []),
    ];
  });
}

function d1HasWhatTheObjectsHave({ owners, d1 }: State): Finding[] {
  const rows = Map.groupBy(d1.rows, (row) => rowKey(row));
  const expected = owners.flatMap((owner) =>
    owner.kept.map((kept) => ({ ...owner, id: kept.id, sha256: kept.sha256 })),
  );
  const known = new Set(expected.map((row) => rowKey(row)));
  const missing = expected.flatMap((row): Finding[] => {
    const [found, ...more] = rows.get(rowKey(row)) ?? [];
    const { id, sha256 } = row;
    const about = rowKey(row);
    if (found === undefined) return [{ check: "d1", about, what: "is not in D1" }];
    return [
      ...(more.length > 0 ? [{ check: "d1", about, what: `is in D1 ${1 + more.length} times` } as const] : []),
      ...(found.sha256 !== sha256 ? [{ check: "d1", about, what: "has another hash in D1" } as const] : []),
      ...(d1.bodies.get(id) !== sha256
        ? [{ check: "d1", about, what: "has another body in D1, or none" } as const]
        : []),
    ];
  });
  const strangers = [...rows.keys()].filter((key) => !known.has(key));
  const logs = owners.filter((owner) => owner.logEvents !== (d1.logEvents.get(nameOf(owner)) ?? 0));
  return [
    ...missing,
    ...strangers.map((about): Finding => ({ check: "d1", about, what: "is in D1, and in no object" })),
    ...logs.map((owner) =>
      ofOwner(owner, `has ${owner.logEvents} events in its log, D1 ${d1.logEvents.get(nameOf(owner)) ?? 0}`, "d1"),
    ),
  ];
}

/** What D1 says of each object, and what it has added up for each workspace, is what the objects say. */
function countersAgree({ owners, d1 }: State): Finding[] {
  const told = new Map(d1.ledgers.map((ledger) => [nameOf(ledger), ledger]));
  const differing = owners.filter((owner) => {
    const found = told.get(nameOf(owner));
    return found === undefined ? owner.ledger.received > 0 : !isSame(owner.ledger, found);
  });
  const strangers = [...told.keys()].filter((key) => !owners.some((owner) => nameOf(owner) === key));
  const workspaces = new Set([...owners, ...d1.stats].map(({ workspace }) => workspace));
  const sums = [...workspaces].flatMap((workspace) => {
    const own = owners.filter((owner) => owner.workspace === workspace);
    const counted = (outcome: string) =>
      sum(d1.stats.filter((stat) => stat.workspace === workspace && stat.outcome === outcome).map(({ n }) => n));
    const rejected = sum(own.flatMap(({ rejectionTotals }) => rejectionTotals.map(({ n }) => n)));
    const said = [
      ...OUTCOMES.map((outcome) => ({ outcome, n: sum(own.map(({ ledger }) => ledger[outcome])) })),
      { outcome: "rejected", n: rejected },
    ];
    const all = sum(said.map(({ n }) => n));
    const timed = d1.timed.get(workspace) ?? 0;
    return [
      ...said.flatMap(({ outcome, n }): Finding[] =>
        counted(outcome) === n
          ? []
          : [
              {
                check: "counts",
                about: workspace,
                what: `the statistics say ${counted(outcome)} ${outcome}, the objects ${n}`,
              },
            ],
      ),
      ...(timed === all
        ? []
        : [
            {
              check: "counts",
              about: workspace,
              what: `${timed} times are in the statistics, ${all} deliveries came`,
            } as const,
          ]),
    ];
  });
  return [
    ...differing.map((owner) => ofOwner(owner, `says ${text(owner.ledger)}, D1 says ${text(told.get(nameOf(owner)))}`)),
    ...strangers.map((about): Finding => ({ check: "counts", about, what: "has a ledger in D1, and no storage" })),
    ...sums,
  ];
}

function everythingIsFound({ d1: { rows, searchable } }: State): Finding[] {
  if (rows.length === searchable) return [];
  return [{ check: "search", about: "D1", what: `${rows.length} events, and the search knows ${searchable}` }];
}

function nothingIsLeftToTell({ untold, held }: State): Finding[] {
  if (untold + held === 0) return [];
  return [{ check: "outboxes", about: "all", what: `${untold} messages and ${held} held deliveries are left` }];
}

function ofOwner(owner: Owner, what: string, check: Finding["check"] = "counts"): Finding {
  return { check, about: nameOf(owner), what };
}

function nameOf({ workspace, owner }: { readonly workspace: string; readonly owner: string }): string {
  return `${workspace}:${owner}`;
}

function rowKey({ workspace, owner, id }: Pick<StoredRow, "workspace" | "owner" | "id">): string {
  return `${workspace}:${owner} ${id}`;
}

function isSame(one: Ledger, other: Ledger): boolean {
  return one.received === other.received && OUTCOMES.every((outcome) => one[outcome] === other[outcome]);
}

function text(ledger: Ledger | undefined): string {
  if (ledger === undefined) return "nothing";
  return `${ledger.received} received, ${OUTCOMES.map((outcome) => `${ledger[outcome]} ${outcome}`).join(", ")}`;
}
