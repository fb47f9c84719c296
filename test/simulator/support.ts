// The two neighbours of the simulator, for real: something that triggers it, and something that receives its webhooks.
// Signatures are made and checked with stripe's library, whose scheme is the documented one.

import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import Stripe from "stripe";
import { onTestFinished } from "vitest";
import { z } from "zod";
import type { FaultsInput } from "../../simulator/faults.ts";
import { type Simulator, startSimulator } from "../../simulator/simulator.ts";

export const WEBHOOK_SECRET = "a-secret-for-these-tests-only-0123456789";
export const TRIGGER_KEY = "a-key-for-these-tests-only";

export const CHAIN = [
  "integration_health",
  "content_review",
  "geo_audit",
  "audience_suggester",
  "experiment_blueprinter",
  "personalization_idea_generator",
  "customer_journey",
  "roadmap_generator",
  "cmp_organizer",
];

const webhookBody = z.strictObject({
  workflow_id: z.string().regex(/^opal-wf-[0-9a-f]{12}$/),
  execution_id: z.string().min(1),
  execution_status: z.enum(["started", "running", "completed", "failed"]),
  agent_id: z.string().min(1),
  agent_data: z.record(z.string(), z.unknown()),
  metadata: z.strictObject({
    timestamp: z.iso.datetime(),
    execution_duration_ms: z.int().min(0).optional(),
    error_code: z.int().optional(),
    confidence_score: z.number().min(0).max(1).optional(),
    data_sources: z.array(z.string()),
  }),
  correlation_id: z.string().optional(),
});

export type WebhookBody = z.infer<typeof webhookBody>;

export interface Received {
  readonly atMs: number;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
  readonly body: WebhookBody;
  readonly signed: boolean;
  status: number;
}

export interface Receiver {
  readonly url: string;
  /** Every webhook whose body arrived whole, refused ones included. */
  readonly received: Received[];
  /** Those that were answered with a 2xx. */
  accepted(): Received[];
  /** Bodies that broke off. */
  cut: number;
}

type Answer = (received: Received, position: number) => number | Promise<number>;

/** Refuses wrong signatures with 401; `answer` decides about the others and says 200 unless told otherwise. */
export async function startReceiver(answer: Answer = () => 200, port = 0): Promise<Receiver> {
  const receiver: Receiver = {
    url: "",
    received: [],
    accepted: () => receiver.received.filter(({ status }) => status >= 200 && status < 300),
    cut: 0,
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
    } catch {
      receiver.cut += 1;
      return;
    }
    const raw = Buffer.concat(chunks).toString("utf8");
    const webhook: Received = {
      atMs: Date.now(),
      path: request.url,
      headers: request.headers,
      raw,
      body: webhookBody.parse(JSON.parse(raw)),
      signed: isSigned(raw, String(request.headers["x-osa-signature"])),
      status: 0,
    };
    const position = receiver.received.push(webhook);
    webhook.status = webhook.signed ? await answer(webhook, position) : 401;
    response.writeHead(webhook.status, { "Content-Type": "application/json" }).end('{"status":"processed"}');
  });
  const url = await listen(server, port);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(receiver, { url });
}

/** Its address on this machine. */
export function listen(server: Server, port = 0): Promise<string> {
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
    });
  });
}

/** An address where nothing listens, for the moment. */
export async function freeAddress(): Promise<string> {
  const server = createServer();
  const url = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return url;
}

function isSigned(raw: string, header: string): boolean {
  try {
    Stripe.webhooks.constructEvent(raw, header, WEBHOOK_SECRET, 300);
    return true;
  } catch {
    return false;
  }
}

interface Scene {
  readonly receiver: Receiver;
  readonly simulator: Simulator;
}

/** A receiver and a simulator that delivers to it, so fast that a run takes a moment. */
export async function scene(faults: FaultsInput = {}, answer?: Answer): Promise<Scene> {
  const receiver = await startReceiver(answer);
  return { receiver, simulator: await startTestSimulator(receiver.url, faults) };
}

export async function startTestSimulator(target: string, faults: FaultsInput = {}): Promise<Simulator> {
  const simulator = await startSimulator({
    port: 0,
    target,
    faults,
    speed: 20_000,
    webhookSecret: WEBHOOK_SECRET,
    triggerKey: TRIGGER_KEY,
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

interface TriggerOptions {
  readonly key?: string;
  readonly input?: Record<string, unknown>;
  readonly correlationId?: string;
  readonly body?: string;
  readonly bearer?: string;
  readonly signature?: string;
  readonly signedAtSeconds?: number;
  readonly timeoutMs?: number;
}

let triggers = 0;

/** One trigger call as OSA makes it. */
export async function trigger(simulator: Simulator, options: TriggerOptions = {}): Promise<Response> {
  const key = options.key ?? `key-${++triggers}`;
  const correlationId = options.correlationId ?? CORRELATION_ID;
  const body = options.body ?? triggerBody(options.input, correlationId);
  const signature =
    options.signature ??
    Stripe.webhooks.generateTestHeaderString({
      payload: body,
      secret: WEBHOOK_SECRET,
      timestamp: options.signedAtSeconds ?? Math.floor(Date.now() / 1000),
    });
  return await fetch(simulator.triggerUrl, {
    method: "POST",
    body,
    headers: {
      "Content-Type": "application/json",
      Authorization: `Bearer ${options.bearer ?? TRIGGER_KEY}`,
      "X-OSA-Signature": signature,
      "Idempotency-Key": key,
      "X-Correlation-ID": correlationId,
      "X-Session-ID": SESSION_ID,
    },
    ...(options.timeoutMs !== undefined && { signal: AbortSignal.timeout(options.timeoutMs) }),
  });
}

export const CORRELATION_ID = "force-sync-1763600000000-abcde";
export const SESSION_ID = "sync-1763600000000-abcde";

export function triggerBody(input: Record<string, unknown> = {}, correlationId = CORRELATION_ID): string {
  return JSON.stringify({
    workflow_name: "strategy_workflow",
    agent_name: "strategy_workflow",
    client_name: "Example Outdoor",
    timestamp: 1763600000,
    input_data: {
      client_name: "Example Outdoor",
      industry: "Retail",
      sync_scope: "all_platforms",
      force_sync: true,
      ...input,
    },
    metadata: { correlation_id: correlationId, session_id: SESSION_ID },
  });
}

const triggerAnswer = z.object({ workflow_id: z.string(), status: z.literal("initiated"), message: z.string() });

/** Triggers, expects to be accepted and waits until the run and its deliveries are over; the workflow's id. */
export async function playRun(simulator: Simulator, options: TriggerOptions = {}): Promise<string> {
  const workflowId = await accepted(await trigger(simulator, options));
  await simulator.settled();
  return workflowId;
}

export async function accepted(response: Response): Promise<string> {
  return triggerAnswer.parse(await response.json()).workflow_id;
}

/** `agent_id status` of each webhook, in order of arrival. */
export function story(webhooks: readonly Received[]): string[] {
  return webhooks.map(({ body }) => `${body.agent_id} ${body.execution_status}`);
}

export function statusesOf(agentId: string, webhooks: readonly Received[]): string[] {
  return webhooks.filter(({ body }) => body.agent_id === agentId).map(({ body }) => body.execution_status);
}
