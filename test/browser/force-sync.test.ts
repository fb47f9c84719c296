// An operator at the dashboard: real Chromium, real Worker, real simulator. Waits follow the page, not the clock.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { freePort } from "../../scripts/processes.ts";
import { type Stack, startStack } from "../../scripts/stack.ts";
import { openBrowser } from "../support/node/browser.ts";

const EMAIL = "operator@osa.localhost";
const PASSWORD = "press-force-sync";
const RUN_LIMIT_MS = 60_000;

const stateDirectory = mkdtempSync(join(tmpdir(), "osa-browser-"));
let stack: Stack;
let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  const [port, simulatorPort] = [await freePort(), await freePort()];
  stack = await startStack({ port, simulatorPort, stateDirectory, simulatorSpeed: 100 });
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await stack?.stop();
  rmSync(stateDirectory, { recursive: true, force: true });
});

beforeEach(async () => {
  page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // A socket that is cut on purpose, and a question asked before signing in, are no faults of the page.
    const isExpected = /WebSocket|net::ERR_|status of (401|409)/.test(message.text());
    if (message.type() === "error" && !isExpected) complaints.push(message.text());
  });
  await page.goto(`${stack.url}/engine/admin`);
  await page.getByLabel(/e-?mail/i).fill(EMAIL);
  await page.getByLabel(/password/i).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByTestId("polling-indicator").and(page.locator('[data-state="live"]')).waitFor();
});

afterEach(async () => {
  await page.context().close();
  expect(complaints).toEqual([]);
});

const button = () => page.getByTestId("force-sync-button");
const agents = (state: string) => page.locator(`[data-testid="agent-row"][data-state="${state}"]`);
const runStatus = (status: string) => page.locator(`[data-testid="run-status"][data-status="${status}"]`);

async function setFaults(faults: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${stack.simulatorUrl}/simulator/faults`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(faults),
  });
  expect(response.status).toBeLessThan(300);
}

test("a click starts a sync, nine agents finish in view, and the run is in the list", async () => {
  await button().click();
  await page.getByTestId("force-sync-loading").waitFor();
  expect(await button().isDisabled()).toBe(true);
  await agents("running").first().waitFor();
  await page.getByTestId("force-sync-completed").waitFor({ timeout: RUN_LIMIT_MS });
  await expect.poll(() => agents("completed").count()).toBe(9);
  expect(await page.getByTestId("progress-indicator").getAttribute("aria-valuenow")).toBe("100");
  await page.locator('[data-testid="recent-run"][data-status="completed"]').first().waitFor();
  await expect.poll(() => button().isEnabled()).toBe(true);
});

test("a run has its own address, which survives a reload", async () => {
  await page.getByTestId("recent-run").first().click();
  await expect.poll(() => new URL(page.url()).pathname).toMatch(/^\/engine\/admin\/runs\/sync-/);
  await page.reload();
  await runStatus("completed").waitFor();
  await expect.poll(() => agents("completed").count()).toBe(9);
});

test("refused credentials end the run as failed, in words, and never as success", async () => {
  await setFaults({ trigger: [{ kind: "status", status: 401 }] });
  await button().click();
  await runStatus("failed").waitFor();
  expect(await page.getByTestId("force-sync-error").first().textContent()).toContain("credentials");
  expect(await page.getByTestId("force-sync-completed").count()).toBe(0);
  await expect.poll(() => button().isEnabled()).toBe(true);
});

test("a second tab sees the same run, and its click starts no second one", async () => {
  await setFaults({ speed: 30 });
  const second = await page.context().newPage();
  await second.goto(`${stack.url}/engine/admin`);
  await second.getByTestId("force-sync-button").waitFor();
  await button().click();
  await second.getByTestId("force-sync-loading").waitFor();
  expect(await second.getByTestId("force-sync-button").isDisabled()).toBe(true);
  await page.getByTestId("emergency-stop-button").click();
  await page.getByTestId("confirm-cancel").click();
  await runStatus("cancelled").waitFor();
  await second.locator('[data-testid="run-status"][data-status="cancelled"]').waitFor();
});

test("the Worker is killed and restarted in the middle of a run, and the page goes on where it was", async () => {
  await setFaults({ speed: 40 });
  await button().click();
  await agents("completed").first().waitFor({ timeout: RUN_LIMIT_MS });
  stack.worker.kill("SIGKILL");
  await page.locator('[data-testid="polling-indicator"]:not([data-state="live"])').waitFor();
  await stack.worker.restart();
  await page.locator('[data-testid="polling-indicator"][data-state="live"]').waitFor({ timeout: RUN_LIMIT_MS });
  await page.getByTestId("force-sync-completed").waitFor({ timeout: RUN_LIMIT_MS });
  await expect.poll(() => agents("completed").count()).toBe(9);
});

test("a phone 360 pixels wide shows everything without scrolling sideways, and the keyboard reaches the button", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(overflow).toBe(0);
  await setFaults({ trigger: [{ kind: "status", status: 400 }] });
  for (let step = 0; step < 15; step++) {
    await page.keyboard.press("Tab");
    if (await button().evaluate((element) => element === document.activeElement)) break;
  }
  await page.keyboard.press("Enter");
  await runStatus("failed").waitFor();
});
