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
    // A socket cut on purpose, a question before signing in, and what the server refuses are no faults of the page.
    const isExpected = /WebSocket|net::ERR_|status of (401|403|409|503)/.test(message.text());
    if (message.type() === "error" && !isExpected) complaints.push(message.text());
  });
  await page.goto(`${stack.url}/engine/admin`);
  await page.getByLabel(/e-?mail/i).fill(EMAIL);
  await page.getByLabel(/password/i).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByTestId("polling-indicator").and(page.locator('[data-state="live"]')).waitFor();
});

/** Leaves the workspace to the next test as it was found, whatever became of this one. */
afterEach(async () => {
  const headers = { Origin: stack.url };
  const control = (method: string, path: string, data: Readonly<Record<string, unknown>>) =>
    page.request.fetch(`${stack.url}/api/force-sync${path}`, { method, headers, data });
  await control("PUT", "/switch", { enabled: true });
  await control("POST", "/breaker/reset", {});
  await control("POST", "/cancel", {});
  await clearFaults();
  await page.context().close();
  expect(complaints).toEqual([]);
});

const button = () => page.getByTestId("force-sync-button");
const agents = (state: string) => page.locator(`[data-testid="agent-row"][data-state="${state}"]`);
const agent = (id: string, state: string) => agents(state).and(page.locator(`[data-agent="${id}"]`));
const runStatus = (status: string) => page.locator(`[data-testid="run-status"][data-status="${status}"]`);
/** As long as a run may take: the machine may be busy. */
const eventually = <Value>(read: () => Value) => expect.poll(read, { timeout: RUN_LIMIT_MS });
const recentRun = (status: string) => page.locator(`[data-testid="recent-run"][data-status="${status}"]`).first();
const press = (name: string) => page.getByRole("button", { name, exact: true }).click();

/** By a press of the button, played with these faults. Resolves to the address of the run. */
async function startRun(faults: Readonly<Record<string, unknown>>): Promise<string> {
  await setFaults(faults);
  const before = page.url();
  await button().click();
  await page.waitForURL(({ href }) => href !== before);
  return page.url();
}

