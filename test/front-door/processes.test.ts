import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { isGroupAlive, ROOT, startProcess } from "../../scripts/processes.ts";

/** A child with a grandchild; both would live for ever. */
const FAMILY = `
  const { spawn } = require("node:child_process");
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
  process.stdout.write("ready");
  setInterval(() => {}, 1000);`;
const STUBBORN = `process.on("SIGTERM", () => {}); ${FAMILY}`;

describe.concurrent("a process and everything below it", () => {
  test("ends on stop", async () => {
    const family = startProcess({ args: ["-e", FAMILY] });
    await vi.waitFor(() => expect(family.lastOutput()).toBe("ready"), 5000);
    await family.stop();
    expect(isGroupAlive(family.pid)).toBe(false);
    expect(await family.exited).toEqual({ code: null, signal: "SIGTERM" });
  });

  test("ends on stop though it ignores SIGTERM, after 5 seconds", async () => {
    const family = startProcess({ args: ["-e", STUBBORN] });
    await vi.waitFor(() => expect(family.lastOutput()).toBe("ready"), 5000);
    const begin = performance.now();
    await family.stop();
    expect(performance.now() - begin).toBeGreaterThan(4900);
    expect(isGroupAlive(family.pid)).toBe(false);
  });

  test("ends at once on SIGKILL", async () => {
    const family = startProcess({ args: ["-e", FAMILY] });
    await vi.waitFor(() => expect(family.lastOutput()).toBe("ready"), 5000);
    family.kill("SIGKILL");
    expect(await family.exited).toEqual({ code: null, signal: "SIGKILL" });
    await vi.waitFor(() => expect(isGroupAlive(family.pid)).toBe(false), 5000);
  });

  test("ends when only the grandchild would be left", async () => {
    const family = startProcess({ args: ["-e", `${FAMILY} setTimeout(() => process.exit(3), 200);`] });
    expect(await family.exited).toEqual({ code: 3, signal: null });
    await vi.waitFor(() => expect(isGroupAlive(family.pid)).toBe(false), 5000);
  });

  test("ends when whoever started it is killed", async () => {
    const program = `
      import { startProcess } from ${JSON.stringify(join(ROOT, "scripts/processes.ts"))};
      const family = startProcess({ args: ["-e", ${JSON.stringify(FAMILY)}], onOutput: () => process.stdout.write(String(family.pid)) });`;
    const starter = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [chunk] = await once(starter.stdout, "data");
    const pid = Number(String(chunk));
    expect(isGroupAlive(pid)).toBe(true);
    starter.kill("SIGKILL");
    await vi.waitFor(() => expect(isGroupAlive(pid)).toBe(false), 5000);
  });
});
