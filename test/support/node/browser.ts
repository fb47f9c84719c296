// A real Chromium: the system's where there is one, else the one that comes with npm.
import { existsSync } from "node:fs";
import chromium from "@sparticuz/chromium";
import { type Browser, chromium as driver } from "playwright-core";

const SYSTEM_CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/**
 * Flags for a container, and to keep Chromium from looking for hosts that a test has no business with. The package's
 * own flags are for another world: they switch off web security, and with it the Origin header.
 */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export async function openBrowser(): Promise<Browser> {
  const system = SYSTEM_CHROMIUM.find((path) => existsSync(path));
  return driver.launch({
    headless: true,
    executablePath: system ?? (await chromium.executablePath()),
    args: FLAGS,
  });
}
