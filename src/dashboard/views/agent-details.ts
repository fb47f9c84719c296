// What a row has no room for: the whole headline, all metrics, and the agent's times.
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { Fallback } from "../../sync/run/state.ts";
import type { AgentView } from "../../sync/run/view.ts";
import { duration, timeOfDay } from "../format.ts";
import { type ResultSource, resultAddress, results } from "../results.ts";
import { serverNow } from "../server-time.ts";
import { agentReason, cachedWords } from "../words.ts";
import { runLink } from "./lineage.ts";

interface AgentDetailsProps {
  readonly agent: AgentView;
  /** What is shown as its result; null while there is nothing. */
  readonly source: ResultSource | null;
}

export function AgentDetails({ agent, source }: AgentDetailsProps) {
  const now = serverNow.value;
  const at = (time: number | null) => (time === null ? "–" : timeOfDay(time, now));
  const shown = source === null ? undefined : results.value.get(source.resultId);
  const summary = shown?.state === "loaded" ? shown.summary : undefined;
  const reason = agentReason(agent);
  const facts: readonly (readonly [string, string])[] = [
    ["First sign of life", at(agent.startedAt)],
    ["Ended", at(agent.endedAt)],
    ["Limit", duration(agent.limitMs)],
    ["Usually takes", duration(agent.usualMs)],
    ...(agent.reruns === 0 ? [] : [["Run again", `${agent.reruns} of at most ${agent.rerunsAllowed} times`] as const]),
    ["Agent id", agent.id],
    ...(source === null ? [] : [["Result id", source.resultId] as const]),
    ...(summary?.metrics ?? []).map(({ label, value }) => [label, value] as const),
  ];
  return html`<div class="details">
    ${agent.fallback !== null && cached(agent.fallback, agent.endedAt ?? now)}
    ${summary !== undefined && html`<p class="details-headline">${summary.headline}</p>`}
    ${agent.isLate && html`<p>The result came after the agent had been given up. It counts.</p>`}
    ${agent.isQuarantined && html`<p>Its own result is quarantined: it has a form nobody knows, is kept as received and left out of every synthesis.</p>`}
    ${reason !== null && html`<p>${reason}.</p>`}
    <dl class="details-facts">
      ${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${
      source !== null &&
      html`<p>
        <a href=${resultAddress(source.sessionId, source.agentId)} target="_blank" rel="noopener">The result as JSON</a>
      </p>`
    }
  </div>`;
}

function cached(fallback: Fallback, at: number): VNode {
  return html`<p class="cached">
    ${cachedWords(fallback, at)} (${timeOfDay(fallback.resultAt, serverNow.value)}). It is no result of this run.${" "}
    ${runLink(fallback.fromSessionId, "Show the earlier run")}
  </p>`;
}
