CREATE TABLE `delivery_ledger` (
	`workspace` text NOT NULL,
	`owner` text NOT NULL,
	`received` integer NOT NULL,
	`processed` integer NOT NULL,
	`duplicate` integer NOT NULL,
	`late` integer NOT NULL,
	`ignored` integer NOT NULL,
	`quarantined` integer NOT NULL,
	`expired` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`workspace`, `owner`)
);
--> statement-breakpoint
CREATE TABLE `event_retention` (
	`workspace` text PRIMARY KEY NOT NULL,
	`before` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `webhook_latency` (
	`workspace` text NOT NULL,
	`bucket` integer NOT NULL,
	`step` integer NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`workspace`, `bucket`, `step`)
);
--> statement-breakpoint
CREATE TABLE `webhook_stats` (
	`workspace` text NOT NULL,
	`bucket` integer NOT NULL,
	`source` text NOT NULL,
	`event_type` text NOT NULL,
	`outcome` text NOT NULL,
	`reason` text NOT NULL,
	`count` integer NOT NULL,
	`sum_ms` integer NOT NULL,
	PRIMARY KEY(`workspace`, `bucket`, `source`, `event_type`, `outcome`, `reason`)
);
--> statement-breakpoint
CREATE TABLE `__new_webhook_events` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
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
	`verdict_seq` integer DEFAULT 0 NOT NULL,
	`summary` text DEFAULT '' NOT NULL,
	`error` text,
	`http_status` integer NOT NULL,
	`processing_time_ms` integer NOT NULL,
	`secret` text NOT NULL,
	`headers` text,
	`received_at` integer NOT NULL,
	`seq` integer NOT NULL
);
--> statement-breakpoint
INSERT INTO `__new_webhook_events`("workspace", "delivery_id", "session_id", "workflow_id", "source", "event_type", "dedup_hash", "sha256", "bytes", "verdict", "reason", "agent_id", "verdict_seq", "http_status", "processing_time_ms", "secret", "received_at", "seq") SELECT "workspace", "delivery_id", "session_id", "workflow_id", "source", "event_type", "dedup_hash", "sha256", "bytes", "verdict", "reason", "agent_id", "verdict_seq", "http_status", "processing_time_ms", "secret", "received_at", "seq" FROM `webhook_events` ORDER BY "received_at", "delivery_id";--> statement-breakpoint
DROP TABLE `webhook_events`;--> statement-breakpoint
ALTER TABLE `__new_webhook_events` RENAME TO `webhook_events`;--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_events_by_delivery` ON `webhook_events` (`workspace`,`delivery_id`);--> statement-breakpoint
CREATE INDEX `webhook_events_by_session` ON `webhook_events` (`workspace`,`session_id`,`seq`);--> statement-breakpoint
CREATE INDEX `webhook_events_by_time` ON `webhook_events` (`workspace`,`received_at`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_events_by_type` ON `webhook_events` (`workspace`,`event_type`,`received_at`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_events_by_agent` ON `webhook_events` (`workspace`,`agent_id`,`received_at`,`id`) WHERE "webhook_events"."agent_id" IS NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_events_by_workflow` ON `webhook_events` (`workspace`,`workflow_id`,`received_at`,`id`) WHERE "webhook_events"."workflow_id" IS NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_events_by_verdict` ON `webhook_events` (`workspace`,`verdict`,`received_at`,`id`) WHERE "webhook_events"."verdict" <> 'processed';--> statement-breakpoint
CREATE INDEX `webhook_events_by_source` ON `webhook_events` (`workspace`,`source`,`received_at`,`id`) WHERE "webhook_events"."source" <> 'opal';--> statement-breakpoint
CREATE INDEX `run_events_of_trouble` ON `run_events` (`workspace`,`at`) WHERE "run_events"."type" IN ('agent_failed', 'agent_timed_out', 'agent_gave_no_result', 'result_quarantined', 'agent_corrected', 'fallback_used', 'rerun_requested', 'escalated', 'credential_refused');--> statement-breakpoint
-- What the new columns say of the deliveries that are there already.
UPDATE `webhook_events` SET `summary` = coalesce((SELECT CASE json_extract(e.`data`, '$.reading[0].about') WHEN 'agent' THEN json_extract(e.`data`, '$.reading[0].agentId') || ' ' || replace(json_extract(e.`data`, '$.reading[0].outcome'), '_', ' ') || CASE json_extract(e.`data`, '$.reading[0].outcome') WHEN 'completed' THEN ', ' || json_extract(e.`data`, '$.reading[0].result.insights') || ' insights, ' || json_extract(e.`data`, '$.reading[0].result.recommendations') || ' recommendations' ELSE '' END WHEN 'workflow' THEN 'workflow ' || replace(json_extract(e.`data`, '$.reading[0].outcome'), '_', ' ') WHEN 'nothing' THEN replace(json_extract(e.`data`, '$.reading[0].reason'), '_', ' ') END FROM `run_events` e WHERE e.`workspace` = `webhook_events`.`workspace` AND e.`session_id` = `webhook_events`.`session_id` AND e.`seq` = `webhook_events`.`verdict_seq`), '');--> statement-breakpoint
UPDATE `webhook_events` SET `error` = (SELECT substr(json_extract(CAST(b.`bytes` AS TEXT), '$.error'), 1, 300) FROM `bodies` b WHERE b.`workspace` = `webhook_events`.`workspace` AND b.`body_id` = `webhook_events`.`delivery_id` || '.result' AND b.`part` = 0 AND length(b.`bytes`) <= 65536 AND json_valid(CAST(b.`bytes` AS TEXT)));--> statement-breakpoint
INSERT INTO `delivery_ledger` (`workspace`, `owner`, `received`, `processed`, `duplicate`, `late`, `ignored`, `quarantined`) SELECT `workspace`, `session_id`, count(*), sum(`verdict` = 'processed'), 0, sum(`verdict` = 'late'), sum(`verdict` = 'ignored'), sum(`verdict` = 'quarantined') FROM `webhook_events` GROUP BY `workspace`, `session_id`;--> statement-breakpoint
-- Free text over ids, what went wrong and the summary. Holds no text of its own: rows are found in webhook_events by id.
CREATE VIRTUAL TABLE `webhook_search` USING fts5(`ids`, `error`, `summary`, content = '', contentless_delete = 1, detail = 'full', tokenize = 'unicode61');--> statement-breakpoint
INSERT INTO `webhook_search` (`rowid`, `ids`, `error`, `summary`) SELECT `id`, `delivery_id` || ' ' || `session_id` || ' ' || coalesce(`workflow_id`, '') || ' ' || coalesce(`agent_id`, ''), `error`, `summary` FROM `webhook_events`;--> statement-breakpoint
CREATE TRIGGER `webhook_search_insert` AFTER INSERT ON `webhook_events` BEGIN INSERT INTO `webhook_search` (`rowid`, `ids`, `error`, `summary`) VALUES (new.`id`, new.`delivery_id` || ' ' || new.`session_id` || ' ' || coalesce(new.`workflow_id`, '') || ' ' || coalesce(new.`agent_id`, ''), new.`error`, new.`summary`); END;--> statement-breakpoint
CREATE TRIGGER `webhook_search_delete` AFTER DELETE ON `webhook_events` BEGIN DELETE FROM `webhook_search` WHERE `rowid` = old.`id`; END;--> statement-breakpoint
CREATE TRIGGER `webhook_search_update` AFTER UPDATE OF `agent_id`, `error`, `summary` ON `webhook_events` BEGIN DELETE FROM `webhook_search` WHERE `rowid` = old.`id`; INSERT INTO `webhook_search` (`rowid`, `ids`, `error`, `summary`) VALUES (new.`id`, new.`delivery_id` || ' ' || new.`session_id` || ' ' || coalesce(new.`workflow_id`, '') || ' ' || coalesce(new.`agent_id`, ''), new.`error`, new.`summary`); END;
