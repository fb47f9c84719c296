// Customer journey: the stages, where people leave, and what connects the channels.

import type { AgentWriter } from "./result.ts";

const STAGES = [
  { name: "Discover", touchpoints: ["search", "social", "partner sites"] },
  { name: "Compare", touchpoints: ["category pages", "buying guides"] },
  { name: "Decide", touchpoints: ["product page", "pricing page", "sales chat"] },
  { name: "Buy", touchpoints: ["basket", "checkout"] },
  { name: "Use", touchpoints: ["onboarding e-mail", "help centre"] },
  { name: "Return", touchpoints: ["newsletter", "account area"] },
] as const;

export const customerJourney: AgentWriter = {
  shared(draw, { client }) {
    const frictions = draw.integer(5, 12);
    const touchpoints = draw.integer(9, 16);
    const worst = draw.pick(STAGES);
    const lossPercent = draw.integer(38, 67);
    return {
      tier: "insights",
      maturity: draw.pick(["crawl", "walk", "run"]),
      title: draw.pick(["Customer Journey Analysis", "Where customers get lost", "Journey Map"]),
      promise: `See the journey as customers of ${client} live it, and remove the frictions that cost the most of them.`,
      metrics: [
        { label: "Journey Stages Analyzed", value: `${STAGES.length} stages` },
        { label: "Drop-off Points", value: `${frictions} friction areas` },
        { label: "Cross-Channel Insights", value: `${touchpoints} touchpoints` },
      ],
      summary: `Most people leave at "${worst.name}": ${lossPercent} % of those who reach it do not go on. The reason is seldom price; they cannot tell what happens next.`,
      keyPoints: [
        `"${worst.name}" loses ${lossPercent} % of its visitors`,
        "Half of the buyers use two devices before they order",
        "Support answers questions that the product page could",
        "The newsletter reaches people at the wrong stage",
        "Nothing happens in the first week after a purchase",
      ],
      insights: [
        {
          title: `"${worst.name}" raises questions it does not answer`,
          description: `At ${worst.touchpoints.join(" and ")}, visitors look for effort and time, and find features.`,
          bullets: ["State effort and time", "Show the next step", "Offer one human contact"],
        },
        {
          title: "Devices break the thread",
          description: "A comparison begun on a phone is started anew on the desktop two days later.",
          bullets: ["Let visitors send the state to themselves", "Recognise members by link, not by cookie alone"],
        },
        {
          title: "The week after",
          description:
            "Buyers who are helped within three days return twice as often; today they hear nothing for ten.",
          bullets: ["One useful message on day two", "No offers before day fourteen"],
        },
      ],
      opportunities: [
        { label: `Answer the open questions at "${worst.name}"`, impactLevel: "High", effortLevel: "Low" },
        { label: "Carry comparisons across devices", impactLevel: "High", effortLevel: "High" },
        { label: "Begin onboarding on day two", impactLevel: "Medium", effortLevel: "Low" },
        { label: "Send the newsletter by stage", impactLevel: "Medium", effortLevel: "Medium" },
      ],
      nextSteps: [
        { label: `Interview eight customers about "${worst.name}"`, ownerHint: "Research", timeframeHint: "2 weeks" },
        { label: "Write the day-two message", ownerHint: "CRM team", timeframeHint: "1 week" },
        { label: "Track stage changes as events in ODP", ownerHint: "Analytics", timeframeHint: "This sprint" },
      ],
    };
  },

  execution(draw, { client }) {
    const stages = draw.some(STAGES, 4, 6);
    return {
      summary: `${stages.length} stages of the journey at ${client} were measured; two of them explain most of the losses.`,
      recommendations: [
        "Say what happens next on every decision page",
        "Let comparisons move between devices",
        "Help buyers in the first week",
        "Choose newsletter topics by stage",
        "Put the three most asked questions on the page itself",
        "Record stage changes as events",
      ],
      insights: { cross_device_share: draw.decimal(0.38, 0.57, 2), median_days_to_purchase: draw.integer(4, 23) },
      references: ["Path analysis, 90 days", "Support ticket topics"],
      tags: ["journey", "retention", "cross-channel"],
      own: {
        journey_stages: stages.map(({ name, touchpoints }) => {
          const conversion_rate = draw.decimal(0.18, 0.72, 3);
          return {
            stage_name: name,
            touchpoints,
            conversion_rate,
            drop_off_rate: Number((1 - conversion_rate).toFixed(3)),
            optimization_score: draw.integer(35, 88),
            pain_points: draw.some(["Effort is unclear", "Too many choices", "Slow pages", "No contact person"], 1, 3),
            opportunities: draw.some(
              ["Name the next step", "Show proof of similar customers", "Offer a call back"],
              1,
              2,
            ),
          };
        }),
        cross_channel_insights: draw.some(
          [
            "E-mail brings people back to decide, not to discover",
            "Social visitors read guides before products",
            "Chat shortens the decision by two days",
          ],
          2,
          3,
        ),
        journey_optimizations: draw.some(
          ["Merge basket and delivery page", "Move proof above price", "Begin onboarding on day two"],
          2,
          3,
        ),
        behavioral_flows: {
          most_common: "search > guide > product > leave",
          most_valuable: "guide > compare > chat > order",
        },
        retention_insights: { second_order_rate: draw.decimal(0.19, 0.41, 2), best_moment_days: draw.integer(12, 35) },
      },
    };
  },
};
