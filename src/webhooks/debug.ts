// In debug mode, one line for each delivery: what it was read to be and what became of it. Ids, sizes and words of ours;
// no text of a body, no header, no secret.
import { type Env, settingsFrom } from "../env.ts";
import type { InboxFacts } from "../inbox/delivery.ts";
import { type Fields, log } from "../platform/log.ts";
import type { IncomingDelivery } from "../sync/delivery.ts";
import type { Addressee, Received } from "./receive.ts";

/** Senders choose their ids; what does not look like one is not repeated. */
const PLAIN_ID = /^[\w.:-]{1,128}$/;

/** Of a delivery that may belong to a run. */
export function debugDelivery(env: Env, addressee: Addressee, incoming: IncomingDelivery, received: Received): void {
  if (!settingsFrom(env).isDebugging) return;
  const { delivery, reports, results } = incoming;
  const report = reports.find((candidate) => candidate.about !== "nothing") ?? reports[0];
  debug(addressee, received, {
    ...arrivalOf(delivery),
    about: report?.about,
    agent: report?.about === "agent" ? report.agentId : null,
    outcome: report && "outcome" in report ? report.outcome : null,
    family: report?.about === "agent" ? report.result.family : null,
    correlated: delivery.correlated,
    result_bytes: results.reduce((total, { bytes }) => total + bytes.length, 0),
  });
}

/** Of a notice, which belongs to no run. */
export function debugNotice(env: Env, addressee: Addressee, facts: InboxFacts, received: Received): void {
  if (!settingsFrom(env).isDebugging) return;
  debug(addressee, received, { ...arrivalOf(facts), about: "notice" });
}

type Arrival = Pick<InboxFacts, "deliveryId" | "source" | "eventType" | "remoteId" | "bytes" | "sha256" | "secret">;

function arrivalOf({ deliveryId, source, eventType, remoteId, bytes, sha256, secret }: Arrival): Fields {
  const named = remoteId === null || PLAIN_ID.test(remoteId) ? remoteId : "(odd)";
  // The name of the secret that verified it.
  return { delivery_id: deliveryId, source, event_type: eventType, remote_id: named, bytes, sha256, secret };
}

function debug({ workspace, requestId }: Addressee, received: Received, fields: Fields): void {
  const became = received.ok
    ? {
        became: received.result.outcome,
        verdict: received.result.outcome === "recorded" ? received.result.verdict : null,
        reason: received.result.outcome === "recorded" ? received.result.reason : null,
        correlation_id: received.correlationId,
      }
    : { became: "refused", reason: received.code };
  log("debug", "delivery", { request_id: requestId, workspace, ...fields, ...became });
}
