// Content review: quality, readability and search readiness of what is published.

import type { AgentWriter } from "./result.ts";

export const contentReview: AgentWriter = {
  shared(draw, { client, industry }) {
    const quality = draw.integer(61, 88);
    const ideas = draw.integer(9, 27);
    const seo = draw.integer(55, 86);
    const pages = draw.integer(140, 960);
    const stalePercent = draw.integer(14, 37);
    const hub = draw.pick(["buying guides", "customer stories", "comparison pages", "the resource library"]);
    return {
      tier: "insights",
      maturity: draw.pick(["crawl", "walk", "run"]),
      title: draw.pick(["Content Quality Review", "What the content does well, and what it misses", "Content Review"]),
      promise: `Turn the pages ${client} already has into its best argument, starting with the ones visitors read before they decide.`,
      metrics: [
        { label: "Content Quality Score", value: `${quality}/100` },
        {
          label: "Personalization Opportunities",
          value: `${ideas} identified`,
          hint: "Pages with two or more clear audiences",
        },
        { label: "SEO Readiness", value: `${seo}%`, hint: "Titles, structure, internal links" },
      ],
      summary: `${pages} pages were read. Writing is consistent and factual; ${stalePercent} % of it is older than a year, and ${hub} get a third of all entries while carrying hardly any call to action.`,
      keyPoints: [
        `${stalePercent} % of pages have not been touched for twelve months`,
        `Entries through ${hub} convert at half the site's average`,
        "Headlines promise outcomes, first paragraphs describe the company",
        "Product names changed last year and old names still rank",
        "Mobile visitors see the first useful sentence after two screens",
      ],
      insights: [
        {
          title: "The best traffic meets the weakest pages",
          description: `Visitors who enter through ${hub} are closer to a decision than any other group, and find no next step.`,
          bullets: [
            "Add one relevant action per page",
            "Match the action to the stage, not to the campaign",
            "Test placement above the second heading",
          ],
        },
        {
          title: `${industry} vocabulary is used unevenly`,
          description: "Editors use internal terms where customers search for the problem they have.",
          bullets: ["Seven core terms explain most of the gap", "Support tickets hold the customers' own words"],
        },
        {
          title: "Structure hides good answers",
          description:
            "Long pages answer several questions without headings that say so, which costs both readers and search engines.",
          bullets: ["Split pages above 1,800 words", "Use the question as heading", "Link answers to each other"],
        },
      ],
      opportunities: [
        { label: `Give ${hub} a next step per audience`, impactLevel: "High", effortLevel: "Low" },
        { label: "Refresh the 25 most visited old pages", impactLevel: "High", effortLevel: "Medium" },
        { label: "Rewrite openings around the reader's task", impactLevel: "Medium", effortLevel: "Medium" },
        { label: "Redirect retired product names", impactLevel: "Low", effortLevel: "Low" },
      ],
      nextSteps: [
        {
          label: "Choose ten entry pages and write one action for each",
          ownerHint: "Content lead",
          timeframeHint: "1 week",
        },
        {
          label: "Agree on seven customer terms and update the style guide",
          ownerHint: "Brand",
          timeframeHint: "2 weeks",
        },
        { label: "Plan the refresh by traffic, oldest first", ownerHint: "Editors", timeframeHint: "This quarter" },
        { label: "Review scores again with fresh data", timeframeHint: "60 days" },
      ],
    };
  },

  execution(draw, { client, industry }) {
    const quality = draw.integer(70, 100);
    return {
      summary: `Content of ${client} scores ${quality} of 100. Facts and tone hold up; structure and calls to action lag behind.`,
      recommendations: [
        "Put one clear action on every entry page",
        "Refresh the most visited pages older than a year",
        "Open with the reader's task, not with the company",
        "Use customers' words for the seven core topics",
        "Break up pages above 1,800 words",
        "Add authors and dates to all advice articles",
      ],
      insights: {
        strongest_section: "product documentation",
        weakest_section: draw.pick(["blog", "landing pages", "FAQ"]),
      },
      references: ["Page inventory", "Search console export", "Editorial style guide"],
      tags: ["content", "seo", industry.toLowerCase()],
      own: {
        content_quality_score: quality,
        seo_optimization_score: draw.integer(75, 100),
        readability_score: draw.integer(80, 100),
        content_gaps: draw.some(
          [
            "No comparison with the obvious alternatives",
            "Pricing logic is explained nowhere",
            "Implementation effort is left to the sales call",
            "No material for the second decision maker",
          ],
          2,
          4,
        ),
        optimization_opportunities: draw.some(
          [
            { type: "seo", description: "Merge near-duplicate topic pages", impact: "high" },
            { type: "readability", description: "Shorten sentences in the first screen", impact: "medium" },
            { type: "engagement", description: "Offer a related story at the end of each article", impact: "medium" },
            { type: "conversion", description: "Repeat the action after the second heading", impact: "high" },
          ],
          2,
          4,
        ),
        keyword_analysis: {
          target_keywords: [`${industry.toLowerCase()} personalization`, "customer data platform", "experimentation"],
          keyword_density: draw.decimal(0.023, 0.027, 4),
          competitor_keywords: draw.some(
            ["omnichannel", "headless commerce", "customer journey", "next best action"],
            2,
            3,
          ),
        },
      },
    };
  },
};
