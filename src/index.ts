// OSA Edge: one force sync from click to result. Follow it by these names:
//   1 click arrives            sync/routes.ts (trigger) > starting.ts, after access/principal.ts
//   2 may it run?              workspace/object.ts (requestSync) > starting.ts > guard.ts, order.ts, lease.ts
//   3 say what happened        sync/object.ts (start) > run/decide.ts, journal.ts (append), run/reduce.ts
//   4 call OPAL                sync/object.ts (alarm) > run/deadlines.ts > workspace/guard.ts (leaveToCall) >
//                              opal/client.ts > run/trigger.ts
//   5 an agent reports         webhooks/routes.ts > authenticate.ts, signature.ts > normalise.ts > receive.ts >
//                              workspace/placing.ts (when no id of ours is in it) > sync/object.ts (deliver) >
//                              intake.ts > run/deliver.ts; what belongs to no run: inbox/object.ts
//   6 tell everyone            platform/outbox.ts > sync/projection.ts (D1), workspace/object.ts (report)
//   7 show it                  platform/live.ts > dashboard/live.ts > run/view.ts, the same in both places
//   8 help it                  run/recovery.ts when an agent fails: an earlier result stands in, the agent runs again
//   9 end it                   run/endings.ts on the last agent, a cancel or a deadline; the lease is released
import { app } from "./app.ts";
import type { Env } from "./env.ts";
import { cleanUpAll, RETENTION_CRON } from "./events/retention.ts";
import { sweepWorkspaces } from "./workspace/sweep.ts";

export { Inbox } from "./inbox/object.ts";
export { SyncSession } from "./sync/object.ts";
export { Workspace } from "./workspace/object.ts";

export default {
  fetch: app.fetch,
  scheduled: ({ cron }, env) => (cron === RETENTION_CRON ? cleanUpAll(env) : sweepWorkspaces(env)),
} satisfies ExportedHandler<Env>;
