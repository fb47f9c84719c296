// Every rule that can decide an event, with the sentence that explains it to an operator.

export const RULES = {
  unrecorded: "Written before rules were recorded with their events.",
  asked_for: "Somebody asked for it.",
  granted: "The workspace granted the lease, so the run exists.",
  foreign_workflow: "OPAL runs a workflow that nobody here asked for; it is shown, and never called.",
  call_due: "A call to OPAL was due and allowed.",
  call_not_allowed: "A call was due, but the circuit breaker or the emergency switch says no. It is no attempt.",
  may_call_again: "The breaker was reset or triggering switched on, so the call need not wait any longer.",
  call_outcome: "The outcome of the call as it came back.",
  call_interrupted: "A call was under way and nobody makes it any more, so its outcome is unknown.",
  delivery_proves_acceptance: "A delivery of this run arrived: OPAL runs it, whatever became of our call.",
  answer_names_workflow: "OPAL's answer names its own workflow id.",
  correlation_names_workflow: "A delivery carried our correlation id and OPAL's workflow id.",
  only_active_run: "An unknown workflow id was first heard of while this was the only run waiting for one.",
  one_workflow_per_call: "One call of ours may start one workflow; another id means that a second was started.",
  authenticated_delivery: "Every authenticated delivery is kept, whatever it says.",
  sender_reported: "The sender reported it.",
  result_shape_unknown: "A result of a shape nobody knows is quarantined, and its agent has not delivered.",
  nobody_asked: "The agent is not one that this run, or this re-run, asked for.",
  run_states_absorb: "A run that has ended stays as it ended; what comes later is attached.",
  agent_limit: "An agent that is over its limit is given up; the others go on.",
  closing_time: "Once the workflow is over, agents that have not reported get a short time and no more.",
  cached_result_first:
    "In place of a missing result stands the last valid one, if it is recent: its confidence times 0.8, marked as cached.",
  reduced_scope_retry: "Without a recent valid result, an agent over its limit is run once more with a reduced scope.",
  rerun_after_invalid: "An agent whose result is invalid is run once more.",
  rerun_failed: "The re-run brought nothing, so the agent is as it was before.",
  three_timeouts_in_a_row: "An agent over its limit in three runs in a row is for people to look at.",
  most_results_invalid: "When more than half of a run's results are invalid, people have to look at it.",
  credential_refused: "A refused credential stops the run at once. Nothing is retried until somebody has looked at it.",
  all_ended: "Every expected agent has ended, so the run has.",
  retries_used_up: "The call may not be repeated, or has been as often as it may.",
  start_limit: "A run that OPAL has not accepted in time ends.",
  inactivity_limit: "A run of which nothing was heard for too long ends with what there is.",
  run_limit: "A run that reaches its overall limit ends with what there is.",
  cancel_confirmed: "Somebody cancelled the run, and no call to OPAL is under way.",
  withdrawn: "The run was withdrawn while it still waited for its turn.",
  read_again: "A stored delivery was read again and says something else now.",
} as const;

export type RuleId = keyof typeof RULES;

/** For zod, which wants at least one. */
export const RULE_IDS = Object.keys(RULES) as [RuleId, ...RuleId[]];
