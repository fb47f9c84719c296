// A payload as the receiver reads it: one delivery, with what it says.
import type { Report } from "../../../src/sync/run/commands.ts";
import { normalise } from "../../../src/webhooks/normalise.ts";

export const RECEIPT = { deliveryId: "whd_1", source: "opal", receivedAt: 1_767_603_600_000, secret: "current" };

export async function read(document: unknown, raw = JSON.stringify(document)) {
  const { incoming, ourRun } = await normalise(new TextEncoder().encode(raw), document, RECEIPT, {
    headers: [],
    messageId: undefined,
  });
  const { delivery, dedupKey, reports, results } = incoming;
  const [report] = reports;
  if (report === undefined || reports.length !== 1) throw new Error(`${reports.length} reports in one payload`);
  return { delivery, dedupKey, report, results, ourRun };
}

export async function report(document: unknown): Promise<Report> {
  return (await read(document)).report;
}

/** The one result that is kept beside the log. */
export async function storedResult(document: unknown): Promise<unknown> {
  const { results } = await read(document);
  return results[0] && JSON.parse(new TextDecoder().decode(results[0].bytes));
}

/** One of the nine agents' outputs in the shared form. */
export const OUTPUT = {
  hero: {
    title: "GEO audit",
    promise: "Be cited",
    metrics: [{ label: "Overall GEO Score", value: "72/100" }],
    confidence: 85,
  },
  overview: { summary: "Fair", keyPoints: ["Schema coverage is low", "Citations are rare"] },
  insights: [{ title: "Schema", description: "Missing on 40 % of pages", bullets: [] }],
  opportunities: [{ label: "Add schema", impactLevel: "High", effortLevel: "Low", confidence: 90 }],
  nextSteps: [{ label: "Audit templates" }, { label: "Publish" }],
  meta: { tier: "optimization", agents: ["geo_audit"], maturity: "walk", lastUpdated: "2026-01-05T09:00:00Z" },
};
