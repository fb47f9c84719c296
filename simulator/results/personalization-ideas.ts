// Personalization ideas: what to show to whom, and how hard it is.

import type { AgentWriter } from "./result.ts";

const STRATEGIES = [
  { name: "Industry front page", type: "content", detail: "Swap hero, proof and first link by the visitor's industry" },
  {
    name: "Returning visitor shortcut",
    type: "layout",
    detail: "Put the last category first and drop the introduction",
  },
  { name: "Second-order incentive", type: "offers", detail: "Free delivery for 14 days after the first order" },
  { name: "Quiet hours", type: "timing", detail: "Hold messages until the member's usual reading time" },
  { name: "Comparison follow-up", type: "journey", detail: "Resume the comparison by e-mail a day later" },
] as const;

export const personalizationIdeas: AgentWriter = {
  shared(draw, { client, industry }) {
    const concepts = draw.integer(14, 29);
    const lead = draw.pick(STRATEGIES);
    const ready = draw.integer(4, 9);
    return {
      tier: "optimization",
      maturity: draw.pick(["crawl", "walk", "run"]),
      title: draw.pick(["Personalization Ideas", "What to show to whom", "Personalization Concepts"]),
      promise: `Ideas that ${client} can launch with today's data, each with an audience, a message and a way to measure it.`,
      metrics: [
        { label: "Personalization Ideas", value: `${concepts} concepts` },
        { label: "Implementation Complexity", value: draw.pick(["Crawl-Walk range", "Mostly Walk"]) },
        { label: "Expected Impact Score", value: draw.pick(["High", "Medium-High"]) },
      ],
      summary: `${concepts} concepts were collected, ${ready} of them need no new data. "${lead.name}" comes first because it serves the largest known audience and can be measured within a month.`,
      keyPoints: [
        `${ready} concepts work with data that is already there`,
        `"${lead.name}" reaches the most visitors per week of work`,
        "Anonymous visitors are four fifths of the traffic and get nothing yet",
        "Each concept names what is shown when nothing is known",
        `${industry} customers react to relevance, hardly to first names`,
      ],
      insights: [
        {
          title: "Start with the anonymous majority",
          description: "Referrer, device and first click already tell enough to choose one of three entry experiences.",
          bullets: ["No consent needed for session context", "Three variants are enough", "Keep a neutral default"],
        },
        {
          title: lead.name,
          description: `${lead.detail}.`,
          bullets: ["One audience, one message", "Measured against a holdout of 10 %"],
        },
        {
          title: "Fewer rules, better kept",
          description: "Of 31 rules in place, 19 have not matched a visitor since spring.",
          bullets: ["Remove rules without matches", "Give every rule an owner and an end date"],
        },
      ],
      opportunities: [
        { label: `Launch "${lead.name}"`, impactLevel: "High", effortLevel: "Low" },
        { label: "Three entry experiences for anonymous visitors", impactLevel: "High", effortLevel: "Medium" },
        { label: "Clean up unused rules", impactLevel: "Low", effortLevel: "Low" },
        { label: "Recommendations on out-of-stock pages", impactLevel: "Medium", effortLevel: "Medium" },
      ],
      nextSteps: [
        { label: `Write copy and default for "${lead.name}"`, ownerHint: "Content team", timeframeHint: "1 week" },
        { label: "Set up a 10 % holdout", ownerHint: "Analytics", timeframeHint: "3 days" },
        { label: "Retire rules without matches", ownerHint: "Web team", timeframeHint: "This sprint" },
        { label: "Review results with sales", timeframeHint: "30 days" },
      ],
    };
  },

  execution(draw, { client }) {
    const chosen = draw.some(STRATEGIES, 3, 5);
    return {
      summary: `${chosen.length} strategies suit the data ${client} has; none needs a new integration.`,
      recommendations: [
        "Serve anonymous visitors first",
        "Keep a neutral default for every placement",
        "Give each rule an owner and an end date",
        "Measure against a permanent holdout",
        "Reuse content blocks instead of copying pages",
        "Stop what has no effect after six weeks",
      ],
      insights: { anonymous_share: draw.decimal(0.72, 0.86, 2), rules_without_matches: draw.integer(8, 24) },
      references: ["Rule inventory", "Content block library"],
      tags: ["personalization", "content", "holdout"],
      own: {
        personalization_strategies: chosen.map(({ name, type, detail }) => ({
          strategy_name: name,
          target_segments: draw.some(
            ["New visitors", "Returning researchers", "Recent buyers", "Lapsed customers"],
            1,
            2,
          ),
          personalization_type: type,
          implementation_complexity: draw.pick(["low", "medium", "high"]),
          expected_impact: draw.integer(40, 90),
          implementation_details: detail,
        })),
        content_variations: draw.some(
          ["Hero for first visits", "Hero for returning visitors", "Short proof block", "Long proof block"],
          2,
          3,
        ),
        journey_optimizations: {
          welcome: "Shorten from five messages to three",
          reactivation: "Begin after 45 quiet days",
        },
        real_time_triggers: draw.some(
          ["third product view", "basket idle for 20 minutes", "price change of a saved item"],
          1,
          3,
        ),
      },
    };
  },
};
