// What happens in the crash test, decided before it begins: scenario n of a seed is always the same. Pure.
import { AGENT_IDS, type AgentId } from "../simulator/agents.ts";
import { type Draw, drawFrom } from "../simulator/random.ts";
import { combineFaults, DISTURBANCES, FAULTS, type Fault, type Trouble } from "./chaos-faults.ts";

/** What an operator does while the run is under way, or after it; `afterMs` counts from the answer to the trigger. */
export type Action =
  | { readonly what: "none" }
  /** Two callers press at once, with one key. */
  | { readonly what: "same key twice" }
  | { readonly what: "cancel"; readonly afterMs: number }
  | { readonly what: "rerun of failed agents"; readonly afterMs: number }
  | { readonly what: "retry"; readonly failedOnly: boolean }
  | { readonly what: "queue"; readonly afterMs: number }
  | { readonly what: "queue and withdraw"; readonly afterMs: number; readonly waitMs: number }
  | { readonly what: "force restart"; readonly afterMs: number }
  | { readonly what: "switch off and on"; readonly afterMs: number; readonly waitMs: number }
  /** The refused credential is put right, and the run resumed. */
  | { readonly what: "resume" };

export interface Scenario {
  /** From 1. */
  readonly number: number;
  /** Kinds of faults, as they are counted. */
  readonly kinds: readonly string[];
  readonly faults: Fault;
  /** Only these agents; null for all. */
  readonly agentFilter: readonly AgentId[] | null;
  readonly action: Action;
  /** The first one counts in ms from the trigger's first request, every other one from the restart before it. */
  readonly killsAtMs: readonly number[];
}

const FILTERED_SHARE = 0.25;
const DISTURBED_SHARE = 0.5;
const FAST_KILL_SHARE = 0.45;

export function planScenario(seed: number, number: number): Scenario {
  const draw = drawFrom(seed, number, "scenario");
  const agentFilter = draw.chance(FILTERED_SHARE) ? draw.some(AGENT_IDS, 2, 5) : null;
  const trouble = fromDeck(FAULTS, seed, "faults", number);
  const agents = agentFilter ?? AGENT_IDS;
  const isDisturbed = draw.chance(DISTURBED_SHARE);
  const others = DISTURBANCES.filter(({ kind }) => kind !== trouble.kind);
  const troubles = [trouble, ...(isDisturbed ? [draw.pick(others)] : [])];
  return {
    number,
    kinds: troubles.map(({ kind }) => kind),
    faults: combineFaults(troubles.map((each) => each.draw(draw, agents))),
    agentFilter,
    action: actionFor(trouble, fromDeck(ACTIONS, seed, "actions", number), draw),
    killsAtMs: killsAtMs(draw),
  };
}

/** Every card comes once before one comes again, so that a long test has met them all. */
function fromDeck<Card>(cards: readonly Card[], seed: number, name: string, number: number): Card {
  const round = Math.floor((number - 1) / cards.length);
  const card = drawFrom(seed, name, round).shuffle(cards)[(number - 1) % cards.length];
  if (card === undefined) throw new RangeError(`no card ${number} in ${name}`);
  return card;
}

const ACTIONS: readonly ((draw: Draw) => Action)[] = [
  () => ({ what: "none" }),
  () => ({ what: "none" }),
  () => ({ what: "none" }),
  () => ({ what: "none" }),
  () => ({ what: "same key twice" }),
  (draw) => ({ what: "cancel", afterMs: draw.integer(0, 250) }),
  (draw) => ({ what: "cancel", afterMs: draw.integer(250, 5_000) }),
  (draw) => ({ what: "rerun of failed agents", afterMs: draw.integer(500, 5_000) }),
  (draw) => ({ what: "retry", failedOnly: draw.chance(0.6) }),
  (draw) => ({ what: "retry", failedOnly: draw.chance(0.6) }),
  (draw) => ({ what: "queue", afterMs: draw.integer(0, 2_500) }),
  (draw) => ({ what: "queue and withdraw", afterMs: draw.integer(0, 1_500), waitMs: draw.integer(0, 2_000) }),
  (draw) => ({ what: "force restart", afterMs: draw.integer(0, 3_500) }),
  (draw) => ({ what: "switch off and on", afterMs: draw.integer(0, 800), waitMs: draw.integer(200, 2_500) }),
];

function actionFor(trouble: Trouble, drawAction: (draw: Draw) => Action, draw: Draw): Action {
  const action = drawAction(draw);
  if (trouble.leadsTo === "resume") return { what: "resume" };
  // A workflow without our id belongs to nobody once its run has ended; it would be taken for one of OPAL's own.
  return trouble.leadsTo === "nothing" ? { what: "none" } : action;
}

/** Nearly half of the first ones fall into the start, where the call is made and its answer recorded. */
function killsAtMs(draw: Draw): number[] {
  const count = draw.pick([0, 1, 1, 1, 2, 2]);
  return Array.from({ length: count }, (_, index) => {
    if (index === 0 && draw.chance(FAST_KILL_SHARE)) return draw.integer(0, 600);
    return draw.integer(0, 5_000);
  });
}
