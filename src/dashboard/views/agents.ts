// The agents of a run, one row each, in the order of the chain. Rows keep their height whatever they come to say.
import { html } from "htm/preact";
import { h } from "preact";
import { AGENT_IDS, AGENTS } from "../../opal/agents.ts";
import type { AgentView, RunView } from "../../sync/run/view.ts";
import { icon } from "../icons.ts";
import { AGENT_WORDS } from "../words.ts";
import { AgentRow } from "./agent-row.ts";

interface AgentTableProps {
  /** Null until the run's own log has arrived: then the rows of the table of agents hold the places. */
  readonly view: RunView | null;
}

const COLUMNS = ["Agent", "State", "Time", "Confidence", "Result"] as const;

/** Roles are written out: the narrow layout is no table to the browser, and would be none to a screen reader. */
export function AgentTable({ view }: AgentTableProps) {
  return html`<section class="panel agents" aria-labelledby="agents-heading">
    <h2 id="agents-heading" class="visually-hidden">Agents</h2>
    <table role="table" class="agent-table" aria-labelledby="agents-heading" aria-busy=${view === null}>
      <thead role="rowgroup">
        <tr role="row">
          ${COLUMNS.map((name) => html`<th role="columnheader" scope="col" class="column-${name.toLowerCase()}">${name}</th>`)}
          <th role="columnheader" scope="col" class="column-more"><span class="visually-hidden">Details</span></th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${
          view === null
            ? AGENT_IDS.map((id) => emptyRow(AGENTS[id].name, AGENTS[id].phase))
            : view.agents.map((agent) =>
                h(AgentRow, { key: agent.id, sessionId: view.sessionId, agent, canRerun: canRerun(view, agent) }),
              )
        }
      </tbody>
    </table>
  </section>`;
}

/** The same rules as the run's own. */
function canRerun(view: RunView, agent: AgentView): boolean {
  const isCallable = view.origin === "ours" && view.status === "running" && !view.isCancelling;
  const isGivenUp = agent.state === "failed" || agent.state === "timed_out";
  return isCallable && isGivenUp && agent.reruns < agent.rerunsAllowed;
}

function emptyRow(name: string, phase: number) {
  const { word, icon: iconName } = AGENT_WORDS.waiting;
  return html`<tr role="row" class="agent-row" key=${name}>
    <th role="rowheader" scope="row" class="agent-name"><span class="line">${name}</span><span class="line more">Phase ${phase}</span></th>
    <td role="cell" class="agent-state"><span class="line tone-quiet">${icon(iconName)}${word}</span><span class="line more"></span></td>
    <td role="cell" class="agent-time"></td>
    <td role="cell" class="agent-confidence"></td>
    <td role="cell" class="agent-result"></td>
    <td role="cell" class="agent-toggle"></td>
  </tr>`;
}
