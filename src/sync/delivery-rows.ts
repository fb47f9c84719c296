// A run's deliveries as rows of the event store. What they say is told in our words; the sender's own are only in `error`.
import { joinParts } from "../platform/bodies.ts";
import { answerCode, type Headers } from "./delivery.ts";
import type { Reading, RunEvent } from "./run/events.ts";
import type { KnownRun } from "./run/state.ts";
import type { webhookEvents } from "./tables.ts";

/** A row as the log makes it; D1 numbers it by itself. */
export type DeliveryRow = Omit<typeof webhookEvents.$inferSelect, "id">;

/** What is kept of a delivery's arrival. */
export interface Receipt {
  readonly dedupKey: string;
  readonly headers: Headers | null;
}

/** What is not in the log itself, but beside it in the session's journal. */
export interface ProjectionSource {
  readonly bodyParts: (bodyId: string) => readonly ArrayBuffer[];
  readonly receiptOf: (deliveryId: string) => Receipt | undefined;
}

/** What a reading of a stored delivery changes in its row. */
export type ReadingColumns = Pick<DeliveryRow, "verdict" | "reason" | "agentId" | "verdictSeq" | "summary">;

/** The sender's words for a failure are kept up to this length; in a larger result they are not looked for. */
const ERROR_CHARACTERS = 300;
const RESULT_BYTES_READ = 64 * 1024;

/** The last reading of each delivery that the events read again, by delivery id. */
export function readAgain(events: readonly RunEvent[]): ReadonlyMap<string, ReadingColumns> {
  const readings = new Map<string, ReadingColumns>();
  for (const event of events) {
    if (event.type !== "reprocessed") continue;
    const { deliveryId, verdict, reason, seq } = event;
    const agentId = event.reading.find((said) => said.about === "agent")?.agentId ?? null;
    readings.set(deliveryId, { verdict, reason, agentId, verdictSeq: seq, summary: summarise(event.reading) });
  }
  return readings;
}

/** The deliveries that the events record, as these same events read them last. */
export function deliveryRows(run: KnownRun, events: readonly RunEvent[], source: ProjectionSource): DeliveryRow[] {
  const { workspace, sessionId } = run.request;
  const readings = readAgain(events);
  return events.flatMap((event) => {
    if (event.type !== "delivery_recorded") return [];
    const { deliveryId, remoteId, eventType, sha256, bytes, verdict, reason, secret, receivedAt, seq } = event;
    const receipt = source.receiptOf(deliveryId);
    const row = { workspace, sessionId, deliveryId, remoteId, source: event.source, eventType };
    const arrival = { dedupHash: receipt?.dedupKey ?? "", headers: receipt?.headers ?? null };
    const answered = { httpStatus: answerCode(verdict, reason), processingTimeMs: Math.max(0, event.at - receivedAt) };
    const first = { verdict, reason, agentId: event.agentId ?? null, verdictSeq: seq };
    const error = mayHaveFailed(event.reading) ? errorOf(deliveryId, source) : null;
    const said = { summary: summarise(event.reading), error };
    return [
      {
        ...{ ...row, ...arrival, ...answered, sha256, bytes, secret, receivedAt, seq, ...said, ...first },
        ...readings.get(deliveryId),
      },
    ];
  });
}

/** What was read, in a few words; empty for what came before readings were kept. */
function summarise(reading: readonly Reading[] | null): string {
  return (reading ?? []).map(sentence).join("; ");
}

function sentence(said: Reading): string {
  if (said.about === "nothing") return said.reason.replaceAll("_", " ");
  const outcome = said.outcome.replaceAll("_", " ");
  if (said.about === "workflow") return `workflow ${outcome}`;
  const { insights, recommendations } = said.result;
  const counts = said.outcome === "completed" ? `, ${insights} insights, ${recommendations} recommendations` : "";
  return `${said.agentId} ${outcome}${counts}`;
}

function mayHaveFailed(reading: readonly Reading[] | null): boolean {
  const isFailure = (said: Reading) =>
    said.about === "agent" && (said.outcome === "failed" || said.outcome === "timed_out");
  return reading === null || reading.some(isFailure);
}

/** In the sender's words, from the normalised result; null when it says none. */
function errorOf(deliveryId: string, source: ProjectionSource): string | null {
  const bytes = joinParts(source.bodyParts(`${deliveryId}.result`));
  if (bytes.length === 0 || bytes.length > RESULT_BYTES_READ) return null;
  const result: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (typeof result !== "object" || result === null || !("error" in result)) return null;
  return typeof result.error === "string" ? result.error.slice(0, ERROR_CHARACTERS) : null;
}
