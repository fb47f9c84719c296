// Keeps the page's state live: one socket for the overview and one for the run that is looked at.
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import type { RunEvent } from "../sync/run/events.ts";
import { reduce } from "../sync/run/reduce.ts";
import { type KnownRun, NO_RUN } from "../sync/run/state.ts";
import type { Overview, OverviewChange } from "../workspace/overview.ts";
import { acts } from "./acts.ts";
import { runAddress } from "./address.ts";
import { type LiveConnection, openLive } from "./live.ts";
import { address, correctAddress } from "./location.ts";
import type { LogMessage } from "./messages.ts";
import { applyOverviewChange } from "./overview.ts";
import { results } from "./results.ts";
import { serverTime } from "./server-time.ts";
import { ask, session } from "./session.ts";
import {
  connectionLabel,
  connections,
  overview,
  run,
  runProblem,
  shownQueued,
  shownSessionId,
  staleSince,
} from "./state.ts";

const isSignedIn = computed(() => session.value.state === "signed_in");
/** A run that waits for its turn has no log to follow. */
const followedSessionId = computed(() => (shownQueued.value === null ? shownSessionId.value : null));
const overviewLive = signal<LiveConnection | null>(null);
const runLive = signal<LiveConnection | null>(null);

export function startFollowing(): void {
  effect(followOverview);
  effect(followRun);
  effect(() => {
    connections.value = [overviewLive.value, runLive.value].flatMap((live) => live?.connection.value ?? []);
  });
  effect(() => {
    if (connectionLabel.value.word === "live") staleSince.value = null;
    else staleSince.value ??= serverTime();
  });
  addEventListener("online", nudgeConnections);
  // The network is gone, or only one of several: a ping tells.
  addEventListener("offline", nudgeConnections);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) nudgeConnections();
  });
}

export function nudgeConnections(): void {
  overviewLive.peek()?.nudge();
  runLive.peek()?.nudge();
}

function followOverview(): (() => void) | undefined {
  if (!isSignedIn.value) return undefined;
  return untracked(() => {
    const live = openLive<Overview, OverviewChange>({
      path: "/api/force-sync/live",
      take: takeOverview,
      isWorthRetrying: async () => {
        const answer = await ask<unknown>("GET", "/api/auth/session");
        return answer.ok || answer.problem.status !== 401;
      },
    });
    overviewLive.value = live;
    return () => {
      live.stop();
      batch(() => {
        overviewLive.value = null;
        overview.value = null;
        // Whoever signs in next starts with an empty page.
        results.value = new Map();
        acts.value = new Map();
      });
    };
  });
}

function takeOverview(message: LogMessage<Overview, OverviewChange>): void {
  if (message.type === "snapshot") overview.value = message.state;
  else if (overview.value !== null) overview.value = applyOverviewChange(overview.value, message.change);
}

function followRun(): (() => void) | undefined {
  const sessionId = followedSessionId.value;
  if (sessionId === null || !isSignedIn.value) return undefined;
  return untracked(() => {
    const live = openLive<KnownRun, RunEvent>({
      path: `/api/force-sync/live/${encodeURIComponent(sessionId)}`,
      take: takeRun,
      isWorthRetrying: () => canBeShown(sessionId),
    });
    runLive.value = live;
    return () => {
      live.stop();
      batch(() => {
        runLive.value = null;
        run.value = null;
        runProblem.value = null;
      });
    };
  });
}

function takeRun(message: LogMessage<KnownRun, RunEvent>): void {
  const next = message.type === "snapshot" ? message.state : reduce(run.value ?? NO_RUN, message.change);
  if (next.status === "absent") return;
  run.value = next;
  nameBySession(next.request.sessionId);
}

/** A run may be asked for by any of its ids; its address is the session id. */
function nameBySession(sessionId: string): void {
  const { value } = address;
  if (value.page === "run" && value.sessionId !== sessionId) correctAddress(runAddress(sessionId));
}

/** False when there is nobody to show it to, or no such run; everything else may pass. */
async function canBeShown(sessionId: string): Promise<boolean> {
  const answer = await ask<unknown>("GET", `/api/force-sync/status/${encodeURIComponent(sessionId)}`);
  if (answer.ok) return true;
  const { status } = answer.problem;
  if (status === 404 && shownSessionId.value === sessionId) runProblem.value = answer.problem;
  return status !== 401 && status !== 404;
}
