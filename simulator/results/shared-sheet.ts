// The schema that all nine agents share: hero, overview, insights, opportunities, nextSteps, meta.

import type { AgentId } from "../agents.ts";
import type { Draw } from "../random.ts";

type Level = "High" | "Medium" | "Low";

interface Metric {
  readonly label: string;
  /** Text even when it is a number. */
  readonly value: string;
  readonly hint?: string;
}

interface NextStep {
  readonly label: string;
  readonly ownerHint?: string;
  readonly timeframeHint?: string;
}

/** Lists are pools: the result takes some of each. */
export interface SharedSheet {
  readonly tier: "strategy" | "insights" | "optimization" | "dxptools";
  readonly maturity: "crawl" | "walk" | "run" | "fly";
  readonly title: string;
  /** At most 200 characters. */
  readonly promise: string;
  readonly metrics: readonly [Metric, Metric, Metric];
  readonly summary: string;
  readonly keyPoints: readonly string[];
  readonly insights: readonly { title: string; description: string; bullets: readonly string[] }[];
  readonly opportunities: readonly { label: string; impactLevel: Level; effortLevel: Level }[];
  readonly nextSteps: readonly NextStep[];
}

interface Filling {
  readonly agentId: AgentId;
  /** 0 to 1; the schema wants 0 to 100. */
  readonly confidence: number;
  readonly at: Date;
  readonly draw: Draw;
}

export function fillSharedSheet(sheet: SharedSheet, { agentId, confidence, at, draw }: Filling): object {
  const percent = Math.round(confidence * 100);
  return {
    hero: {
      title: sheet.title,
      promise: sheet.promise,
      metrics: sheet.metrics,
      confidence: percent,
      confidenceNote: confidenceNote(percent),
    },
    overview: { summary: sheet.summary, keyPoints: draw.some(sheet.keyPoints, 2, 4) },
    insights: draw.some(sheet.insights, 2, 3),
    opportunities: draw.some(sheet.opportunities, 3, 4).map((opportunity) => ({
      ...opportunity,
      confidence: Math.min(100, Math.max(0, percent + draw.integer(-12, 6))),
    })),
    nextSteps: draw.some(sheet.nextSteps, 3, 4),
    meta: { tier: sheet.tier, agents: [agentId], maturity: sheet.maturity, lastUpdated: at.toISOString() },
  };
}

function confidenceNote(percent: number): string {
  if (percent > 80) return "High confidence: the sources agree and cover the last full quarter.";
  if (percent > 60) return "Good confidence: one source is thinner than the others.";
  if (percent >= 40) return "Moderate confidence: treat the figures as direction, not as targets.";
  return "Building confidence: not enough data has been collected yet.";
}
