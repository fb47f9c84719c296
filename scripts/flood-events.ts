// What the flood consists of: events of agents at work and notices of other systems, each a function of seed and number.
import { createHash } from "node:crypto";
import { AGENT_IDS } from "../simulator/agents.ts";
import { type Draw, drawFrom } from "../simulator/random.ts";

/** What a receiver is sent: by a run's id and OPAL's, by OPAL's id alone or in turns, without any id, or notices. */
export type Says = "both ids" | "either id" | "their id" | "no id" | "ga4" | "salesforce" | "external";

export interface Receiver {
  readonly path: string;
  readonly workspace: string;
  readonly secret: string;
  readonly says: Says;
  /** The run's; undefined where there is none of ours. */
  readonly correlationId: string | undefined;
  /** The object that must have them: a session or an inbox; undefined for a workflow that is adopted on the way. */
  readonly owner: string | undefined;
  /** Of all weights together, so much. */
  readonly weight: number;
  readonly most: number;
}

export interface FloodPlan {
  readonly seed: number;
  readonly events: number;
  /** Time of the first event, in ms since the epoch; the others follow in steps of 1 ms. */
  readonly firstAt: number;
  readonly receivers: readonly Receiver[];
}

export interface FloodEvent {
  /** From 0. */
  readonly number: number;
  /** Which of the receivers. */
  readonly receiver: number;
  readonly body: string;
  readonly sha256: string;
}

/** One sending of an event. */
export interface Parcel {
  readonly number: number;
}

/** Events of a window go out in any order. */
const WINDOW = 64;
const SENT_TWICE = 0.05;
/** The second copy goes out up to so many parcels later. */
const LATER = 400;

/** Which receiver gets which event. */
export function allot({ seed, events, receivers }: FloodPlan): number[] {
  const draw = drawFrom(seed, "receivers");
  const left = receivers.map(({ most }) => most);
  return Array.from({ length: events }, () => {
    const open = receivers.map(({ weight }, index) => ((left[index] ?? 0) > 0 ? weight : 0));
    let mark = draw.fraction() * open.reduce((sum, weight) => sum + weight, 0);
    const chosen = open.findIndex((weight) => {
      mark -= weight;
      return weight > 0 && mark < 0;
    });
    left[chosen] = (left[chosen] ?? 0) - 1;
    return chosen;
  });
}

/** In what order everything is sent: shuffled within windows, and some of it twice. */
export function parcels({ seed, events }: FloodPlan): Parcel[] {
  const draw = drawFrom(seed, "order");
  const places: { readonly at: number; readonly number: number }[] = [];
  for (let number = 0; number < events; number++) {
    const at = number + draw.fraction() * WINDOW;
    places.push({ at, number });
    if (draw.chance(SENT_TWICE)) places.push({ at: at + draw.fraction() * LATER, number });
  }
  return places.sort((one, other) => one.at - other.at).map(({ number }) => ({ number }));
}

export function eventOf(plan: FloodPlan, number: number, receiver: number): FloodEvent {
  const to = plan.receivers[receiver];
  if (to === undefined) throw new RangeError(`There is no receiver ${receiver}.`);
  const draw = drawFrom(plan.seed, "event", number);
  const body = JSON.stringify(
    documentFor(to, { number, at: plan.firstAt + number, id: `${plan.seed}-${number}`, draw }),
  );
  return { number, receiver, body, sha256: createHash("sha256").update(body).digest("hex") };
}

interface Fact {
  readonly number: number;
  readonly at: number;
  readonly id: string;
  readonly draw: Draw;
}

function documentFor({ says, workspace, correlationId }: Receiver, { number, at, id, draw }: Fact): object {
  const timestamp = new Date(at).toISOString();
  switch (says) {
    case "ga4": {
      const conversions = [
        { conversion_name: "signup", conversion_count: draw.integer(0, 99), conversion_value: 1.5, time_period: "1h" },
      ];
      return {
        event_type: "conversion_update",
        event_id: id,
        property_id: "properties/4711",
        timestamp,
        data: { conversions },
      };
    }
    case "salesforce": {
      const lead = { lead_id: `lead-${id}`, lead_source: "web", lead_score: draw.integer(0, 100) };
      return { event_type: "lead_created", event_id: id, organization_id: "org-4711", timestamp, data: { lead } };
    }
    case "external":
      return { type: "analytics_update", id, timestamp, data: { visits: draw.integer(0, 10_000) } };
    default:
      return {
        event_id: id,
        ...(says === "no id" ? {} : { workflow_id: `opal-wf-${workspace}` }),
        execution_status: "running",
        agent_id: draw.pick(AGENT_IDS),
        agent_data: { progress_percent: draw.integer(1, 99), current_step: "Reading pages", page: number },
        metadata: { timestamp },
        ...(says === "both ids" || (says === "either id" && number % 2 === 0) ? { correlation_id: correlationId } : {}),
      };
  }
}
