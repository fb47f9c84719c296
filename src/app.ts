// Middleware order and mounted routes; nothing else happens here.
import { Hono } from "hono";
import { accessRoutes } from "./access/routes.ts";
import type { AppEnv } from "./app-env.ts";
import { legacySyncRoutes } from "./entrances/legacy-sync.ts";
import { opalStatusRoutes, opalTriggerRoutes } from "./entrances/opal.ts";
import { orchestrationRoutes } from "./entrances/orchestration.ts";
import { ledgerRoutes } from "./events/ledger-routes.ts";
import { eventRoutes } from "./events/routes.ts";
import { liveRoutes } from "./live/routes.ts";
import { agentRoutes } from "./operations/agent-routes.ts";
import { consistencyRoutes } from "./operations/consistency.ts";
import { diagnosticsRoutes } from "./operations/diagnostics-routes.ts";
import { healthRoutes } from "./operations/health.ts";
import { monitoringRoutes } from "./operations/monitoring-routes.ts";
import { problemRoutes } from "./operations/problems.ts";
import { reliabilityRoutes } from "./operations/reliability-routes.ts";
import { onError, onNotFound, requestLine } from "./request.ts";
import { scheduleRoutes } from "./schedules/routes.ts";
import { syncRoutes, workflowStatusRoutes } from "./sync/routes.ts";
import {
  agentDataRoutes,
  discoveryRoutes,
  enhancedToolsRoutes,
  toolRoutes,
  workflowDataRoutes,
} from "./tools/routes.ts";
import { doctorRoutes } from "./webhooks/doctor-routes.ts";
import { replayRoutes } from "./webhooks/replay-routes.ts";
import { webhookRoutes } from "./webhooks/routes.ts";

export const app = new Hono<AppEnv>()
  .use(requestLine)
  .onError(onError)
  .notFound(onNotFound)
  .route("/api/health", healthRoutes)
  .route("/api/problems", problemRoutes)
  .route("/api/webhooks", webhookRoutes)
  .route("/api/webhook-events", ledgerRoutes)
  .route("/api/webhook-events", eventRoutes)
  .route("/api/webhook-doctor", doctorRoutes)
  .route("/api/webhook-events", liveRoutes)
  .route("/api/auth", accessRoutes)
  .route("/api/force-sync", syncRoutes)
  .route("/api/schedules", scheduleRoutes)
  .route("/api/opal/workflow-status", workflowStatusRoutes)
  .route("/api/opal/sync", legacySyncRoutes)
  .route("/api/opal/trigger", opalTriggerRoutes)
  .route("/api/opal/status", opalStatusRoutes)
  .route("/discovery", discoveryRoutes)
  .route("/api/opal/discovery", discoveryRoutes)
  .route("/api/opal/enhanced-tools", enhancedToolsRoutes)
  .route("/api/opal/osa-workflow", workflowDataRoutes)
  .route("/api/opal/agent-data", agentDataRoutes)
  .route("/api/tools", toolRoutes)
  // For an OPAL that takes the folder of the second discovery address for the base of all functions.
  .route("/api/opal/api/tools", toolRoutes)
  .route("/api/orchestrations", orchestrationRoutes)
  .route("/api/orchestrations", replayRoutes)
  .route("/api/agents", agentRoutes)
  .route("/api/reliability", reliabilityRoutes)
  .route("/api/monitoring", monitoringRoutes)
  .route("/api/diagnostics", diagnosticsRoutes)
  .route("/api/admin", consistencyRoutes);
