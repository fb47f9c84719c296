// An agent of a run is in another state: what the feed says of it, and how long it took.
import { AGENTS, type AgentId } from "../opal/agents.ts";
import { isUsable } from "../sync/run/checkpoint.ts";
import { type Agent, isEnded, isOpen, type KnownRun, startOf } from "../sync/run/state.ts";
import type { AgentLabel } from "../sync/run/view.ts";
import type { LiveEvent, News } from "./event.ts";
import { STATUS_PRIORITY, THRESHOLD_PRIORITY, type Threshold } from "./priority.ts";
import { eventAbout } from "./subject.ts";

/** From this share of its limit on an agent is close to it. */
const WARNING_SHARE = 0.8;
/** A change by less than this share is none. */
const STABLE_SHARE = 0.05;
export const AGENT_TIME = "agent_execution_time_ms";

/** `before` and `after` are the run before and after one event of its log, which happened at `at`. */
export function agentNews(before: KnownRun, after: KnownRun, at: number): LiveEvent[] {
  return after.request.workflow.agents.flatMap(({ id }) => {
    const was = before.agents[id];
    const is = after.agents[id];
    if (was === undefined || is === undefined) return [];
    const [previous, current] = [labelOf(before, was), labelOf(after, is)];
    if (previous === current) return [];
    return [statusChange(after, { id, agent: is, previous, current, at }), ...metric(after, { id, was, is, at })];
  });
}

/** In the words of the run's status: what a run that has ended still waited for was skipped. */
function labelOf(run: KnownRun, agent: Agent): AgentLabel {
  return isOpen(agent) && isEnded(run) ? "skipped" : agent.state;
}

interface StatusChange {
  readonly id: AgentId;
  readonly agent: Agent;
  readonly previous: AgentLabel;
  readonly current: AgentLabel;
  readonly at: number;
}

function statusChange(run: KnownRun, { id, agent, previous, current, at }: StatusChange): LiveEvent {
  const result = agent.state === "completed" ? agent.result : null;
  return eventAbout(run, at, {
    name: "agent_status_change",
    priority: STATUS_PRIORITY[current],
    agentId: id,
    data: {
      agent_name: AGENTS[id].name,
      previous_status: previous,
      current_status: current,
      execution_time_ms: executionMs(agent),
      results_available: result !== null && isUsable(result),
      confidence_score: result?.confidence ?? null,
    },
  });
}

/** Null while it works, and for one whose start nobody reported. */
function executionMs(agent: Agent): number | null {
  const startedAt = startOf(agent);
  return isOpen(agent) || startedAt === null ? null : agent.endedAt - startedAt;
}

interface Ending {
  readonly id: AgentId;
  readonly was: Agent;
  readonly is: Agent;
  readonly at: number;
}

function metric(run: KnownRun, { id, was, is, at }: Ending): LiveEvent[] {
  const executed = executionMs(is);
  // When it began to run once more is not known, and that it ended as it was before says nothing new.
  if (executed === null || was.state === "rerunning") return [];
  const limitMs = run.request.workflow.agents.find((planned) => planned.id === id)?.limitMs ?? AGENTS[id].limitMs;
  const threshold = is.state === "timed_out" ? "critical" : thresholdOf(executed, limitMs);
  const data = {
    metric_name: AGENT_TIME,
    unit: "ms",
    current_value: executed,
    previous_value: null,
    trend: null,
    threshold_status: threshold,
    threshold_value: limitMs,
  };
  return [
    eventAbout(run, at, {
      name: "performance_metric_update",
      priority: THRESHOLD_PRIORITY[threshold],
      agentId: id,
      data,
    }),
  ];
}

function thresholdOf(value: number, limit: number): Threshold {
  if (value > limit) return "critical";
  return value > limit * WARNING_SHARE ? "warning" : "normal";
}

/** The news with what the same agent took in an earlier run: a session knows only its own. */
export function compared(news: News, earlierMs: (agentId: AgentId) => number | undefined): News {
  const { agentId, data } = news.event;
  const current = data.current_value;
  if (agentId === null || data.metric_name !== AGENT_TIME || typeof current !== "number") return news;
  const previous = earlierMs(agentId);
  if (previous === undefined) return news;
  const compared = { ...data, previous_value: previous, trend: trendOf(previous, current) };
  return { ...news, event: { ...news.event, data: compared } };
}

function trendOf(previous: number, current: number): "up" | "down" | "stable" {
  if (Math.abs(current - previous) <= previous * STABLE_SHARE) return "stable";
  return current > previous ? "up" : "down";
}
