// Judges what a flood left behind: what the sender was told, against what the objects hold. Pure.
import { type Finding, judgeState } from "./flood-accounts.ts";
import type { Sent, Told } from "./flood-answers.ts";
import type { Receiver } from "./flood-events.ts";
import type { Kept, Owner, State } from "./flood-state.ts";

export interface FloodFacts {
  readonly receivers: readonly Receiver[];
  readonly sent: Pick<Sent, "told" | "odd">;
  readonly state: State;
}

const CHECKS: readonly ((facts: FloodFacts) => Finding[])[] = [
  answersAreUnderstood,
  acknowledgedIsKeptOnce,
  nothingIsInvented,
  everyRequestIsCounted,
];

/** Every promise that was broken; nothing when all were kept. */
export function judge(facts: FloodFacts): Finding[] {
  return [...CHECKS.flatMap((check) => check(facts)), ...judgeState(facts.state)];
}

type Place = Kept & { readonly owner: Owner };

function placesBySha256({ owners }: State): ReadonlyMap<string, readonly Place[]> {
  const places = owners.flatMap((owner) => owner.kept.map((kept) => ({ ...kept, owner })));
  return Map.groupBy(places, ({ sha256 }) => sha256);
}

export function isAcknowledged({ taken, duplicates }: Told): boolean {
  return taken + duplicates > 0;
}

/** Events that are stored although nobody was told so. */
export function storedUntold({ sent, state }: FloodFacts): Told[] {
  const places = placesBySha256(state);
  return sent.told.filter((told) => !isAcknowledged(told) && places.has(told.sha256));
}

/** Events that were acknowledged and are nowhere. */
export function lostEvents({ sent, state }: FloodFacts): Told[] {
  const places = placesBySha256(state);
  return sent.told.filter((told) => isAcknowledged(told) && !places.has(told.sha256));
}

function answersAreUnderstood({ sent }: FloodFacts): Finding[] {
  const odd = sent.odd.map(
    (what): Finding => ({ check: "answers", about: what, what: "is no answer to a signed event" }),
  );
  const contradictory = sent.told.flatMap((told) => [
    ...(told.ids.length > 1 ? [finding(told, "answers", `was acknowledged as ${told.ids.join(" and ")}`)] : []),
    ...(told.taken > 1 ? [finding(told, "answers", `was taken in ${told.taken} times`)] : []),
    ...(told.taken === 0 && told.duplicates > 0 && told.lost === 0
      ? [finding(told, "answers", "was called a duplicate, and no other request may have been the first")]
      : []),
  ]);
  return [...odd, ...contradictory];
}

function acknowledgedIsKeptOnce({ receivers, sent, state }: FloodFacts): Finding[] {
  const places = placesBySha256(state);
  return sent.told.flatMap((told) => {
    const found = places.get(told.sha256) ?? [];
    const to = receivers[told.receiver];
    if (found.length > 1) return [finding(told, "receipts", `is kept ${found.length} times`)];
    const [place] = found;
    if (place === undefined)
      return isAcknowledged(told) ? [finding(told, "receipts", "was acknowledged, and is nowhere")] : [];
    const { workspace, owner } = place.owner;
    const isElsewhere = workspace !== to?.workspace || (to.owner !== undefined && owner !== to.owner);
    const isOther = told.ids.some((id) => id !== place.id);
    const isChanged = place.owner.bodies.get(place.id) !== told.sha256;
    return [
      ...(isElsewhere ? [finding(told, "receipts", `is kept in ${workspace}:${owner}`)] : []),
      ...(isOther ? [finding(told, "receipts", `was acknowledged as ${told.ids[0]}, and is kept as ${place.id}`)] : []),
      ...(isChanged ? [finding(told, "receipts", `has another body in ${owner} than was sent`)] : []),
    ];
  });
}

/** What nobody acknowledged may be stored only if the answer was lost on the way. */
function nothingIsInvented(facts: FloodFacts): Finding[] {
  const sent = new Set(facts.sent.told.map(({ sha256 }) => sha256));
  const strangers = [...placesBySha256(facts.state)].flatMap(([sha256, [place]]): Finding[] =>
    sent.has(sha256) ? [] : [{ check: "receipts", about: place?.id ?? sha256, what: "is kept, and nobody sent it" }],
  );
  const secret = storedUntold(facts).filter(({ lost }) => lost === 0);
  return [...strangers, ...secret.map((told) => finding(told, "receipts", "is kept, and every answer said otherwise"))];
}

/** One receipt and its repeats are as many as were answered, and at most those besides whose answer was lost. */
function everyRequestIsCounted({ sent, state }: FloodFacts): Finding[] {
  const places = placesBySha256(state);
  return sent.told.flatMap((told) => {
    const [place] = places.get(told.sha256) ?? [];
    if (place === undefined) return [];
    const [least, counted] = [told.taken + told.duplicates, 1 + place.repeats];
    const most = least + told.lost;
    if (counted >= least && counted <= most) return [];
    return [
      finding(
        told,
        "counts",
        `came ${least === most ? least : `${least} to ${most}`} times, and is counted ${counted} times`,
      ),
    ];
  });
}

function finding({ number, receiver }: Told, check: Finding["check"], what: string): Finding {
  return { check, about: `event ${number} to receiver ${receiver}`, what };
}
