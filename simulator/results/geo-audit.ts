// GEO audit. OPAL means generative engines by GEO; the older family took it for geography. Both are played as they are.

import type { AgentWriter } from "./result.ts";

const REGIONS = [
  "North America",
  "United Kingdom and Ireland",
  "Nordics",
  "DACH",
  "Southern Europe",
  "Asia Pacific",
] as const;

export const geoAudit: AgentWriter = {
  shared(draw, { client }) {
    // Seen on the wire while the agent lacks crawl data; the schema allows any text.
    const unknown = draw.chance(0.15);
    const score = draw.integer(48, 79);
    const coverage = draw.integer(31, 74);
    const cited = draw.integer(6, 29);
    return {
      tier: "optimization",
      maturity: "walk",
      title: draw.pick(["Generative Engine Audit", "GEO Audit", "How answer engines see the site"]),
      promise: `Make ${client} the source that answer engines quote when its customers ask before they search.`,
      metrics: [
        { label: "Overall GEO Score", value: unknown ? "Calculating..." : `${score}/100` },
        { label: "Schema Coverage", value: `${coverage}%`, hint: "Pages with valid structured data" },
        { label: "AI Citation Readiness", value: unknown ? "Calculating..." : `${draw.integer(35, 81)}%` },
      ],
      summary: `Of 60 typical questions, ${cited} were answered with a reference to the site. Structured data covers ${coverage} % of the pages, and the strongest pages are the ones that answer one question in their first paragraph.`,
      keyPoints: [
        `${cited} of 60 test questions cite the site`,
        "Answer engines quote tables and definitions, seldom slogans",
        "Author and date are missing where trust matters most",
        `Structured data stops at ${coverage} % of the pages`,
        "Robots rules block two crawlers that bring referrals",
      ],
      insights: [
        {
          title: "Quotable passages win",
          description:
            "Pages with a direct answer of 40 to 60 words are cited four times as often as pages without one.",
          bullets: ["Lead with the answer", "Keep one claim per sentence", "Put figures into tables"],
        },
        {
          title: "Structured data is half done",
          description: "Products are described, articles and people are not, so engines cannot tell who speaks.",
          bullets: ["Add Article and Person", "Link organisation profiles", "Validate at publishing time"],
        },
        {
          title: "Competitors are cited for our topics",
          description:
            "On three topics where the site has the better material, a competitor's summary is quoted instead.",
          bullets: ["Publish a summary page per topic", "Date the figures", "Offer the method behind them"],
        },
      ],
      opportunities: [
        { label: "Add a direct answer to the top 40 pages", impactLevel: "High", effortLevel: "Medium" },
        { label: "Complete Article and Person markup", impactLevel: "High", effortLevel: "Low" },
        { label: "Publish one reference page per core topic", impactLevel: "Medium", effortLevel: "High" },
        { label: "Open robots rules for answer engines", impactLevel: "Medium", effortLevel: "Low" },
      ],
      nextSteps: [
        { label: "Fix robots rules and validate markup", ownerHint: "Web team", timeframeHint: "This sprint" },
        { label: "Write answers for the ten most asked questions", ownerHint: "Editors", timeframeHint: "2 weeks" },
        {
          label: "Track citations monthly with the same 60 questions",
          ownerHint: "Analytics",
          timeframeHint: "Ongoing",
        },
      ],
    };
  },

  execution(draw, { client }) {
    const performance = draw.some(REGIONS, 3, 5).map((region) => ({
      region,
      performance_score: draw.integer(72, 85),
      conversion_rate: draw.decimal(0.035, 0.045, 4),
      traffic_volume: draw.integer(67_000, 125_000),
    }));
    const byConversion = performance
      .toSorted((a, b) => a.conversion_rate - b.conversion_rate)
      .map(({ region }) => region);
    const [weakest = REGIONS[0], ...others] = byConversion;
    return {
      summary: `Traffic to ${client} is sound in all ${performance.length} regions; ${weakest} trails in conversion.`,
      recommendations: [
        `Localise the first screen for ${weakest}`,
        "Show regional proof: customers, currency, delivery times",
        "Send campaigns in the region's morning, not ours",
        "Separate reporting of language and country",
        "Offer the payment methods each region expects",
        "Review consent wording with local counsel",
      ],
      insights: { weakest_region: weakest, seasonal_effect: draw.pick(["none", "weak", "strong in the last quarter"]) },
      references: ["Web analytics by country", "Campaign calendar"],
      tags: ["regions", "localisation", "conversion"],
      own: {
        geographic_performance: performance,
        underperforming_regions: [weakest],
        growth_opportunities: others.slice(0, 2).map((region) => ({
          region,
          potential_uplift: draw.integer(8, 24),
          recommended_actions: draw.some(
            [
              "Translate the buying guides",
              "Add regional references",
              "Test local delivery promises",
              "Adapt send times",
            ],
            2,
            3,
          ),
        })),
        regional_preferences: Object.fromEntries(
          byConversion.map((region) => [
            region,
            draw.pick(["long-form guides", "short comparisons", "video", "live advice"]),
          ]),
        ),
      },
    };
  },
};
