// Webhooks as OPAL sends them while its agents work: signed, each a new event, none of which ends the run.
import { createHash } from "node:crypto";
import { AGENT_IDS } from "../../simulator/agents.ts";
import { drawFrom } from "../../simulator/random.ts";
import { sign } from "../../simulator/sign.ts";
import { SECRET } from "../settings.ts";
import type { Request } from "./http.ts";

export interface WebhookStream {
  readonly path: string;
  /** The run, by the id that OPAL sends back. */
  readonly correlationId: string;
  /** `running` tells of progress, of one agent after the other; `completed` brings a result of the first agent, which leaves the run under way. */
  readonly status: "running" | "completed";
  readonly seed: number;
}

export interface Webhook extends Request {
  readonly sha256: string;
}

/** An endless stream; the same seed and run give the same bodies, except for their times. */
export function* webhooks({ path, correlationId, status, seed }: WebhookStream): Generator<Webhook, never> {
  const draw = drawFrom(seed, correlationId, status);
  const suffix = correlationId.slice(-19);
  for (let number = 1; ; number++) {
    const agent = status === "completed" ? AGENT_IDS[0] : AGENT_IDS[(number - 1) % AGENT_IDS.length];
    const at = new Date();
    const body = JSON.stringify({
      event_id: `evt-${suffix}-${status}-${number}`,
      workflow_id: `opal-wf-${suffix}`,
      execution_id: `exec-${suffix}-${number}`,
      execution_status: status,
      agent_id: agent,
      agent_data: status === "completed" ? result(draw.integer(3, 8)) : progress(draw.integer(1, 99), number),
      metadata: {
        timestamp: at.toISOString(),
        data_sources: ["content_analysis", "web_analytics"],
        ...(status === "completed" ? { confidence_score: draw.decimal(0.8, 0.99, 2) } : {}),
      },
      correlation_id: correlationId,
    });
    yield {
      method: "POST",
      path,
      headers: {
        "Content-Type": "application/json",
        "User-Agent": "OPAL",
        "X-OSA-Signature": sign(SECRET, Buffer.from(body), Math.floor(at.getTime() / 1000)),
        // Many senders: the wall for a single address is not what is measured.
        "CF-Connecting-IP": `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
      },
      body,
      sha256: createHash("sha256").update(body).digest("hex"),
    };
  }
}

function progress(percent: number, number: number) {
  const pages = Array.from({ length: 4 }, (_, index) => ({
    page: `https://www.example.com/products/${number}/${index}`,
    state: index < 3 ? "analysed" : "waiting",
    findings: index,
  }));
  return { progress_percent: percent, current_step: "Reading pages and comparing them with the last audit", pages };
}

function result(count: number) {
  const list = (what: string) =>
    Array.from(
      { length: count },
      (_, index) => `${what} ${index + 1}: ${"a sentence that says what to do and why. ".repeat(3)}`,
    );
  return {
    insights: list("Insight"),
    recommendations: list("Recommendation"),
    summary: "What was found, in one paragraph of the usual length. ".repeat(4),
    confidence_score: 0.9,
  };
}
