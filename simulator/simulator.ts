// OPAL, played over real HTTP: the trigger that OSA calls, the signed webhooks that OPAL's agents send back.
// Nothing outside this folder simulates anything.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { answerControl } from "./control.ts";
import { createCredential } from "./credential.ts";
import type { Desk } from "./desk.ts";
import { createFaultBook } from "./fault-book.ts";
import { type FaultScope, type FaultsInput, faultRequest, faultSet } from "./faults.ts";
import { sendProblem } from "./http.ts";
import { createLedger, type LedgerView } from "./ledger.ts";
import type { Run } from "./records.ts";
import { createStop } from "./rest.ts";
import { DEFAULT_PORT, DEFAULT_SPEED, DEFAULT_TARGET, type Settings } from "./settings.ts";
import { answerTrigger } from "./trigger.ts";
import { createWorkflows } from "./workflows.ts";

export interface SimulatorOptions {
  readonly webhookSecret: string;
  /** The bearer key that the trigger must show. */
  readonly triggerKey: string;
  /** The bearer token for OSA's functions, needed for `deliver: "tools"` and `"mixed"`. */
  readonly toolsToken?: string | undefined;
  /** 0 takes any free port. */
  readonly port?: number;
  /** OSA's origin; with a path, the whole address of the webhook. */
  readonly target?: string;
  readonly speed?: number;
  /** Faults of every run, until changed. */
  readonly faults?: FaultsInput;
  readonly log?: (line: string) => void;
}

export interface Simulator {
  readonly url: string;
  readonly triggerUrl: string;
  /** Queues faults for the next run, or sets those of all runs. */
  addFaults(faults: FaultsInput, scope?: FaultScope): void;
  clearFaults(): void;
  /** Ends the fault credentialRefusedFrom; with a key, only that one is right from now on. */
  acceptCredential(key?: string): void;
  /** Starts a workflow that nobody triggered; its id. */
  startForeign(): string;
  runs(): readonly Run[];
  run(workflowId: string): Run | undefined;
  ledger(): LedgerView;
  /** Resolves when no run is playing and no delivery is under way. */
  settled(): Promise<void>;
  stopRuns(): Promise<void>;
  close(): Promise<void>;
}

/** Rejects when the port cannot be had (the error's `code` says why) or the faults do not fit the schema. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const settings: Settings = {
    target: new URL(options.target ?? DEFAULT_TARGET),
    webhookSecret: options.webhookSecret,
    triggerKey: options.triggerKey,
    toolsToken: options.toolsToken,
    speed: options.speed ?? DEFAULT_SPEED,
    log: options.log ?? (() => undefined),
  };
  const faults = createFaultBook(faultSet.parse(options.faults ?? {}));
  const credential = createCredential(settings.triggerKey);
  const workflows = createWorkflows(settings);
  const ledger = createLedger();
  const closing = createStop();
  const desk: Desk = { settings, credential, faults, workflows, ledger, closing: closing.signal };

  const server = createServer((request, response) => {
    answer(request, response, desk).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      settings.log(`${request.method} ${request.url}: ${message}`);
      // The caller hung up, or the simulator is closing under a slow answer; anything else is a bug and says so.
      if (request.socket.destroyed || response.headersSent || closing.signal.aborted) response.destroy();
      else sendProblem(response, 500, message);
    });
  });
  const port = await listen(server, options.port ?? DEFAULT_PORT);
  const url = `http://127.0.0.1:${port}`;

  return {
    url,
    triggerUrl: `${url}/webhooks/strategy-workflow/trigger`,
    addFaults(input, wanted = "next") {
      const { scope, ...set } = faultRequest.parse({ ...input, scope: wanted });
      faults.add(scope, set);
    },
    clearFaults: () => faults.clear(),
    acceptCredential(key) {
      faults.acceptCredential();
      if (key !== undefined) credential.change(key);
    },
    startForeign: () => workflows.startForeign(faults.claimForeign()).run.workflowId,
    runs: () => workflows.list(),
    run: (workflowId) => workflows.get(workflowId),
    ledger: () => ledger.view(workflows.list()),
    settled: () => workflows.settled(),
    stopRuns: () => workflows.stop(),
    async close() {
      closing.abort();
      await workflows.stop();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, desk: Desk): Promise<void> {
  const path = new URL(request.url ?? "/", "http://simulator").pathname;
  if (path.startsWith("/simulator/")) return await answerControl(path, request, response, desk);
  if (!path.startsWith("/webhooks/")) return sendProblem(response, 404, `Nothing answers ${path}.`);
  if (request.method !== "POST") return sendProblem(response, 405, "A workflow is triggered by POST.");
  await answerTrigger(request, response, desk);
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("the server has no port"));
      else resolve(address.port);
    });
  });
}
