// The proof of no loss over HTTP: what became of every authenticated delivery, in a run and in all.
import { zValidator } from "@hono/zod-validator";
import { drizzle } from "drizzle-orm/d1";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { inboxId } from "../inbox/delivery.ts";
import { objectName } from "../platform/ids.ts";
import { describeError, log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { sleep } from "../platform/wait.ts";
import type { SessionAccount } from "../sync/account.ts";
import { findRun, workspaceOf } from "../sync/finding.ts";
import { refuseInvalid } from "../validate.ts";
import type { HandedOver } from "../workspace/account.ts";
import { accountOfRun, type RunAccount } from "./ledger.ts";
import { pressureAnswer, runAccountAnswer, totalAnswer } from "./ledger-answers.ts";
import { storedAccount, storedRuns } from "./ledger-store.ts";
import { sessionAccounts, workspaceLedger } from "./ledger-total.ts";

const NO_STORE = { "Cache-Control": "no-store" };
/** What is found may have changed while it was being read, so it counts when it is found again after this, in ms. */
const LOOK_AGAIN_MS = 200;

const ledgerQuery = z.strictObject({
  /** `next_after` of the page before. */
  after: z.string().max(64).default(""),
  limit: z.coerce.number().int().min(1).max(50).default(20),
  /** Counts the rows of inboxes as well, which takes longer the more there are. */
  verify: z.literal("d1").optional(),
});

export const ledgerRoutes = new Hono<AppEnv>()
  .get("/ledger", requirePrincipal, zValidator("query", ledgerQuery, refuseInvalid), (c) =>
    answering(c, async () => {
      const { after, limit, verify } = c.req.valid("query");
      const { workspace } = c.var.principal;
      const rejections = c.env.INBOX.getByName(objectName(workspace, inboxId("rejections")));
      const ids = await workspaceOf(c).sessions(after, limit);
      const runs: ReturnType<typeof listedRun>[] = [];
      const known = await storedRuns(drizzle(c.env.DB), workspace, ids);
      for (const id of ids) runs.push(listedRun(id, await account(c, id), known.has(id)));
      const total = await workspaceLedger(c.env, workspace, verify === "d1");
      const answer = {
        success: true,
        total: totalAnswer(total, await rejections.rejectionTotals()),
        adds_up: runs.every((run) => run.adds_up),
        runs,
        runs_not_in_d1: runs.filter((run) => !run.in_d1).map((run) => run.session_id),
        next_after: ids.length === limit ? (ids.at(-1) ?? null) : null,
      };
      return c.json(answer, 200, NO_STORE);
    }),
  )
  .get("/ledger/:id", requirePrincipal, async (c) => {
    const found = await findRun(c, c.req.param("id"));
    if (!found.ok) return c.var.problem(found);
    const { sessionId } = found.run;
    return answering(c, async () => {
      const { handedOver } = await workspaceOf(c).account(0);
      const asked = await account(c, sessionId);
      if (asked === undefined) return c.var.problem(refuse("session_not_found"));
      const held = stillHeld(handedOver, sessionId, asked.session);
      const pressure = asked.session.pressure.map(pressureAnswer);
      const answer = { success: true, ...runAccountAnswer(sessionId, asked.found, held), pressure };
      return c.json(answer, 200, NO_STORE);
    });
  });

interface Account {
  readonly session: SessionAccount;
  readonly found: RunAccount;
}

/** Looks twice before it says that something is wrong. Undefined when the session has no record. */
async function account(c: Context<AppEnv>, sessionId: string): Promise<Account | undefined> {
  const first = await lookAt(c, sessionId);
  if (first === undefined || first.found.addsUp) return first;
  await sleep(LOOK_AGAIN_MS);
  return lookAt(c, sessionId);
}

async function lookAt(c: Context<AppEnv>, sessionId: string): Promise<Account | undefined> {
  const { workspace } = c.var.principal;
  const session = (await sessionAccounts(c.env, workspace, [sessionId])).get(sessionId);
  if (session === undefined) return undefined;
  const stored = await storedAccount(drizzle(c.env.DB), workspace, sessionId, session.lastSeq);
  return { session, found: accountOfRun(session, stored) };
}

function listedRun(sessionId: string, asked: Account | undefined, isInD1: boolean) {
  // The workspace knows only of runs that began, so one without a record has lost it.
  if (asked === undefined) return { session_id: sessionId, adds_up: false, has_record: false, in_d1: isInD1 };
  const { accounts: _accounts, ...answer } = runAccountAnswer(sessionId, asked.found, 0);
  // D1 is told of a run's first event like of any other.
  const isTold = asked.session.untoldFrom !== 1;
  const inD1 = isInD1 || !isTold;
  return { ...answer, adds_up: answer.adds_up && inD1, has_record: true, in_d1: inD1 };
}

/** Deliveries on their way to the run, with their repeats. */
function stillHeld(handedOver: readonly HandedOver[], sessionId: string, { receipts }: SessionAccount): number {
  const arrived = new Set(receipts.map(({ deliveryId }) => deliveryId));
  return handedOver
    .filter(({ owner, deliveryId }) => owner === sessionId && !arrived.has(deliveryId))
    .reduce((sum, { repeats }) => sum + 1 + repeats, 0);
}

async function answering(c: Context<AppEnv>, answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    log("error", "ledger_unknown", { request_id: c.var.requestId, error: describeError(error) });
    const detail = "A part that the accounts are read from does not answer, so nothing can be held against it.";
    return c.var.problem(refuse("service_unavailable", { detail, retryAfterSeconds: 5 }));
  }
}
