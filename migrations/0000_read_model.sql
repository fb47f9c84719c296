CREATE TABLE `opal_agent_executions` (
	`workspace` text NOT NULL,
	`session_id` text NOT NULL,
	`agent_name` text NOT NULL,
	`execution_order` integer NOT NULL,
	`status` text NOT NULL,
	`started_at` integer,
	`completed_at` integer,
	`duration_ms` integer,
	`confidence_score` real,
	`is_late` integer NOT NULL,
	`is_quarantined` integer NOT NULL,
	`result_id` text,
	`error_message` text,
	`timeout_ms` integer NOT NULL,
	`seq` integer NOT NULL,
	PRIMARY KEY(`workspace`, `session_id`, `agent_name`)
);
--> statement-breakpoint
CREATE TABLE `bodies` (
	`workspace` text NOT NULL,
	`session_id` text NOT NULL,
	`body_id` text NOT NULL,
	`part` integer NOT NULL,
	`bytes` blob NOT NULL,
	PRIMARY KEY(`workspace`, `body_id`, `part`)
);
--> statement-breakpoint
CREATE TABLE `projection_cursor` (
	`source` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `run_events` (
	`workspace` text NOT NULL,
	`session_id` text NOT NULL,
	`seq` integer NOT NULL,
	`at` integer NOT NULL,
	`type` text NOT NULL,
	`data` text NOT NULL,
	PRIMARY KEY(`workspace`, `session_id`, `seq`)
);
--> statement-breakpoint
CREATE TABLE `webhook_events` (
	`workspace` text NOT NULL,
	`delivery_id` text NOT NULL,
	`session_id` text NOT NULL,
	`workflow_id` text,
	`source` text NOT NULL,
	`event_type` text NOT NULL,
	`dedup_hash` text NOT NULL,
	`sha256` text NOT NULL,
	`bytes` integer NOT NULL,
	`verdict` text NOT NULL,
	`reason` text,
	`agent_id` text,
	`http_status` integer NOT NULL,
	`processing_time_ms` integer NOT NULL,
	`secret` text NOT NULL,
	`received_at` integer NOT NULL,
	`seq` integer NOT NULL,
	PRIMARY KEY(`workspace`, `delivery_id`)
);
--> statement-breakpoint
CREATE INDEX `webhook_events_by_session` ON `webhook_events` (`workspace`,`session_id`,`seq`);--> statement-breakpoint
CREATE INDEX `webhook_events_by_time` ON `webhook_events` (`workspace`,`received_at`);--> statement-breakpoint
CREATE INDEX `webhook_events_by_dedup` ON `webhook_events` (`dedup_hash`);--> statement-breakpoint
CREATE TABLE `opal_workflow_executions` (
	`workspace` text NOT NULL,
	`session_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`correlation_id` text NOT NULL,
	`remote_ids` text NOT NULL,
	`origin` text NOT NULL,
	`status` text NOT NULL,
	`reason` text,
	`sync_scope` text NOT NULL,
	`client_name` text NOT NULL,
	`industry` text,
	`triggered_by` text NOT NULL,
	`trigger_timestamp` integer NOT NULL,
	`started_at` integer,
	`completed_at` integer,
	`failed_at` integer,
	`error_message` text,
	`current_step` integer NOT NULL,
	`progress_percentage` integer NOT NULL,
	`expected_agents` integer NOT NULL,
	`completed_agents` integer NOT NULL,
	`failed_agents` integer NOT NULL,
	`trigger_attempts` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`seq` integer NOT NULL,
	PRIMARY KEY(`workspace`, `session_id`)
);
--> statement-breakpoint
CREATE INDEX `workflow_executions_by_time` ON `opal_workflow_executions` (`workspace`,`trigger_timestamp`);--> statement-breakpoint
CREATE TABLE `workspaces` (
	`workspace` text PRIMARY KEY NOT NULL
);
