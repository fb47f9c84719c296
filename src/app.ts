// Middleware order and mounted routes; nothing else happens here.
import { Hono } from "hono";
import { accessRoutes } from "./access/routes.ts";
import type { AppEnv } from "./app-env.ts";
import { healthRoutes } from "./operations/health.ts";
import { problemRoutes } from "./operations/problems.ts";
import { onError, onNotFound, requestLine } from "./request.ts";
import { syncRoutes, workflowStatusRoutes } from "./sync/routes.ts";
import { webhookRoutes } from "./webhooks/routes.ts";

export const app = new Hono<AppEnv>()
  .use(requestLine)
  .onError(onError)
  .notFound(onNotFound)
  .route("/api/health", healthRoutes)
  .route("/api/problems", problemRoutes)
  .route("/api/webhooks", webhookRoutes)
  .route("/api/auth", accessRoutes)
  .route("/api/force-sync", syncRoutes)
  .route("/api/opal/workflow-status", workflowStatusRoutes);
