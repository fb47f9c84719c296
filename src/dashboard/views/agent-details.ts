// What a row has no room for: the whole headline, all metrics, and the agent's times.
import { html } from "htm/preact";
import type { AgentView } from "../../sync/run/view.ts";
import { duration, timeOfDay } from "../format.ts";
import { results } from "../results.ts";
import { serverNow } from "../server-time.ts";
import { agentReason } from "../words.ts";

export function AgentDetails({ agent }: { readonly agent: AgentView }) {
  const now = serverNow.value;
  const at = (time: number | null) => (time === null ? "–" : timeOfDay(time, now));
  const shown = agent.resultId === null ? undefined : results.value.get(agent.resultId);
  const summary = shown?.state === "loaded" ? shown.summary : undefined;
  const reason = agentReason(agent);
  const facts: readonly (readonly [string, string])[] = [
    ["First sign of life", at(agent.startedAt)],
    ["Ended", at(agent.endedAt)],
    ["Limit", duration(agent.limitMs)],
    ["Usually takes", duration(agent.usualMs)],
    ["Agent id", agent.id],
    ...(agent.resultId === null ? [] : [["Result id", agent.resultId] as const]),
    ...(summary?.metrics ?? []).map(({ label, value }) => [label, value] as const),
  ];
  return html`<div class="details">
    ${summary !== undefined && html`<p class="details-headline">${summary.headline}</p>`}
    ${agent.isLate && html`<p>The result came after the agent had been given up. It counts.</p>`}
    ${agent.isQuarantined && html`<p>The result has a form nobody knows: kept as received, left out of every synthesis.</p>`}
    ${reason !== null && html`<p>${reason}.</p>`}
    <dl class="details-facts">
      ${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
  </div>`;
}
