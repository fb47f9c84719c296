// Which events are asked for: the parameters that the list and the export share.
import { z } from "zod";
import { INBOXES, inboxId } from "../inbox/delivery.ts";
import { AGENT_IDS, canonicalAgentId } from "../opal/agents.ts";
import { runIdsFrom } from "../platform/ids.ts";
import { type Order, readCursor } from "./cursor.ts";
import { readSearch } from "./search.ts";

/** How a delivery was read last. */
export const STATUSES = ["processed", "late", "ignored", "quarantined"] as const;

const MAX_VALUES = 10;

/** An empty list and undefined ask for everything. Every condition must be met, and of each list one value. */
export interface EventFilter {
  readonly workspace: string;
  /** Received at this time or later, in ms since the epoch. */
  readonly from: number | undefined;
  /** Received before this time. */
  readonly to: number | undefined;
  readonly types: readonly string[];
  readonly agents: readonly string[];
  readonly sources: readonly string[];
  readonly statuses: readonly string[];
  /** Sessions or inboxes that hold it; of different ones nothing is found. */
  readonly owners: readonly string[];
  /** OPAL's own workflow id. */
  readonly remoteId: string | undefined;
  /** An expression of the search index. */
  readonly search: string | undefined;
}

/** One value, several with commas between them, or the parameter several times. */
const listOf = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [given].flat().flatMap((text) => text.split(",").map((value) => value.trim())))
    .pipe(z.array(item).min(1).max(MAX_VALUES, `must have at most ${MAX_VALUES} values`))
    .transform((values) => [...new Set(values)])
    .optional();

const word = z.string().min(1).max(64);
const id = z.string().min(1).max(128);
const time = z.iso
  .datetime({ offset: true, error: "must be a time such as 2026-01-31T09:00:00Z" })
  .transform((text) => Date.parse(text))
  .optional();

const agent = z.string().transform((spelling, ctx) => {
  const known = canonicalAgentId(spelling);
  if (known !== undefined) return known;
  ctx.addIssue({ code: "custom", message: `must be one of ${AGENT_IDS.join(", ")}` });
  return z.NEVER;
});

const search = z
  .string()
  .transform((text, ctx) => {
    const found = readSearch(text);
    if (found.ok) return found.expression;
    ctx.addIssue({ code: "custom", message: found.why });
    return z.NEVER;
  })
  .optional();

const cursor = z
  .string()
  .transform((text, ctx) => {
    const position = readCursor(text);
    if (position !== undefined) return position;
    ctx.addIssue({ code: "custom", message: "must be a `next_cursor` of an earlier page" });
    return z.NEVER;
  })
  .optional();

const filters = {
  from: time,
  to: time,
  type: listOf(word),
  agent: listOf(agent),
  source: listOf(word),
  status: listOf(z.enum(STATUSES)),
  workflow_id: id.optional(),
  session_id: id.optional(),
  inbox: z.enum(INBOXES).optional(),
  q: search,
  cursor,
};

type Given = z.infer<z.ZodObject<typeof filters>>;

/** A position is one in the order that the filters lead to. */
function checkCursor(given: Given, ctx: z.core.$RefinementCtx<Given>): void {
  if (given.cursor === undefined || given.cursor.order === orderOf(eventFilter(given, ""))) return;
  ctx.addIssue({ code: "custom", path: ["cursor"], message: "belongs to a list with other filters" });
}

export const listQuery = z
  .strictObject({ ...filters, limit: z.coerce.number().int().min(1).max(200).default(50) })
  .superRefine(checkCursor);

export const exportQuery = z
  .strictObject({
    ...filters,
    include_body: z
      .enum(["true", "false"])
      .default("false")
      .transform((text) => text === "true"),
  })
  .superRefine(checkCursor);

export function eventFilter(given: Omit<Given, "cursor">, workspace: string): EventFilter {
  const { from, to, type, agent, source, status, workflow_id: workflowId, session_id: sessionId, inbox, q } = given;
  const ours = workflowId === undefined ? undefined : runIdsFrom(workflowId)?.sessionId;
  const owners = [
    ...(sessionId === undefined ? [] : [runIdsFrom(sessionId)?.sessionId ?? sessionId]),
    ...(ours === undefined ? [] : [ours]),
    ...(inbox === undefined ? [] : [inboxId(inbox)]),
  ];
  return {
    ...{ workspace, from, to, search: q },
    ...{ types: type ?? [], agents: agent ?? [], sources: source ?? [], statuses: status ?? [] },
    owners: [...new Set(owners)],
    remoteId: ours === undefined ? workflowId : undefined,
  };
}

/** Found events come in the order in which the index that finds them has them. */
export function orderOf(filter: EventFilter): Order {
  if (filter.search !== undefined) return "search";
  return filter.owners.length > 0 ? "owner" : "time";
}
