// Roadmap generator: what to do in which order, with whom, and at what risk.

import type { AgentWriter } from "./result.ts";

const PHASES = [
  { name: "Foundation", deliverables: ["Tracking plan", "Consent review", "Segment priorities"] },
  { name: "First wins", deliverables: ["Entry page actions", "Anonymous entry experiences"] },
  { name: "Experimentation", deliverables: ["Saved comparison test", "Shared metric tree"] },
  { name: "Scale", deliverables: ["Cross-device state", "Automated briefs"] },
] as const;

export const roadmapGenerator: AgentWriter = {
  shared(draw, { client }) {
    const progress = draw.integer(10, 45);
    const timeline = draw.integer(52, 84);
    const plan = draw.integer(30, 72);
    const months = draw.pick([6, 9, 12]);
    const bottleneck = draw.pick(["analytics capacity", "content production", "platform releases", "legal review"]);
    return {
      tier: "strategy",
      maturity: draw.pick(["crawl", "walk"]),
      title: draw.pick(["Strategy Roadmap", "The way from here to there", `${months}-Month Roadmap`]),
      promise: `An order of work that ${client} can keep: early results pay for the later, harder steps.`,
      metrics: [
        { label: "Overall Progress", value: `${progress}%`, hint: "Of the prerequisites already in place" },
        { label: "Timeline Confidence", value: `${timeline}%` },
        { label: "Plan Confidence Index", value: `${plan}/100` },
      ],
      summary: `${PHASES.length} phases over ${months} months. The first produces what the others need; ${bottleneck} is the constraint, so no two steps that need it run at once.`,
      keyPoints: [
        `${bottleneck.charAt(0).toUpperCase()}${bottleneck.slice(1)} decides the pace`,
        "First visible results after six weeks",
        "Three steps can be dropped without harm when budget shrinks",
        "Every phase ends with a decision, not with a report",
        "Skills for experimentation are there, time is not",
      ],
      insights: [
        {
          title: "Sequence matters more than speed",
          description: "Personalization without a tracking plan would produce effects that nobody can prove.",
          bullets: ["Tracking first", "Then entry pages", "Then tests on top of both"],
        },
        {
          title: `Plan around ${bottleneck}`,
          description: `Five of nine initiatives need ${bottleneck} in the same quarter.`,
          bullets: ["Stagger by a month", "Prepare templates", "Agree on a fixed weekly slot"],
        },
        {
          title: "Small bets first",
          description: "Six initiatives cost less than two weeks each and answer whether the larger ones are worth it.",
          bullets: ["Fund them as one package", "Review together after six weeks"],
        },
      ],
      opportunities: [
        { label: "Fund the six small initiatives as one package", impactLevel: "High", effortLevel: "Low" },
        { label: `Relieve ${bottleneck}`, impactLevel: "High", effortLevel: "Medium" },
        { label: "Move cross-device work to the second half", impactLevel: "Medium", effortLevel: "Low" },
        { label: "One steering meeting instead of three", impactLevel: "Low", effortLevel: "Low" },
      ],
      nextSteps: [
        { label: "Confirm owners of the first phase", ownerHint: "Sponsor", timeframeHint: "This week" },
        { label: "Approve the tracking plan", ownerHint: "Analytics", timeframeHint: "2 weeks" },
        { label: `Book ${bottleneck} for the quarter`, ownerHint: "Programme lead", timeframeHint: "2 weeks" },
        { label: "Decide on phase two with first results", ownerHint: "Steering group", timeframeHint: "6 weeks" },
      ],
    };
  },

  execution(draw, { client }, at) {
    const weeks = PHASES.map(() => draw.integer(4, 10));
    const inWeeks = (count: number) => new Date(at.getTime() + count * 7 * 86_400_000).toISOString().slice(0, 10);
    return {
      summary: `The roadmap of ${client} has ${PHASES.length} phases and takes ${weeks.reduce((sum, each) => sum + each, 0)} weeks in sequence.`,
      recommendations: [
        "Finish the tracking plan before any test",
        "Fund small initiatives as one package",
        "Stagger work that needs the same people",
        "End every phase with a decision",
        "Keep a tenth of the budget for findings",
        "Report to one steering group",
      ],
      insights: { critical_path: "tracking plan > entry pages > tests", initiatives_that_can_wait: draw.integer(2, 4) },
      references: ["Initiative list", "Capacity plan"],
      tags: ["roadmap", "planning", "risk"],
      own: {
        implementation_phases: PHASES.map(({ name, deliverables }, index) => ({
          phase_name: name,
          duration_weeks: weeks[index] ?? 6,
          deliverables,
          dependencies: index === 0 ? [] : [PHASES[index - 1]?.name ?? "Foundation"],
          resources_required: {
            developers: draw.integer(1, 4),
            designers: draw.integer(0, 2),
            data_analysts: draw.integer(1, 2),
            other: { editors: draw.integer(0, 3) },
          },
          success_criteria: draw.some(
            [
              "Owners named for every deliverable",
              "Effect measured against a holdout",
              "Decision for the next phase taken",
            ],
            1,
            3,
          ),
        })),
        timeline_milestones: PHASES.map(({ name }, index) => ({
          milestone: `${name} complete`,
          date: inWeeks(weeks.slice(0, index + 1).reduce((sum, each) => sum + each, 0)),
        })),
        risk_assessment: draw.some(
          [
            {
              risk_category: "Capacity",
              probability: "high",
              impact: "medium",
              mitigation_strategy: "Stagger initiatives by a month",
            },
            {
              risk_category: "Data quality",
              probability: "medium",
              impact: "high",
              mitigation_strategy: "Approve the tracking plan first",
            },
            {
              risk_category: "Consent",
              probability: "low",
              impact: "high",
              mitigation_strategy: "Review wording before the first campaign",
            },
          ],
          2,
          3,
        ),
        resource_allocation: { development: 0.45, content: 0.25, analytics: 0.2, reserve: 0.1 },
      },
    };
  },
};
