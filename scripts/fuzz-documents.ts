// Documents by the families that OPAL and other senders use, with every field in every wrong form. Ids of a run are
// written as `$session` and the like, and put in when they are known. Runs in Node and in the Worker alike.
import fc from "fast-check";
import { oddObject, value } from "./fuzz-json.ts";

const text = (...words: readonly string[]) => fc.constantFrom(...words).map((word) => JSON.stringify(word));

const workflowId = text("$remote", "$remote", "$remote", "$session", "wf-1", "wf-2", "$correlation");
const agentId = text("content_review", "Content_Review", "geo_audit_recommendations", "cmp_organizer", "nobody");
const status = text(
  "completed",
  "success",
  "failed",
  "failure",
  "started",
  "in_progress",
  "timeout",
  "partial",
  "done",
);
const time = fc.oneof(
  text("2026-01-05T09:00:00Z", "2026-01-05T10:00:00+01:00"),
  fc.constantFrom("1767603600", "1767603600000"),
);
const fraction = fc.constantFrom("0", "0.85", "1", "85", "100", "-1", "1e999");

const output = fc.oneof(
  value,
  oddObject({
    summary: text("What was found"),
    recommendations: fc.constant('["Do the first thing"]'),
    confidence_score: fraction,
    insights: fc.constant('{"first":"an insight"}'),
  }),
  oddObject({
    hero: oddObject({ title: text("Title"), promise: text("Promise"), metrics: value, confidence: fraction }),
    overview: oddObject({ summary: text("Fair"), keyPoints: fc.constant('["One","Two"]') }),
    insights: fc.constant('[{"title":"T","description":"D","bullets":[]}]'),
    opportunities: value,
    nextSteps: value,
    meta: value,
  }),
);

const metadata = oddObject({
  timestamp: time,
  confidence_score: fraction,
  correlation_id: text("$correlation"),
  session_id: text("$session"),
  error_message: text("It failed"),
  error_code: fc.oneof(text("401", "forbidden"), fc.constant("403")),
  data_sources: value,
  execution_status: status,
  success: fc.constantFrom("true", "false"),
});

const names = {
  workflow_id: workflowId,
  correlation_id: text("$correlation"),
  session_id: text("$session"),
  timestamp: time,
  metadata,
};

/** One for each family the receiver reads. */
const families: readonly fc.Arbitrary<string>[] = [
  oddObject({
    ...names,
    execution_status: status,
    agent_id: agentId,
    agent_data: output,
    offset: fc.constantFrom("null", "0", "7"),
  }),
  oddObject({
    ...names,
    execution_id: text("e-1"),
    execution_status: status,
    agent_name: agentId,
    execution_results: output,
  }),
  oddObject({
    ...names,
    event_type: text("agent.completed", "workflow.completed", "workflow.failed", "workflow.triggered"),
    agent_id: agentId,
    agent_output: output,
    agent_success: fc.constantFrom("true", "false"),
    agent_error: text("It failed"),
  }),
  oddObject({
    ...names,
    event_type: text("agent_status_update", "workflow_progress", "workflow_completion", "error_notification"),
    agent_id: agentId,
    data: oddObject({
      agent_status: oddObject({ current_status: status, error_details: text("It failed") }),
      workflow_completion: oddObject({ status }),
      results: output,
    }),
  }),
  oddObject({
    ...names,
    event: text("agent_completed", "agent_failed", "completed", "failed"),
    agent_id: agentId,
    result: output,
  }),
  oddObject({
    ...names,
    id: text("evt-1", "evt-2"),
    type: text("started", "completed", "unknown"),
    status,
    results: output,
  }),
];

export const webhookDocument: fc.Arbitrary<string> = fc.oneof(...families);

/** Parameters of the functions OPAL may call, all of them at once: each reads its own. */
const parameters = oddObject({
  ...names,
  agent_id: agentId,
  agent_name: agentId,
  execution_status: status,
  execution_results: output,
  agent_results: output,
  agent_data: fc.oneof(
    output,
    fc
      .array(oddObject({ agent_id: agentId, execution_results: output, metadata }), { maxLength: 12 })
      .map((entries) => `[${entries}]`),
  ),
  data_quality_score: fraction,
  progress_percentage: fc.constantFrom("0", "55", "100"),
  requesting_agent: agentId,
  include_agents: fc.constantFrom('["content_review"]', "[]", '"all"'),
  minimum_quality_score: fraction,
  compilation_format: text("executive_summary", "detailed_brief", "comprehensive", "novel"),
  include_quality_metrics: fc.constantFrom("true", "false"),
});

export const toolDocument: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: oddObject({ parameters, auth: fc.constant('{"provider":"OptiID","credentials":{}}') }) },
  { weight: 1, arbitrary: parameters },
);

/** Notices of other systems: GA4, Salesforce, and whoever else. */
export const noticeDocument: fc.Arbitrary<string> = fc.oneof(
  oddObject({
    event_type: text("conversion_update", "audience_insight", "performance_alert", "something_else"),
    property_id: fc.oneof(text("properties/123"), fc.constant("123")),
    timestamp: time,
    data: oddObject({
      conversions: fc.constant(
        '[{"conversion_name":"signup","conversion_count":3,"conversion_value":1.5,"time_period":"day"}]',
      ),
      audiences: value,
      performance_alerts: value,
    }),
  }),
  oddObject({
    event_type: text("lead_created", "opportunity_updated", "account_modified"),
    organization_id: text("00D000000000001"),
    timestamp: time,
    data: oddObject({
      lead: oddObject({ lead_id: text("00Q1"), lead_score: fraction }),
      opportunity: value,
      account: value,
    }),
  }),
  oddObject({
    type: text("analytics_update", "performance_alert", "system_notification", "else"),
    id: text("n-1", "n-2"),
    data: oddObject({ message: text("Something happened"), a: value }),
  }),
);
