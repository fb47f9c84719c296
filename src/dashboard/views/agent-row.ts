// One agent: its state in words, its time against its limit, its confidence, and what it found in a few words.
import { html } from "htm/preact";
import { h, type VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { AgentView } from "../../sync/run/view.ts";
import { isUnderWay } from "../acts.ts";
import { agentRerun, runAgentAgain } from "../control.ts";
import { clockTime, duration, percent, runningClock } from "../format.ts";
import { icon } from "../icons.ts";
import { loadResult, shownResult } from "../results.ts";
import { serverNow } from "../server-time.ts";
import { agentReason, agentWord } from "../words.ts";
import { actProblem } from "./act.ts";
import { AgentDetails } from "./agent-details.ts";
import { AgentResult } from "./agent-result.ts";
import { Boundary } from "./boundary.ts";

interface AgentRowProps {
  readonly sessionId: string;
  readonly agent: AgentView;
  /** It has failed, and may run once more within this run. */
  readonly canRerun: boolean;
}

export function AgentRow({ sessionId, agent, canRerun }: AgentRowProps) {
  const [isOpen, setOpen] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const { id } = agent;
  const source = shownResult(sessionId, agent);
  useEffect(() => {
    if (source !== null) void loadResult(source);
  }, [source?.sessionId, id, source?.resultId]);
  const { word, tone, icon: iconName } = agentWord(agent);
  const detailsId = `details-${id}`;
  // The button leaves when the agent is at work again; its row stays.
  const runAgain = () => {
    void runAgentAgain(sessionId, id);
    toggle.current?.focus();
  };
  const problem = actProblem(agentRerun(sessionId, id));
  return html`
    <tr role="row" class="agent-row" data-testid="agent-row" data-agent=${id} data-state=${agent.state}>
      <th role="rowheader" scope="row" class="agent-name">
        <span class="line">${agent.name}</span><span class="line more">Phase ${agent.phase}</span>
      </th>
      <td role="cell" class="agent-state">
        <span class="line tone-${tone}">${icon(iconName)}${word}</span>
        <span class="line more">${marks(agent)}</span>
      </td>
      <td role="cell" class="agent-time tabular">${agentTime(agent, serverNow.value)}</td>
      <td role="cell" class="agent-confidence tabular">${confidence(agent)}</td>
      <td role="cell" class="agent-result">
        <div class="agent-result-row">
          <div class="agent-result-words">
            ${source !== null && h(Boundary, { part: "The result" }, h(AgentResult, { source, at: agent.endedAt }))}
          </div>
          ${canRerun && rerunButton(agent, isUnderWay(agentRerun(sessionId, id)), runAgain)}
        </div>
      </td>
      <td role="cell" class="agent-toggle">
        <button
          ref=${toggle} type="button" class="button plain icon-button" aria-expanded=${isOpen} aria-controls=${detailsId}
          aria-label="Details of ${agent.name}" onClick=${() => setOpen(!isOpen)}
        >${icon("chevron")}</button>
      </td>
    </tr>
    <tr role="row" class="agent-details" id=${detailsId} hidden=${!isOpen && problem === null}>
      <td role="cell" colspan="6">
        ${problem}
        ${isOpen && h(Boundary, { part: "The details" }, h(AgentDetails, { agent, source }))}
      </td>
    </tr>
  `;
}

function rerunButton({ name }: AgentView, isBusy: boolean, act: () => void): VNode {
  return html`<button
    type="button" class="button small-button" disabled=${isBusy} onClick=${act} data-testid="run-again"
  >${isBusy ? "Asking…" : "Run again"}<span class="visually-hidden">: ${name}</span></button>`;
}

function marks(agent: AgentView): readonly (VNode | string)[] {
  const found: (VNode | string)[] = [];
  if (agent.isLate) found.push(html`<span class="mark tone-warn">late</span>`);
  if (agent.isQuarantined) found.push(html`<span class="mark tone-warn">quarantined</span>`);
  if (agent.fallback !== null) found.push(html`<span class="mark tone-warn">cached</span>`);
  const reason = agentReason(agent);
  // The mark says as much already.
  if (reason !== null && !agent.isQuarantined) found.push(html`<span title=${reason}>${reason}</span>`);
  return found;
}

/** While it counts: the time against the limit. Afterwards: how long it took, as far as that is known. */
function agentTime(agent: AgentView, now: number): VNode {
  const { deadlineAt, limitMs, startedAt, endedAt } = agent;
  if (deadlineAt !== null) return timeLines(runningClock(now - (deadlineAt - limitMs)), `of ${runningClock(limitMs)}`);
  if (endedAt === null) return timeLines("–", agent.state === "skipped" ? "" : `limit ${runningClock(limitMs)}`);
  return timeLines(startedAt === null ? "–" : duration(endedAt - startedAt), clockTime(endedAt));
}

function timeLines(first: string, second: string): VNode {
  return html`<span class="line">${first}</span><span class="line more">${second}</span>`;
}

/** What stands in for a missing result has a confidence of its own, which is lowered already. */
function confidence({ confidence: share, isBelowThreshold, state, fallback }: AgentView): VNode | null {
  if (fallback !== null && fallback.result.confidence !== null) {
    return timeLines(percent(fallback.result.confidence), "lowered, cached");
  }
  if (share === null) return state === "completed" ? timeLines("–", "none given") : null;
  const mark = isBelowThreshold && html`<span class="tone-warn">${icon("warning")}below threshold</span>`;
  return html`<span class="line">${percent(share)}</span><span class="line more">${mark}</span>`;
}
