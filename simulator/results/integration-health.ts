// Integration health: are the platforms connected, fast and in step?

import type { AgentWriter } from "./result.ts";

const SERVICES = ["ODP", "Content Recs", "CMS PaaS v12", "CMP", "WebX"] as const;

export const integrationHealth: AgentWriter = {
  shared(draw, { client }) {
    const score = draw.integer(78, 96);
    const availability = draw.decimal(98.6, 99.9, 1);
    const issues = draw.integer(0, 4);
    const slowest = draw.pick(SERVICES);
    const lagMinutes = draw.integer(4, 38);
    return {
      tier: "dxptools",
      maturity: draw.pick(["walk", "run"]),
      title: draw.pick(["Integration Health Report", "How well the DXP is connected", "DXP Integration Status"]),
      promise: `Know which connections ${client} can rely on today, and which to repair before the next campaign.`,
      metrics: [
        { label: "Overall Health Score", value: `${score}/100`, hint: "Weighted by how many journeys use a service" },
        { label: "System Availability", value: `${availability}%`, hint: "Last 30 days" },
        { label: "Integration Issues", value: issues === 0 ? "None active" : `${issues} active` },
      ],
      summary: `Five platforms were checked. All answer, ${slowest} is the slowest of them, and profile updates reach it about ${lagMinutes} minutes late. Nothing found blocks personalization, but late profiles blunt triggered messages.`,
      keyPoints: [
        `${slowest} answers at the edge of its budget in the morning peak`,
        `Profile synchronization lags by ${lagMinutes} minutes on average`,
        "No credential expires within the next 60 days",
        "Event volume is stable week over week, so the figures are comparable",
        "Retries hide most short outages from visitors",
      ],
      insights: [
        {
          title: "Synchronization is reliable but late",
          description: `Batches from ODP complete every time, yet the median profile is ${lagMinutes} minutes old when content is chosen.`,
          bullets: [
            "Batch size was raised in spring and never reviewed",
            "The delay doubles on Mondays",
            "Only one consumer needs full batches",
          ],
        },
        {
          title: `${slowest} sets the pace`,
          description: `Pages that wait for ${slowest} render noticeably later than the rest of the site.`,
          bullets: [
            "Responses are cacheable for most anonymous visitors",
            "Two thirds of the calls repeat within a minute",
          ],
        },
        {
          title: "Alerting looks at averages",
          description: "Averages stayed green during the last two incidents, while one request in twenty failed.",
          bullets: ["Use the 95th percentile", "Alert per service, not per site"],
        },
      ],
      opportunities: [
        { label: "Stream profile changes instead of batching them", impactLevel: "High", effortLevel: "Medium" },
        { label: `Cache ${slowest} answers for anonymous visitors`, impactLevel: "Medium", effortLevel: "Low" },
        { label: "Alert on the 95th percentile per service", impactLevel: "Medium", effortLevel: "Low" },
        { label: "Retire the unused import jobs", impactLevel: "Low", effortLevel: "Low" },
      ],
      nextSteps: [
        {
          label: `Measure ${slowest} response times per page type`,
          ownerHint: "Platform team",
          timeframeHint: "This week",
        },
        {
          label: "Agree on a freshness target for profiles",
          ownerHint: "Marketing operations",
          timeframeHint: "2 weeks",
        },
        { label: "Move alert rules to percentiles", ownerHint: "Platform team", timeframeHint: "This sprint" },
        { label: "Repeat this check after the next release", timeframeHint: "30 days" },
      ],
    };
  },

  execution(draw, { client }, at) {
    const statuses = SERVICES.map((service_name) => ({
      service_name,
      status: draw.chance(0.8) ? "healthy" : draw.pick(["warning", "critical"]),
      response_time_ms: draw.integer(120, 450),
      uptime_percentage: draw.decimal(98.5, 99.8, 2),
      last_check: new Date(at.getTime() - draw.integer(5, 290) * 1000).toISOString(),
      error_rate: draw.decimal(0.002, 0.015, 4),
    }));
    const healthy = statuses.filter(({ status }) => status === "healthy").length;
    return {
      summary: `${healthy} of ${statuses.length} services used by ${client} are healthy; the others answer, with reservations.`,
      recommendations: [
        "Cache answers for anonymous visitors at the edge",
        "Alert on the 95th percentile instead of the average",
        "Stream profile changes rather than sending batches",
        "Review import jobs that nobody reads any more",
        "Rotate integration keys on a calendar, not on demand",
        "Add a synthetic check for the consent service",
      ],
      insights: { healthy_services: healthy, busiest_hour_utc: draw.integer(7, 18), retries_hide_short_outages: true },
      references: ["Platform status history, last 30 days", "Integration inventory"],
      tags: ["integration", "availability", "data-freshness"],
      own: {
        integration_status: statuses,
        performance_metrics: {
          api_latency_ms: 285,
          throughput_rps: 150,
          error_count_24h: 23,
          data_sync_status: draw.pick(["synced", "synced", "pending", "error"]),
        },
        health_recommendations: draw.some(
          [
            "Raise the time-out of the profile lookup to 800 ms and fail open",
            "Split the nightly import into hourly parts",
            "Give each consumer its own API key to see who causes the load",
            "Keep one week of raw webhook deliveries for replays",
          ],
          2,
          4,
        ),
      },
    };
  },
};
