// What went wrong with agents, across runs, from the copy of the logs in D1.
import { and, desc, eq, gte, inArray, lt, or, type SQL, sql } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import { z } from "zod";
import type { AgentId } from "../opal/agents.ts";
import { isTrouble, levelOf, TROUBLE_TYPES, type TroubleLevel } from "../sync/run/trouble.ts";
import { isOfTrouble, runEvents, webhookEvents } from "../sync/tables.ts";

export interface TroubleFilter {
  readonly workspace: string;
  /** From this time and before the other, in ms since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly agentId?: AgentId | undefined;
  readonly level?: TroubleLevel | undefined;
}

/** Only what comes after it in the list. */
export interface TroublePlace {
  readonly at: number;
  readonly sessionId: string;
  readonly seq: number;
}

const PATTERNS_SHOWN = 50;

/** An event is about one agent, about several that run once more, or about none. */
const agentsOfEvent = sql`json_each(coalesce(json_extract(${runEvents.data}, '$.agents'), json_array(json_extract(${runEvents.data}, '$.agentId'))))`;
const whyOfEvent = sql`coalesce(json_extract(${runEvents.data}, '$.reason'), json_extract(${runEvents.data}, '$.because'), json_extract(${runEvents.data}, '$.outcome'), ${runEvents.type})`;

/** Newest first, with the sender's words where a delivery brought it. */
export function listTrouble(
  db: DrizzleD1Database,
  filter: TroubleFilter,
  page: { readonly limit: number; readonly after?: TroublePlace | undefined },
) {
  const { at, sessionId, seq, type, data } = runEvents;
  const { after } = page;
  const isLater =
    after &&
    or(lt(at, after.at), and(eq(at, after.at), sql`(${sessionId}, ${seq}) < (${after.sessionId}, ${after.seq})`));
  const isItsDelivery = and(
    eq(webhookEvents.workspace, runEvents.workspace),
    eq(webhookEvents.deliveryId, sql`json_extract(${data}, '$.deliveryId')`),
  );
  const { agentId } = filter;
  const isAbout = agentId && sql`EXISTS (SELECT 1 FROM ${agentsOfEvent} AS about WHERE about.value = ${agentId})`;
  return db
    .select({ sessionId, seq, at, type, data, error: webhookEvents.error })
    .from(runEvents)
    .leftJoin(webhookEvents, isItsDelivery)
    .where(and(ofFilter(filter), isAbout, isLater))
    .orderBy(desc(at), desc(sessionId), desc(seq))
    .limit(page.limit);
}

const patternRow = z.object({
  agent_id: z.string().nullable(),
  type: z.string().refine(isTrouble),
  reason: z.string(),
  n: z.number(),
  runs: z.number(),
  first_at: z.number(),
  last_at: z.number(),
  last_session: z.string(),
});
export type Pattern = z.infer<typeof patternRow>;

/** The same agent with the same trouble for the same reason, most often first. Rejects when D1 does not answer. */
export async function troublePatterns(db: DrizzleD1Database, filter: TroubleFilter): Promise<Pattern[]> {
  const { sessionId, at, type } = runEvents;
  const isAbout = filter.agentId && sql`about.value = ${filter.agentId}`;
  const found = await db.all(sql`
    SELECT about.value AS agent_id, ${type} AS type, ${whyOfEvent} AS reason, count(*) AS n,
      count(DISTINCT ${sessionId}) AS runs, min(${at}) AS first_at, max(${at}) AS last_at,
      substr(max(printf('%015d', ${at}) || ${sessionId}), 16) AS last_session
    FROM ${runEvents}, ${agentsOfEvent} AS about
    WHERE ${and(ofFilter(filter), isAbout)}
    GROUP BY 1, 2, 3 ORDER BY n DESC, last_at DESC LIMIT ${PATTERNS_SHOWN}`);
  return z.array(patternRow).parse(found);
}

const countRow = z.object({ agent_id: z.string().nullable(), type: z.string().refine(isTrouble), n: z.number() });
export type TroubleCount = z.infer<typeof countRow>;

/** How often each agent had which trouble. Rejects when D1 does not answer. */
export async function troubleCounts(db: DrizzleD1Database, filter: TroubleFilter): Promise<TroubleCount[]> {
  const found = await db.all(sql`
    SELECT about.value AS agent_id, ${runEvents.type} AS type, count(*) AS n FROM ${runEvents}, ${agentsOfEvent} AS about
    WHERE ${ofFilter(filter)} GROUP BY 1, 2`);
  return z.array(countRow).parse(found);
}

/** The list of all types comes first, in the words of the index, whatever is left of it by the level. */
function ofFilter({ workspace, from, to, level }: TroubleFilter): SQL | undefined {
  const { at, type } = runEvents;
  const types = TROUBLE_TYPES.filter((name) => levelOf(name) === level);
  const isOfLevel = level && inArray(type, types);
  return and(eq(runEvents.workspace, workspace), isOfTrouble(type), gte(at, from), lt(at, to), isOfLevel);
}
