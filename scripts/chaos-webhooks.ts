// The crash test's oracle for webhooks: what was acknowledged is kept once, and nothing else is. Pure.
import type { Facts, SentWebhook, Workflow } from "./chaos-facts.ts";
import type { Finding } from "./chaos-oracle.ts";

/** Of an answer only its beginning is kept, so it is searched and not parsed. */
const WEBHOOK_ID = /"(?:first_)?webhook_id":"(whd_\w+)"/g;

/** Where each body is, by SHA-256: the runs in whose logs it stands, once for every time. */
function loggedBodies({ sessions }: Facts): ReadonlyMap<string, readonly string[]> {
  const places = new Map<string, string[]>();
  for (const { sessionId, events } of sessions) {
    for (const { type, sha256 } of events) {
      if (type !== "delivery_recorded" || sha256 === undefined) continue;
      places.set(sha256, [...(places.get(sha256) ?? []), sessionId]);
    }
  }
  return places;
}

/** One webhook with all its copies, which have the same bytes. */
interface Body {
  readonly sha256: string;
  readonly workflow: Workflow;
  readonly copies: readonly SentWebhook[];
}

export function bodiesOf({ workflows }: Facts): Body[] {
  return workflows.flatMap((workflow) => {
    const copies = Map.groupBy(workflow.deliveries, (delivery) => delivery.bodySha256);
    return [...copies].map(([sha256, group]) => ({ sha256, workflow, copies: group }));
  });
}

export function isAcknowledged({ copies }: Body): boolean {
  return copies.some(({ outcome }) => outcome === "acknowledged");
}

export function wasSent({ copies }: Body): boolean {
  return copies.some(({ attempts }) => attempts.length > 0);
}

/** Webhooks that were acknowledged and are in no log, and not held either. */
export function lostBodies(facts: Facts): Body[] {
  const places = loggedBodies(facts);
  const held = new Set(facts.held);
  return bodiesOf(facts).filter((body) => {
    if (!isAcknowledged(body) || places.has(body.sha256)) return false;
    const ids = body.copies.flatMap(({ attempts }) =>
      attempts.flatMap(({ answer }) => [...answer.matchAll(WEBHOOK_ID)]),
    );
    return !ids.some(([, id]) => id !== undefined && held.has(id));
  });
}

export function acknowledgedIsKept(facts: Facts): Finding[] {
  const places = loggedBodies(facts);
  const lost = lostBodies(facts).map((body) => finding(body, "was acknowledged, and is in no log and not held"));
  const misplaced = bodiesOf(facts).flatMap((body) => {
    const runs = places.get(body.sha256) ?? [];
    if (runs.length > 1) return [finding(body, `is in the logs ${runs.length} times: ${runs.join(", ")}`)];
    const { sessionId, faults } = body.workflow;
    const isElsewhere = runs[0] !== undefined && runs[0] !== sessionId && !faults.omitCorrelationId;
    return isElsewhere ? [finding(body, `is in the log of ${runs[0]}`)] : [];
  });
  return [...lost, ...misplaced];
}

/** A body that nobody sent with a right signature must be nowhere. */
export function nothingIsInvented(facts: Facts): Finding[] {
  const genuine = new Set(
    bodiesOf(facts)
      .filter(({ copies }) => copies.some(({ attempts }) => attempts.some(({ signature }) => signature === "valid")))
      .map(({ sha256 }) => sha256),
  );
  const invented = [...loggedBodies(facts)].flatMap(([sha256, [sessionId = ""]]): Finding[] => {
    if (genuine.has(sha256)) return [];
    return [{ check: "webhooks", about: sessionId, what: `${sha256} is in the log, and nobody sent it` }];
  });
  const forged = bodiesOf(facts).filter(({ copies }) =>
    copies.some(({ attempts }) =>
      attempts.some((attempt) => attempt.signature === "wrong" && isSuccess(attempt.status)),
    ),
  );
  return [...invented, ...forged.map((body) => finding(body, "was acknowledged with a wrong signature"))];
}

/** Every copy that was answered as a duplicate is counted; one whose answer was lost may be counted besides. */
export function duplicatesAreCounted({ sessions, workflows }: Facts): Finding[] {
  return sessions.flatMap(({ sessionId, status }): Finding[] => {
    const answers = workflows
      .filter((workflow) => workflow.sessionId === sessionId && !workflow.faults.omitCorrelationId)
      .flatMap(({ deliveries }) => deliveries.flatMap(({ attempts }) => attempts));
    const answered = answers.filter(({ answer }) => answer.includes('"status":"duplicate"')).length;
    const counted = status.deliveries.duplicate;
    if (counted >= answered) return [];
    const what = `${answered} copies were answered as duplicates, ${counted} are counted`;
    return [{ check: "webhooks", about: sessionId, what }];
  });
}

function finding({ workflow, copies }: Body, what: string): Finding {
  const [first] = copies;
  const name = `${first?.agentId} ${first?.executionStatus} ${first?.bodySha256.slice(0, 12)}`;
  return { check: "webhooks", about: workflow.sessionId ?? workflow.workflowId, what: `${name} ${what}` };
}

function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300;
}
