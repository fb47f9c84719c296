// Audience suggester: which segments are worth addressing, and how large they are.

import type { AgentWriter } from "./result.ts";

const SEGMENTS = [
  "Returning researchers",
  "High-intent comparers",
  "Lapsed loyal customers",
  "First-purchase fence-sitters",
  "Account influencers",
  "Seasonal planners",
] as const;

export const audienceSuggester: AgentWriter = {
  shared(draw, { client, industry }) {
    const segments = draw.integer(5, 11);
    const membersThousand = draw.integer(45, 290);
    const confidence = draw.integer(58, 86);
    const lead = draw.pick(SEGMENTS);
    const upliftPercent = draw.integer(6, 19);
    return {
      tier: "insights",
      maturity: draw.pick(["walk", "run"]),
      title: draw.pick(["Audience Recommendations", "Whom to speak to first", "Audience Strategy"]),
      promise: `Focus ${client} on the few groups that decide this year's growth, with segments ready to build in ODP.`,
      metrics: [
        { label: "Recommended Member Segments", value: `${segments} segments` },
        {
          label: "Total Addressable Members",
          value: `${membersThousand}K+`,
          hint: "With consent for at least one channel",
        },
        { label: "Segmentation Confidence", value: `${confidence}/100` },
      ],
      summary: `Behaviour of the last 180 days separates ${segments} groups. "${lead}" is the most promising: small enough to serve well, large enough to matter, and today treated like everybody else.`,
      keyPoints: [
        `"${lead}" could lift conversion by about ${upliftPercent} %`,
        "Half of all known members have not been contacted for 90 days",
        "Consent is the limiting factor for messaging, not size",
        "Two existing segments overlap by more than 70 %",
        `${industry} buyers return three times before they identify themselves`,
      ],
      insights: [
        {
          title: "Recency beats demographics",
          description:
            "What people did in the last two weeks predicts the next purchase better than anything known about who they are.",
          bullets: ["Weight visits of the last 14 days", "Drop age bands from targeting", "Refresh membership hourly"],
        },
        {
          title: `"${lead}" stays unseen`,
          description:
            "The group visits in the evening, compares three or more products and leaves without a reason to come back.",
          bullets: ["Offer a saved comparison", "Follow up within a day", "Stop after two messages"],
        },
        {
          title: "Overlap wastes budget",
          description: "Members in several segments get competing messages in the same week.",
          bullets: ["Set priorities between segments", "Cap contacts per member and week"],
        },
      ],
      opportunities: [
        { label: `Build the segment "${lead}" and a welcome-back journey`, impactLevel: "High", effortLevel: "Medium" },
        { label: "Merge the two overlapping segments", impactLevel: "Medium", effortLevel: "Low" },
        { label: "Ask for consent at the saved comparison", impactLevel: "High", effortLevel: "Medium" },
        { label: "Cap weekly contacts per member", impactLevel: "Medium", effortLevel: "Low" },
      ],
      nextSteps: [
        { label: `Create "${lead}" in ODP and check its size`, ownerHint: "CRM team", timeframeHint: "3 days" },
        { label: "Agree on segment priorities", ownerHint: "Marketing lead", timeframeHint: "1 week" },
        { label: "Prepare a holdout group of 10 %", ownerHint: "Analytics", timeframeHint: "1 week" },
        { label: "Compare uplift against the holdout", ownerHint: "Analytics", timeframeHint: "6 weeks" },
      ],
    };
  },

  execution(draw, { client }) {
    const names = draw.some(SEGMENTS, 3, 5);
    return {
      summary: `${names.length} segments of ${client} differ clearly in behaviour and are large enough to address.`,
      recommendations: [
        "Start with the segment that compares most",
        "Weight the last 14 days over older behaviour",
        "Keep a holdout of 10 % in every segment",
        "Merge segments that overlap by more than 70 %",
        "Ask for consent where visitors gain something",
        "Limit contacts per member and week",
      ],
      insights: { best_predictor: "visits in the last 14 days", members_without_consent_percent: draw.integer(18, 41) },
      references: ["ODP event stream, 180 days", "Consent ledger"],
      tags: ["audience", "segmentation", "odp"],
      own: {
        audience_segments: names.map((segment_name) => ({
          segment_name,
          size_estimate: draw.integer(25_000, 150_000),
          characteristics: { visits_per_month: draw.integer(2, 9), preferred_device: draw.pick(["mobile", "desktop"]) },
          conversion_potential: draw.integer(35, 92),
          targeting_criteria: { last_visit_days: draw.integer(3, 30), compared_products: draw.integer(1, 5) },
        })),
        lookalike_opportunities: names.slice(0, 2).map((source_segment) => ({
          source_segment,
          similarity_score: draw.decimal(0.62, 0.94, 2),
          estimated_reach: draw.integer(80_000, 420_000),
        })),
        behavioral_patterns: {
          evening_share: draw.decimal(0.31, 0.58, 2),
          returns_before_purchase: draw.integer(2, 5),
        },
        demographic_insights: {
          largest_age_band: draw.pick(["25-34", "35-44", "45-54"]),
          urban_share: draw.decimal(0.5, 0.8, 2),
        },
      },
    };
  },
};
