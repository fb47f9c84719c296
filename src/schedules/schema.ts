// What callers may send to create and to change a schedule.
import { z } from "zod";
import { AGENT_IDS } from "../opal/agents.ts";
import { SYNC_SCOPES } from "../sync/plan.ts";
import { parseCron } from "./cron.ts";
import { ON_BUSY } from "./schedule.ts";

const contextName = z.string().trim().min(1).max(200);

/** Without defaults, so that a change leaves alone what it does not name. */
const FIELDS = {
  name: z.string().trim().min(1).max(100),
  cron: z.string().trim().max(200),
  time_zone: z.string().trim(),
  sync_scope: z.enum(SYNC_SCOPES),
  /** Any spelling that OPAL uses. */
  agent_filter: z.array(z.string().trim().min(1).max(100)).min(1).max(AGENT_IDS.length),
  client_context: z.strictObject({ client_name: contextName.optional(), industry: contextName.optional() }),
  on_busy: z.enum(ON_BUSY),
};

export const scheduleBody = z
  .strictObject({
    ...FIELDS,
    time_zone: FIELDS.time_zone.default("UTC"),
    sync_scope: FIELDS.sync_scope.default("quick"),
    agent_filter: FIELDS.agent_filter.optional(),
    client_context: FIELDS.client_context.optional(),
    on_busy: FIELDS.on_busy.default("skip"),
  })
  .superRefine((body, context) => checkTiming(body.cron, body.time_zone, context));

export type ScheduleBody = z.infer<typeof scheduleBody>;

/** Cron and time zone are looked at as far as they are named; together with what is stored they can still not fire. */
export const scheduleChange = z
  .strictObject({ ...FIELDS, paused: z.boolean() })
  .partial()
  .superRefine((change, context) => {
    // Unknown fields are gone by now, but have been named as issues.
    const isEmpty = Object.keys(change).length === 0 && context.issues.length === 0;
    if (isEmpty) context.addIssue("must have at least one field");
    checkTiming(change.cron ?? "@daily", change.time_zone ?? "UTC", context);
  });

export type ScheduleChange = z.infer<typeof scheduleChange>;

function checkTiming(cron: string, timeZone: string, context: z.RefinementCtx): void {
  const parsed = parseCron(cron, timeZone);
  if (!parsed.ok) context.addIssue({ code: "custom", path: [parsed.field], message: parsed.problem });
}