async function setFaults(faults: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${stack.simulatorUrl}/simulator/faults`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(faults),
  });
  expect(response.status).toBeLessThan(300);
}

async function clearFaults(): Promise<void> {
  expect((await fetch(`${stack.simulatorUrl}/simulator/faults`, { method: "DELETE" })).status).toBeLessThan(300);
}

/** The run that is shown. */
async function cancelRun(): Promise<void> {
  await page.getByTestId("emergency-stop-button").click();
  await page.getByTestId("confirm-cancel").click();
  await runStatus("cancelled").waitFor();
}

test("a click starts a sync, nine agents finish in view, and the run is in the list", async () => {
  await button().click();
  await page.getByTestId("force-sync-loading").waitFor();
  expect(await button().isDisabled()).toBe(true);
  await agents("running").first().waitFor();
  await page.getByTestId("force-sync-completed").waitFor({ timeout: RUN_LIMIT_MS });
  await eventually(() => agents("completed").count()).toBe(9);
  expect(await page.getByTestId("progress-indicator").getAttribute("aria-valuenow")).toBe("100");
  await recentRun("completed").waitFor();
  await eventually(() => button().isEnabled()).toBe(true);
});

test("a run has its own address, which survives a reload", async () => {
  await page.getByTestId("recent-run").first().click();
  await eventually(() => new URL(page.url()).pathname).toMatch(/^\/engine\/admin\/runs\/sync-/);
  await page.reload();
  await runStatus("completed").waitFor();
  await eventually(() => agents("completed").count()).toBe(9);
});

test("refused credentials end the run as failed, and it is resumed once they are said to be valid", async () => {
  const refused = await startRun({ trigger: [{ kind: "status", status: 401 }] });
  await runStatus("failed").waitFor();
  expect(await page.getByTestId("force-sync-error").first().textContent()).toContain("credential was refused");
  expect(await page.getByTestId("force-sync-completed").count()).toBe(0);
  const notice = page.getByTestId("credential-notice");
  expect(await notice.textContent()).toContain("OPAL_STRATEGY_WORKFLOW_AUTH_KEY");
  expect(await page.getByRole("button", { name: "Retry all" }).count()).toBe(0);

  await press("Resume");
  await page.getByText("The refused credential is still the same").waitFor();
  expect(page.url()).toBe(refused);

  await page.getByLabel("It was made valid at OPAL").check();
  await press("Resume");
  await page.getByTestId("force-sync-completed").waitFor({ timeout: RUN_LIMIT_MS });
  expect(page.url()).not.toBe(refused);
  expect(await page.getByTestId("lineage").textContent()).toContain("Attempt 2, resumed from attempt 1");
  await eventually(() => button().isEnabled()).toBe(true);
});

test("the failed agents of a partial run are retried in a run of their own, and the two name each other", async () => {
  const first = await startRun({ agents: { geo_audit: { outcome: "fail" } } });
  await runStatus("partially_completed").waitFor({ timeout: RUN_LIMIT_MS });
  await press("Retry failed agents");
  await page.getByTestId("lineage").getByText("Attempt 2, a retry of attempt 1").waitFor();
  expect(page.url()).not.toBe(first);
  await runStatus("completed").waitFor({ timeout: RUN_LIMIT_MS });
  expect(await page.getByTestId("agent-row").count()).toBe(1);
  expect(await page.getByTestId("carried-over").locator("[data-agent]").count()).toBe(8);

  await page.getByTestId("lineage").getByRole("link", { name: "attempt 1" }).click();
  await page.getByText("Retried as attempt 2").waitFor();
  expect(page.url()).toBe(first);
  expect(await page.getByRole("button", { name: "Retry failed agents" }).count()).toBe(0);
});

test("an agent that has failed runs again from its row, and the run completes after all", async () => {
  await startRun({ speed: 40, agents: { integration_health: { outcome: "fail" } } });
  await agent("integration_health", "failed").getByTestId("run-again").click();
  await agent("integration_health", "completed").waitFor({ timeout: RUN_LIMIT_MS });
  await page.getByTestId("force-sync-completed").waitFor({ timeout: RUN_LIMIT_MS });
  await runStatus("completed").waitFor();
});

test("a result of an unknown form is quarantined, and the earlier one that stands in is said to be cached", async () => {
  const whole = await startRun({});
  await runStatus("completed").waitFor({ timeout: RUN_LIMIT_MS });
  await startRun({ scope: "all", agents: { geo_audit: { outcome: "invalid" } } });
  await runStatus("partially_completed").waitFor({ timeout: RUN_LIMIT_MS });
  const row = agent("geo_audit", "failed");
  expect(await row.textContent()).toMatch(/quarantined.*cached/);
  expect(await row.getByTestId("cached").textContent()).toMatch(/^From an earlier run, .* old; confidence lowered$/);
  await page.getByLabel("Details of GEO audit").click();
  await page.getByRole("link", { name: "Show the earlier run" }).click();
  await runStatus("completed").waitFor();
  expect(page.url()).toBe(whole);
});

test("a run in the way is named, another one may wait for its end, and that one can be withdrawn", async () => {
  const failed = await startRun({ trigger: [{ kind: "status", status: 400 }] });
  await runStatus("failed").waitFor();
  const active = await startRun({ speed: 10 });
  await recentRun("running").waitFor();
  await page.goto(failed);
  await press("Retry all");
  const notice = page.getByTestId("busy-notice");
  await notice.getByText(`Started by ${EMAIL}`).waitFor();
  expect(await notice.textContent()).toMatch(/(It ends probably|It takes longer) .*from \d+ past runs?\./);

  await press("Start when it has ended");
  const queue = page.getByTestId("queue-banner");
  await queue.waitFor();
  await eventually(() => notice.count()).toBe(0);
  await press("Withdraw");
  await queue.waitFor({ state: "detached" });
  await recentRun("cancelled").click();
  await page.getByText("Withdrawn while it waited for its turn.", { exact: true }).waitFor();

  await page.goto(active);
  await cancelRun();
});

test("while triggering is switched off nothing starts, and everybody is told who did it and why", async () => {
  const failed = await startRun({ trigger: [{ kind: "status", status: 400 }] });
  await runStatus("failed").waitFor();
  await page.getByTestId("emergency-switch").click();
  await page.getByLabel(/Reason/).fill("OPAL is being moved");
  await page.getByTestId("confirm-switch-off").click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  const banner = page.getByTestId("switch-banner");
  await banner.getByText(/OPAL is being moved/).waitFor();
  expect(await banner.textContent()).toContain(`by ${EMAIL}`);

  await page.getByTestId("force-sync-blocked").getByText("Blocked: triggering is switched off").waitFor();
  // It is no mute button: it leads to where more is said.
  await button().focus();
  await page.keyboard.press("Enter");
  await eventually(() => banner.evaluate((element) => element === document.activeElement)).toBe(true);
  await press("Retry all");
  await page.getByTestId("force-sync-error").getByText("Force sync is switched off").waitFor();
  expect(page.url()).toBe(failed);

  await press("Switch on");
  await banner.waitFor({ state: "detached" });
  await eventually(() => button().isEnabled()).toBe(true);
});

test("whoever may not switch triggering off is told so, and it stays on", async () => {
  await page.route("**/api/force-sync/switch", (route) =>
    route.fulfill({
      status: 403,
      contentType: "application/problem+json",
      json: { title: "This needs another role", detail: "Only an administrator may do this.", request_id: "req-1" },
    }),
  );
  await page.getByTestId("emergency-switch").click();
  await page.getByLabel(/Reason/).fill("OPAL is being moved");
  await page.getByTestId("confirm-switch-off").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Only an administrator may do this.").waitFor();
  await dialog.getByText("req-1").waitFor();
  await press("Keep it on");
  await dialog.waitFor({ state: "hidden" });
  expect(await page.getByTestId("switch-banner").count()).toBe(0);
});

test("an OPAL that does not answer blocks the button with a countdown, until the breaker is reset", async () => {
  await startRun({ trigger: [{ kind: "status", status: 503, times: 3 }] });
  const banner = page.getByTestId("breaker-banner");
  await banner.getByText(/tried again in 0:\d\d/).waitFor({ timeout: RUN_LIMIT_MS });
  await cancelRun();
  const blocked = page.getByTestId("force-sync-blocked");
  await blocked.getByText("Blocked: OPAL is not answering").waitFor();
  expect(await blocked.textContent()).toMatch(/tried again in 0:\d\d/);
  await press("Reset");
  await banner.waitFor({ state: "detached" });
  await eventually(() => button().isEnabled()).toBe(true);
});

test("a second tab sees the same run, and its click starts no second one", async () => {
  await setFaults({ speed: 30 });
  const second = await page.context().newPage();
  await second.goto(`${stack.url}/engine/admin`);
  await second.getByTestId("force-sync-button").waitFor();
  await button().click();
  await second.getByTestId("force-sync-loading").waitFor();
  expect(await second.getByTestId("force-sync-button").isDisabled()).toBe(true);
  await cancelRun();
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
  await eventually(() => agents("completed").count()).toBe(9);
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
