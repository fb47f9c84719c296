import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePort, ROOT } from "../../scripts/processes.ts";

const servers: Server[] = [];
let free: Readonly<Record<string, string>> = {};

// Not the default ports: the developer's own `npm start` may be running.
beforeAll(async () => {
  free = { PORT: String(await freePort()), SIMULATOR_PORT: String(await freePort()) };
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe("npm start, before it starts anything", () => {
  for (const name of ["PORT", "SIMULATOR_PORT"]) {
    for (const host of ["127.0.0.1", "0.0.0.0"]) {
      test(`names the port and ${name} when another program listens there on ${host}`, async () => {
        const port = await occupyPort(host);
        const { status, stdout, stderr } = start({ [name]: String(port) });
        expect(stderr.trim().split("\n")).toEqual([
          `Port ${port} is already in use; set ${name} to another one, for example: ${name}=${port + (port < 65_000 ? 100 : -100)} npm start`,
        ]);
        expect(stdout).toBe("");
        expect(status).toBe(1);
      });
    }
  }

  for (const [port, sentence] of [
    ["web", 'PORT is "web", which is not a port (1 to 65535).'],
    ["0", 'PORT is "0", which is not a port (1 to 65535).'],
    ["65536", 'PORT is "65536", which is not a port (1 to 65535).'],
  ] as const) {
    test(`refuses PORT=${port} in one sentence`, () => {
      const { status, stderr } = start({ PORT: port });
      expect(stderr).toBe(`${sentence}\n`);
      expect(status).toBe(1);
    });
  }

  test("refuses one port for two programs", async () => {
    const port = String(await freePort());
    const { status, stderr } = start({ PORT: port, SIMULATOR_PORT: port });
    expect(stderr).toBe(`PORT and SIMULATOR_PORT are both ${port}; set one of them to another port.\n`);
    expect(status).toBe(1);
  });

  test("refuses a flag that it does not know", () => {
    const { status, stderr } = start({}, "--verbos");
    expect(stderr).toMatch(/^Unknown option '--verbos'.*\n$/);
    expect(status).toBe(1);
  });
});

/** Only ever with settings that are refused, so nothing is started and no file of the checkout is touched. */
function start(env: Readonly<Record<string, string>>, ...flags: string[]) {
  return spawnSync(join(ROOT, "node_modules/.bin/node"), [join(ROOT, "scripts/dev.ts"), ...flags], {
    encoding: "utf8",
    env: { ...process.env, ...free, ...env },
  });
}

function occupyPort(host: string): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    servers.push(server);
    server.once("error", fail);
    server.listen(0, host, () => {
      const address = server.address();
      done(typeof address === "object" && address ? address.port : 0);
    });
  });
}
