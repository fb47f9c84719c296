import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { CommandLineError, readCommandLine } from "../../simulator/command-line.ts";
import { listen } from "./support.ts";

const SECRETS = { OSA_WEBHOOK_SHARED_SECRET: "test-secret", OPAL_STRATEGY_WORKFLOW_AUTH_KEY: "test-key" };

describe("the command line", () => {
  test("needs nothing but the secrets", () => {
    expect(readCommandLine([], SECRETS)).toEqual({
      port: 8788,
      target: "http://127.0.0.1:8787",
      speed: 12,
      faults: {},
      verbose: false,
      webhookSecret: "test-secret",
      triggerKey: "test-key",
    });
  });

  test("prefers flags to the environment, and the environment to the file", () => {
    const folder = mkdtempSync(join(tmpdir(), "simulator-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, ".dev.vars");
    writeFileSync(path, '# values\nSIMULATOR_SPEED="1"\nSIMULATOR_PORT="1111"\nOSA_URL="http://127.0.0.1:3"\n');
    const env = { ...SECRETS, SIMULATOR_SPEED: "2", SIMULATOR_PORT: "2222" };
    const command = readCommandLine(["--env-file", path, "--port", "3333"], env);
    expect(command).toMatchObject({ port: 3333, speed: 2, target: "http://127.0.0.1:3" });
  });

  test("turns friendly flags and --fault into faults of all runs", () => {
    const args = ["--order", "parallel", "--seed", "7", "--no-resend", "--fault", '{"badSignature":1}'];
    expect(readCommandLine(args, SECRETS)).toMatchObject({
      faults: { order: "parallel", seed: 7, resend: false, badSignature: 1 },
    });
  });

  test.each([
    ["missing secrets", [], {}, /OSA_WEBHOOK_SHARED_SECRET and OPAL_STRATEGY_WORKFLOW_AUTH_KEY/],
    ["a port that is none", ["--port", "many"], SECRETS, /port must be a port number/],
    ["a speed of zero", ["--speed", "0"], SECRETS, /speed/],
    ["a target that is none", ["--target", "here"], SECRETS, /target must be an http or https address/],
    ["an unknown flag", ["--fast"], SECRETS, /--fast/],
    ["faults that are not JSON", ["--fault", "{"], SECRETS, /--fault is not JSON/],
    ["unknown faults", ["--fault", '{"boom":1}'], SECRETS, /--fault: .*boom/],
    ["an unknown order", ["--order", "random"], SECRETS, /order/],
    ["a file that is not there", ["--env-file", "/nowhere/.dev.vars"], SECRETS, /cannot be read/],
  ])("explains %s in a sentence", (_, args, env, sentence) => {
    expect(() => readCommandLine(args, env)).toThrow(CommandLineError);
    expect(() => readCommandLine(args, env)).toThrow(sentence);
  });
});

function runMain(args: readonly string[], env: Record<string, string>) {
  const main = join(import.meta.dirname, "../../simulator/main.ts");
  const child = spawn(process.execPath, [main, ...args], { env });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    output.stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output.stderr += chunk.toString();
  });
  const exit = new Promise<number | null>((resolve) => child.on("exit", resolve));
  return { child, output, exit };
}

describe("the program", () => {
  test("says one line when it is ready and ends on SIGTERM", async () => {
    const { child, output, exit } = runMain(["--port", "0"], SECRETS);
    await expect
      .poll(() => output.stdout, { timeout: 5000 })
      .toMatch(/^OPAL simulator at http:\/\/127\.0\.0\.1:\d+, .*\n$/);
    const url = /http:\S+(?=,)/.exec(output.stdout)?.[0];
    expect((await fetch(`${url}/simulator/health`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await exit).toBe(0);
    expect(output.stderr).toBe("");
  });

  test("ends with one sentence when a secret is missing", async () => {
    const { output, exit } = runMain([], { OSA_WEBHOOK_SHARED_SECRET: "only-one" });
    expect(await exit).toBe(1);
    expect(output.stderr).toMatch(/^Set OSA_WEBHOOK_SHARED_SECRET and .*\n$/);
  });

  test("ends with one sentence when the port is taken", async () => {
    const other = createServer();
    const { port } = new URL(await listen(other));
    onTestFinished(() => void other.close());
    const { output, exit } = runMain(["--port", port], SECRETS);
    expect(await exit).toBe(1);
    expect(output.stderr).toMatch(/^The port is taken .*\n$/);
  });
});
