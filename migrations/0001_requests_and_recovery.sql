ALTER TABLE `opal_agent_executions` ADD `agent_type` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_agent_executions` ADD `retry_count` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_agent_executions` ADD `max_retries` integer DEFAULT 2 NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_agent_executions` ADD `fallback_method` text;--> statement-breakpoint
ALTER TABLE `opal_agent_executions` ADD `fallback_session_id` text;--> statement-breakpoint
ALTER TABLE `opal_agent_executions` ADD `fallback_confidence` real;--> statement-breakpoint
ALTER TABLE `opal_agent_executions` ADD `fallback_at` integer;--> statement-breakpoint
CREATE INDEX `agent_executions_by_outcome` ON `opal_agent_executions` (`workspace`,`agent_name`,`status`,`completed_at`);--> statement-breakpoint
ALTER TABLE `webhook_events` ADD `verdict_seq` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `company_size` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `current_capabilities` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `business_objectives` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `additional_marketing_technology` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `timeline_preference` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `budget_range` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `recipients` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `trigger_source` text DEFAULT 'force_sync' NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `priority` text DEFAULT 'normal' NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `agent_filter` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `timeout_override_ms` integer;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `force_sync_requested` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `attempt` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `root_session_id` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `retry_of` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `retried_as` text;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `last_sync_at` integer;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `fallback_agents` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `escalations` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `opal_workflow_executions` ADD `credential_refused` text;--> statement-breakpoint
CREATE INDEX `bodies_by_session` ON `bodies` (`workspace`,`session_id`,`body_id`,`part`);--> statement-breakpoint
-- What the new columns say of the runs that are there already.
UPDATE `opal_workflow_executions` SET `force_sync_requested` = `origin` = 'ours', `root_session_id` = `session_id`, `last_sync_at` = coalesce(`completed_at`, `failed_at`);--> statement-breakpoint
UPDATE `webhook_events` SET `verdict_seq` = `seq`;--> statement-breakpoint
UPDATE `opal_agent_executions` SET `agent_type` = CASE `agent_name` WHEN 'experiment_blueprinter' THEN 'design' WHEN 'personalization_idea_generator' THEN 'design' WHEN 'roadmap_generator' THEN 'plan' ELSE 'data' END;--> statement-breakpoint
-- An agent's sequence number used to be the run's; it is now that of the last event that changed the agent.
UPDATE `opal_agent_executions` SET `seq` = coalesce((SELECT max(e.`seq`) FROM `run_events` e WHERE e.`workspace` = `opal_agent_executions`.`workspace` AND e.`session_id` = `opal_agent_executions`.`session_id` AND (e.`type` IN ('requested', 'adopted', 'ended') OR (e.`type` IN ('agent_started', 'agent_completed', 'agent_failed', 'agent_timed_out', 'agent_gave_no_result') AND json_extract(e.`data`, '$.agentId') = `opal_agent_executions`.`agent_name`))), `seq`);
