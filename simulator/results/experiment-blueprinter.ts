// Experiment blueprinter: tests that are ready to be built, with hypotheses and sample sizes.

import type { AgentWriter } from "./result.ts";

const EXPERIMENTS = [
  {
    name: "Saved comparison",
    hypothesis: "Visitors who can keep a comparison come back and buy more often",
    change: "A save button beside the comparison table",
  },
  {
    name: "Proof before price",
    hypothesis: "A customer quote above the price lowers abandonment on the pricing page",
    change: "A quote of the visitor's industry above the price table",
  },
  {
    name: "Shorter first form",
    hypothesis: "Asking for the e-mail address alone raises completed sign-ups without hurting quality",
    change: "One field first, the rest after confirmation",
  },
  {
    name: "Guided category entry",
    hypothesis: "Two questions at the category page lead more visitors to a product they keep",
    change: "A two-step guide that replaces the filter list",
  },
  {
    name: "Delivery promise",
    hypothesis: "A dated delivery promise in the basket raises checkout starts",
    change: "A date instead of a range of days",
  },
] as const;

export const experimentBlueprinter: AgentWriter = {
  shared(draw, { client }) {
    const tests = draw.integer(8, 19);
    const first = draw.pick(EXPERIMENTS);
    const weeks = draw.integer(3, 6);
    const velocity = draw.integer(2, 5);
    return {
      tier: "optimization",
      maturity: draw.pick(["walk", "run", "fly"]),
      title: draw.pick(["Experiment Blueprints", "The next quarter of tests", "Experimentation Plan"]),
      promise: `A portfolio of tests that ${client} can start on Monday, ordered by what they teach per week of traffic.`,
      metrics: [
        { label: "Experiment Specifications", value: `${tests} tests` },
        { label: "Testing Portfolio Value", value: draw.pick(["High impact", "Medium to high impact"]) },
        { label: "Statistical Confidence", value: "95%", hint: "Two-sided, 80 % power" },
      ],
      summary: `${tests} tests are specified with hypothesis, variations and sample size. "${first.name}" goes first: it needs ${weeks} weeks at present traffic, and its answer decides two later tests.`,
      keyPoints: [
        `"${first.name}" settles two follow-up questions`,
        `Traffic allows ${velocity} tests side by side without overlap`,
        "Three earlier tests stopped too early to be trusted",
        "Every test names the decision it serves",
        "Guardrails: page speed, returns, complaints",
      ],
      insights: [
        {
          title: "Fewer, longer tests",
          description:
            "The last year's tests ended after nine days on average, which is too short to see a weekly rhythm.",
          bullets: ["Run whole weeks", "Fix the sample size before the start", "Write down the stopping rule"],
        },
        {
          title: first.name,
          description: `${first.hypothesis}.`,
          bullets: [first.change, "Primary metric: orders per visitor", "Stop for harm after one week"],
        },
        {
          title: "Checkout is crowded",
          description: "Four ideas touch the same page, so they must run one after the other or as one factorial test.",
          bullets: ["Reserve the page per quarter", "Prefer tests upstream of checkout"],
        },
      ],
      opportunities: [
        { label: `Run "${first.name}"`, impactLevel: "High", effortLevel: "Medium" },
        { label: "Repeat the three tests that were stopped early", impactLevel: "Medium", effortLevel: "Low" },
        { label: "Adopt a shared metric tree", impactLevel: "High", effortLevel: "High" },
        { label: "Automate sample size checks", impactLevel: "Low", effortLevel: "Low" },
      ],
      nextSteps: [
        {
          label: `Build "${first.name}" and check its tracking`,
          ownerHint: "Experimentation team",
          timeframeHint: "2 weeks",
        },
        { label: "Reserve pages and audiences for the quarter", ownerHint: "Product owner", timeframeHint: "1 week" },
        { label: "Publish stopping rules", ownerHint: "Analytics", timeframeHint: "Before the first test" },
      ],
    };
  },

  execution(draw, { client }) {
    const chosen = draw.some(EXPERIMENTS, 3, 4);
    return {
      summary: `${chosen.length} experiments for ${client} are specified and fit into two quarters of traffic.`,
      recommendations: [
        "Start upstream of checkout",
        "Run whole weeks, three at least",
        "Write the decision down before the test",
        "Guard page speed and returns in every test",
        "Repeat tests that ended early",
        "Share results within a week, also the dull ones",
      ],
      insights: { tests_last_year: draw.integer(9, 31), conclusive_share: draw.decimal(0.3, 0.6, 2) },
      references: ["Experiment archive", "Traffic forecast"],
      tags: ["experimentation", "conversion", "statistics"],
      own: {
        experiment_proposals: chosen.map(({ name, hypothesis, change }) => ({
          experiment_name: name,
          hypothesis,
          success_metrics: [
            "orders per visitor",
            draw.pick(["return visits", "checkout starts", "completed sign-ups"]),
          ],
          variations: [
            { name: "Control", description: "Today's experience", implementation_details: "No change" },
            {
              name: "Variation A",
              description: change,
              implementation_details: "Feature flag, visual editor where possible",
            },
          ],
          estimated_duration_days: 21,
          sample_size_required: 50_000,
          expected_lift: 12,
          confidence_level: 0.95,
        })),
        testing_roadmap: [
          {
            quarter: "Q1",
            experiments: chosen.slice(0, 2).map(({ name }) => name),
            dependencies: ["Tracking plan approved"],
          },
          { quarter: "Q2", experiments: chosen.slice(2).map(({ name }) => name), dependencies: ["Results of Q1"] },
        ],
        statistical_power_analysis: {
          power: 0.8,
          significance: 0.05,
          minimum_detectable_effect: draw.decimal(0.03, 0.08, 3),
        },
      },
    };
  },
};
