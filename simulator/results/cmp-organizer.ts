// CMP organizer: turns the strategy into campaigns and briefs in the Content Marketing Platform. Ends the chain.

import type { AgentWriter } from "./result.ts";

const WORKFLOWS = [
  "Campaign brief to launch",
  "Article production",
  "Product announcement",
  "Newsletter",
  "Asset reuse",
] as const;

export const cmpOrganizer: AgentWriter = {
  shared(draw, { client }) {
    const campaigns = draw.integer(7, 16);
    const completeness = draw.integer(84, 99);
    const bottleneck = draw.pick(["legal approval", "image production", "translation", "final sign-off"]);
    const days = draw.integer(3, 9);
    return {
      tier: "dxptools",
      maturity: draw.pick(["walk", "run"]),
      title: draw.pick(["Campaign Organization", "From strategy to campaigns", "CMP Work Plan"]),
      promise: `Everything the other agents found, cut into campaigns that teams of ${client} can pick up in CMP.`,
      metrics: [
        { label: "Campaign Specifications", value: `${campaigns} campaigns` },
        { label: "Strategy Brief Completeness", value: `${completeness}%` },
        { label: "Implementation Readiness", value: draw.pick(["High", "Medium-High"]) },
      ],
      summary: `${campaigns} campaigns are specified with brief, audience and channel. Work waits longest for ${bottleneck}, ${days} working days on average, so early campaigns avoid it.`,
      keyPoints: [
        `${completeness} % of the brief fields are filled`,
        `${bottleneck.charAt(0).toUpperCase()}${bottleneck.slice(1)} costs ${days} working days per campaign`,
        "Two thirds of the assets exist and can be reused",
        "Each campaign names one audience and one measure",
        "Owners are proposed from past workload",
      ],
      insights: [
        {
          title: `${bottleneck.charAt(0).toUpperCase()}${bottleneck.slice(1)} is the queue`,
          description: "Tasks arrive there in bursts at the end of the month and then wait for each other.",
          bullets: ["Submit weekly", "Use pre-approved text blocks", "Limit work in progress to five"],
        },
        {
          title: "Reuse before production",
          description: "Searching the library first would have saved 40 of 120 assets made last quarter.",
          bullets: ["Tag by audience and stage", "Show matches in the brief"],
        },
        {
          title: "Briefs miss the measure",
          description: "Half of the earlier briefs say what to make, and not how its success will be seen.",
          bullets: ["Make the measure a required field", "Offer the shared metric tree as choices"],
        },
      ],
      opportunities: [
        { label: `Pre-approved blocks to shorten ${bottleneck}`, impactLevel: "High", effortLevel: "Medium" },
        { label: "Required measure in every brief", impactLevel: "Medium", effortLevel: "Low" },
        { label: "Asset suggestions while the brief is written", impactLevel: "Medium", effortLevel: "Medium" },
        { label: "Weekly instead of monthly planning", impactLevel: "Medium", effortLevel: "Low" },
      ],
      nextSteps: [
        {
          label: "Import the campaign specifications into CMP",
          ownerHint: "Marketing operations",
          timeframeHint: "2 days",
        },
        { label: "Assign owners for the first three campaigns", ownerHint: "Campaign lead", timeframeHint: "1 week" },
        {
          label: `Agree on a service level for ${bottleneck}`,
          ownerHint: "Head of marketing",
          timeframeHint: "2 weeks",
        },
      ],
    };
  },

  execution(draw, { client }) {
    const names = draw.some(WORKFLOWS, 3, 4);
    return {
      summary: `${names.length} workflows of ${client} were examined; approvals, not production, take most of the time.`,
      recommendations: [
        "Use pre-approved text blocks",
        "Make the measure a required field of the brief",
        "Plan weekly and limit work in progress",
        "Search the library before producing",
        "Automate status mails",
        "Archive campaigns with their results",
      ],
      insights: { average_lead_time_days: draw.integer(12, 31), reusable_asset_share: draw.decimal(0.3, 0.65, 2) },
      references: ["CMP task history, two quarters", "Asset library index"],
      tags: ["campaigns", "workflow", "automation"],
      own: {
        campaign_workflows: names.map((workflow_name) => ({
          workflow_name,
          automation_level: draw.integer(15, 75),
          efficiency_score: draw.integer(45, 90),
          bottlenecks: draw.some(["legal approval", "image production", "translation", "final sign-off"], 1, 2),
          optimization_suggestions: draw.some(["Fixed weekly slot", "Template with examples", "Parallel review"], 1, 2),
        })),
        process_improvements: draw.some(
          ["One intake form for all teams", "Approval by exception for small changes", "Shared calendar of peaks"],
          2,
          3,
        ),
        automation_opportunities: draw.some(
          [
            {
              task_name: "Status mails",
              current_manual_effort_hours: 6,
              automation_complexity: "low",
              roi_estimate: 3.2,
            },
            {
              task_name: "Asset tagging",
              current_manual_effort_hours: 14,
              automation_complexity: "medium",
              roi_estimate: 2.1,
            },
            {
              task_name: "Channel variants",
              current_manual_effort_hours: 22,
              automation_complexity: "high",
              roi_estimate: 1.6,
            },
          ],
          2,
          3,
        ),
        workflow_dependencies: { "Product announcement": ["Asset reuse"], Newsletter: ["Article production"] },
      },
    };
  },
};
